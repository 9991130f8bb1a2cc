"""Best fit: the tightest node that suffices; whole nodes for jobs larger than a node."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.base import PlacementPolicy
from twin.policies.view import Placement, PoolView
from twin.registry import policy


@policy("best-fit")
@dataclass(frozen=True, kw_only=True)
class BestFit(PlacementPolicy):
    """The node with the fewest free GPUs that suffice; larger jobs take the lowest whole nodes."""

    def place(self, gpus: int, pool: PoolView) -> Placement | None:
        size = pool.gpus_per_node
        if gpus <= size:
            node = pool.tightest(gpus)
            return None if node < 0 else ((node, gpus),)
        nodes = pool.lowest_wholly_free(-(-gpus // size))
        return [(node, size) for node in nodes] or None

    def largest(self, pool: PoolView) -> int:
        return max(pool.wholly_free() * pool.gpus_per_node, pool.most_free())
