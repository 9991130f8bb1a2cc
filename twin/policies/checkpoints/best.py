"""The exact optimum for exponential failures, by the Lambert function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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
        return _interval_s(save.write_s, save.mttf_s)


@lru_cache(maxsize=4096)
def _interval_s(write_s: float, mttf_s: float) -> float:
    return float(best_interval_s(write_s, mttf_s))
