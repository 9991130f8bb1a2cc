"""Fragmentation gradient descent: where the least becomes unusable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.fragmentation import fragmentation
from twin.policies.placements.best_fit import BestFit
from twin.policies.shared_nodes import Ints, Share, SharedNodes, best, candidates, in_steps
from twin.registry import policy
from twin.site.shares import WHOLE, Ask


@policy("fgd")
@dataclass(frozen=True, kw_only=True)
class Fgd(BestFit):
    """The GPU on which a job makes the fragmentation of its node grow least [weng2023].

    Fragmentation is the mean, over the jobs that are expected, of the free GPUs of a node that such
    a job could not use. Nodes are ranked by ``sigmoid(decrease in GPUs)`` in ``steps`` whole steps.
    Without shared GPUs it places as best-fit does.
    """

    popularity: float = 0.95  # share of the jobs, most frequent asks first, that are expected
    steps: int = 100  # ranks of a score, as in Kubernetes; 0: none, the score counts as it is

    def __post_init__(self) -> None:
        if not 0 < self.popularity <= 1:
            raise DomainError("popularity: must be above 0 and at most 1")
        if self.steps < 0:
            raise DomainError("steps: must be 0 or above")

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        """The node and the GPUs to take there."""
        places = candidates(ask, nodes)
        if not len(places):
            return None
        measure = fragmentation(nodes, self.popularity)
        gained = measure.gained(ask, nodes)[places]
        score = self._score(gained, ask, measure.jobs)
        if gained.shape[1] == 1:
            return best(score[:, 0], places, ask, nodes)
        at = int(score.argmax())
        return int(places[at // gained.shape[1]]), (at % gained.shape[1],)

    def _score(self, gained: Ints, ask: Ask, jobs: int) -> NDArray[np.float64]:
        """Decrease of fragmentation in GPUs, through a sigmoid: from 0 to 1, more is better."""
        if not self.steps:
            return gained.astype(float)
        decrease = np.maximum(gained / jobs + ask.all_milli, -700.0 * WHOLE) / WHOLE
        return in_steps(1 / (1 + np.exp(-decrease)), self.steps)
