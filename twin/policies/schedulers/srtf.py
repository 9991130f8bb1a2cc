"""Shortest remaining time first, by estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin.policies.priority import PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.policies.work_left import SpeedsHeld
from twin.registry import policy


@policy("srtf")
@dataclass(frozen=True, kw_only=True)
class ShortestRemaining(PriorityScheduler):
    """Shortest expected time left first; a job gives way to one that has less left [schrage1968].

    Optimal for the mean completion time on one machine where preemption is free. Where GPUs differ
    in speed the time left is that at nominal speed, for those that run and those that wait.
    """

    preempts: ClassVar[bool] = True

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        if not jobs.running.any():
            return jobs.left_s
        held: SpeedsHeld = cluster.notes.setdefault("speeds_held", SpeedsHeld())
        return jobs.left_s * held.of(jobs, cluster)
