"""Least attained service first: jobs of unknown length, the young before the old."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.priority import Backfill, PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy

_LOOK_EVERY_S = 300.0  # for jobs that starve


@policy("tiresias")
@dataclass(frozen=True, kw_only=True)
class Tiresias(PriorityScheduler):
    """Discretised two-dimensional least attained service [gu2019], section 3.2.

    The GPU-time that a job has held decides its queue: below the first of ``thresholds`` the first
    queue, and so on; within a queue the oldest goes first and nobody is preempted. A job that has
    waited ``promote`` times as long as it has run in all begins anew in the first queue, 0 for
    never; that is looked at every five minutes. Durations need not be known.

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
        return _LOOK_EVERY_S if self.promote else inf

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        counted_gpu_s = self._counted_gpu_s(jobs, cluster)
        if self.promote:
            attained_gpu_s = jobs.attained_gpu_s
            ran_s = attained_gpu_s / jobs.gpus
            starves = ~jobs.running & (jobs.spell_s >= self.promote * ran_s) & (ran_s > 0)
            # What it held so far counts no more, or it would give way as soon as it has started.
            now_gpu_s = attained_gpu_s[starves].tolist()
            rows = jobs.rows[starves].tolist()
            cluster.notes["forgiven_gpu_s"].update(zip(rows, now_gpu_s, strict=True))
            counted_gpu_s[starves] = 0.0
        return self._queue(counted_gpu_s).astype(float)

    def next_change_s(self, running: JobsView, cluster: ClusterView) -> float:
        """When the first running job crosses a threshold, or those who starve are looked for."""
        counted_gpu_s = self._counted_gpu_s(running, cluster)
        edges_gpu_s = np.append(3600.0 * np.array(self.thresholds_gpu_h), inf)
        left_gpu_s = edges_gpu_s[self._queue(counted_gpu_s)] - counted_gpu_s
        crosses_s = running.now_s + (left_gpu_s / running.held_gpus).min(initial=inf)
        return float(min(crosses_s, cluster.notes["ranking"].as_of_s + self.reranks_s))

    def _queue(self, counted_gpu_s: Keys) -> NDArray[np.int64]:
        """(n,) which queue so much GPU-time puts a job into."""
        edges_gpu_s = 3600.0 * np.array(self.thresholds_gpu_h)
        # A job at an edge has crossed it, though rounding may say otherwise.
        return np.searchsorted(edges_gpu_s, counted_gpu_s * (1 + 1e-9), side="right")

    def _counted_gpu_s(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        """(n,) GPU-time held since a job was last promoted. [GPU s]"""
        attained_gpu_s = jobs.attained_gpu_s
        if not self.promote:
            return attained_gpu_s
        forgiven_gpu_s: dict[int, float] = cluster.notes.setdefault("forgiven_gpu_s", {})
        return attained_gpu_s - [forgiven_gpu_s.get(row, 0.0) for row in jobs.rows.tolist()]
