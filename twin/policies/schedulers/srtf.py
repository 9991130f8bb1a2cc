"""Shortest remaining time first, by estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin.policies.priority import PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("srtf")
@dataclass(frozen=True, kw_only=True)
class ShortestRemaining(PriorityScheduler):
    """Shortest expected time left first; a job gives way to one that has less left [schrage1968].

    Optimal for the mean completion time on one machine where preemption is free.
    """

    preempts: ClassVar[bool] = True

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        return jobs.left_s
