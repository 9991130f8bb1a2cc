"""Fault tolerance of single replicas: the healthy ones go on, the lost one joins again."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.policies.actions import Action, Hold, Requeue, Restart, Shrink
from twin.policies.base import RecoveryPolicy
from twin.policies.view import HitView
from twin.registry import policy


@policy("replicas")
@dataclass(frozen=True, kw_only=True)
class Replicas(RecoveryPolicy):
    """Healthy replicas go on after ``stall`` and lose nothing; a lost one joins when it has nodes.

    It takes its state from a healthy peer, as in TorchFT [unverified: from memory]. A job without
    a whole replica left begins again from what is saved.
    """

    replica_nodes: int = 1  # nodes of one replica
    stall_s: float = 10.0  # until the others go on

    def recover(self, hit: HitView) -> Action:
        left = hit.gang_nodes - hit.missing_nodes
        if hit.missing_gpus and left >= self.replica_nodes and not hit.shrunk:
            return Shrink(self.replica_nodes, self.stall_s, rolls_back=False)
        if hit.can_take(("spare", "free")):
            return Restart(("spare", "free"))
        return Requeue() if hit.missing_nodes == hit.gang_nodes else Hold(inf)
