"""Nodes that fail too often stay out of service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.errors import DomainError
from twin.policies.base import RetirementPolicy
from twin.registry import policy


@policy("too-often")
@dataclass(frozen=True, kw_only=True)
class TooOften(RetirementPolicy):
    """A node with ``faults`` faults within ``within`` is retired once it comes from repair.

    The lemon detection of [kokolis2025] goes by the same kind of count.
    """

    faults: int = 3  # so many within the time retire a node
    within_s: float = 30 * 86400.0  # the time in which faults are counted

    def __post_init__(self) -> None:
        if self.faults < 1:
            raise DomainError(f"faults: must be 1 or above, found {self.faults}")

    def retires(self, faults_s: Sequence[float], now_s: float) -> bool:
        return sum(at_s > now_s - self.within_s for at_s in faults_s) >= self.faults
