"""Finish-time fairness: GPUs for those who fare worst against a cluster of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.errors import DomainError
from twin.policies.room import Room
from twin.policies.rounds import Grant, RoundScheduler
from twin.policies.view import ClusterView, JobView
from twin.registry import policy


@policy("themis")
@dataclass(frozen=True, kw_only=True)
class Themis(RoundScheduler):
    """Leases for the jobs with the worst finish-time fairness [mahajan2020].

    ``rho`` of a job is its time in this cluster, so far and to its expected end if it ran from now
    on, over its time on a share of ``1/n`` of the cluster, ``n`` being the jobs present. At each
    lease the worst ``1 - filter`` part of the jobs is served first; then who runs keeps its GPUs
    while there is room, then who waits, the largest ``rho`` first.

    Notes
    -----
    Of Themis this is the measure and the filter. All leases end together, there each by itself. The
    auction among those who are offered GPUs is left out: its bids tell how a job fares on other
    places, which all are alike here, and its hidden payments keep bidders honest (from memory).
    """

    round_s: float = 1200.0  # length of a lease
    filter: float = 0.8  # part of the jobs, the best off, that is served last

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.filter < 1:
            raise DomainError("filter: must be at least 0 and less than 1")

    def allocate(self, jobs: Sequence[JobView], cluster: ClusterView) -> list[Grant]:
        room = Room(cluster, [range(len(cluster.site.pools))])
        share = max(float(room.gpus()[0]), 1.0) / max(len(jobs), 1)

        def rho(job: JobView) -> float:
            alone_s = job.duration_s * max(job.gpus / share, 1.0)
            here_s = cluster.now_s - job.submit_s + job.left_s(cluster.now_s)
            return here_s / alone_s if alone_s > 0 else 0.0

        worst_first = sorted(jobs, key=lambda job: (-rho(job), job.row))
        offered = max(round((1 - self.filter) * len(jobs)), 1)
        first, rest = worst_first[:offered], worst_first[offered:]
        rest.sort(key=lambda job: job.start_s != job.start_s)  # who runs before who waits
        served = (*first, *rest)
        pools = [job.asked.pools[0] for job in served]
        return [
            Grant(job)
            for job, pool in zip(served, pools, strict=True)
            if room.take(0, job.gpus, room.level(job, pool, job.gpus))
        ]
