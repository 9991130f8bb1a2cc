"""Random: any place that will do, all alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from twin.policies.gangs import GangPlacement
from twin.policies.shared_nodes import Share, SharedNodes, drawn
from twin.policies.view import PoolView
from twin.registry import policy
from twin.site.shares import Ask


@policy("random")
@dataclass(frozen=True, kw_only=True)
class RandomFit(GangPlacement):
    """Any node with enough free GPUs, or any whole nodes, with equal chances.

    What others are measured against. Its dice are thrown by ``seed``, the size of the job and how
    often the pool has changed so far, so that a run can be repeated and the same question in the
    same state has one answer. Among shared GPUs any node that could take the job, and any GPU there
    with enough free, by a random stream of the run [weng2023].
    """

    seed: int = 0  # of the dice

    def node(self, gpus: int, pool: PoolView) -> int:
        suited = pool.having(gpus)
        return pool.nth(gpus, self._dice(gpus, pool).randrange(suited)) if suited else -1

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        size = pool.gpus_per_node
        drawn = self._dice(n * size, pool).sample(range(pool.wholly_free()), n)
        return [pool.nth(size, k) for k in sorted(drawn)]

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        return drawn(ask, nodes)

    def _dice(self, gpus: int, pool: PoolView) -> Random:
        # From text, because neighbouring numbers would be mixed too little.
        return Random(f"{self.seed}/{gpus}/{pool.changes}")
