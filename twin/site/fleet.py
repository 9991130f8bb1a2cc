"""Which GPU holds what, now: the state of the hall, with the methods that alone write it."""

from __future__ import annotations

from collections.abc import Iterable

from twin.errors import InvariantError
from twin.site.index import FreeIndex
from twin.site.layout import Site

Held = tuple[tuple[int, int], ...]  # (node id, bit mask of its GPUs), one entry a node


class Fleet:
    """Free GPUs of every node, as bit masks, and the index of free places over them.

    The masks are plain Python integers in a list: they are read and written one at a time, which
    numpy does several times more slowly. Whole-fleet questions go to the arrays of `Site`.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.first_node = [site.pool_nodes(p).start for p in range(len(site.pools))]
        self.node_pool: list[int] = site.node_pool.tolist()
        self.free_mask: list[int] = [(1 << gpus) - 1 for gpus in site.node_gpus.tolist()]
        self.index = [FreeIndex(pool.nodes, pool.gpus_per_node) for pool in site.pools]

    def take(self, placement: Iterable[tuple[int, int]]) -> Held:
        """Give out GPUs: the lowest free ones of each node.

        Parameters
        ----------
        placement : iterable of (node id, number of GPUs)
            Each node once, each number at least 1.

        Raises
        ------
        InvariantError
            If a node has fewer free; nothing that was taken before it stays taken.
        """
        held: list[tuple[int, int]] = []
        free_mask, node_pool = self.free_mask, self.node_pool
        for node, gpus in placement:
            free = free_mask[node]
            before = free.bit_count()
            if not 0 < gpus <= before:
                self.give_back(held)
                raise InvariantError(
                    f"node {node} has {before} GPUs free, not the {gpus} asked of it"
                )
            left = 0
            if gpus < before:
                left = free & (free - 1)  # without its lowest bit
                for _ in range(gpus - 1):
                    left &= left - 1
            free_mask[node] = left
            pool = node_pool[node]
            self.index[pool].move(node - self.first_node[pool], before, before - gpus)
            held.append((node, free ^ left))
        return tuple(held)

    def give_back(self, held: Iterable[tuple[int, int]]) -> None:
        """Take back what `take` gave out; raises `InvariantError` if any of it is free already."""
        for node, mask in held:
            free = self.free_mask[node]
            if free & mask:
                raise InvariantError(f"node {node}: GPUs {free & mask:#x} given back but not held")
            after = free | mask
            self.free_mask[node] = after
            pool = self.node_pool[node]
            self.index[pool].move(node - self.first_node[pool], free.bit_count(), after.bit_count())
