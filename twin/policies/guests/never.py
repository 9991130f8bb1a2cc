"""No guests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twin.policies.base import GuestPolicy
from twin.policies.decisions import Lodge, Preempt, Wake
from twin.policies.gap_view import GapView
from twin.registry import policy


@policy("never")
@dataclass(frozen=True)
class Never(GuestPolicy):
    """Gaps stay empty."""

    def lodge(self, view: GapView) -> Iterator[Lodge | Preempt | Wake]:
        yield from ()
