"""Data-parallel jobs that shrink and grow: all replicas begin again, fewer of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.policies.actions import Action, Hold, Requeue, Restart, Shrink, Source
from twin.policies.base import RecoveryPolicy
from twin.policies.view import HitView
from twin.registry import policy


@policy("elastic")
@dataclass(frozen=True, kw_only=True)
class Elastic(RecoveryPolicy):
    """Drop the replicas that are hit and go on with the others; grow again when nodes come.

    Both begin again from what is saved. ``replica_nodes`` make one replica; below ``least`` of the
    whole gang the job holds what it has and waits.
    """

    replica_nodes: int = 1  # nodes of one replica
    least: float = 0.5  # share of the gang below which the job waits
    take_s: float = 0.0  # to prepare a node

    def recover(self, hit: HitView) -> Action:
        sources: tuple[Source, ...] = ("spare", "free")
        if hit.can_take(sources):
            return Restart(sources, self.take_s)
        there, more = hit.gang_nodes - hit.missing_nodes, hit.can_get(sources)
        whole = (there + more) // self.replica_nodes * self.replica_nodes
        if whole < max(self.least * hit.gang_nodes, 1):
            return Hold(inf) if there else Requeue()
        return Shrink(self.replica_nodes, self.take_s if whole > there else 0.0, sources=sources)
