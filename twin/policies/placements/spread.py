"""Spread: the nodes of a job stand in as many failure domains as they can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from twin.policies.gangs import GangPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("spread")
@dataclass(frozen=True, kw_only=True)
class Spread(GangPlacement):
    """Whole nodes from each ``across`` in turn, the one with most whole nodes free first.

    A part of a node goes to the tightest node that suffices, as under best fit. Where a domain
    fails, every job loses a little; under best fit a few jobs lose all they have there.
    """

    # the units over which a job is spread
    across: Literal["scale-up", "leaf", "rack", "cdu", "row", "ups", "hall"] = "row"

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        unit_of = pool.units(self.across)
        by_unit: dict[int, list[int]] = {}
        for node in pool.lowest_wholly_free(pool.wholly_free()):
            by_unit.setdefault(unit_of[node], []).append(node)
        units = sorted(by_unit.values(), key=lambda nodes: (-len(nodes), nodes[0]))
        return list(islice(_in_turn(units), n))


def _in_turn(lists: list[list[int]]) -> Iterator[int]:
    """One item of each list, then the next of each, until all are used up."""
    rounds = max(map(len, lists))
    return chain.from_iterable(
        (nodes[turn] for nodes in lists if turn < len(nodes)) for turn in range(rounds)
    )
