"""Overflow of jobs that wait too long."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.errors import DomainError
from twin.policies.cloud_view import CloudView
from twin.policies.job_by_job import JobByJob
from twin.policies.view import JobView
from twin.registry import policy


@policy("by-wait")
@dataclass(frozen=True, kw_only=True)
class ByWait(JobByJob):
    """A job may overflow once it has waited for its patience, or is expected to wait longer.

    A job that starts on premise when it is submitted never does.
    """

    patience_s: float = 1800.0  # how long a job waits on premise
    foresees: bool = True  # whether a job that is expected to wait longer goes at once

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.patience_s < inf:
            raise DomainError("patience: must be 0 s or above")

    def allows(self, job: JobView, pool: int, nodes: int, cloud: CloudView) -> bool:
        due_s = job.since_s + self.patience_s
        return cloud.now_s >= due_s or (self.foresees and cloud.start_s(job) > due_s)

    def again_s(self, job: JobView, cloud: CloudView) -> float:
        due_s = job.since_s + self.patience_s
        return due_s if due_s > cloud.now_s else inf
