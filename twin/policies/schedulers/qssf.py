"""Shortest predicted service first: durations learnt from jobs that have ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin.errors import DomainError
from twin.policies.base import Decision
from twin.policies.priority import PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView, QueueView
from twin.registry import policy

_LEAST = 3  # jobs from which on a history tells something


@policy("qssf")
@dataclass(frozen=True, kw_only=True)
class ShortestPredicted(PriorityScheduler):
    """Least predicted GPU-time first, without preemption: QSSF of Helios [hu2021].

    The prediction is the ``quantile`` of the durations of the last ``memory`` jobs of the same user
    and size that have ended by now; where there are fewer than three, of the same user, then of the
    same size, then of all. Nothing is known of a job that has not ended: neither its estimate nor
    how long others still running will take.

    Notes
    -----
    Helios blends a prediction like this one, from jobs of the same user and a like name, with that
    of a trained tree (from memory). There is no tree here, and names are not looked at.
    """

    quantile: float = 0.5  # of the durations remembered, which is the prediction
    memory: int = 50  # jobs remembered of each user and size
    first_guess_s: float = 3600.0  # before three jobs have ended

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.quantile < 1:
            raise DomainError("quantile: must be between 0 and 1")
        if self.memory < _LEAST:
            raise DomainError(f"memory: must be at least {_LEAST}")

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[Decision]:
        self._learn(cluster)
        yield from super().choose(queue, cluster)

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        users, gpus = jobs.codes("user")[0].tolist(), jobs.gpus.tolist()
        known = cluster.notes.get("history", {})
        guess_s = [self._predicted_s(known, *each) for each in zip(users, gpus, strict=True)]
        return np.array(guess_s) * jobs.gpus

    def _predicted_s(self, known: dict[Any, deque[float]], user: int, gpus: int) -> float:
        for label in ((user, gpus), (user, 0), (-1, gpus), (-1, 0)):
            found = known.get(label)
            if found is not None and len(found) >= _LEAST:
                return float(np.quantile(found, self.quantile))
        return self.first_guess_s

    def _learn(self, cluster: ClusterView) -> None:
        """Take up the durations of jobs that have ended since."""
        if cluster.ended is None:
            cluster.ended = []
        known: dict[Any, deque[float]] = cluster.notes.setdefault("history", {})
        for job in cluster.ended:
            user = int(cluster.usage("user").codes[job.row])
            for label in ((user, job.gpus), (user, 0), (-1, job.gpus), (-1, 0)):
                known.setdefault(label, deque(maxlen=self.memory)).append(job.run_s)
        cluster.ended.clear()
