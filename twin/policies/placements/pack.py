"""Pack: the nodes of a job stand in as few units of a level as they can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twin.policies.gangs import GangPlacement, in_the_fullest_group
from twin.policies.view import Confines, PoolView, Shape
from twin.registry import policy


@policy("pack")
@dataclass(frozen=True, kw_only=True)
class Pack(GangPlacement):
    """The unit of a level that holds the job whole and has least room; else the fewest units.

    That is what Slurm does below the lowest switch that has room [slurm-topology]. A job that no
    unit can hold takes the roomiest units first, which makes them as few as can be, and the rest
    from the tightest that suffices. A part of a node goes to the tightest node, and of several to
    the unit with the fewest whole nodes.

    Where ``strict``, a job that an empty unit could hold waits until one has room for it. Whole
    nodes may then be free that it does not take; promises to it are made by units as well.
    """

    # the units of which a job is to span few
    within: Literal["scale-up", "leaf", "rack", "cdu", "row", "ups", "hall"] = "leaf"
    strict: bool = False  # whether it waits for a unit that holds it whole

    def node(self, gpus: int, pool: PoolView) -> int:
        return in_the_fullest_group(gpus, pool, self.within)

    def confines(self, shape: Shape, pool: PoolView) -> Confines | None:
        groups, n = pool.groups(self.within), -(-shape.gpus // pool.gpus_per_node)
        if self.strict and 1 < n <= groups.largest:
            return Confines((groups,), n)
        return None

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        groups, level = pool.groups(self.within), (self.within,)
        if self.strict and groups.most() < n <= groups.largest:
            return ()
        nodes: list[int] = []
        taken = set()
        for group in groups.emptiest():
            left = n - len(nodes)
            if left <= groups.free[group]:
                tightest = groups.tightest(left)
                # One that is taken already has no more room than this one, or it were not tightest.
                last = group if tightest in taken else tightest
                return [*nodes, *pool.wholly_free_in(level, last, left)]
            nodes += pool.wholly_free_in(level, group, left)
            taken.add(group)
        return ()  # there were fewer whole nodes than was promised

    def largest(self, pool: PoolView) -> int:
        groups, nodes = pool.groups(self.within), pool.wholly_free()
        if self.strict and nodes <= groups.largest:
            nodes = groups.most()
        return max(nodes * pool.gpus_per_node, pool.most_free())
