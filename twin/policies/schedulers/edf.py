"""Earliest deadline first."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.policies.priority import Backfill, PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("edf")
@dataclass(frozen=True, kw_only=True)
class EarliestDeadline(PriorityScheduler):
    """Earliest deadline first; jobs without one come last, oldest first [liu1973].

    On one machine where preemption is free it meets all deadlines if any order does: [liu1973]
    for tasks that recur, [dertouzos1974] for any. A job that cannot meet its deadline any more
    keeps its place all the same.
    """

    preempts: ClassVar[bool] = True

    preemption: bool = True  # whether running jobs give way to earlier deadlines
    backfill: Backfill = "easy"

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        deadline_s = jobs.column("deadline_s")
        return np.where(np.isnan(deadline_s), inf, deadline_s)

    def gives_way(
        self, running: JobsView, keys: Keys, waiting: JobsView, key: float
    ) -> NDArray[np.bool_]:
        return (keys > key) & self.preemption
