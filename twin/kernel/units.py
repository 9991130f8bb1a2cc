"""Units that may fail: which GPUs they are, whether these are on, and which jobs hold them."""

from __future__ import annotations

from collections.abc import Iterable

from twin.kernel.cluster import Cluster
from twin.kernel.job import Job
from twin.site.domains import Domains


class Units:
    """What a part, a node or a larger unit of the site takes with it when it fails."""

    def __init__(self, cluster: Cluster, domains: Domains) -> None:
        self._cluster = cluster
        self._fleet = cluster.fleet
        self._domains = domains
        site = cluster.fleet.site
        # Nothing fails in a cloud: what its provider does to nodes is a process of its own.
        self._elsewhere = {node for p in site.cloud_pools for node in site.pool_nodes(p)}

    def gpus_of(self, level: str, unit: int) -> list[tuple[int, int]]:
        """The nodes of a unit that may fail, and a bit for each GPU of it."""
        if level == "gpu":
            node, gpu = self._domains.gpu(unit)
            return [] if node in self._elsewhere else [(node, 1 << gpu)]
        nodes = self._domains.nodes(level, unit)
        return [(node, self.whole(node)) for node in nodes if node not in self._elsewhere]

    def are_elsewhere(self, level: str, unit: int) -> bool:
        """Whether a unit is all in a cloud."""
        return bool(self._elsewhere) and not self.gpus_of(level, unit)

    def whole(self, node: int) -> int:
        """A bit for each GPU of a node."""
        fleet = self._fleet
        return (1 << fleet.site.pools[fleet.node_pool[node]].gpus_per_node) - 1

    def is_off(self, level: str, unit: int, node: int) -> bool:
        """Whether a part of a node is out of service; one that jobs have yet to leave is not."""
        if node in self._fleet.dark_nodes:
            return True
        if not self._fleet.down_mask[node]:
            return False
        off = self._fleet.down_mask[node] & ~self._fleet.leaving.get(node, 0)
        return all(not gpus & ~off for _, gpus in self.gpus_of(level, unit))

    def is_idle(self, level: str, unit: int, node: int) -> bool:
        """Whether no job holds a part of a node."""
        return not (self._cluster.residents[node] and self.residents(self.gpus_of(level, unit)))

    def residents(self, nodes: Iterable[tuple[int, int]]) -> dict[int, tuple[Job, list[int]]]:
        """Jobs that hold any of these GPUs, by row, each with the nodes concerned."""
        residents, guests_on = self._cluster.residents, self._cluster.guests_on
        found: dict[int, tuple[Job, list[int]]] = {}
        for node, mask in nodes:
            for job in (*residents[node], *guests_on.get(node, ())):
                if job.held[node] & mask:
                    found.setdefault(job.row, (job, []))[1].append(node)
        return found
