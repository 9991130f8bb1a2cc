"""No checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.policies.base import CheckpointPolicy
from twin.policies.view import SaveView
from twin.registry import policy


@policy("none")
@dataclass(frozen=True, kw_only=True)
class NoCheckpoints(CheckpointPolicy):
    """Nothing is saved: an interruption costs all work since the start."""

    def interval_s(self, save: SaveView) -> float:
        return inf
