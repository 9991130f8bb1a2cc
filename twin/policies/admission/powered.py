"""Jobs start only on power that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin.policies.base import AdmissionPolicy
from twin.registry import policy


@policy("powered")
@dataclass(frozen=True, kw_only=True)
class Powered(AdmissionPolicy):
    """Every job may queue at once, but starts only where its full power fits under every cap."""

    needs_power: ClassVar[bool] = True
