"""Spread: the nodes of a job stand in as many failure domains as they can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from twin.policies.base import PlacementPolicy
from twin.policies.view import Placement, PoolView
from twin.registry import policy


@policy("spread")
@dataclass(frozen=True, kw_only=True)
class Spread(PlacementPolicy):
    """Whole nodes from each ``across`` in turn, the one with most whole nodes free first.

    A part of a node goes to the tightest node that suffices, as under best fit. Where a domain
    fails, every job loses a little; under best fit a few jobs lose all they have there.
    """

    across: Literal["scale-up", "leaf", "rack", "cdu", "row", "ups", "hall"] = "row"

    def place(self, gpus: int, pool: PoolView) -> Placement | None:
        size = pool.gpus_per_node
        if gpus < size:
            node = pool.tightest(gpus)
            return None if node < 0 else ((node, gpus),)
        needed = -(-gpus // size)
        if pool.wholly_free() < needed:
            return None
        unit_of = pool.units(self.across)
        by_unit: dict[int, list[int]] = {}
        for node in pool.lowest_wholly_free(pool.wholly_free()):
            by_unit.setdefault(unit_of[node], []).append(node)
        units = sorted(by_unit.values(), key=lambda nodes: (-len(nodes), nodes[0]))
        return [(node, size) for node in islice(_in_turn(units), needed)]

    def largest(self, pool: PoolView) -> int:
        return max(pool.wholly_free() * pool.gpus_per_node, pool.most_free())


def _in_turn(lists: list[list[int]]) -> Iterator[int]:
    """One item of each list, then the next of each, until all are used up."""
    rounds = max(map(len, lists))
    return chain.from_iterable(
        (nodes[turn] for nodes in lists if turn < len(nodes)) for turn in range(rounds)
    )
