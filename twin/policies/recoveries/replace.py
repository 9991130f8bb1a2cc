"""Replace the lost node and keep the rest of the gang: hot spares first, then free nodes."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from twin.policies.actions import Action, Hold, Requeue, Restart, Source
from twin.policies.base import RecoveryPolicy
from twin.policies.view import HitView
from twin.registry import policy


@policy("replace")
@dataclass(frozen=True, kw_only=True)
class Replace(RecoveryPolicy):
    """Take the missing nodes from ``sources`` in order; wait for one if there is none.

    ``take`` is the time to choose and prepare a node. A job that has held the rest of its gang for
    ``patience`` without getting one gives everything back and waits in the queue.
    """

    # where nodes are taken from, in order
    sources: tuple[Literal["spare", "free"], ...] = ("spare", "free")
    take_s: float = 0.0  # to choose and prepare a node
    patience_s: float = inf  # how long the rest of the gang is held

    def recover(self, hit: HitView) -> Action:
        sources: tuple[Source, ...] = self.sources
        if hit.can_take(sources):
            return Restart(sources, self.take_s)
        if hit.missing_nodes == hit.gang_nodes:
            return Requeue()
        until_s = hit.since_s + self.patience_s
        return Hold(until_s) if hit.now_s < until_s else Requeue()
