"""Fragmentation gradient descent: where the least becomes unusable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.errors import DomainError
from twin.policies.fragmentation import fragmentation
from twin.policies.placements.best_fit import BestFit
from twin.policies.shared_nodes import Share, SharedNodes, best, candidates, in_steps
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
        pool, free = nodes.pool[places], nodes.free_milli[places]
        cpus, left = nodes.free_cpu_milli[places], nodes.free_cpu_milli[places] - ask.cpu_milli
        before = measure.usable(pool, cpus, free)
        if ask.gpus == 1 and ask.milli < WHOLE:
            after = measure.usable_after(pool, left, free, ask.milli)
            gained = np.where(after >= 0, after - before[:, None], np.iinfo(np.int64).min)
            score = self._score(gained, ask, measure.jobs)
            at = int(score.argmax())
            return int(places[at // free.shape[1]]), (at % free.shape[1],)
        taken = np.zeros_like(free)
        enough = free >= max(ask.milli, 1)
        # The tightest GPUs that will do, as `tightest` has it, of all nodes at once.
        order = np.argsort(np.where(enough, free, WHOLE + 1), axis=1, kind="stable")
        np.put_along_axis(taken, order[:, : ask.gpus], ask.milli, axis=1)
        gained = measure.usable(pool, left, free - taken) - before
        return best(self._score(gained, ask, measure.jobs), places, ask, nodes)

    def _score(
        self, gained: np.ndarray[tuple[int, ...], np.dtype[np.int64]], ask: Ask, jobs: int
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Decrease of fragmentation in GPUs, through a sigmoid: from 0 to 1, more is better."""
        if not self.steps:
            return gained.astype(float)
        decrease = np.maximum(gained / jobs + ask.all_milli, -700.0 * WHOLE) / WHOLE
        return in_steps(1 / (1 + np.exp(-decrease)), self.steps)
