"""EASY backfill: one reservation, for the head of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twin.policies.base import Scheduler
from twin.policies.view import ClusterView, JobView, QueueView
from twin.registry import policy


@policy("easy-backfill")
@dataclass(frozen=True, kw_only=True)
class EasyBackfill(Scheduler):
    """Oldest first; a younger job may pass the head if it cannot delay it [mualem2001]."""

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[JobView]:
        while (head := queue.head) is not None and cluster.fits(head.shape, head):
            yield head
        if head is None or cluster.free_gpus == 0:
            return
        reservation = cluster.reserve(head)
        passed: JobView = head
        while job := queue.next_after(passed, reservation.latest_end_s, cluster.largest_fit()):
            if reservation.admits(job):
                yield job
            passed = job
