"""First in, first out: nothing passes the head of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twin.policies.base import Scheduler
from twin.policies.view import ClusterView, JobView, QueueView
from twin.registry import policy


@policy("fifo")
@dataclass(frozen=True, kw_only=True)
class Fifo(Scheduler):
    """Oldest first; stops at the first job that does not fit."""

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[JobView]:
        while (head := queue.head) is not None and cluster.fits(head.shape, head):
            yield head
