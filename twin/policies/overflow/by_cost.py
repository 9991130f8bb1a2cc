"""Overflow of jobs whose wait is worth more than the rent."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.errors import DomainError
from twin.policies.cloud_view import CloudView
from twin.policies.job_by_job import JobByJob
from twin.policies.view import JobView
from twin.registry import policy

_HOUR_S = 3600.0


@policy("by-cost")
@dataclass(frozen=True, kw_only=True)
class ByCost(JobByJob):
    """A job may overflow if the wait that it is spared is worth more than what it costs there.

    Worth is a price of each hour by which each GPU of a job comes later. Cost is the time of its
    GPUs, provisioning included where nodes have to be rented for it, and the data that it moves
    back. What GPUs of one's own cost is not in it: they are paid for in any case.
    """

    usd_per_gpu_h_of_delay: float  # value of an hour's delay of each GPU of a job

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.usd_per_gpu_h_of_delay < inf:
            raise DomainError("usd_per_gpu_h_of_delay: must be 0 or above")

    def allows(self, job: JobView, pool: int, nodes: int, cloud: CloudView) -> bool:
        spared_s = cloud.start_s(job) - cloud.ready_s(pool, nodes)
        if spared_s == inf:
            return True
        worth_usd = self.usd_per_gpu_h_of_delay * job.gpus * spared_s / _HOUR_S
        return worth_usd > cloud.price_usd(job, pool, nodes)
