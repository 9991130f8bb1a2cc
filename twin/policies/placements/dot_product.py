"""Dot product: where least of what the job wants is left."""

from __future__ import annotations

from dataclasses import dataclass

from twin.errors import DomainError
from twin.policies.placements.best_fit import BestFit
from twin.policies.shared_nodes import Share, SharedNodes, best, candidates, in_steps, largest
from twin.registry import policy
from twin.site.shares import Ask


@policy("dot-product")
@dataclass(frozen=True, kw_only=True)
class DotProduct(BestFit):
    """The node with the smallest dot product of what is free and what is asked [weng2023].

    Both are vectors of CPUs and GPUs over those of the largest node, after Tetris [grandl2014].
    Within the node, the tightest GPU. Without shared GPUs it places as best-fit does.
    """

    steps: int = 100  # ranks of a score, as in Kubernetes; 0: none, the score counts as it is

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise DomainError("steps: must be 0 or above")

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        """The node and the GPUs to take there."""
        places = candidates(ask, nodes)
        cpus, gpus = largest(nodes)
        dot = nodes.free_cpu_milli[places] / cpus * (ask.cpu_milli / cpus)
        dot = dot + nodes.free_milli[places].sum(1) / gpus * (ask.all_milli / gpus)
        return best(in_steps(1 - dot / 2, self.steps), places, ask, nodes)
