"""Nodes held back, and filled up again from those that come from repair."""

from __future__ import annotations

from twin.kernel.cluster import Cluster
from twin.site.domains import Domains


class Spares:
    """Holds back the last nodes of each unit, as many as its pool asks for.

    A spare that a job takes is missing until some node of the unit comes back into service.
    """

    def __init__(self, cluster: Cluster, domains: Domains) -> None:
        self._cluster = cluster
        self._domains = domains
        self._wanted: dict[tuple[int, int], int] = {}  # (pool, unit) -> spares
        for p, pool in enumerate(domains.site.pools):
            for node in reversed(domains.site.pool_nodes(p)) if pool.spares else ():
                unit = self._unit(node)
                if self._wanted.setdefault(unit, 0) < pool.spares:
                    self._wanted[unit] += 1
                    cluster.fleet.set_aside(node)
        cluster.changed()

    def refill(self, node: int) -> None:
        """A node is back: it becomes a spare, where there are fewer than there should be."""
        if not self._wanted:
            return
        fleet, unit = self._cluster.fleet, self._unit(node)
        size = fleet.site.pools[fleet.node_pool[node]].gpus_per_node
        if fleet.free_mask[node].bit_count() == size:
            have = sum(self._unit(spare) == unit for spare in fleet.spare_nodes)
            if have < self._wanted.get(unit, 0):
                fleet.set_aside(node)

    def _unit(self, node: int) -> tuple[int, int]:
        site = self._domains.site
        pool = int(site.node_pool[node])
        per = site.pools[pool].spares_per
        return pool, 0 if per == "pool" else int(self._domains.unit_of(per)[node])
