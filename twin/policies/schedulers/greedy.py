"""Whatever fits starts: the oldest first, and nothing is kept for those that do not."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.priority import Backfill, PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView
from twin.registry import policy


@policy("greedy")
@dataclass(frozen=True, kw_only=True)
class Greedy(PriorityScheduler):
    """Oldest first; a job that does not fit holds up nobody, so that large ones may starve.

    What an orchestrator without reservations does, such as Kubernetes with its queue of jobs that
    found no node.
    """

    backfill: Backfill = "any"
    depth: int = 1_000_000  # jobs looked at behind the first that does not fit

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        return jobs.submit_s
