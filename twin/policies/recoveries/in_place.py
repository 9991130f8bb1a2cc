"""Wait for the same node if it is soon back, otherwise replace it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.policies.actions import Action, Hold, Requeue, Restart
from twin.policies.base import RecoveryPolicy
from twin.policies.view import HitView
from twin.registry import policy


@policy("in-place")
@dataclass(frozen=True, kw_only=True)
class InPlace(RecoveryPolicy):
    """Hold the gang while the node is expected within ``patience`` and no other is free.

    Otherwise take a free node or a spare, which needs ``take`` to prepare; the job's own node,
    once it is back, needs nothing.
    """

    patience_s: float = 900.0  # how long the gang is held for its own node
    take_s: float = 0.0  # to prepare another node

    def recover(self, hit: HitView) -> Action:
        soon_s = hit.since_s + self.patience_s
        if hit.missing_gpus == 0:
            return Restart()
        if hit.are_back and hit.can_take(("free", "spare")):
            return Restart(("free", "spare"))
        if hit.now_s < soon_s and hit.back_s <= soon_s and not hit.can_take(("free",)):
            return Hold(soon_s)
        if hit.can_take(("free", "spare")):
            return Restart(("free", "spare"), self.take_s)
        return Requeue() if hit.missing_nodes == hit.gang_nodes else Hold(inf)
