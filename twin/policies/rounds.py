"""Schedulers that divide the cluster anew every round."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import floor, inf
from typing import Any, ClassVar

from twin.errors import DomainError
from twin.policies.base import Decision, Scheduler
from twin.policies.decisions import Preempt, Start, Wake
from twin.policies.view import ClusterView, JobView, QueueView


@dataclass(frozen=True, slots=True)
class Grant:
    """What a job gets for a round: so many GPUs (0: as it asks) of a pool (-1: of any)."""

    job: JobView
    gpus: int = 0
    pool: int = -1


@dataclass(frozen=True, kw_only=True)
class RoundScheduler(Scheduler):
    """Asks `allocate` every ``round`` who runs on what, and sees to it.

    Running jobs that are granted nothing, or something else than they hold, are preempted; those
    granted what they hold run on undisturbed, as do those that have taken longer to start than they
    have worked since, or short rounds would be all starting. Grants whose GPUs are not free yet,
    because others save, or lie scattered over too many nodes, start within the round as soon as
    they can. A job that arrives waits for the next round, which begins early when nodes are closed
    for a reservation, or opened again. One that runs stays where it is if it is granted other GPUs
    of a cloud: put back into the queue, it may go to none.
    """

    preempts: ClassVar[bool] = True

    round_s: float = 360.0  # how often GPUs are divided anew
    depth: int = 500  # waiting jobs considered, oldest first

    def __post_init__(self) -> None:
        if not self.round_s > 0:
            raise DomainError("round: must be above 0 s")
        if self.depth < 1:
            raise DomainError("depth: must be at least 1")

    @abstractmethod
    def allocate(self, jobs: Sequence[JobView], cluster: ClusterView) -> list[Grant]:
        """Who gets what until the next round, in the order in which they are placed."""

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[Decision]:
        notes = cluster.notes
        if queue.head is None and not cluster.running:
            return
        # What is open is divided anew at once when nodes are closed or opened.
        moved = notes.get("closed") is not cluster.reserved
        if moved or cluster.now_s >= notes.get("round_ends_s", -inf):
            notes["closed"] = cluster.reserved
            # The number of the next round, not a sum: rounds must not drift.
            notes["round_ends_s"] = (floor(cluster.now_s / self.round_s + 1e-9) + 1) * self.round_s
            running: list[Any] = [job for job in cluster.running if cluster.can_preempt(job)]
            jobs = [*running, *islice(queue, self.depth)]
            grants = self.allocate(jobs, cluster) if jobs else []
            held = {job.row: job for job in running}
            granted = {grant.job.row: grant for grant in grants}
            rented = cluster.site.cloud_pools
            for job in running:
                grant = granted.get(job.row)
                stays = _has(job, grant) or _only_starts(job, cluster.now_s)
                # Put back into the queue it may go to no cloud any more.
                if not (stays or (grant is not None and grant.pool in rented)):
                    yield Preempt(job)
                    del held[job.row]
            notes["grants"] = [grant for grant in grants if grant.job.row not in held]
        yield Wake(notes["round_ends_s"])
        left = []
        for grant in notes["grants"]:
            job = grant.job
            if job.row in cluster.leaving:
                left.append(grant)  # it still saves, and holds its old GPUs until it has
            elif job.start_s == job.start_s or grant.pool not in (-1, *job.asked.pools):
                continue  # it started, or lost its leave for a cloud, though put back meanwhile
            elif not cluster.fits(cluster.shape(job, grant.gpus, grant.pool), job):
                left.append(grant)
            else:
                yield Start(job, grant.gpus, grant.pool)
        notes["grants"] = left


def _only_starts(job: JobView, now_s: float) -> bool:
    """Whether a running job has not worked yet for as long as it took to start."""
    return now_s - job.began_s < job.began_s - job.since_s


def _has(job: JobView, grant: Grant | None) -> bool:
    """Whether a running job holds just what it is granted."""
    if grant is None:
        return False
    same_pool = grant.pool < 0 or job.shape.pools == (grant.pool,)
    return same_pool and job.gpus == (grant.gpus or job.gpus)
