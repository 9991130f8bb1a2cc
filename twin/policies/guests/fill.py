"""Guests in queue order, in the widest gap that has room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf

from twin.errors import DomainError
from twin.policies.base import GuestPolicy
from twin.policies.decisions import Lodge, Preempt, Wake
from twin.policies.gap_view import GapView
from twin.policies.view import JobView
from twin.registry import policy


@policy("fill")
@dataclass(frozen=True, kw_only=True)
class Fill(GuestPolicy):
    """The oldest waiting job goes first, into the widest gap that has room for all of it.

    Opportunistic jobs behind jobs with a guarantee, as in AntMan [xiao2020], with whole jobs as
    the unit and a queue instead of a heuristic of memory and load. A guest stays until it is done,
    its hosts end or, if asked for, the gap becomes too narrow.
    """

    kinds: tuple[str, ...] = ()  # kinds of jobs that may be guests; any if empty
    qos: tuple[str, ...] = ()  # classes of service that may; any if empty
    least: float = 0.1  # speed below which no job begins as a guest
    leaves_below: float = 0.0  # speed below which guests save and leave
    patience_s: float = 0.0  # for so long a job waits for GPUs of its own first
    depth: int = 200  # waiting jobs that are looked at, the oldest

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise DomainError("least: must lie between 0 and 1")
        if not 0 <= self.leaves_below <= self.least:
            raise DomainError("leaves_below: must lie between 0 and least")
        if not 0 <= self.patience_s < inf:
            raise DomainError("patience: must be 0 s or above")
        if self.depth < 1:
            raise DomainError("depth: must be 1 or above")

    def lodge(self, view: GapView) -> Iterator[Lodge | Preempt | Wake]:
        if self.leaves_below:
            for job, speed in view.guests():
                if speed < self.leaves_below:
                    yield Preempt(job)
        gaps = [gap for gap in view.gaps() if gap.speed >= self.least]
        again_s = inf
        for job in islice(view.waiting(), self.depth):
            if not gaps:
                break
            if not self._may(job):
                continue
            due_s = job.since_s + self.patience_s
            if due_s > view.now_s:
                again_s = min(again_s, due_s)
                continue
            for gap in gaps:
                if view.fits(job, gap):
                    yield Lodge(job, gap)
                    gaps = [each for each in view.gaps() if each.speed >= self.least]
                    break
        if again_s < inf:
            yield Wake(again_s)

    def _may(self, job: JobView) -> bool:
        return (not self.kinds or job.job_kind in self.kinds) and (
            not self.qos or job.qos in self.qos
        )
