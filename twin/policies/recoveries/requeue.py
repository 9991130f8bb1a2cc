"""Whole-job restart: give everything back and wait in the queue."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.actions import Action, Requeue, Restart
from twin.policies.base import RecoveryPolicy
from twin.policies.view import HitView
from twin.registry import policy


@policy("requeue")
@dataclass(frozen=True, kw_only=True)
class RequeueJob(RecoveryPolicy):
    """Give all nodes back and wait for a whole new gang.

    A gang that is still whole, by a standby or because only software failed, begins again where
    it is. ``keeps_place``: the job waits where its submit time puts it, before all that were
    submitted later; otherwise behind all that wait.
    """

    keeps_place: bool = True  # whether it waits where its submit time puts it

    def recover(self, hit: HitView) -> Action:
        return Restart() if hit.missing_gpus == 0 else Requeue(self.keeps_place)
