"""Best fit: the tightest node that suffices; whole nodes for jobs larger than a node."""

from __future__ import annotations

from dataclasses import dataclass

from twin.policies.base import PlacementPolicy
from twin.policies.shared_nodes import Share, SharedNodes, best, candidates, largest
from twin.policies.view import Placement, PoolView
from twin.registry import policy
from twin.site.shares import Ask


@policy("best-fit")
@dataclass(frozen=True, kw_only=True)
class BestFit(PlacementPolicy):
    """The node with the fewest free GPUs that suffice; larger jobs take the lowest whole nodes.

    Among shared GPUs, the node with the least left of CPUs and GPUs, each over those of the largest
    node, and on it the tightest GPU [weng2023].
    """

    def place(self, gpus: int, pool: PoolView) -> Placement | None:
        size = pool.gpus_per_node
        if gpus <= size:
            node = pool.tightest(gpus)
            return None if node < 0 else ((node, gpus),)
        nodes = pool.lowest_wholly_free(-(-gpus // size))
        return [(node, size) for node in nodes] or None

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        places = candidates(ask, nodes)
        cpus, gpus = largest(nodes)
        left = nodes.free_cpu_milli[places] / cpus + nodes.free_milli[places].sum(1) / gpus
        return best(-left, places, ask, nodes)

    def largest(self, pool: PoolView) -> int:
        return max(pool.wholly_free() * pool.gpus_per_node, pool.most_free())
