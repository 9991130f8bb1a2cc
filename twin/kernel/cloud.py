"""Bursting into clouds: asks the overflow policy, rents nodes, and lets jobs go there."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.errors import PolicyError
from twin.kernel.clock import CAPS, Moment
from twin.kernel.forecast import Forecast
from twin.kernel.hazards import Hazards
from twin.kernel.job import Job
from twin.kernel.reclaims import Reclaims
from twin.kernel.rentals import Rentals
from twin.kernel.ways import Ways
from twin.policies.base import OverflowPolicy
from twin.policies.decisions import Burst, Wake
from twin.policies.overflow.never import Never
from twin.policies.view import JobView
from twin.site.layout import Site
from twin.site.terms import Terms

if TYPE_CHECKING:
    from twin.kernel.simulation import Simulation


@dataclass(frozen=True)
class Bursting:
    """Who decides what is rented, and the seed of the lives of nodes."""

    policy: OverflowPolicy
    seed: int

    @property
    def rents(self) -> bool:
        """Whether anything is ever rented."""
        return not isinstance(self.policy, Never)


def no_bursting() -> Bursting:
    """Nothing is rented."""
    return Bursting(Never(), 0)


def assumed(site: Site) -> list[str]:
    """What is taken for granted about clouds, if there are any."""
    terms = [pool.cloud for pool in site.pools if pool.cloud is not None]
    if not terms:
        return []
    found = [
        "A cloud has all of its quota at any time, and no part of it fails.",
        "A node of a cloud is dark until it is rented; figures over installed GPUs count it only "
        "while it is, from when it is asked for.",
        "Data moves to and from a cloud in no time; a job pays for what it moves back at its end.",
        "Nodes that are rented at the end of the run are billed until then.",
    ]
    if any(each.mean_life_s < inf for each in terms):
        found.append("Spot nodes are taken back one by one, after exponential lives.")
    return found


class Clouds:
    """The clouds of a site, as policies see them, and what is done there.

    Attributes
    ----------
    rentals : Rentals
    """

    def __init__(
        self, bursting: Bursting, ways: Ways, hazards: Hazards, simulation: Simulation
    ) -> None:
        clock, cluster = simulation.clock, simulation.cluster
        self._policy = bursting.policy
        self._asks = bursting.rents
        self._ways = ways
        self._clock = clock
        self._cluster = cluster
        self._queue = simulation.queue
        self._queue.home = ways.home
        self._site = cluster.fleet.site
        self.pools: Sequence[int] = self._site.cloud_pools
        self.rentals = Rentals(bursting.seed, clock, cluster)
        self.rentals.keeps = self._is_awaited
        self._reclaims = Reclaims(self.rentals, hazards, clock, cluster)
        self._going: dict[int, tuple[Job, int]] = {}  # jobs that wait and may go: to which cloud
        self._forecast: Forecast | None = None
        self._wake: Moment | None = None
        self._short: dict[tuple[int, ...], int] = {}  # what `short_of` found at this instant

    def begin(self) -> None:
        """Before anything runs, no node is rented."""
        self.rentals.begin()

    @property
    def is_coming(self) -> bool:
        """Whether jobs that wait may start later, though nothing runs."""
        return bool(self.rentals.coming or (self._wake is not None and self._queue.head))

    def state(self) -> tuple[int, int]:
        """GPUs that are dark, and GPUs that are rented."""
        return self._cluster.fleet.dark_gpus, self.rentals.rented_gpus

    def table(self, end_s: float) -> dict[str, NDArray[np.float64]]:
        """All rentals, up to the horizon."""
        return self.rentals.table(end_s)

    def settle(self, now_s: float) -> bool:
        """The policy's turn; whether the scheduler should have another because of it."""
        self.rentals.heed_left(now_s)
        waiting = self._cluster.is_waiting
        for row in [row for row in self._going if not waiting(row)]:
            del self._going[row]
        again = self._ask(now_s) if self._asks and self._queue.head is not None else False
        self.rentals.give_back_idle(now_s)
        return again

    def _ask(self, now_s: float) -> bool:
        again = False
        self._short.clear()
        for answer in self._policy.overflow(self):
            if isinstance(answer, Wake):
                self._wake_at(answer.at_s, now_s)
            elif isinstance(answer, Burst):
                again |= self._burst(answer, now_s)
            else:
                raise self._wrong(now_s, f"{answer!r} is no decision of twin.policies.decisions")
        self._forecast = None
        return again

    def _burst(self, burst: Burst, now_s: float) -> bool:
        pool = burst.pool
        self._short.clear()
        if pool not in self.pools:
            raise self._wrong(now_s, f"pool {pool} is no cloud; clouds are {list(self.pools)}")
        if not 0 <= burst.nodes <= self.left(pool):
            raise self._wrong(now_s, f"{burst.nodes} nodes of {self.left(pool)} that are left")
        for job in burst.jobs:
            self._let_go(job, pool, now_s)
        if burst.nodes:
            self.rentals.rent(pool, burst.nodes, now_s)
        self._cluster.changed()
        at_once = not self.terms(pool).provisioning_s
        return at_once or any(self._cluster.fits(job.shape, job) for job in burst.jobs)

    def _let_go(self, job: JobView, pool: int, now_s: float) -> None:
        shape = self._ways.away.get((job.asked.index, pool))
        if not isinstance(job, Job) or not self._cluster.is_waiting(job.row):
            raise self._wrong(now_s, f"{job} does not wait")
        if job.row in self._going or shape is None:
            raise self._wrong(now_s, f"{job} may go to a cloud already, or never to pool {pool}")
        self._queue.reshape(job, shape)
        self._going[job.row] = job, pool

    def _wake_at(self, at_s: float, now_s: float) -> None:
        if not at_s > now_s:
            raise self._wrong(now_s, f"to be asked again at {at_s} s, which is not ahead")
        pending = self._wake
        if at_s < inf and (pending is None or at_s < pending.time_s):
            self._wake = self._clock.call_at(at_s, CAPS, self._woken, None)

    def _woken(self, event: Event) -> None:
        if event is self._wake:
            self._wake = None

    def _wrong(self, now_s: float, what: str) -> PolicyError:
        return PolicyError(f"overflow policy {type(self._policy).__name__} at {now_s} s: {what}")

    def _is_awaited(self, pool: int) -> bool:
        return any(there == pool for _, there in self._going.values())

    # -- what the policy sees

    @property
    def now_s(self) -> float:
        """The time. [s]"""
        return self._cluster.now_s

    def waiting(self) -> Iterator[Job]:
        """Jobs that wait and may go to no cloud yet, in queue order."""
        return (job for job in self._queue if job.row not in self._going)

    def pools_for(self, job: JobView) -> list[int]:
        """Clouds that could ever hold a job."""
        return [pool for pool in self.pools if (job.asked.index, pool) in self._ways.away]

    def start_s(self, job: JobView) -> float:
        """When a waiting job would start on premise."""
        assert isinstance(job, Job)
        if self._forecast is None:
            stays = self._stays
            self._forecast = Forecast(self._cluster, filter(stays, self._queue), stays)
        return self._forecast.start_s(job)

    def _stays(self, job: Job) -> bool:
        return job.row not in self._going

    def terms(self, pool: int) -> Terms:
        """What renting takes and costs."""
        terms = self._site.pools[pool].cloud
        assert terms is not None
        return terms

    def left(self, pool: int) -> int:
        """Nodes that could be rented beside those that are."""
        return self.rentals.left(pool)

    def short_of(self, pool: int, jobs: Sequence[JobView] = ()) -> int:
        """Nodes to rent so that these jobs, and those that may go there already, could start."""
        asked = (pool, *(job.asked.gpus for job in jobs))
        if asked not in self._short:
            self._short[asked] = self._short_of(pool, asked[1:])
        return self._short[asked]

    def _short_of(self, pool: int, more: Sequence[int]) -> int:
        sizes = [job.shape.gpus for job, there in self._going.values() if there == pool]
        sizes += more
        if not sizes:
            return 0
        masks, coming, per_node = (
            self._cluster.fleet.free_mask,
            self.rentals.coming,
            self.rentals.gpus(pool),
        )
        free = [
            per_node if node in coming else masks[node].bit_count()
            for node, rental in self.rentals.now.items()
            if rental.pool == pool and not rental.warned
        ]
        return nodes_short(sizes, free, per_node)

    def ready_s(self, pool: int, nodes: int) -> float:
        """When jobs could start, if so many nodes were rented now. [s]"""
        if nodes:
            return self.now_s + self.terms(pool).provisioning_s
        coming = [self.rentals.now[node] for node in self.rentals.coming]
        return max([self.now_s, *(rental.ready_s for rental in coming if rental.pool == pool)])

    def duration_s(self, job: JobView, pool: int = -1) -> float:
        """Expected duration of what a job has left to do. [s]"""
        rate = self._cluster.rate(job, pool, job.gpus) if pool >= 0 else 1.0
        return job.estimate_s / rate

    def price_usd(self, job: JobView, pool: int, nodes: int) -> float:
        """What a job would cost in a cloud where so many nodes are rented for it now. [USD]"""
        terms = self.terms(pool)
        held_s = self.duration_s(job, pool) + (terms.provisioning_s if nodes else 0.0)
        assert isinstance(job, Job)
        rent_usd = job.gpus * held_s * terms.price_usd_per_s
        return rent_usd + terms.egress_usd(job.data_bytes, job.gpus)


def nodes_short(sizes: Iterable[int], free: Iterable[int], per_node: int) -> int:
    """Nodes that jobs of these sizes lack, given the free GPUs of those that are there.

    The largest first: a job of a node or more takes whole nodes, a smaller one the fullest node
    that holds it.
    """
    rooms, short = sorted(free), 0
    for size in sorted(sizes, reverse=True):
        if size >= per_node:
            needed = -(-size // per_node)
            there = min(needed, len(rooms) - bisect_left(rooms, per_node))
            del rooms[len(rooms) - there :]
            short += needed - there
            continue
        at = bisect_left(rooms, size)
        if at == len(rooms):
            short += 1
            room = per_node
        else:
            room = rooms.pop(at)
        insort(rooms, room - size)
    return short
