"""First fit: the lowest node that suffices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.policies.gangs import GangPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("first-fit")
@dataclass(frozen=True, kw_only=True)
class FirstFit(GangPlacement):
    """The lowest node with enough free GPUs; larger jobs take the lowest whole nodes [johnson1974].

    It fills a pool from one end, and breaks up whole nodes that best fit would have kept.
    """

    def node(self, gpus: int, pool: PoolView) -> int:
        return pool.first(gpus)

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        return pool.lowest_wholly_free(n)
