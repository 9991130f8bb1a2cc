"""The simulation: owns the clock, lets things happen, and asks the policies once an instant."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from math import inf

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simpy import Event

from twin.kernel.accounts import Accounts
from twin.kernel.clock import ARRIVALS, Clock
from twin.kernel.cloud import Bursting, Clouds, no_bursting
from twin.kernel.cluster import Cluster
from twin.kernel.columns import Columns
from twin.kernel.deciding import DECISION_LIMIT_S
from twin.kernel.guests import Guests, Hosting
from twin.kernel.hazards import Hazards, Reliability, nothing_fails
from twin.kernel.job import Job
from twin.kernel.life_power import LifePower
from twin.kernel.neighbours import Neighbours
from twin.kernel.nominal import Nominal
from twin.kernel.paced import Paced
from twin.kernel.power import Power, Powering
from twin.kernel.queue import Queue
from twin.kernel.rates import Rates
from twin.kernel.recorder import Record, Recorder
from twin.kernel.reservation import Reservation
from twin.kernel.reserved import Reserved
from twin.kernel.services import Services, has_services, working_s
from twin.kernel.shapes import shapes_of
from twin.kernel.shared import (
    Lending,
    SharedCluster,
    SharedNominal,
    in_parts,
    shared_fleet,
    wants,
)
from twin.kernel.turn import Turn
from twin.kernel.ways import ways_to_clouds
from twin.policies.base import PlacementPolicy, Scheduler
from twin.site.fleet import Fleet, Held
from twin.site.layout import Site
from twin.site.shares import WHOLE
from twin.workload.speeds import Speeds

Advance = Callable[[int, int], None]
_ADVANCE_EVERY = 2000  # arrivals
_NONE: dict[int, float] = {}


class Simulation:
    """One run of a workload on a site under a scheduler and a placement.

    Parameters
    ----------
    site : Site
        What stands in the hall.
    jobs : DataFrame
        A job table in queue order (`twin.tables.WORKLOAD`).
    scheduler, placement
        The policies.
    estimate_s : (n_job,) array, optional
        What the scheduler believes of each job's duration. [s] The true durations if not given.
    reliability : Reliability, optional
        What may fail; nothing if not given.
    powering : Powering, optional
        What draws power and what it may draw; power is not computed if not given.
    decision_limit_s : float
        Wall-clock time that the scheduler may take for one decision. [s]
    lending : Lending, optional
        How jobs share GPUs; one that asks for a part gets a whole one if not given.
    speeds : Speeds, optional
        How fast jobs run on which GPUs; all are alike if not given.
    bursting : Bursting, optional
        When nodes of clouds are rented, and for whom; never if not given.
    reservations : sequence of Reservation
        Nodes that are reserved for some jobs.
    hosting : Hosting, optional
        What replicas of services leave of their GPUs' time, and to whom; none of it if not given.
    """

    def __init__(
        self,
        site: Site,
        jobs: pd.DataFrame,
        scheduler: Scheduler,
        placement: PlacementPolicy,
        estimate_s: NDArray[np.float64] | None = None,
        reliability: Reliability | None = None,
        powering: Powering | None = None,
        decision_limit_s: float = DECISION_LIMIT_S,
        lending: Lending | None = None,
        speeds: Speeds | None = None,
        bursting: Bursting | None = None,
        reservations: Sequence[Reservation] = (),
        hosting: Hosting | None = None,
    ) -> None:
        self.clock = Clock()
        self.jobs = jobs
        serves = has_services(jobs)
        demand = lending.demand if lending is not None else None
        moves = scheduler.preempts or serves or speeds is not None or demand is not None
        if (moves or site.cloud_pools or reservations) and reliability is None:
            reliability = nothing_fails()
        restarts = reliability.restarts if reliability else None
        self._wants = wants(jobs, lending) if lending is not None else None
        by = placement.distinguishes
        shapes, self._shape_of = shapes_of(jobs, site, restarts, self._wants, by)
        if site.cloud_pools:
            bursting = bursting or no_bursting()
            rents = bursting.rents
            shapes, self._shape_of, ways = ways_to_clouds(shapes, self._shape_of, site, rents=rents)
        self._shapes = shapes
        run_s = jobs["run_s"].to_numpy()
        self._run_s = working_s(jobs)
        self._estimate_s: list[float] = (run_s if estimate_s is None else estimate_s).tolist()
        self._columns = Columns(jobs, run_s if estimate_s is None else estimate_s)
        self._rest_milli: list[int] | None = None  # by pool, of shared GPUs
        if lending is not None and self._wants is not None:
            fleet = shared_fleet(site, lending, shapes, self._shape_of, self._wants)
            self._rest_milli = fleet.rest_milli
            self.cluster: Cluster = SharedCluster(
                *(fleet, placement, shapes, self._columns, self._shape_of, self._wants)
            )
        else:
            self.cluster = Cluster(Fleet(site), placement, shapes, self._columns, self._shape_of)
        if speeds is not None:
            self.cluster.rates = Rates(speeds, site)
        self.queue = Queue(shapes, self._shape_of, self._columns)
        self.recorder = Recorder(len(jobs))
        self._pools = self.cluster.fleet.index
        self.turn = Turn(
            *(scheduler, decision_limit_s, self.queue, self.cluster, self.clock, self._columns),
            is_coming=self._may_start_later,
            could_start=self._nothing_is_off,
        )
        self._power = Power(powering, self) if powering else None
        self._hazards = Hazards(reliability, self) if reliability else None
        self._services: Services | None = None
        self._neighbours: Neighbours | None = None
        self._clouds: Clouds | None = None
        self._reserved: Reserved | None = None
        self._guests: Guests | None = None
        self._counted: Nominal | Paced | Accounts
        if self._hazards is not None:
            self.turn.begin = self._hazards.training.start
            self.turn.training = self._hazards.training
            self._counted = self._hazards.training.accounts
            self._hazards.training.on_gave_way = self.queue.put_back
            self.cluster.can_preempt = self._hazards.training.can_preempt
            if demand is not None and isinstance(self.cluster, SharedCluster):
                of, types = demand, [pool.gpu_type for pool in site.pools]
                self._neighbours = Neighbours(
                    self.cluster,
                    self._hazards.training,
                    lambda job, pool: of(job.model, types[pool]),
                    lending.sharing if lending is not None else "time-sliced",
                )
            if reservations:
                self._reserved = Reserved(reservations, jobs, self._hazards, self, self.turn.start)
            if bursting is not None and site.cloud_pools:
                self._clouds = Clouds(bursting, ways, self._hazards, self)
            if serves:
                training = self._hazards.training
                self._services = Services(
                    training, self.cluster, self.queue, self.clock, self.recorder
                )
            if hosting is not None:
                self._guests = Guests(hosting, self._hazards, self)
            if self._power is not None:
                training = self._hazards.training
                self._power.jobs = LifePower(training, self._power.draws, self.recorder)
                self._power.incidents = training.incidents
                self._power.may_fail = True
                self.cluster.fleet.before_failing = self._power.lights.failed
        elif self._power is not None:
            draws = self._power.draws
            paced = Paced(self.clock, self.cluster, self.recorder, draws, len(jobs))
            self.turn.begin, self._counted = paced.start, paced
            self._power.jobs = paced
        else:
            shares = isinstance(self.cluster, SharedCluster)
            counting = SharedNominal if shares else Nominal
            nominal = counting(self.clock, self.cluster, self.recorder)
            self.turn.begin, self._counted = nominal.start, nominal
        self._arrived = False
        self._deferred = 0
        nodes = powering.model.nodes if powering else ()
        self._idle_w = [node.gpu_idle_w for node in nodes] or [0.0] * len(site.pools)

    def run(self, horizon_s: float | None = None, advance: Advance | None = None) -> Record:
        """Simulate until all work is done, or to a fixed time with jobs still running or waiting.

        Parameters
        ----------
        horizon_s : float, optional
            Time at which to stop. [s] What happens at that very instant still happens.
        advance : callable, optional
            Called now and then with (jobs started, jobs in all).

        Returns
        -------
        Record

        Raises
        ------
        InvariantError
            If jobs wait for ever although nothing runs: the scheduler never starts them.
        """
        with _rare_garbage_collection(), self.turn.deciding.watched():
            return self._run(horizon_s, advance)

    def _run(self, horizon_s: float | None, advance: Advance | None) -> Record:
        clock, queue, cluster, turn = self.clock, self.queue, self.cluster, self.turn
        hazards, power, services = self._hazards, self._power, self._services
        clouds, reserved, guests = self._clouds, self._reserved, self._guests
        until_s = inf if horizon_s is None else horizon_s
        turn.drains = horizon_s is None
        if hazards is not None:
            hazards.begin(until_s)
        if clouds is not None:
            clouds.begin()
        if reserved is not None:
            reserved.begin()
        if guests is not None:
            guests.begin()
        if power is not None:
            if hazards is not None:
                power.knock_out = hazards.faults.knock_out
                power.lights.on_lit = hazards.faults.live_anew
            power.begin()
        clock.process(self._arrivals(advance))
        self._note(0.0)
        events = 0
        while fired := clock.fire_instant(until_s):
            events += fired
            now_s: float = clock._now
            cluster.now_s = queue.now_s = now_s
            if hazards is not None:
                hazards.recover(now_s)
            if guests is not None:
                guests.settle(now_s)
            if power is not None and power.acts_first:
                power.settle(now_s)
            if reserved is not None:
                reserved.settle(now_s)
            if services is not None and queue.aside:
                services.settle(now_s)
            if queue.head is not None or turn.woken:
                turn.decide(now_s)
            if clouds is not None and clouds.settle(now_s):
                turn.decide(now_s)
            if guests is not None:
                guests.offer(now_s)
            if self._neighbours is not None:
                self._neighbours.settle(now_s)
            self._note(now_s)
            if horizon_s is None and (hazards or power) and self._is_over():
                break
        if horizon_s is None and len(self.queue) and self._nothing_is_off():
            raise turn.never_starts()
        end_s = clock.now if horizon_s is None else until_s
        incidents = hazards.finish(end_s, queue) if hazards is not None else None
        metered = power.finish(end_s) if power is not None else None
        if power is not None:
            incidents = power.incidents
        record = self.recorder.record(
            end_s,
            events,
            incidents,
            metered,
            with_lives=hazards is not None,
            with_services=services is not None,
            guests=guests is not None,
            rentals=clouds.table(end_s) if clouds is not None else None,
            reserved=reserved.record(end_s) if reserved is not None else None,
        )
        return record if self._wants is None else in_parts(record, self.jobs, self._wants)

    @property
    def decisions(self) -> dict[str, float]:
        """How many decisions the scheduler has made, and how long they took. [s]"""
        return self.turn.deciding.summary()

    def _nothing_is_off(self) -> bool:
        """Whether what waits now could have started: nothing is broken, dark or without power."""
        fleet = self.cluster.fleet
        return not (self._power or fleet.down_gpus or fleet.spare_gpus or fleet.dark_gpus)

    def _may_start_later(self) -> bool:
        """Whether jobs or reservations are still to come."""
        return not self._arrived or (self._reserved is not None and self._reserved.is_coming)

    def _is_over(self) -> bool:
        """Whether all that can be done is done, though parts go on failing and caps changing."""
        power, running = self._power, self.cluster.running_jobs
        if self.queue.aside:  # until they are wanted no longer
            return False
        if not self._arrived or self._deferred or (self.turn.awaits_wake and self.queue.jobs):
            return False
        if running and not (power is not None and power.all_paused):
            return False
        if not running and self.queue.head is None:
            return True
        if self._clouds is not None and self._clouds.is_coming:
            return False
        if self._reserved is not None and self._reserved.is_coming:
            return False
        if power is not None and power.is_coming:
            return False
        return self._hazards is None or not self._hazards.faults.repairing

    def _arrivals(self, advance: Advance | None) -> Generator[Event, None, None]:
        submit_s: list[float] = self.jobs["submit_s"].tolist()
        shape_of: list[int] = self._shape_of.tolist()
        run_s, estimate_s, shapes = self._run_s, self._estimate_s, self._shapes
        queue, clock, recorder = self.queue, self.clock, self.recorder
        columns, services = self._columns, self._services
        defers = self._power.release_s if self._power and self._power.defers else None
        now_s = -inf
        for row, at_s in enumerate(submit_s):
            if at_s != now_s:
                yield clock.at(at_s, ARRIVALS)
                now_s = at_s
            if advance is not None and not row % _ADVANCE_EVERY:
                advance(row - queue.jobs, len(submit_s))
            shape = shapes[shape_of[row]]
            if shape.pools:
                recorder.submitted(row)
                job = Job(row, at_s, run_s[row], estimate_s[row], shape, columns)
                if services is not None and run_s[row] == inf:
                    services.arrive(job)
                elif defers and (due_s := defers(job, at_s)) > at_s:
                    self._deferred += 1
                    clock.call_at(due_s, ARRIVALS, self._released, job)
                else:
                    queue.append(job)
            else:
                recorder.rejected(row)
        self._arrived = True

    def _released(self, event: Event) -> None:
        """A job that was deferred may queue now, in the place that its submit time gives it."""
        self._deferred -= 1
        self.queue.put_back(event._value)

    def lodge(self, job: Job, held: Held, speed: float, now_s: float) -> None:
        """A waiting job begins as a guest on GPUs that others hold."""
        self.queue.remove(job)
        self.cluster.withdraw(job)
        job.start_s = now_s
        job.expected_end_s = now_s + job.estimate_s / speed if speed > 0 else inf
        self.cluster.host(job, held)
        self.turn.begin(job, now_s)

    def _note(self, now_s: float) -> None:
        """Take down the state from now on: one row of `recorder.LOG_COLUMNS`, or of the fewer."""
        queue, cluster, rest_milli = self.queue, self.cluster, self._rest_milli
        free: float = cluster.fleet.free_gpus
        if rest_milli is not None:
            free += sum(rest_milli) / WHOLE
        lent_gpus = self._guests.lent_gpus if self._guests is not None else _NONE
        if lent_gpus:
            free += sum(lent_gpus.values())
        stranded, stranded_w = 0.0, 0.0
        if queue.jobs:
            for pool, waiting in enumerate(queue.waiting_for_pool):
                if waiting:
                    here: float = self._pools[pool].free_gpus
                    if rest_milli is not None:
                        here += rest_milli[pool] / WHOLE
                    if lent_gpus:
                        here += lent_gpus.get(pool, 0.0)
                    stranded += here
                    stranded_w += here * self._idle_w[pool]
        counted = self._counted
        row: tuple[float, ...] = (
            now_s,
            counted.busy_gpus,
            free - stranded,
            stranded + counted.surplus_gpus,
            queue.jobs,
            queue.gpus,
            cluster.running_jobs,
        )
        if self._power is not None:
            row += self._power.note(now_s, stranded_w)
        if self._clouds is not None:
            row += self._clouds.state()
        self.recorder.log.extend(row if self._hazards is None else row + self._hazards.state())


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Look for cycles seldom: jobs and events make none, and looking is a tenth of a run."""
    before = gc.get_threshold()
    gc.set_threshold(500_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
