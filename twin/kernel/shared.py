"""Jobs that share GPUs, and the CPUs and memory of nodes: asked for, placed, held and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simpy import Event

from twin.kernel.clock import Clock
from twin.kernel.cluster import Cluster
from twin.kernel.columns import Columns
from twin.kernel.job import Job
from twin.kernel.nominal import Nominal
from twin.kernel.ready import ReadyTimes
from twin.kernel.recorder import Record, Recorder
from twin.physics.interference import MOST_JOBS, Sharing
from twin.policies.base import PlacementPolicy
from twin.policies.view import JobView, Placement, Shape
from twin.site.layout import Site
from twin.site.shares import WHOLE, Ask, HeldParts, Parts, SharedFleet, Typical, sliced
from twin.streams import stream

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lending:
    """How GPUs are shared.

    Attributes
    ----------
    slices : int
        Equal slices that a GPU is cut into; 0 where a job gets as much as it asks for.
    limits : tuple of str
        ``cpus``, ``memory``: what of a host runs out too.
    seed : int
        Of the run, for placements that draw.
    demand : callable or None
        Where jobs on one GPU slow each other: from a model and a type of GPU to the share of its
        time that a job alone spends at the GPU, and the length of its turns or what it fills; None
        of a job that neither slows nor is slowed. None: all go undisturbed.
    sharing : {"time-sliced", "concurrent"}
        How they do: in turns, or side by side.
    """

    slices: int = 0
    limits: tuple[str, ...] = ()
    seed: int = 0
    demand: Callable[[str, str], tuple[float, float] | None] | None = None
    sharing: Sharing = "time-sliced"


@dataclass(frozen=True)
class Wants:
    """(n_job,) arrays: what each job wants and gets of each of its GPUs, and wants of hosts."""

    wanted_milli: Ints
    milli: Ints
    cpu_milli: Ints
    memory_bytes: Ints

    def columns(self) -> tuple[Ints, ...]:
        """What tells jobs apart that are alike otherwise."""
        return self.wanted_milli, self.milli, self.cpu_milli, self.memory_bytes


def wants(jobs: pd.DataFrame, lending: Lending) -> Wants:
    """What jobs want, in whole thousandths; what does not run out is not wanted."""
    fraction = jobs["gpu_fraction"].to_numpy(float)
    wanted = np.clip(np.round(fraction * WHOLE), 1, WHOLE).astype(np.int64)
    milli = wanted
    if lending.slices:
        distinct, at = np.unique(fraction, return_inverse=True)
        milli = np.array([sliced(f, lending.slices) for f in distinct.tolist()], np.int64)[at]
        wanted = np.minimum(wanted, milli)
    none = np.zeros(len(jobs), np.int64)
    cpus, memory = none, none
    if "cpus" in lending.limits:
        cpus = np.ceil(np.nan_to_num(jobs["cpus"].to_numpy(float)) * 1000 - 1e-6).astype(np.int64)
    if "memory" in lending.limits:
        memory = np.ceil(np.nan_to_num(jobs["memory_bytes"].to_numpy(float))).astype(np.int64)
    return Wants(wanted, milli, cpus, memory)


def shared_fleet(
    site: Site, lending: Lending, shapes: list[Shape], shape_of: NDArray[np.int32], wants: Wants
) -> SharedFleet:
    """The fleet to share, and all that policies may expect of the workload."""
    counts = np.bincount(shape_of, minlength=len(shapes)).tolist()
    typical = Typical(tuple(asks(shapes, shape_of, wants)), tuple(counts))
    most = WHOLE if lending.demand is None else MOST_JOBS
    rng = stream(lending.seed, "placement")
    return SharedFleet(site, lending.limits, typical, rng, most_on_gpu=most)


def asks(shapes: list[Shape], shape_of: NDArray[np.int32], wants: Wants) -> list[Ask]:
    """What a job of each shape takes of one node, if one holds it."""
    first = np.unique(shape_of, return_index=True)[1].tolist()
    return [
        Ask(
            shape.gpus,
            int(wants.milli[row]),
            int(wants.cpu_milli[row]),
            int(wants.memory_bytes[row]),
            shape.pools,
        )
        for shape, row in zip(shapes, first, strict=True)
    ]


def could_hold(site: Site, wants: Wants, row: int, gpus: int, pool: int) -> bool:
    """Whether enough nodes of a pool have the CPUs and the memory for a job, when all is free."""
    if site.hosts is None:
        return True
    nodes = max(-(-gpus // site.pools[pool].gpus_per_node), 1)
    here = site.pool_nodes(pool)
    enough = np.ones(len(here), bool)
    cpu_milli, memory_bytes = int(wants.cpu_milli[row]), int(wants.memory_bytes[row])
    if cpu_milli:
        cpus = site.hosts.cpus[here.start : here.stop]
        enough &= np.round(cpus * 1000) >= -(-cpu_milli // nodes)
    if memory_bytes:
        enough &= site.hosts.memory_bytes[here.start : here.stop] >= -(-memory_bytes // nodes)
    return int(enough.sum()) >= nodes


class SharedCluster(Cluster):
    """A cluster whose placement takes parts of nodes, over all pools at once.

    Reservations are made as if a job needed its GPUs whole: a shared GPU counts as free once the
    last of its jobs has ended, and CPUs and memory are not looked at.

    Attributes
    ----------
    asks : list of Ask
        By shape, what a job takes of one node if one holds it.
    wanted_milli : list of int
        By shape, thousandths of each GPU that a job wants, which may be less than it gets.
    """

    fleet: SharedFleet
    touched: set[int] | None = None  # nodes that jobs came to or left; None if nobody asks

    def __init__(
        self,
        fleet: SharedFleet,
        placement: PlacementPolicy,
        shapes: list[Shape],
        columns: Columns,
        shape_of: NDArray[np.int32],
        wants: Wants,
    ) -> None:
        super().__init__(fleet, placement, shapes, columns, shape_of)
        first = np.unique(shape_of, return_index=True)[1].tolist()
        self.asks = asks(shapes, shape_of, wants)
        self.wanted_milli: list[int] = wants.wanted_milli[first].tolist()
        self._ready = SharedReadyTimes(fleet, self.residents, self._running)
        self._freed = 0  # times that something came free
        self._full_since: dict[int, int] = {}  # shapes that found no place -> `_freed` then

    def ask(self, job: Job) -> Ask:
        """What a job takes of one node, if one holds it."""
        return self.asks[job.shape.index]

    def place(self, shape: Shape, job: JobView | None = None) -> Placement | None:
        """As in `Cluster`. What found no place finds none until something comes free."""
        index = shape.index
        if self._full_since.get(index) == self._freed:
            return None
        if self._found_in[index] == self._state:
            return self._places[index]
        place = self._share(shape)
        if place is None:
            self._full_since[index] = self._freed
        self._places[index], self._found_in[index] = place, self._state
        return place

    def _share(self, shape: Shape) -> Parts | None:
        """The places and GPUs for one job, tried on one node of any pool first."""
        fleet, asked = self.fleet, self.asks[shape.index]
        built = fleet.site.pools
        small = tuple(p for p in shape.pools if shape.gpus <= built[p].gpus_per_node)
        if small:
            ask = asked if small == asked.pools else self._on(asked, small)
            found = self._policy.share(ask, fleet)
            if found is not None:
                return Parts(ask, [found], fleet)
        for pool in shape.pools:
            size = built[pool].gpus_per_node
            if shape.gpus > size:
                nodes = -(-shape.gpus // size)
                each = Ask(
                    size,
                    asked.milli,
                    -(-asked.cpu_milli // nodes),
                    -(-asked.memory_bytes // nodes),
                    (pool,),
                )
                places = np.flatnonzero(fleet.fits(each))[:nodes].tolist()
                if len(places) == nodes:
                    return Parts(each, [(place, tuple(range(size))) for place in places], fleet)
        return None

    def _on(self, ask: Ask, pools: tuple[int, ...]) -> Ask:
        return Ask(ask.gpus, ask.milli, ask.cpu_milli, ask.memory_bytes, pools)

    @property
    def free_gpus(self) -> int:
        """As in `Cluster`, but at least 1: a part of a GPU may be free where no whole one is."""
        return max(self.fleet.free_gpus, 1)

    def largest_fit(self) -> int:
        """As in `Cluster`: a part of a GPU may be free where no whole one is."""
        return max(super().largest_fit(), 1)

    def start(self, job: Job, placement: Placement) -> None:
        """As in `Cluster`."""
        super().start(job, placement)
        self._touch(job)
        ask = self.asks[job.shape.index]
        held_milli = ask.milli * sum(gpus for _, gpus in placement)
        job.surplus_gpus = held_milli / WHOLE - job.gpus  # type: ignore[assignment] # parts

    def rate(self, job: JobView, pool: int, gpus: int) -> float:
        """As in `Cluster`: that of a job on as many whole GPUs."""
        return super().rate(job, pool, job.shape.gpus) if job.shape.gpus else 1.0

    def drop(self, job: Job, node: int) -> None:
        """As in `Cluster`."""
        assert isinstance(job.held, HeldParts)
        self._touch(job)
        part = HeldParts(job.held.ask)
        part[node] = job.held.pop(node)
        self.fleet.give_back(part)
        self.residents[node].remove(job)
        self._ready.stale.add(node)
        if self.left is not None:
            self.left.append(node)
        self.changed()

    def end(self, job: Job, now_s: float) -> None:
        """As in `Cluster`."""
        self._freed += 1
        self._touch(job)
        super().end(job, now_s)

    def _touch(self, job: Job) -> None:
        if self.touched is not None:
            self.touched.update(job.held)

    def power_changed(self) -> None:
        """As in `Cluster`."""
        self._freed += 1
        super().power_changed()

    def changed(self) -> None:
        """As in `Cluster`."""
        self._freed += 1
        super().changed()


class SharedReadyTimes(ReadyTimes):
    """As `ReadyTimes`; a GPU that several jobs share is free once the last of them has ended."""

    def _refresh(self) -> None:
        for job in self.moved.values():
            self.stale.update(job.held)
        self.moved.clear()
        fleet = self._fleet
        for node in self.stale:
            size = fleet.site.pools[fleet.node_pool[node]].gpus_per_node
            up_s = fleet.expected_up_s(node)
            free, down = fleet.free_mask[node], fleet.down_mask[node]
            ready_s = [-np.inf if free >> gpu & 1 else up_s for gpu in range(size)]
            for gpu in range(size):
                ends_s = [
                    j.expected_end_s for j in self._residents[node] if j.held[node] >> gpu & 1
                ]
                if ends_s:
                    ready_s[gpu] = max(ends_s)
                    if down >> gpu & 1:
                        ready_s[gpu] = max(ready_s[gpu], up_s)
            self._ready_s[: size + 1, node] = [-np.inf, *sorted(ready_s)]
        self.stale.clear()


class SharedNominal(Nominal):
    """As `Nominal`, counting thousandths of GPUs; what a job got and did not want is surplus."""

    def __init__(self, clock: Clock, cluster: Cluster, recorder: Recorder) -> None:
        super().__init__(clock, cluster, recorder)
        assert isinstance(cluster, SharedCluster)
        self._shares: SharedCluster = cluster
        self._busy_milli = self._surplus_milli = 0

    def start(self, job: Job, now_s: float) -> None:
        """As in `Nominal`."""
        super().start(job, now_s)
        self._count(job, 1)

    def _finish(self, event: Event) -> None:
        super()._finish(event)
        self._count(event._value, -1)

    def _count(self, job: Job, sign: int) -> None:
        index = job.shape.index
        held_gpus = sum(mask.bit_count() for mask in job.held.values())
        busy_milli = job.shape.gpus * self._shares.wanted_milli[index]
        self._busy_milli += sign * busy_milli
        self._surplus_milli += sign * (held_gpus * self._shares.asks[index].milli - busy_milli)
        self.busy_gpus = self._busy_milli / WHOLE  # type: ignore[assignment] # parts of GPUs
        self.surplus_gpus = self._surplus_milli / WHOLE  # type: ignore[assignment]


def in_parts(record: Record, jobs: pd.DataFrame, wants: Wants) -> Record:
    """A record in which what jobs ask for and hold of GPUs counts by its part."""
    return replace(
        record,
        asked_gpus=jobs["gpus"].to_numpy() * wants.wanted_milli / WHOLE,
        gpu_share=wants.milli / WHOLE,
        held_gpus=record.held_gpus * wants.milli / WHOLE,
    )
