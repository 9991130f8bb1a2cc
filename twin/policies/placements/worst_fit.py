"""Worst fit: the node with the most free GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.policies.gangs import GangPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("worst-fit")
@dataclass(frozen=True, kw_only=True)
class WorstFit(GangPlacement):
    """The node with the most free GPUs; larger jobs take the lowest whole nodes [johnson1974].

    Small jobs have few neighbours for as long as there is room, and whole nodes are soon gone.
    """

    def node(self, gpus: int, pool: PoolView) -> int:
        most = pool.most_free()
        return pool.exactly(most) if most >= gpus else -1

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        return pool.lowest_wholly_free(n)
