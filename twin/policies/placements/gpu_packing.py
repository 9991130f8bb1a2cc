"""GPU packing: GPUs in use first, then nodes in use, then the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.policies.placements.best_fit import BestFit
from twin.policies.shared_nodes import Share, SharedNodes, best, candidates
from twin.registry import policy
from twin.site.shares import WHOLE, Ask


@policy("gpu-packing")
@dataclass(frozen=True, kw_only=True)
class GpuPacking(BestFit):
    """A GPU that others share, the fullest first; else one on a node in use; else on an idle node.

    Of idle nodes, those with the fewest GPUs [weng2023]. Ranks are those of its artefact:
    tenths of a GPU. Without shared GPUs it places as best-fit does.
    """

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        """The node and the GPUs to take there."""
        places = candidates(ask, nodes)
        if not ask.gpus:
            return best(np.zeros(len(places)), places, ask, nodes)
        free = nodes.free_milli[places]
        whole = (free == WHOLE).sum(1)
        enough = np.sort(np.where(free >= ask.milli, free, WHOLE + 1), axis=1)[:, : ask.gpus]
        opened = (enough == WHOLE).sum(1)  # wholly free GPUs that it would take
        in_use = 100 - enough.sum(1) * 100 // WHOLE // 10
        score = np.where(opened > 0, np.maximum(50 - opened, 33), np.maximum(in_use, 50))
        idle = whole == nodes.gpus[places]
        score = np.where(idle, np.maximum(33 - whole, whole), score)
        return best(score.astype(float), places, ask, nodes)
