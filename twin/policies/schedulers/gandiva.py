"""Time-slicing of gangs: all take turns."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.priority import Backfill, PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("time-slice")
@dataclass(frozen=True, kw_only=True)
class TimeSlice(PriorityScheduler):
    """Gangs take turns: who has run for a ``quantum`` gives way to who waits [xiao2018].

    Who has waited longest goes first. Starting again is no part of a turn. Of Gandiva this is the
    time-slicing; its packing of jobs on one GPU and its migration are not part of it.
    """

    preempts: ClassVar[bool] = True

    quantum_s: float = 60.0  # how long a gang runs before it may be made to give way
    backfill: Backfill = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.quantum_s > 0:
            raise DomainError("quantum: must be above 0 s")

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        if jobs.running.any():
            return -jobs.since_s  # who has run longest gives way first
        # Who has waited longest goes first: the queue's order would favour the same of those whose
        # turn ended together each time, so that their places are by what they have had.
        turn: int = cluster.notes.get("turn", 0)
        cluster.notes["turn"] = turn + len(jobs)
        keys = np.zeros(len(jobs))
        keys[np.lexsort((jobs.attained_gpu_s / jobs.gpus, jobs.since_s))] = np.arange(len(jobs))
        return turn + keys

    def gives_way(
        self, running: JobsView, keys: Keys, waiting: JobsView, key: float
    ) -> NDArray[np.bool_]:
        return self._has_had_its_turn(running)

    def next_change_s(self, running: JobsView, cluster: ClusterView) -> float:
        """When the next running job has had its turn."""
        ends_s = (running.began_s + self.quantum_s)[~self._has_had_its_turn(running)]
        return float(ends_s.min(initial=inf))

    def _has_had_its_turn(self, running: JobsView) -> NDArray[np.bool_]:
        # `began + quantum`, not `now - began`: the very number that it was woken at.
        return np.asarray(running.began_s + self.quantum_s <= running.now_s)
