"""Nothing is rented."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twin.policies.base import OverflowPolicy
from twin.policies.cloud_view import CloudView
from twin.policies.decisions import Burst, Wake
from twin.registry import policy


@policy("never")
@dataclass(frozen=True, kw_only=True)
class Never(OverflowPolicy):
    """No node is ever rented: all jobs wait for the nodes of one's own."""

    def overflow(self, cloud: CloudView) -> Iterator[Burst | Wake]:
        yield from ()
