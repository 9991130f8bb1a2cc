"""Daly's interval for the failure rate that the job itself has seen."""

from __future__ import annotations

from dataclasses import dataclass

from twin.errors import DomainError
from twin.physics.checkpoints import daly_interval_s
from twin.policies.base import CheckpointPolicy
from twin.policies.view import SaveView
from twin.registry import policy


@policy("adaptive")
@dataclass(frozen=True, kw_only=True)
class Adaptive(CheckpointPolicy):
    """Daly's optimum for the mean time between the interruptions met so far.

    The nominal rate counts as ``prior`` interruptions: the estimate is the posterior mean of a
    gamma prior on the rate, which starts at the nominal one and follows what is observed.
    """

    prior: float = 2.0  # interruptions that the nominal rate counts as

    def __post_init__(self) -> None:
        if not self.prior > 0:
            raise DomainError(f"prior: must be above zero, found {self.prior:g}")

    def interval_s(self, save: SaveView) -> float:
        seen = self.prior + save.interruptions
        mttf_s = (self.prior * save.mttf_s + save.ran_s) / seen
        return float(daly_interval_s(save.write_s, mttf_s))
