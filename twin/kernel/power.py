"""Power in a run, put together: the tree, what jobs draw, caps, lights, cooling, meters."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simpy import Event

from twin.errors import PolicyError
from twin.facility.model import CapEvent, PowerModel
from twin.kernel.breakers import Breakers, KnockOut
from twin.kernel.capping import Capping
from twin.kernel.caps import Caps
from twin.kernel.clock import CAPS
from twin.kernel.draws import Draw, Draws
from twin.kernel.headroom import headroom_w
from twin.kernel.heat import Heat
from twin.kernel.incidents import CAP, Incidents
from twin.kernel.job import Job
from twin.kernel.lights import Lights
from twin.kernel.meter import PowerRecord, power_record
from twin.kernel.power_tree import LIT, OFF, PowerTree
from twin.policies.base import AdmissionPolicy, LightingPolicy, PowerPolicy
from twin.policies.power_view import DEMAND_DARK, HEAT_DARK, POWER_DARK
from twin.policies.view import HallHeat, Placement
from twin.site.domains import LEVELS, Domains
from twin.tables import JOB_KINDS

if TYPE_CHECKING:
    from twin.kernel.simulation import Simulation

Array = NDArray[np.float64]

# Jobs end later than was thought where caps slow them, and may wait for power where there is room.
_OVERDUE_S = 300.0

# For so long a run that could end waits for other weather to let it go on.
_PATIENCE_S = 7 * 86400.0


@dataclass(frozen=True)
class Powering:
    """What draws power and what it may draw, and who decides about it."""

    model: PowerModel
    power: PowerPolicy
    lighting: LightingPolicy
    admission: AdmissionPolicy


class PoweredJobs(Protocol):
    """Whoever lets jobs run, as far as power goes."""

    def repace(self, draw: Draw, limit_w: float, now_s: float) -> None:
        """A running job may draw another power from now on, and does."""

    def settle(self, now_s: float) -> None:
        """All jobs draw what they draw now."""

    def close(self, end_s: float) -> tuple[dict[str, Array], Array]:
        """Energy of each job by share, and GPU-time that caps cost it."""


class Power:
    """The power side of a run.

    Attributes
    ----------
    tree : PowerTree
    draws : Draws
    lights : Lights
    jobs : PoweredJobs
        Set by whoever makes them, before the run begins.
    incidents : Incidents
        Where caps and heat are told of.
    may_fail : bool
        Whether jobs may be interrupted.
    knock_out : callable or None
        What takes a unit out of service, where that may be.
    """

    def __init__(self, setup: Powering, simulation: Simulation) -> None:
        self._setup = setup
        self._clock = simulation.clock
        self._cluster = simulation.cluster
        self._queue = simulation.queue
        self._domains = Domains(self._cluster.fleet.site)
        model = self.model = setup.model
        self.tree = PowerTree(model, self._domains)
        self.draws = Draws(model, self.tree, _profiles(model, simulation.jobs))
        self.lights = Lights(
            setup.lighting,
            model,
            self.tree,
            self._clock,
            self._cluster,
            self._queue,
            self._domains,
        )
        self.jobs: PoweredJobs
        self.incidents = Incidents()
        self.may_fail = False
        self.knock_out: KnockOut | None = None
        self._breakers: Breakers | None = None
        self._heat: Heat | None = None
        self._idle_w = [node.gpu_idle_w for node in model.nodes]
        self._pool_gpus = [node.gpus for node in model.nodes]
        self._open: dict[int, int] = {}  # caps that hold -> incident
        self._cap_log = array("d")  # time, level, unit, cap
        # When the last cap ends that does end.
        self._worked_s = 0.0  # when some job made headway last
        self._changes = 0  # of what jobs draw, when places were refused last
        self._last_cap_s = max((c.to_s for c in model.caps if c.to_s < inf), default=0.0)

    def begin(self) -> None:
        """Put everything in its first state."""
        model, clock = self.model, self._clock
        self._set_cooling(0.0)
        self.caps = Caps(model, self.tree, clock, self._setup.power.alarm, self._cap_changed)
        self.caps.on_heat = self._heat_changed
        self.lights.caps = self.caps
        self.lights.hall_degc = self._hall_degc
        self.capping = Capping(
            self._setup.power,
            self.tree,
            self.draws,
            clock,
            self._catch_up,
            self._repace,
            follows_at_once=not self.may_fail,
        )
        for at in range(len(self.tree.levels)):
            self._note_caps(at, 0.0)
        if any(built.trip is not None for built in model.domains):
            assert self.knock_out is not None  # what may be interrupted is built to be
            self._breakers = Breakers(model, self.tree, self.caps, clock, self.knock_out)
        if model.cooling.may_fail:
            assert self.knock_out is not None
            self._heat = Heat(
                model.cooling, self.tree, self.caps, clock, self.knock_out, self.incidents
            )
            self._heat.capacity_changed(0.0)
        if self._setup.admission.needs_power:
            self._cluster.refuses = self._refuses
        for index in self._cluster.fleet.index:
            index.headroom_w, index.hall_heat = self._headroom_w, self._hall_heat
        self._cluster.grace_s = max(self._cluster.grace_s, _OVERDUE_S)
        self.lights.begin()
        self.tree.settle(0.0)
        self._plan_weather(0.0)

    # -- starting jobs

    @property
    def defers(self) -> bool:
        """Whether jobs may have to wait before they queue."""
        return type(self._setup.admission).release_s is not AdmissionPolicy.release_s

    def release_s(self, job: Job, now_s: float) -> float:
        """From when on a job that is submitted now may queue. [s]"""
        at_s = self._setup.admission.release_s(job, now_s, self.model.tariff)
        if not now_s <= at_s < inf:
            name = type(self._setup.admission).__name__
            raise PolicyError(
                f"admission policy {name}: must release {job} at {now_s} s or later, said {at_s}"
            )
        return at_s

    def _refuses(self, placement: Placement) -> list[int]:
        """Nodes of the domain in which a job on these would exceed a cap; none if it would not."""
        pool = self.tree.pool_of[placement[0][0]]
        rise_w = self.draws.most_w(pool) - self._idle_w[pool]
        self.tree.settle(self._clock._now)
        more = [(node, gpus * rise_w) for node, gpus in placement]
        over = self.tree.over_with(more, self.draws.held_back())
        return [] if over is None else self._domains.nodes(*over)

    def _headroom_w(self, level: str) -> list[float]:
        """What each unit of a level may draw more, jobs that are held back at their most. [W]"""
        now_s = self._clock._now
        self.jobs.settle(now_s)
        self.tree.settle(now_s)
        found: list[float] = headroom_w(self.tree, self.draws.held_back(), level).tolist()
        return found

    def _hall_heat(self) -> list[HallHeat]:
        """How warm each hall is now, and what its cooling could carry more."""
        now_s, cooling = self._clock._now, self.model.cooling
        self.jobs.settle(now_s)
        self.tree.settle(now_s)
        hall = self.tree.by_name["hall"]
        return [
            HallHeat(degc, cooling.capacity_w(unit, now_s) - hall.out_w[unit])
            for unit, degc in enumerate(self._hall_degc(now_s))
        ]

    # -- an instant

    @property
    def acts_first(self) -> bool:
        """Whether it has a turn before the policies of jobs."""
        return self.may_fail or not self.lights.are_trivial

    def settle(self, now_s: float) -> None:
        """Before the policies of jobs have their turn: lights are switched."""
        self.jobs.settle(now_s)
        self._look_again()
        self.lights.settle(now_s)

    def _look_again(self) -> None:
        """Jobs draw something else than when places were refused for their power, or not."""
        if self.draws.changes != self._changes:
            self._changes = self.draws.changes
            self._cluster.power_changed()

    def note(self, now_s: float, stranded_w: float) -> tuple[float, ...]:
        """At the end of an instant: see whether the caps are kept; the columns of the change log.

        They are `twin.kernel.recorder.POWER_COLUMNS`.
        """
        cluster, draws = self._cluster, self.draws
        fleet, queue = cluster.fleet, self._queue
        if self.may_fail or cluster.switched:
            self._catch_up(now_s)
        self.tree.note(now_s)
        if cluster.refuses is not None:
            self._look_again()
        if len(draws.paused) != len(draws.by_row):
            self._worked_s = now_s
        if self._breakers is not None:
            self._breakers.look(now_s)
        if self._heat is not None:
            self._heat.look(now_s)
        self.capping.look(now_s)
        spare_w = 0.0
        if fleet.spare_nodes:
            spare_w = sum(
                self._idle_w[pool] * self._pool_gpus[pool]
                for pool in map(fleet.node_pool.__getitem__, fleet.spare_nodes)
            )
        busy_w, throttled = draws.busy_w, draws.throttled_gpus
        if not fleet.dark_gpus:
            return 0, busy_w, stranded_w, spare_w, throttled, 0, 0, 0, 0
        elsewhere = 0
        if queue.jobs:
            waiting = queue.waiting_for_pool  # pools that no job may use are not in it
            for pool, gpus in enumerate(self.lights.dark_for_pool):
                if gpus and not any(waiting[pool : pool + 1]):
                    elsewhere += gpus
        dark = self.lights.dark_gpus
        return (
            *(fleet.dark_gpus, busy_w, stranded_w, spare_w, throttled),
            *(dark[POWER_DARK], dark[HEAT_DARK], dark[DEMAND_DARK] - elsewhere, elsewhere),
        )

    def _catch_up(self, now_s: float) -> None:
        """Jobs and nodes draw what they draw now."""
        self.jobs.settle(now_s)
        if self._cluster.switched:
            self._switch()

    def _switch(self) -> None:
        """Nodes of which all GPUs are out of service are off, others draw what they do."""
        fleet, still = self._cluster.fleet, set()
        for node in self._cluster.switched:
            if node in fleet.dark_nodes:
                continue
            whole = fleet.down_mask[node].bit_count() == self._pool_gpus[fleet.node_pool[node]]
            self.tree.set_state(node, OFF if whole and node not in fleet.leaving else LIT)
            if node in fleet.leaving:
                still.add(node)
        self._cluster.switched = still

    @property
    def all_paused(self) -> bool:
        """Whether all jobs that run are paused."""
        return len(self.draws.paused) == len(self.draws.by_row)

    @property
    def is_coming(self) -> bool:
        """Whether something is still to come that may let jobs run that cannot now."""
        now_s = self._clock._now
        if self.lights.are_waking or self.capping.is_pending or now_s < self._last_cap_s:
            return True
        weather_changes = self.model.cooling.next_change_s(now_s) < inf
        return weather_changes and now_s < self._worked_s + _PATIENCE_S

    def finish(self, end_s: float) -> PowerRecord:
        """Account for everything up to the horizon."""
        self.tree.settle(end_s)
        joules, throttled_gpu_s = self.jobs.close(end_s)
        return power_record(
            self.tree,
            self.draws,
            self._cap_log,
            joules,
            throttled_gpu_s,
            self.lights.dark_s(end_s),
            self.capping.decisions,
            self.model.battery_level,
        )

    # -- what changes in time

    def _set_cooling(self, now_s: float) -> None:
        halls = range(self.tree.by_name["hall"].n)
        self.tree.set_cooling([self.model.cooling.curve(hall, now_s) for hall in halls], now_s)

    def _plan_weather(self, now_s: float) -> None:
        next_s = self.model.cooling.next_change_s(now_s)
        if next_s < inf:
            self._clock.call_at(next_s, CAPS, self._weather, None)

    def _weather(self, event: Event) -> None:
        now_s = self._clock._now
        self._set_cooling(now_s)
        if self._heat is not None:
            self._heat.capacity_changed(now_s)
        self._cluster.changed()
        self.lights.ask_again()
        self.capping.heed()
        self._plan_weather(now_s)

    def _repace(self, draw: Draw, limit_w: float, now_s: float) -> None:
        """A job may draw another power; caps that hold meanwhile have hit it if that is less."""
        if limit_w < draw.curves.top_w:
            for incident in self._open.values():
                self.incidents.hit(incident, draw.job.row)
        self.jobs.repace(draw, limit_w, now_s)

    def _hall_degc(self, now_s: float) -> list[float]:
        """How warm the air or water is that equipment in each hall takes in. [degC]"""
        if self._heat is not None:
            return self._heat.degc(now_s)
        return [self.model.cooling.supply_degc] * self.tree.by_name["hall"].n

    def _note_caps(self, at: int, now_s: float) -> None:
        for unit, cap_w in enumerate(self.tree.levels[at].cap_w):
            self._cap_log.extend((now_s, at, unit, cap_w))

    def _heat_changed(self, name: str) -> None:
        """Cooling leaves a hall another power than before."""
        self._note_caps(self.tree.by_name[name].at, self._clock._now)
        self._cluster.changed()
        self.lights.ask_again()
        self.capping.heed()

    def _cap_changed(self, cap: CapEvent, begins: bool, now_s: float) -> None:
        at = self.tree.by_name[cap.level].at
        self._note_caps(at, now_s)
        self._cluster.changed()
        self.lights.ask_again()
        self.capping.heed()
        incidents = self.incidents
        if cap.from_s <= 0 and cap.to_s == inf:
            return  # it is no incident: it always holds
        if begins:
            unit = int(cap.units[0]) if len(cap.units) == 1 else 0
            component = incidents.component_code(cap.why)
            level = LEVELS.index(cap.level)
            incident = incidents.begin(now_s, component, unit, level, unit, CAP)
            incidents.trouble(incident)
            self._open[id(cap)] = incident
        elif id(cap) in self._open:
            incidents.well(self._open.pop(id(cap)), now_s)


def _profiles(model: PowerModel, jobs: pd.DataFrame) -> list[str]:
    """(n_job,) power profile of each job: by its model if that has one, else by its kind."""
    of = model.profile_of
    by_kind = jobs["kind"].map({kind: of[kind] for kind in JOB_KINDS}).astype("str")
    by_model = jobs["model"].astype("str").map(lambda name: of.get(name, ""))
    profiles: list[str] = by_kind.where(by_model == "", by_model).tolist()
    return profiles
