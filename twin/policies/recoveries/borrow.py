"""Spares that lesser jobs run on until they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.policies.actions import Action, Hold, Requeue, Restart
from twin.policies.base import RecoveryPolicy
from twin.policies.view import HitView
from twin.registry import policy


@policy("borrow")
@dataclass(frozen=True, kw_only=True)
class Borrow(RecoveryPolicy):
    """Spare, then free nodes; then nodes of ``pool``, whose jobs are preempted.

    They give way at once, and the node is ready after ``take_back``; what saves faster than that
    has saved. A borrowed node goes back to its pool when the job that borrowed it gives it back.
    """

    pool: str  # whose nodes are borrowed
    take_s: float = 0.0  # to choose and prepare a node
    take_back_s: float = 0.0  # to clear a borrowed node

    def recover(self, hit: HitView) -> Action:
        if hit.can_take(("spare", "free")):
            return Restart(("spare", "free"), self.take_s)
        if hit.can_take(("spare", "free", "borrow"), self.pool):
            return Restart(
                ("spare", "free", "borrow"), self.take_s, self.take_back_s, borrow_from=self.pool
            )
        return Requeue() if hit.missing_nodes == hit.gang_nodes else Hold(inf)
