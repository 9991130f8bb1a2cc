"""GPUs that jobs share, and the CPUs and memory of their nodes: what is left of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvariantError
from twin.site.fleet import Fleet, Held
from twin.site.layout import Site

Ints = NDArray[np.int64]

WHOLE = 1000  # thousandths of a GPU


@dataclass(frozen=True)
class Ask:
    """What a job takes of one node.

    Attributes
    ----------
    gpus : int
        GPUs that it takes a part of; 0 for a job that needs none.
    milli : int
        Thousandths of each of them; ``WHOLE`` where it shares none.
    cpu_milli, memory_bytes : int
        Thousandths of a CPU core, and memory of the host; 0 where they are no limit.
    pools : tuple of int
        Pools that will do.
    """

    gpus: int
    milli: int = WHOLE
    cpu_milli: int = 0
    memory_bytes: int = 0
    pools: tuple[int, ...] = ()

    @property
    def all_milli(self) -> int:
        """Thousandths of a GPU that it takes in all."""
        return self.gpus * self.milli

    @property
    def kind(self) -> int:
        """0 for a job that shares a GPU, else how many whole ones it takes; -1 for none."""
        return -1 if not self.gpus else 0 if self.milli < WHOLE else self.gpus


@dataclass(frozen=True, eq=False)
class Typical:
    """The jobs that are expected: what they ask for, and how many of them there are."""

    asks: tuple[Ask, ...]
    counts: tuple[int, ...]


def sliced(fraction: float, slices: int) -> int:
    """Thousandths of a GPU cut into equal slices that a job gets which asks for a fraction.

    Parameters
    ----------
    fraction : float
        Share of a GPU that it asks for, above 0 up to 1.
    slices : int
        Slices of a GPU; 7 on those of NVIDIA that can be cut (MIG).

    Notes
    -----
    Whole slices, each rounded down to thousandths, so that as many fit as there are: ``slices`` of
    one slice do, and no set of parts with more slices in all does. Real instances come in few sizes
    only (1, 2, 3, 4 and 7 sevenths) and in few places of the GPU; neither is heeded.

    Sources
    -------
    [nvidia-mig]
    """
    taken = min(max(int(np.ceil(fraction * slices - 1e-9)), 1), slices)
    return WHOLE * taken // slices


class Parts(list[tuple[int, int]]):
    """A placement of shares: pairs of a node and a number of GPUs, and which GPUs these are.

    Attributes
    ----------
    ask : Ask
        What it takes of each of its nodes.
    chosen : list of (place, GPUs)
        In the order of the nodes.
    """

    __slots__ = ("ask", "chosen")

    def __init__(
        self, ask: Ask, chosen: list[tuple[int, tuple[int, ...]]], fleet: SharedFleet
    ) -> None:
        super().__init__((int(fleet.node_at[place]), len(gpus)) for place, gpus in chosen)
        self.ask = ask
        self.chosen = chosen


class HeldParts(dict[int, int]):
    """Shares that a job holds: node id -> bit mask of the GPUs of which it has a part.

    Attributes
    ----------
    ask : Ask
        What it has of each of these nodes.
    """

    __slots__ = ("ask",)

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self.ask = ask

    @property
    def share(self) -> float:
        """Part that it has of each GPU; 1 of whole ones."""
        return 1 if self.ask.milli == WHOLE else self.ask.milli / WHOLE


class SharedFleet(Fleet):
    """A fleet in which jobs may hold parts of a GPU, and ask for CPUs and memory of their node.

    A GPU of which some job holds a part is not free for jobs that want it whole: its bit is taken
    with the first part and given back with the last. All parts of what one job holds of a GPU come
    from that GPU alone.

    Arrays go by *place*: nodes in the order in which they were listed, which is that of their ids
    unless the site has another (`Hosts.order`). Policies break ties by it.

    Parameters
    ----------
    site : Site
    limits : sequence of str
        ``cpus``, ``memory``: what of a host runs out. The site must say how much each node has.
    typical : Typical, optional
        What policies may expect of the workload.
    rng : Generator, optional
        For policies that draw.
    most_on_gpu : int
        Jobs that may share one GPU.

    Attributes
    ----------
    free_milli : (n_node, n_gpu) array
        Thousandths of each GPU that are free for a part; 0 where there is no such GPU, and where it
        is held whole, down, dark or a spare.
    free_cpu_milli, free_memory_bytes : (n_node,) arrays
        What is left of each host; 0 where it is no limit.
    cpu_milli, gpus, pool : (n_node,) arrays
        CPUs and GPUs of each node, and its pool.
    tenants : (n_node, n_gpu + 1) array
        Jobs on each node that share a GPU, in column 0, or hold 1, 2, ... whole ones.
    rest_milli : list of int
        By pool, thousandths of shared GPUs that nobody holds.
    """

    def __init__(
        self,
        site: Site,
        limits: Sequence[str] = (),
        typical: Typical | None = None,
        rng: np.random.Generator | None = None,
        most_on_gpu: int = WHOLE,
    ) -> None:
        super().__init__(site)
        self._most_on_gpu = most_on_gpu
        self.rng = rng or np.random.default_rng(0)
        self.typical = typical or Typical((), ())
        hosts = site.hosts
        n, self.most_gpus = site.n_nodes, int(site.node_gpus.max())
        self.node_at = np.arange(n) if hosts is None else np.asarray(hosts.order, np.int64)
        self._place = np.empty(n, np.int64)
        self._place[self.node_at] = np.arange(n)
        self.place_of: list[int] = self._place.tolist()
        self.gpus = site.node_gpus[self.node_at].astype(np.int64)
        self.pool = site.node_pool[self.node_at].astype(np.int64)
        none = np.zeros(n)
        cpus = hosts.cpus[self.node_at] if hosts is not None and "cpus" in limits else none
        memory = (
            hosts.memory_bytes[self.node_at] if hosts is not None and "memory" in limits else none
        )
        self.limits = tuple(limits)
        self.cpu_milli = np.round(cpus * 1000).astype(np.int64)
        self._cpu = self.cpu_milli.copy()
        self._memory = memory.astype(np.int64)
        self._used = np.zeros((n, self.most_gpus), np.int64)
        self._sharers = np.zeros((n, self.most_gpus), np.int64)
        self._free = np.where(np.arange(self.most_gpus) < self.gpus[:, None], WHOLE, 0)
        self._tenants = np.zeros((n, self.most_gpus + 1), np.int64)
        self._shared = [0] * n  # by node id: bits of the GPUs of which some job holds a part
        self.rest_milli = [0] * len(site.pools)
        self._bits = 1 << np.arange(self.most_gpus, dtype=np.int64)
        self._allowed: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        self.free_milli = _read_only(self._free)
        self.free_cpu_milli = _read_only(self._cpu)
        self.free_memory_bytes = _read_only(self._memory)
        self.tenants = _read_only(self._tenants)

    def fits(self, ask: Ask) -> NDArray[np.bool_]:
        """(n_node,) which nodes could take it now."""
        fits = self._allowed.get(ask.pools)
        if fits is None:
            fits = self._allowed[ask.pools] = np.isin(self.pool, ask.pools)
        if ask.cpu_milli:
            fits = fits & (self._cpu >= ask.cpu_milli)
        if ask.memory_bytes:
            fits = fits & (self._memory >= ask.memory_bytes)
        if ask.gpus == 1:
            fits = fits & (self._free.max(1) >= ask.milli)
        elif ask.gpus:
            fits = fits & ((self._free >= ask.milli).sum(1) >= ask.gpus)
        return fits

    def take_share(self, ask: Ask, place: int, gpus: Iterable[int]) -> Held:
        """Give a job its part of a node.

        Parameters
        ----------
        ask : Ask
        place : int
            The node, by place.
        gpus : iterable of int
            As many of its GPUs as it asks for, by number within the node.

        Raises
        ------
        InvariantError
            If anything that it asks for is not free there; then nothing is taken.
        """
        chosen = list(gpus)
        node = int(self.node_at[place])
        lacks = self._lacks(ask, place, chosen)
        if lacks:
            raise InvariantError(f"node {node}: {lacks} for {ask} on its GPUs {chosen}")
        mask = sum(1 << gpu for gpu in chosen)
        if ask.gpus and ask.milli < WHOLE:
            shared = self._shared[node]
            whole = mask & ~shared
            self.rest_milli[self.node_pool[node]] += whole.bit_count() * WHOLE - ask.all_milli
            self._used[place, chosen] += ask.milli
            self._sharers[place, chosen] += 1
            self._shared[node] = shared | mask
        else:
            whole = mask
        self._cpu[place] -= ask.cpu_milli
        self._memory[place] -= ask.memory_bytes
        if ask.gpus:
            self._tenants[place, ask.kind] += 1
        free = self.free_mask[node]
        if whole:
            self._move(node, free, free & ~whole)
        else:
            self._refresh(node)
        return {node: mask}

    def give_back_share(self, ask: Ask, held: Mapping[int, int]) -> None:
        """Take back what `take_share` gave out.

        Raises
        ------
        InvariantError
            If that is more than was given out.
        """
        for node, mask in held.items():
            place = self.place_of[node]
            self._cpu[place] += ask.cpu_milli
            self._memory[place] += ask.memory_bytes
            if ask.gpus:
                self._tenants[place, ask.kind] -= 1
            if ask.milli < WHOLE and ask.gpus:
                chosen = np.flatnonzero(self._bits & mask)
                used = self._used[place]
                if (used[chosen] < ask.milli).any():
                    raise InvariantError(f"node {node}: a share given back that nobody holds")
                used[chosen] -= ask.milli
                self._sharers[place, chosen] -= 1
                emptied = sum(1 << int(gpu) for gpu in chosen if not used[gpu])
                rest = ask.all_milli - emptied.bit_count() * WHOLE
                self.rest_milli[self.node_pool[node]] += rest
                self._shared[node] &= ~emptied
                mask = emptied
            if mask:
                self.give_back({node: mask})
            else:
                self._refresh(node)

    # -- the masks of whole GPUs, and what they mean for shares

    def take(self, placement: Iterable[tuple[int, int]]) -> Held:
        """As in `Fleet`; of `Parts`, what they say."""
        if isinstance(placement, Parts):
            parts = HeldParts(placement.ask)
            for place, gpus in placement.chosen:
                parts.update(self.take_share(placement.ask, place, gpus))
            return parts
        held = super().take(placement)
        for node in held:
            self._refresh(node)
        return held

    def give_back(self, held: Mapping[int, int]) -> None:
        """As in `Fleet`."""
        if isinstance(held, HeldParts):
            self.give_back_share(held.ask, held)
            return
        super().give_back(held)
        for node in held:
            self._refresh(node)

    def fail(self, node: int, mask: int) -> None:
        """As in `Fleet`: no further part of these GPUs is given out."""
        super().fail(node, mask)
        self._refresh(node)

    def mend(self, node: int, mask: int) -> None:
        """As in `Fleet`."""
        super().mend(node, mask)
        self._refresh(node)

    def _move(self, node: int, before: int, after: int) -> None:
        super()._move(node, before, after)
        self._refresh(node)

    def _refresh(self, node: int) -> None:
        """What is left of the GPUs of a node, anew."""
        place, bits = self.place_of[node], self._bits
        row = np.where(bits & self.free_mask[node], WHOLE, 0)
        shared = self._shared[node] & ~self.down_mask[node]
        if shared:
            rest = np.where(self._sharers[place] < self._most_on_gpu, WHOLE - self._used[place], 0)
            row = np.where(bits & shared, rest, row)
        self._free[place] = row

    def _lacks(self, ask: Ask, place: int, chosen: list[int]) -> str:
        """What is not there; empty if all is."""
        if len(set(chosen)) != ask.gpus or not all(0 <= g < self.most_gpus for g in chosen):
            return "the wrong GPUs"
        if ask.gpus and (self._free[place, chosen] < ask.milli).any():
            return "too little is free of a GPU"
        if ask.cpu_milli > self._cpu[place]:
            return "too few CPUs are free"
        if ask.memory_bytes > self._memory[place]:
            return "too little memory is free"
        return ""


def _read_only(array: Ints) -> Ints:
    seen = array.view()
    seen.flags.writeable = False
    return seen
