"""The base of overflow policies that look at one waiting job after another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf

from twin.errors import DomainError
from twin.policies.base import OverflowPolicy
from twin.policies.cloud_view import CloudView
from twin.policies.decisions import Burst, Wake
from twin.policies.view import JobView


@dataclass(frozen=True, kw_only=True)
class JobByJob(OverflowPolicy):
    """Goes through the waiting jobs in queue order, and through the clouds in the site's order.

    A job goes to the first cloud that has enough nodes left and that the policy allows. Nodes are
    rented for it at once; those that are rented already and free, or on their way for nobody, are
    used first. Where a node was taken away from jobs that wait for it, another is rented.
    """

    depth: int = 200  # waiting jobs that are looked at, the oldest

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise DomainError("depth: must be 1 or above")

    def overflow(self, cloud: CloudView) -> Iterator[Burst | Wake]:
        for pool in cloud.pools:
            nodes = min(cloud.short_of(pool), cloud.left(pool))
            if nodes > 0:
                yield Burst(pool, nodes)
        again_s = inf
        for job in islice(cloud.waiting(), self.depth):
            for pool in cloud.pools_for(job):
                nodes = cloud.short_of(pool, [job])
                if nodes <= cloud.left(pool) and self.allows(job, pool, nodes, cloud):
                    yield Burst(pool, nodes, [job])
                    break
            else:
                again_s = min(again_s, self.again_s(job, cloud))
        if again_s < inf:
            yield Wake(again_s)

    @abstractmethod
    def allows(self, job: JobView, pool: int, nodes: int, cloud: CloudView) -> bool:
        """Whether a job may go to a cloud, where so many nodes have to be rented for it."""

    def again_s(self, job: JobView, cloud: CloudView) -> float:
        """When to look again at a job that waits on, though nothing happens; ``inf`` for never."""
        return inf
