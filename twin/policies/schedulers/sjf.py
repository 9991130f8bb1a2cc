"""Shortest job first, by estimate."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.priority import PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("sjf")
@dataclass(frozen=True, kw_only=True)
class ShortestFirst(PriorityScheduler):
    """Shortest expected duration first, without preemption [smith1956]."""

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        return jobs.left_s
