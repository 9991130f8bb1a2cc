"""Conservative backfill: a reservation for every waiting job that is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import ClassVar

from twin.errors import DomainError
from twin.policies.base import Scheduler
from twin.policies.view import ClusterView, JobView, QueueView
from twin.registry import policy


@policy("conservative-backfill")
@dataclass(frozen=True, kw_only=True)
class ConservativeBackfill(Scheduler):
    """Oldest first; a younger job may pass if it delays no reservation [mualem2001].

    The first ``depth`` waiting jobs hold a reservation each: nodes, and a time to start. Those
    behind them start only if they can start now. `docs/explanation/scheduling.md` defines it to
    the second.
    """

    plans_whole: ClassVar[bool] = True

    # For years Slurm looked at 100 by default (from memory).
    depth: int = 100  # waiting jobs that hold a reservation; what a decision costs grows with it
    window_s: float = inf  # nothing is reserved further ahead

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise DomainError("depth: must be at least 1")
        if not self.window_s > 0:
            raise DomainError("window: must be above 0 s")

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[JobView]:
        plan = cluster.plan()
        if not len(plan):  # nothing is promised, so that all that is free stays free
            while (head := queue.head) is not None and cluster.fits(head.shape, head):
                yield head
            if head is None:
                return
        yield from plan.renew(self.window_s)
        if len(plan) < min(self.depth, len(queue)):
            for each in queue:
                if len(plan) == self.depth:
                    break
                if each not in plan and plan.promise(each, self.window_s):
                    yield each
        if len(plan) == len(queue):
            return
        passed = plan.last
        while job := queue.next_after(passed, plan.deadline_s, cluster.largest_fit()):
            if plan.fits(job):
                yield job
            passed = job
