"""Daly's higher-order optimum [daly2006]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from twin.physics.checkpoints import daly_interval_s
from twin.policies.base import CheckpointPolicy
from twin.policies.view import SaveView
from twin.registry import policy


@policy("daly")
@dataclass(frozen=True, kw_only=True)
class Daly(CheckpointPolicy):
    """Daly's higher-order optimum [daly2006].

    From the nominal failure rates of all that the job needs.
    """

    def interval_s(self, save: SaveView) -> float:
        return _interval_s(save.write_s, save.mttf_s)


@lru_cache(maxsize=4096)
def _interval_s(write_s: float, mttf_s: float) -> float:
    return float(daly_interval_s(write_s, mttf_s))
