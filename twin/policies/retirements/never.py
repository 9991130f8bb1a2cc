"""Every node that was mended goes back into service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.policies.base import RetirementPolicy
from twin.registry import policy


@policy("never")
@dataclass(frozen=True, kw_only=True)
class Never(RetirementPolicy):
    """No node is retired."""

    def retires(self, faults_s: Sequence[float], now_s: float) -> bool:
        return False
