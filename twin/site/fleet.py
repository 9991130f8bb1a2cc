"""Which GPU holds what, now: the state of the hall, with the methods that alone write it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from math import inf

from twin.errors import InvariantError
from twin.site.domains import Domains
from twin.site.index import FreeIndex
from twin.site.layout import Site

Held = dict[int, int]  # node id -> bit mask of its GPUs


def _nothing(node: int) -> None:
    """Nobody wants to know."""


@lru_cache(maxsize=32)
def _units(domains: Domains, pool: int, level: str) -> list[int]:
    """The unit of a level that each node of a pool stands in."""
    nodes = domains.site.pool_nodes(pool)
    found: list[int] = domains.unit_of(level)[nodes.start : nodes.stop].tolist()
    return found


class Fleet:
    """Free GPUs of every node, as bit masks, and the index of free places over them.

    The masks are plain Python integers in a list: they are read and written one at a time, which
    numpy does several times more slowly. Whole-fleet questions go to the arrays of `Site`.

    A GPU is free, held by a job, down, a spare or dark. One that is down while a job still holds it
    is to leave service: the job saves its work first.

    Attributes
    ----------
    free_mask, down_mask : list of int
        By node, a bit a GPU.
    spare_nodes : set of int
        Nodes held back.
    dark_nodes : set of int
        Nodes that are switched off, those that are waking included.
    cordoned : set of int
        Nodes on which no job may start: what of them is not held is dark.
    leaving : dict of int to int
        GPUs that are down but still held, by node.
    before_leaving : callable
        Called with a node just before such GPUs of it are given back.
    before_failing : callable
        Called with a node that is dark just before it goes down.
    up_s : dict of int to float
        When nodes that are down are expected back, and those that wake in service. [s]
    free_gpus, down_gpus, spare_gpus, dark_gpus : int
        Totals; those that a job still holds are not down yet.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.first_node = [site.pool_nodes(p).start for p in range(len(site.pools))]
        self.node_pool: list[int] = site.node_pool.tolist()
        self.free_mask: list[int] = [(1 << gpus) - 1 for gpus in site.node_gpus.tolist()]
        domains = Domains(site)
        self.index = [
            FreeIndex(pool.nodes, pool.gpus_per_node, partial(_units, domains, p))
            for p, pool in enumerate(site.pools)
        ]
        self.down_mask: list[int] = [0] * site.n_nodes
        self.spare_nodes: set[int] = set()
        self.dark_nodes: set[int] = set()
        self.cordoned: set[int] = set()
        self.before_failing: Callable[[int], None] = _nothing
        self.up_s: dict[int, float] = {}
        self.leaving: dict[int, int] = {}
        self.before_leaving: Callable[[int], None] = _nothing
        self.free_gpus = site.n_gpus
        self.down_gpus = 0
        self.spare_gpus = 0
        self.dark_gpus = 0

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
        held: Held = {}
        taken = 0
        free_mask, node_pool = self.free_mask, self.node_pool
        for node, gpus in placement:
            free = free_mask[node]
            before = free.bit_count()
            if not 0 < gpus <= before:
                self.free_gpus -= taken
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
            held[node] = free ^ left
            taken += gpus
        self.free_gpus -= taken
        return held

    def give_back(self, held: Mapping[int, int]) -> None:
        """Take back what `take` gave out; raises `InvariantError` if any of it is free already.

        GPUs that are to leave service go down instead of being free.
        """
        free_mask, down_mask = self.free_mask, self.down_mask
        for node, mask in held.items():
            free = free_mask[node]
            if free & mask:
                raise InvariantError(f"node {node}: GPUs {free & mask:#x} given back but not held")
            if down_mask[node]:
                mask = self._taken_down(node, mask)
                if not mask:
                    continue
            if self.cordoned and node in self.cordoned:
                self.dark_gpus += mask.bit_count()
                continue
            after = free | mask
            free_mask[node] = after
            pool = self.node_pool[node]
            was, now = free.bit_count(), after.bit_count()
            self.free_gpus += now - was
            self.index[pool].move(node - self.first_node[pool], was, now)

    def _taken_down(self, node: int, mask: int) -> int:
        """Of GPUs given back, those that leave service now go down; the others."""
        gone = mask & self.down_mask[node]
        if gone:
            self.before_leaving(node)
            self.leaving[node] &= ~gone
            if not self.leaving[node]:
                del self.leaving[node]
            self.down_gpus += gone.bit_count()
        return mask ^ gone

    def fail(self, node: int, mask: int) -> None:
        """GPUs go out of service: at once those that are free or spare, on release those held."""
        down = mask & ~self.down_mask[node]
        self.down_mask[node] |= mask
        if node in self.spare_nodes:
            self.release_spare(node)
        if node in self.dark_nodes:
            self.before_failing(node)
            self.lighten(node)
        free = self.free_mask[node]
        gone = free & down
        if gone:
            self._move(node, free, free ^ gone)
            self.down_gpus += gone.bit_count()
        if down != gone:
            self.leaving[node] = self.leaving.get(node, 0) | (down ^ gone)

    def mend(self, node: int, mask: int) -> None:
        """GPUs are in service again."""
        self.down_mask[node] &= ~mask
        still = self.leaving.pop(node, 0)
        if still & ~mask:
            self.leaving[node] = still & ~mask
        back = mask & ~still
        if back:
            self.down_gpus -= back.bit_count()
            self._move(node, self.free_mask[node], self.free_mask[node] | back)
        if not self.down_mask[node]:
            self.up_s.pop(node, None)

    def set_aside(self, node: int) -> None:
        """Make a wholly free node a spare."""
        free = self.free_mask[node]
        self._move(node, free, 0)
        self.spare_nodes.add(node)
        self.spare_gpus += free.bit_count()

    def release_spare(self, node: int) -> None:
        """Make a spare node a free one."""
        whole = (1 << self.site.pools[self.node_pool[node]].gpus_per_node) - 1
        self.spare_nodes.remove(node)
        self.spare_gpus -= whole.bit_count()
        self._move(node, 0, whole)

    def darken(self, node: int) -> None:
        """Switch off a wholly free node."""
        free = self.free_mask[node]
        self._move(node, free, 0)
        self.dark_nodes.add(node)
        self.dark_gpus += free.bit_count()

    def lighten(self, node: int) -> None:
        """A node that was dark is in service again."""
        whole = (1 << self.site.pools[self.node_pool[node]].gpus_per_node) - 1
        self.dark_nodes.remove(node)
        self.dark_gpus -= whole.bit_count()
        self._move(node, 0, whole)

    def cordon(self, node: int) -> None:
        """No job may start on a node any more; what jobs hold of it is dark once they leave."""
        free = self.free_mask[node]
        if free:
            self._move(node, free, 0)
            self.dark_gpus += free.bit_count()
        self.cordoned.add(node)

    def close(self, node: int) -> None:
        """A cordoned node that no job holds any more is dark as others are."""
        self.cordoned.remove(node)
        self.dark_nodes.add(node)

    def hide(self, pool: int, nodes: Iterable[int]) -> list[tuple[int, int]]:
        """Let searches for a place pass over these nodes of a pool; what `unhide` takes."""
        hidden, first = [], self.first_node[pool]
        for node in nodes:
            free = self.free_mask[node].bit_count()
            if free and self.node_pool[node] == pool:
                self.index[pool].move(node - first, free, 0)
                hidden.append((node, free))
        return hidden

    def unhide(self, pool: int, hidden: Iterable[tuple[int, int]]) -> None:
        """Undo `hide`, with nothing between."""
        for node, free in hidden:
            self.index[pool].move(node - self.first_node[pool], 0, free)

    def spares_near(self, pool: int, nodes: Iterable[int], n: int) -> list[int]:
        """Up to ``n`` spare nodes of a pool, those nearest in number to ``nodes`` first."""
        near = next(iter(nodes), 0)
        here = [v for v in self.spare_nodes if self.node_pool[v] == pool]
        return sorted(here, key=lambda v: (abs(v - near), v))[:n]

    def expected_up_s(self, node: int) -> float:
        """When a node that is down is expected back in service. [s]"""
        return self.up_s.get(node, inf)

    def _move(self, node: int, before: int, after: int) -> None:
        self.free_mask[node] = after
        pool = self.node_pool[node]
        was, now = before.bit_count(), after.bit_count()
        self.free_gpus += now - was
        self.index[pool].move(node - self.first_node[pool], was, now)
