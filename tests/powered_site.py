"""Sites with power of which every watt is known by hand, and what a run on them was seen to do.

A node has two GPUs of 100 W at rest and 500 W at most, a host of 200 W and nothing else, unless a
case says otherwise: 400 W at rest, 1200 W in full use, 10 W switched off. A GPU that may draw
``p`` watts, 200 or more, works at a speed of ``p / 500``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from twin.facility.model import CapEvent, DomainModel, NodeModel, PowerModel, Trip, Work
from twin.failures.model import FailureModel, Incident
from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.hazards import Reliability
from twin.kernel.power import Powering
from twin.kernel.recorder import Record
from twin.kernel.simulation import Simulation
from twin.physics.conversion import NO_LOSS, Loss
from twin.physics.cooling import CoolingCurve
from twin.physics.power import OperatingCurve
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.placements.best_fit import BestFit
from twin.policies.recoveries.requeue import RequeueJob
from twin.policies.retirements.never import Never
from twin.registry import make_policy
from twin.results.outcome import Outcome, outcome
from twin.site.domains import Domains, sum_by
from twin.site.layout import Pool, Site, lay_out
from twin.tables import JOB_KINDS
from twin.workload.jobs import job_table

LEVELS = ("rack", "row", "ups", "hall", "site")
AT_ONCE = {"period": "0 s", "delay": "0 s"}
FREE = CoolingCurve(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Cooling:
    """Another curve from each of the times on, the same in every hall."""

    curves: tuple[tuple[float, CoolingCurve], ...] = ((0.0, FREE),)
    supply_degc: float = 24.0
    may_fail: bool = False
    node_heat_w: Any = None

    def curve(self, hall: int, now_s: float) -> CoolingCurve:
        return next(curve for at_s, curve in reversed(self.curves) if at_s <= now_s)

    def next_change_s(self, now_s: float) -> float:
        return next((at_s for at_s, _ in self.curves if at_s > now_s), inf)


@dataclass(frozen=True)
class Prices:
    """Another price from each of the times on."""

    prices: tuple[tuple[float, float], ...] = ((0.0, 1.0),)

    def price_usd_per_j(self, at_s: float) -> float:
        return next(price for from_s, price in reversed(self.prices) if from_s <= at_s)

    def carbon_kg_per_j(self, at_s: float) -> float:
        return 0.0

    def wet_bulb_degc(self, at_s: float) -> float:
        return 15.0

    def changes_s(self, what: str, from_s: float, to_s: float) -> list[float]:
        assert what == "price"
        return [at_s for at_s, _ in self.prices if from_s < at_s <= to_s]


def hall(nodes: int, **more: Any) -> Site:
    """One pool of nodes of two GPUs, two nodes to a rack."""
    return lay_out([Pool("main", "node", "", 2, nodes, **{"nodes_per_rack": 2} | more)])


def jobs(*rows: tuple[float, float, int], **columns: Any) -> pd.DataFrame:
    """Jobs by (submit, work, GPUs)."""
    submit_s, run_s, gpus = zip(*rows, strict=True)
    return job_table({"submit_s": submit_s, "run_s": run_s, "gpus": gpus} | columns)


def node(**more: Any) -> NodeModel:
    """The node of this module."""
    usual = {
        **{"gpus": 2, "tdp_w": 500.0, "gpu_idle_w": 100.0, "rest_w": 200.0, "per_w": 0.0},
        **{"fan_per_w3": 0.0, "supply": NO_LOSS, "network_w": 0.0},
        **{"off_w": 10.0, "wake_w": 150.0, "wake_s": 60.0},
    }
    return NodeModel(**usual | more)


def work(profile: str = "training", *points: tuple[float, float], **more: float) -> Work:
    """Work whose speed runs straight through points of power and speed."""
    power_w, rate = np.array(points or [(200.0, 0.4), (500.0, 1.0)]).T
    curve = OperatingCurve(
        cap_w=power_w, power_w=power_w, rate=rate, peak_w=power_w, trough_w=power_w, clock=rate
    )
    phases = {"startup_w": 150.0, "restart_w": 140.0, "checkpoint_w": 180.0, "waiting_w": 120.0}
    return Work(profile=profile, curve=curve, synchronous=True, **phases | more)


def cap(
    from_s: float, to_s: float, cap_w: float, level: str = "site", *units: int, why: str = "cap"
) -> CapEvent:
    """A cap of some units, the first if none is named."""
    which = np.array(units or (0,))
    return CapEvent(from_s, to_s, level, which, np.full(len(which), cap_w), why)


def model(
    site: Site,
    *caps: CapEvent,
    nodes: Sequence[NodeModel] = (),
    works: Mapping[tuple[int, str], Work] | None = None,
    profile_of: Mapping[str, str] | None = None,
    rated_w: Mapping[str, float] | None = None,
    losses: Mapping[str, Loss] | None = None,
    trips: Mapping[str, Trip] | None = None,
    cooling: Cooling | None = None,
    prices: Prices | None = None,
    levels: Sequence[str] = LEVELS,
) -> PowerModel:
    """The power of a site: no losses, no limits and free cooling if not told."""
    nodes = nodes or [node()] * len(site.pools)
    profile_of = dict.fromkeys(JOB_KINDS, "training") | dict(profile_of or {})
    domains = Domains(site)
    nameplate_w = np.array([each.nameplate_w + each.network_w for each in nodes])[site.node_pool]
    built = []
    for level in levels:
        units = domains.unit_of(level)
        n = domains.units(level)
        rated = np.full(n, (rated_w or {}).get(level, inf))
        loss = (losses or {}).get(level, NO_LOSS)
        built.append(
            DomainModel(
                level=level,
                rated_w=rated,
                feed_w=rated,
                breaker_w=rated,
                feeds=1,
                nameplate_w=sum_by(units, nameplate_w, n),
                fixed_w=np.full(n, loss.fixed_w),
                linear=np.full(n, loss.linear),
                quadratic_per_w=np.full(n, loss.quadratic_per_w),
                trip=(trips or {}).get(level),
            )
        )
    return PowerModel(
        nodes=tuple(nodes),
        work=dict(works or {(p, "training"): work() for p in range(len(site.pools))}),
        profile_of=profile_of,
        domains=tuple(built),
        caps=caps,
        cooling=replace(cooling or Cooling(), node_heat_w=np.full(site.n_nodes, inf)),  # type: ignore[arg-type]
        tariff=prices or Prices(),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Seen:
    """What came of a run."""

    site: Site
    record: Record
    tables: Outcome
    simulation: Simulation

    @property
    def energy(self) -> dict[str, float]:
        """Shares of the energy at the meter that are not zero. [J]"""
        assert self.tables.energy is not None
        return {name: value for name, value in self.tables.energy.items() if abs(value) > 1e-6}

    @property
    def gpu_s(self) -> dict[str, float]:
        """Shares of GPU-time that are not zero. [GPU s]"""
        return {name: value for name, value in self.tables.gpu_time.items() if abs(value) > 1e-9}

    def job(self, column: str) -> list[float]:
        """A column of the table of jobs."""
        return self.tables.jobs[column].tolist()

    def of(self, column: str, level: str = "site", unit: int = 0) -> float:
        """A figure of one domain of the power tree."""
        rows = self.tables.power
        assert rows is not None
        here = (rows["level"] == level) & (rows["unit"] == unit)
        return float(rows.loc[here, column].iloc[0])

    def power_w(self, at_s: float, level: str = "site", unit: int = 0) -> float:
        """What a domain draws from a time on. [W]"""
        log = self.record.power.domains
        at = self.record.power.levels.index(level)
        here = (log["level"] == at) & (log["unit"] == unit) & (log["time_s"] <= at_s)
        return float(log["power_w"][here][-1])

    def log_at(self, at_s: float, name: str) -> float:
        """A counter of the hall from a time on."""
        log = self.record.log
        return float(log[name][np.searchsorted(log["time_s"], at_s, side="right") - 1])


def run(
    site: Site,
    work: pd.DataFrame,
    built: PowerModel,
    *,
    power: str = "uniform",
    scheduler: Any = "fifo",
    lighting: Any = "all-on",
    admission: Any = "all-jobs",
    horizon_s: float | None = None,
    reliability: Reliability | None = None,
    kind: type[Simulation] = Simulation,
    **options: Any,
) -> Seen:
    """Simulate; the ledgers balance, or it raises. ``options`` are those of the power policy."""

    def made(group: str, given: Any, of: Mapping[str, Any] | None = None) -> Any:
        if isinstance(given, str):
            return make_policy(group, given, of or {})
        return make_policy(group, *given) if isinstance(given, tuple) else given

    simulation = kind(
        site,
        work,
        made("schedulers", scheduler),
        BestFit(),
        reliability=reliability,
        powering=Powering(
            built,
            made("power", power, AT_ONCE | options if power != "uncapped" else options),
            made("lighting", lighting),
            made("admission", admission),
        ),
    )
    record = simulation.run(horizon_s)
    return Seen(site, record, outcome(record, work, site), simulation)


def failing(
    *incidents: Incident, every_s: float = 100.0, write_s: float = 0.0, **more: Any
) -> Reliability:
    """What fails at known times; a job saves after each ``every_s`` of work if that takes time."""
    levels = (SaveLevel("storage", 1, write_s=write_s, read_s=0.0),) if write_s else ()
    return Reliability(
        FailureModel((), incidents=incidents),
        RestartModel(levels=levels, **{"restart_s": 20.0} | more),
        RequeueJob(),
        Fixed(every_s=every_s),
        Never(),
        seed=0,
    )
