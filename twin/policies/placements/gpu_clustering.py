"""GPU clustering: jobs of a kind on the same nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.policies.placements.best_fit import BestFit
from twin.policies.shared_nodes import Share, SharedNodes, best, candidates
from twin.registry import policy
from twin.site.shares import WHOLE, Ask


@policy("gpu-clustering")
@dataclass(frozen=True, kw_only=True)
class GpuClustering(BestFit):
    """Nodes that hold only jobs of its kind, then some of its kind, then idle ones, then others.

    A kind is those that share a GPU, or those that take 1, 2, ... whole ones, as in Gandiva
    [xiao2018]; within a class, the fullest node [weng2023], by the ranks of its artefact.
    Without shared GPUs it places as best-fit does.
    """

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        """The node and the GPUs to take there."""
        places = candidates(ask, nodes)
        if not ask.gpus:
            return best(np.zeros(len(places)), places, ask, nodes)
        there = nodes.tenants[places] > 0
        own, kinds = there[:, ask.kind], there.sum(1)
        rank = np.where(own, np.where(kinds == 1, 3, 2), np.where(kinds == 0, 1, 0))
        room = nodes.most_gpus * WHOLE
        used = 25 * (room - nodes.free_milli[places].sum(1)) // room
        return best((25 * rank + used).astype(float), places, ask, nodes)
