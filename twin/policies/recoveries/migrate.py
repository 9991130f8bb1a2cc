"""Move away before the hardware fails, where the failure is foreseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin.policies.recoveries.replace import Replace
from twin.registry import policy


@policy("migrate")
@dataclass(frozen=True, kw_only=True)
class Migrate(Replace):
    """As ``replace``; and on a warning the job saves and moves to another node, losing nothing.

    How many failures are foreseen, and how many warnings are false, is a property of the failure
    class (``predicted``), not of the policy.
    """

    heeds_warnings: ClassVar[bool] = True
