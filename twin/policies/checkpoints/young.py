"""sqrt(2 w M), the first-order optimum [young1974]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from twin.physics.checkpoints import young_interval_s
from twin.policies.base import CheckpointPolicy
from twin.policies.view import SaveView
from twin.registry import policy


@policy("young")
@dataclass(frozen=True, kw_only=True)
class Young(CheckpointPolicy):
    """sqrt(2 w M), the first-order optimum [young1974].

    From the nominal failure rates of all that the job needs.
    """

    def interval_s(self, save: SaveView) -> float:
        return _interval_s(save.write_s, save.mttf_s)


@lru_cache(maxsize=4096)
def _interval_s(write_s: float, mttf_s: float) -> float:
    return float(young_interval_s(write_s, mttf_s))
