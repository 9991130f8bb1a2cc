"""Virtual clusters: quotas, borrowing what others leave idle, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import Any, ClassVar

import numpy as np

from twin.errors import DomainError
from twin.policies.base import Decision, Scheduler
from twin.policies.decisions import Preempt, Start
from twin.policies.labels import Waiting, require_any
from twin.policies.view import ClusterView, JobView, QueueView, UsageView
from twin.registry import policy


@policy("quotas")
@dataclass(frozen=True, kw_only=True)
class Quotas(Scheduler):
    """Weighted fair share: each group has so many GPUs for certain, and more while others leave it.

    ``gpus`` gives the quota of each group; the name of a group may be a path such as ``lab/vision``
    and a quota may stand for any beginning of it, so that quotas nest: a job is within quota if it
    is at every level. Who holds the least of its quota goes first, oldest job first. A job within
    quota that does not fit takes GPUs back from groups beyond theirs, the job that started last
    first, if ``reclaim`` is true. Beyond quota a job may borrow what is free, those first who are
    beyond at the fewest levels. Groups without a quota can only borrow.

    Notes
    -----
    Philly takes back only when nine tenths of the GPUs are in use (from memory), here at once.

    Sources
    -------
    [vavilapalli2013] for queues with capacities that borrow from one another; [jeon2019], section
    2.3, for virtual clusters and for taking back by preemption.
    """

    preempts: ClassVar[bool] = True

    gpus: dict[str, int] = field(default_factory=dict)  # quota of each group; it must be given
    reclaim: bool = True  # whether who is within quota takes GPUs back
    borrow: bool = True  # whether groups may hold more than their quota

    def __post_init__(self) -> None:
        if not self.gpus:
            raise DomainError("gpus: give each group its quota: {vision: 64, speech: 32}")
        if any(quota < 0 for quota in self.gpus.values()):
            raise DomainError("gpus: quotas must be 0 or above")

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[Decision]:
        if queue.head is None:
            return
        usage = cluster.usage("group")
        if "waiting" not in cluster.notes:
            known = {level for name in usage.names for level in levels(name)}
            require_any("quotas.gpus", self.gpus, known, "group")
        waiting: Waiting = cluster.notes.setdefault("waiting", Waiting("group"))
        waiting.update(queue, cluster)
        yield from self._start(queue, cluster, waiting, usage, beyond=False)
        if self.borrow and cluster.free_gpus and not cluster.leaving:
            waiting.update(queue, cluster)  # who gave way for nothing may borrow elsewhere
            yield from self._start(queue, cluster, waiting, usage, beyond=True)

    def _start(
        self,
        queue: QueueView,
        cluster: ClusterView,
        waiting: Waiting,
        usage: UsageView,
        *,
        beyond: bool,
    ) -> Iterator[Decision]:
        open_ = set(waiting.labels())
        coming: dict[int, JobView] = {}  # the last job of each label that others make room for
        claims: list[JobView] = []  # all such jobs
        while open_:
            used = self._used(usage, cluster, claims)
            label = min(
                open_,
                key=lambda one: (
                    self._use(usage.names[one], used, beyond),
                    _or_last(waiting.oldest(one, queue)),  # of equals, who has waited longest
                ),
            )
            if label in coming:
                row = waiting.behind(label, coming[label].row, queue)
            else:
                row = waiting.oldest(label, queue)
            job = queue.job(row) if row is not None else None
            name = usage.names[label]
            if job is None or (not beyond and self._levels_beyond(name, used, job.gpus)):
                open_.remove(label)
            elif not claims and cluster.fits(job.shape, job):
                yield job
            elif beyond or not self.reclaim:
                open_.remove(label)
            else:
                yield from self._take_back(job, cluster, usage, used, claims)
                if claims and claims[-1] is job:
                    coming[label] = job
                elif queue.still_waiting(np.array([job.row]))[0]:
                    open_.remove(label)

    def _take_back(
        self,
        job: JobView,
        cluster: ClusterView,
        usage: UsageView,
        used: dict[str, int],
        claims: list[JobView],
    ) -> Iterator[Decision]:
        """Preempt the borrowers that stand in the way of a job within its quota.

        It starts if it can, and is claimed a place for if others save for it.
        """
        sketch = cluster.sketch()
        for other in claims:
            sketch.place(other.shape, other)
        place = sketch.place(job.shape, job)
        if place is not None:  # others save for it already, or it fits beside them
            if sketch.is_free_now(place):
                yield Start(job, at=place)
            else:
                claims.append(job)
            return
        used = dict(used)
        victims: list[Any] = []
        for other in sorted(cluster.running, key=lambda one: -one.start_s):
            name = usage.names[int(usage.codes[other.row])]
            if not cluster.can_preempt(other) or not self._levels_beyond(name, used, 0):
                continue
            for level in levels(name):
                used[level] -= other.gpus
            sketch.release(other)
            victims.append(other)
            place = sketch.place(job.shape, job)
            if place is not None:
                break
        if place is None:
            return
        nodes = {node for node, _ in place}
        for victim in victims:
            if not nodes.isdisjoint(victim.held):
                yield Preempt(victim)
        if sketch.is_free_now(place):
            yield Start(job, at=place)
        else:
            claims.append(job)

    def _used(
        self, usage: UsageView, cluster: ClusterView, claims: list[JobView]
    ) -> dict[str, int]:
        """GPUs held at every level of every group, once all have saved that save."""
        held = list(usage.held_gpus)
        for job in cluster.leaving.values():
            held[int(usage.codes[job.row])] -= job.gpus
        for job in claims:
            held[int(usage.codes[job.row])] += job.gpus
        used: dict[str, int] = {}
        for name, gpus in zip(usage.names, held, strict=True):
            for level in levels(name):
                used[level] = used.get(level, 0) + gpus
        return used

    def _levels_beyond(self, name: str, used: dict[str, int], more: int) -> int:
        """At how many levels a group with so many GPUs more would be beyond its quota."""
        if not any(level in self.gpus for level in levels(name)):
            return 1
        return sum(used[level] + more > self.gpus.get(level, inf) for level in levels(name))

    def _use(self, name: str, used: dict[str, int], beyond: bool) -> tuple[float, float]:
        """What a group holds over its quota; first by the levels at which it is beyond."""
        quota = next((self.gpus[v] for v in reversed(levels(name)) if v in self.gpus), 0)
        held = used[name] / quota if quota else inf
        return (self._levels_beyond(name, used, 1) if beyond else 0), held


def _or_last(row: int | None) -> float:
    return inf if row is None else row


@cache
def levels(name: str) -> tuple[str, ...]:
    """A group and all that it belongs to, the largest first: ``lab``, ``lab/vision``."""
    parts = name.split("/")
    return tuple("/".join(parts[: n + 1]) for n in range(len(parts)))
