"""The exact optimum for exponential failures, by the Lambert function."""

from __future__ import annotations

from dataclasses import dataclass

from twin.physics.checkpoints import best_interval_s
from twin.policies.base import CheckpointPolicy
from twin.policies.view import SaveView
from twin.registry import policy


@policy("best")
@dataclass(frozen=True, kw_only=True)
class Best(CheckpointPolicy):
    """The exact optimum for exponential failures, by the Lambert function.

    From the nominal failure rates of all that the job needs.
    """

    def interval_s(self, save: SaveView) -> float:
        return float(best_interval_s(save.write_s, save.mttf_s))
