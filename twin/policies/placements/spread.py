"""Spread: the nodes of a job stand in as many failure domains as they can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
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
        level, free = (self.across,), pool.groups(self.across).free
        units = list(islice(pool.groups(self.across).emptiest(), n))
        turns, left, wide = 0, n, len(units)
        while left > 0:
            while free[units[wide - 1]] == turns:  # used up; the last have least
                wide -= 1
            turns, left = turns + 1, left - wide
        nodes = [pool.wholly_free_in(level, unit, turns) for unit in units]
        return list(islice(_in_turn(nodes), n))


def _in_turn(lists: list[list[int]]) -> Iterator[int]:
    """One item of each list, then the next of each, until all are used up; longest lists first."""
    for turn in range(len(lists[0])):
        for nodes in lists:
            if turn >= len(nodes):
                break
            yield nodes[turn]
