"""EASY backfill: one reservation, for the head of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from twin.policies.base import Scheduler
from twin.policies.view import ClusterView, JobView, QueueView, Shape
from twin.registry import policy


@policy("easy-backfill")
@dataclass(frozen=True, kw_only=True)
class EasyBackfill(Scheduler):
    """Oldest first; a younger job may pass the head if it cannot delay it [mualem2001]."""

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[JobView]:
        while (head := queue.head) is not None and cluster.fits(head.shape):
            yield head
        if head is None or cluster.free_gpus == 0:
            return
        reservation = cluster.reserve(head)

        def deadline_s(shape: Shape) -> float:
            if not cluster.fits(shape):
                return -inf
            return inf if reservation.leaves_room_for(shape) else reservation.start_s

        passed: JobView = head
        while job := queue.next_after(passed, deadline_s, cluster.largest_fit()):
            yield job
            passed = job
