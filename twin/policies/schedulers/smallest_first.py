"""Smallest job first, by the GPUs that it asks for."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.priority import PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("smallest-first")
@dataclass(frozen=True, kw_only=True)
class SmallestFirst(PriorityScheduler):
    """Fewest GPUs first, without preemption [majumdar1988]."""

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        return jobs.gpus.astype(float)
