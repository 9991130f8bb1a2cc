"""EASY backfill: one reservation, for the head of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from twin.errors import DomainError
from twin.policies.base import Scheduler
from twin.policies.view import ClusterView, JobView, QueueView
from twin.registry import policy


@policy("easy-backfill")
@dataclass(frozen=True, kw_only=True)
class EasyBackfill(Scheduler):
    """Oldest first; a younger job may pass the head if it cannot delay it [mualem2001].

    Where the head would start beyond ``window``, nothing is reserved for it, and whatever fits
    passes.
    """

    depth: int = 1_000_000  # waiting jobs looked at behind the head
    window_s: float = inf  # nothing is reserved further ahead

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise DomainError("depth: must be 0 or above")
        if not self.window_s > 0:
            raise DomainError("window: must be above 0 s")

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[JobView]:
        while (head := queue.head) is not None and cluster.fits(head.shape, head):
            yield head
        if head is None or cluster.free_gpus == 0:
            return
        reservation = cluster.reserve(head)
        holds = reservation.start_s <= cluster.now_s + self.window_s
        limits = reservation if holds else cluster
        last_row = int(queue.rows[self.depth]) if self.depth < len(queue) else inf
        passed: JobView = head
        while job := queue.next_after(passed, limits.latest_end_s, cluster.largest_fit()):
            if job.row > last_row:
                return
            if reservation.admits(job) if holds else cluster.fits(job.shape, job):
                yield job
            passed = job
