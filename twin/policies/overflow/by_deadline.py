"""Overflow of jobs that would be late."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from twin.policies.cloud_view import CloudView
from twin.policies.job_by_job import JobByJob
from twin.policies.view import JobView
from twin.registry import policy


@policy("by-deadline")
@dataclass(frozen=True, kw_only=True)
class ByDeadline(JobByJob):
    """A job may overflow if it is expected to miss its deadline on premise, and to meet it there.

    Jobs without a deadline never do, nor those that it is too late for anywhere.
    """

    def allows(self, job: JobView, pool: int, nodes: int, cloud: CloudView) -> bool:
        due_s = job.deadline_s
        if isnan(due_s) or cloud.start_s(job) + cloud.duration_s(job) <= due_s:
            return False
        return cloud.ready_s(pool, nodes) + cloud.duration_s(job, pool) <= due_s
