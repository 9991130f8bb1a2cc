"""Least attained service first: jobs of unknown length, the young before the old."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import ClassVar

import numpy as np

from twin.errors import DomainError
from twin.policies.priority import Backfill, PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("tiresias")
@dataclass(frozen=True, kw_only=True)
class Tiresias(PriorityScheduler):
    """Discretised two-dimensional least attained service [gu2019], section 3.2.

    The GPU-time that a job has held decides its queue: below the first of ``thresholds`` the first
    queue, and so on; within a queue the oldest goes first and nobody is preempted. A job that has
    waited ``promote`` times as long as it has run in all is put back into the first queue, 0 for
    never. Durations need not be known.

    Notes
    -----
    Different from Tiresias: what a job has held is not forgotten when it is put back, so that once
    it runs it is in its own queue again; of a queue the oldest by submission goes first, there the
    one that began first (from memory); and its placement by profiled models is no part of this.
    The thresholds are this program's.
    """

    preempts: ClassVar[bool] = True

    # GPU hours held from which on a job is in the next queue
    thresholds_gpu_h: tuple[float, ...] = (1.0, 10.0)
    # times of what it ran that a job waits before it goes to the first queue; 0: never
    promote: float = 0.0
    backfill: Backfill = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        edges = self.thresholds_gpu_h
        if not edges or edges[0] <= 0 or any(a >= b for a, b in pairwise(edges)):
            raise DomainError("thresholds_gpu_h: must be above 0 GPU hours and rise: [1, 10]")
        if self.promote < 0:
            raise DomainError("promote: must be 0 (never) or above")

    @property
    def reranks_s(self) -> float:
        return 300.0 if self.promote else inf

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        edges_gpu_s = 3600.0 * np.array(self.thresholds_gpu_h)
        attained_gpu_s = jobs.attained_gpu_s
        # A job at an edge has crossed it, though rounding may say otherwise.
        queue = np.searchsorted(edges_gpu_s, attained_gpu_s * (1 + 1e-9), side="right")
        if self.promote:
            ran_s = attained_gpu_s / jobs.gpus
            starves = ~jobs.running & (jobs.spell_s >= self.promote * ran_s) & (ran_s > 0)
            queue[starves] = 0
        return queue.astype(float)

    def next_change_s(self, running: JobsView, cluster: ClusterView) -> float:
        """When the first running job crosses a threshold."""
        edges_gpu_s = np.append(3600.0 * np.array(self.thresholds_gpu_h), inf)
        attained_gpu_s = running.attained_gpu_s
        queue = np.searchsorted(edges_gpu_s, attained_gpu_s * (1 + 1e-9), side="right")
        left_s = (edges_gpu_s[queue] - attained_gpu_s) / running.held_gpus
        return float(running.now_s + left_s.min()) if len(left_s) else inf
