"""Rail-aligned: the nodes of a job hang on the rail leaves of as few groups as they can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from twin.policies.gangs import GangPlacement, in_the_fullest_group
from twin.policies.view import Confines, PoolView, Shape
from twin.registry import policy


@policy("rail-aligned")
@dataclass(frozen=True, kw_only=True)
class RailAligned(GangPlacement):
    """The tightest group that holds the job whole; else the fewest groups, whole ones before parts.

    On a rail-optimised fat tree GPU k of every node hangs on the leaf switch of rail k, and the
    nodes whose rails end on the same leaves are a group, a scalable unit of `nodes_per_leaf` nodes.
    Within a group all rails are one switch hop long [nvidia-ib-bringup]; between groups each goes
    by way of a spine [nvidia-superpod]. A part of a node has no use for rails, and goes to the
    tightest node, of several to the group with the fewest whole nodes.

    A job that no group holds takes groups that are wholly free, so that it shares their leaves with
    nobody, then the roomiest, and its last nodes from the tightest group that has room for them.
    There are never more groups than the least possible. If one hall has that many, it takes all
    from one, of several from that with least room.

    Where ``strict``, any job waits until it can have as few groups as an empty pool would give it.
    Failed nodes and spares count as there. Nodes may then be free that it does not take; promises
    to it are made by groups as well.

    Notes
    -----
    `pack` within leaves spans as few groups, but knows nothing of halls nor of groups that are
    broken already, and its ``strict`` lets no job wait that is larger than a group.
    `topology-aware` has the least mean distance between two nodes, and may span more groups for it.
    """

    # what joins the spines of groups: a job is kept in one of them if it can be
    fabric: Literal["hall", "region", "site"] = "hall"
    strict: bool = False  # whether it waits for as few groups as an empty pool would give it

    def node(self, gpus: int, pool: PoolView) -> int:
        return in_the_fullest_group(gpus, pool, "leaf")

    def confines(self, shape: Shape, pool: PoolView) -> Confines | None:
        n = -(-shape.gpus // pool.gpus_per_node)
        if not self.strict or n == 1:
            return None
        groups = pool.groups("leaf")
        fewest = _fewest(n, sorted(map(len, groups.members), reverse=True))
        return Confines((groups,), n, fewest)

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        groups = pool.groups("leaf")
        if (one := groups.tightest(n)) >= 0:
            return pool.wholly_free_in(("leaf",), one, n)
        free, size = groups.free, list(map(len, groups.members))
        roomiest = sorted(groups.emptiest(), key=lambda group: (-free[group], size[group]))
        fewest = _fewest(n, [free[group] for group in roomiest])
        if self.strict and fewest > _fewest(n, sorted(size, reverse=True)):
            return ()
        among = self._in_one_fabric(n, fewest, roomiest, pool)
        nodes: list[int] = []
        for group in among[: fewest - 1]:
            nodes += pool.wholly_free_in(("leaf",), group, free[group])
        left = n - len(nodes)
        enough = (group for group in among[fewest - 1 :] if free[group] >= left)
        last = min(enough, key=lambda group: (free[group], -size[group]))
        return [*nodes, *pool.wholly_free_in(("leaf",), last, left)]

    def _in_one_fabric(
        self, n: int, fewest: int, roomiest: list[int], pool: PoolView
    ) -> Sequence[int]:
        """The groups of the tightest fabric in which so few hold the job; all if there is none."""
        groups, fabrics = pool.groups("leaf"), pool.groups(self.fabric)
        within: list[list[int]] = [[] for _ in range(len(fabrics))]
        for group in roomiest:
            within[fabrics.of[groups.members[group][0]]].append(group)
        room = [sum(groups.free[group] for group in those[:fewest]) for those in within]
        enough = [fabric for fabric, nodes in enumerate(room) if nodes >= n]
        tightest = min(enough, key=lambda fabric: fabrics.free[fabric], default=-1)
        return roomiest if tightest < 0 else within[tightest]

    def largest(self, pool: PoolView) -> int:
        nodes = pool.wholly_free()
        if self.strict:
            groups = pool.groups("leaf")
            have = accumulate(groups.free[group] for group in groups.emptiest())
            # What one group fewer of an empty pool holds: beyond that as many are allowed.
            fewer = accumulate(sorted(map(len, groups.members), reverse=True), initial=0)
            nodes = max(
                (room for room, less in zip(have, fewer, strict=False) if room > less), default=0
            )
        return max(nodes * pool.gpus_per_node, pool.most_free())


def _fewest(n: int, room: Sequence[int]) -> int:
    """How many groups hold ``n`` nodes, of these rooms from the largest to the least."""
    return next(k for k, nodes in enumerate(accumulate(room), 1) if nodes >= n)
