"""A checkpoint every so often."""

from __future__ import annotations

from dataclasses import dataclass

from twin.errors import DomainError
from twin.policies.base import CheckpointPolicy
from twin.policies.view import SaveView
from twin.registry import policy


@policy("fixed")
@dataclass(frozen=True, kw_only=True)
class Fixed(CheckpointPolicy):
    """After ``every`` of work, whatever fails how often."""

    every_s: float  # work between two checkpoints

    def __post_init__(self) -> None:
        if not self.every_s > 0:
            raise DomainError(f"every: must be above zero, found {self.every_s:g} s")

    def interval_s(self, save: SaveView) -> float:
        return self.every_s
