"""Sites, work and policies of power at random, and a simulation with a slow account beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from powered_site import Cooling, model, node, work

from twin.facility.model import CapEvent, PowerModel
from twin.failures.model import FailureModel, Incident
from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.draws import WORKING
from twin.kernel.hazards import Reliability
from twin.kernel.simulation import Simulation
from twin.physics.conversion import NO_LOSS, Loss
from twin.physics.cooling import CoolingCurve
from twin.registry import POLICY_KINDS, RECOVERIES, make_policy
from twin.site.domains import Domains, sum_by
from twin.site.layout import Pool, Site, lay_out
from twin.tables import JOB_KINDS
from twin.workload.jobs import job_table

HORIZON_S = 600.0
PROFILES = ("training", "light", "steep")
CURVES = {
    "training": [(200.0, 0.4), (350.0, 0.8), (500.0, 1.0)],
    "light": [(110.0, 0.9), (180.0, 1.0)],
    "steep": [(150.0, 0.1), (400.0, 0.9), (400.0, 0.95), (480.0, 1.0)],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "borrow": {"pool": "lent"},
    "replace": {"patience": "1 min", "take": "10 s"},
    "elastic": {"replica_nodes": 1},
    "replicas": {"replica_nodes": 1},
    "sleep": {"after": "20 s", "review": "15 s"},
    "dark": {"at": 0.8, "order": "rotate", "every": "2 min"},
}
PERIODS = st.sampled_from([("0 s", "0 s"), ("10 s", "2 s"), ("7 s", "0 s"), ("0 s", "3 s")])
KEEP_CAPS = ("uniform", "proportional", "priority", "efficient", "brake", "polca")


@dataclass(frozen=True)
class Case:
    """One run: where, what, and who decides."""

    site: Site
    jobs: pd.DataFrame
    built: PowerModel
    power: str
    options: dict[str, str]
    lighting: tuple[str, dict[str, Any]]
    admission: str
    scheduler: str
    reliability: Reliability | None
    horizon_s: float | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Policies, and a site and work at random; whole seconds, so that much happens at one instant.

    All but the policies comes from one seed: halls do not shrink to anything that is easier to
    read, and the examples are as different as can be.
    """
    period = draw(PERIODS)
    lighting = draw(st.sampled_from(["all-on", "all-on", *POLICY_KINDS["lighting"].names()]))
    power = draw(st.sampled_from([*KEEP_CAPS, "uncapped"]))
    admission = draw(st.sampled_from(["all-jobs", "all-jobs", "powered"]))
    scheduler = draw(st.sampled_from(["fifo", "easy-backfill"]))
    recovery = draw(st.sampled_from([None, *RECOVERIES.names()]))
    luck = Random(draw(st.integers(0, 2**32)))
    site = _site(luck)
    if recovery == "borrow" and len(site.pools) < 2:
        recovery = "requeue"
    return Case(
        site=site,
        jobs=_jobs(luck, site),
        built=_power(luck, site),
        power=power,
        options={} if power == "uncapped" else dict(zip(("period", "delay"), period, strict=True)),
        lighting=(lighting, OPTIONS.get(lighting, {})),
        admission=admission,
        scheduler=scheduler,
        reliability=_reliability(luck, site, recovery) if recovery else None,
        horizon_s=luck.choice([None, HORIZON_S]) if recovery is None else HORIZON_S,
    )


def _site(luck: Random) -> Site:
    nodes, size = luck.randint(2, 7), luck.choice([2, 4])
    pools = [Pool("main", "node", "", size, nodes, ("a", "b"), 2, 2)]
    if luck.random() < 0.5:
        pools.append(Pool("lent", "node", "", 2, luck.randint(1, 3), ("b",), 2, 2))
    return lay_out(pools)


def _jobs(luck: Random, site: Site) -> pd.DataFrame:
    rows = range(luck.randint(1, 20))
    pools = ["", *(pool.name for pool in site.pools)]
    return job_table(
        {
            "submit_s": sorted(float(luck.randint(0, 150)) for _ in rows),
            "run_s": [luck.choice([0.0, 1.0, 12.0, 50.0, 88.0, 200.0]) for _ in rows],
            "gpus": [luck.choice([1, 1, 2, 3, 4, 8]) for _ in rows],
            "kind": [luck.choice(JOB_KINDS) for _ in rows],
            "priority": [luck.randint(0, 2) for _ in rows],
            "pool": [luck.choice(pools) for _ in rows],
        }
    )


LOSSES = [NO_LOSS, Loss(5.0, 0.01, 1e-6), Loss(0.0, 0.05, 0.0), Loss(20.0, 0.0, 1e-5)]
COOLING = [
    Cooling(),
    Cooling(((0.0, CoolingCurve(40.0, 0.1, 1e-10)),)),
    Cooling(
        (
            (0.0, CoolingCurve(9.0, 0.3, 0.0)),
            (90.0, CoolingCurve(30.0, 0.1, 0.0)),
            (150.0, CoolingCurve(0.0, 0.5, 1e-10)),
        )
    ),
]


def _power(luck: Random, site: Site) -> PowerModel:
    nodes = [
        node(
            gpus=pool.gpus_per_node,
            per_w=luck.choice([0.0, 0.2]),
            fan_per_w3=luck.choice([0.0, 1e-8]),
            supply=luck.choice(LOSSES),
            network_w=luck.choice([0.0, 30.0]),
            off_w=luck.choice([0.0, 25.0]),
            wake_w=luck.choice([100.0, 500.0]),
            wake_s=luck.choice([0.0, 30.0]),
        )
        for pool in site.pools
    ]
    levels = ("rack", "row", "ups", "hall", "site")
    built = model(
        site,
        nodes=nodes,
        works={
            (p, name): work(name, *CURVES[name]) for p in range(len(nodes)) for name in PROFILES
        },
        profile_of={"batch": "light", "serving": "steep"},
        losses={level: luck.choice(LOSSES) for level in levels},
        cooling=luck.choice(COOLING),
        levels=luck.choice([levels, ("node", *levels)]),
    )
    return replace(built, caps=tuple(_cap(luck, site, built) for _ in range(luck.randint(0, 6))))


def _cap(luck: Random, site: Site, built: PowerModel) -> CapEvent:
    """From a little below what a domain draws at rest to more than it ever draws."""
    at = luck.randrange(len(built.domains))
    domain = built.domains[at]
    n = len(domain.rated_w)
    unit = luck.randint(-1, n - 1)
    units = np.arange(n) if unit < 0 else np.array([unit])
    rest_w = flow(site, built, [each.idle_w for each in built.nodes], 0.0)[0][at]
    most_w = flow(site, built, [each.nameplate_w for each in built.nodes], 0.0)[0][at]
    part = luck.choice([-0.05, 0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
    cap_w = (rest_w + part * (most_w - rest_w))[units]
    from_s = float(luck.choice([0, 0, 10, 30, 50, 77, 120, 300, 600]))
    lasts_s = luck.choice([20.0, 50.0, 300.0, 600.0, np.inf])
    return CapEvent(from_s, from_s + lasts_s, domain.level, units, cap_w, "cap")


def _reliability(luck: Random, site: Site, recovery: str) -> Reliability:
    domains = Domains(site)

    def incident() -> Incident:
        of = luck.choice(["gpu", "node", "node", "rack"])
        effect = luck.choice(["fail_stop", "fail_stop", "slow", "maintenance", "no_storage"])
        unit = luck.randrange(domains.units(of))
        at_s, lasts_s = luck.randint(1, 200), luck.randint(1, 150)
        return Incident(float(at_s), of, of, unit, float(lasts_s), effect, 0.7)

    levels = [
        (),
        (SaveLevel("disk", 1, 5.0, read_s=2.0),),
        (SaveLevel("peer", 1, 2.0, flush_s=9.0), SaveLevel("disk", 2, 5.0, read_s=2.0)),
    ]
    return Reliability(
        FailureModel((), incidents=tuple(incident() for _ in range(luck.randint(0, 6)))),
        RestartModel(
            startup_s=luck.choice([0.0, 10.0]),
            restart_s=luck.choice([0.0, 12.0]),
            levels=luck.choice(levels),
        ),
        make_policy("recoveries", recovery, OPTIONS.get(recovery, {})),
        make_policy("checkpoints", "fixed", {"every": "25 s"}),
        make_policy("retirements", "never", {}),
        seed=0,
    )


def flow(
    site: Site, built: PowerModel, node_w: Any, now_s: float, per_pool: bool = True
) -> tuple[list[Any], Any]:
    """What all units of all levels draw, from below, and the cooling of halls: by the model."""
    domains = Domains(site)
    if per_pool:
        node_w = np.array(node_w)[site.node_pool]
    network_w = np.array([each.network_w for each in built.nodes])[site.node_pool]
    found, below, cooling_w = [], node_w, np.zeros(0)
    units_below = np.arange(site.n_nodes)
    for level in built.domains:
        units, n = domains.unit_of(level.level), len(level.rated_w)
        parent = np.zeros(len(below), int)
        parent[units_below] = units
        out_w = sum_by(parent, below, n)
        if level.level == "rack":
            out_w = out_w + sum_by(units, network_w, n)
        if level.level == "hall":
            curves = [built.cooling.curve(hall, now_s) for hall in range(n)]
            cooling_w = np.array(
                [
                    c.fixed_w + w * c.linear + c.cubic_per_w2 * w**3
                    for c, w in zip(curves, out_w.tolist(), strict=True)
                ]
            )
            out_w = out_w + cooling_w
        below, units_below = level.input_w(out_w), units
        found.append(below)
    return found, cooling_w


@dataclass(frozen=True)
class Instant:
    """The whole tree at an instant, reckoned anew."""

    at_s: float
    totals: tuple[float, ...]  # gpu, load, node, dark, cooling, site
    units_w: list[Any]  # by level
    rest_w: list[Any]  # the same with all working jobs paused
    busy_w: float
    decisions: int


class Watched(Simulation):
    """Recounts every GPU and every watt after each instant, from what jobs hold and draw."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[Instant] = []

    def _note(self, now_s: float) -> None:
        super()._note(now_s)
        power, fleet = self._power, self.cluster.fleet
        assert power is not None
        built, site = power.model, fleet.site
        gpu_w = np.array([n.gpus * n.gpu_idle_w for n in built.nodes])[site.node_pool]
        rest_gpu_w = gpu_w.copy()
        held_by: dict[int, Any] = {}
        for residents in self.cluster.residents:
            held_by |= {job.row: job for job in residents}
        assert held_by.keys() == power.draws.by_row.keys()
        busy_w = 0.0
        for row, job in held_by.items():
            draw = power.draws.by_row[row]
            self._check_draw(draw, job, now_s)
            idle_w = built.nodes[fleet.node_pool[next(iter(job.held))]].gpu_idle_w
            for v, gpus in draw.places:
                gpu_w[v] += gpus * (draw.power_w - idle_w)
                if draw.phase != WORKING:
                    rest_gpu_w[v] += gpus * (draw.power_w - idle_w)
            busy_w += draw.gpus * draw.power_w
        dark_w, load_w, node_w, rest_w, seen_gpu_w = 0.0, 0.0, [], [], 0.0
        for v, (watts, rest) in enumerate(zip(gpu_w.tolist(), rest_gpu_w.tolist(), strict=True)):
            here = built.nodes[fleet.node_pool[v]]
            whole = (1 << here.gpus) - 1
            is_down = fleet.down_mask[v] == whole and v not in fleet.leaving
            if v in fleet.dark_nodes or is_down:
                drawn_w = here.wake_w if v in power.lights._waking else here.off_w
                dark_w += drawn_w
                load_w += drawn_w
                node_w.append(drawn_w)
                rest_w.append(drawn_w)
            else:
                seen_gpu_w += watts
                load_w += here.load_w(watts)
                node_w.append(here.input_w(watts))
                rest_w.append(here.input_w(rest))
        units_w, cooling_w = flow(site, built, np.array(node_w), now_s, per_pool=False)
        rest_units_w, _ = flow(site, built, np.array(rest_w), now_s, per_pool=False)
        totals = (seen_gpu_w, load_w, sum(node_w), dark_w, cooling_w.sum(), units_w[-1][0])
        self.seen.append(
            Instant(*(now_s, totals, units_w, rest_units_w, busy_w, power.capping.decisions))
        )
        self._check_states()

    def _check_draw(self, draw: Any, job: Any, now_s: float) -> None:
        curves, held = draw.curves, job.held
        assert sum(gpus for _, gpus in draw.places) == draw.gpus
        assert all(0 < gpus <= held[v].bit_count() for v, gpus in draw.places)
        limit_w = draw.limit_w
        assert limit_w == curves.idle_w or curves.floor_w <= limit_w <= curves.top_w
        if self._hazards is None:
            assert draw.gpus == job.gpus and draw.phase == WORKING
            if draw.limit_w < curves.floor_w:
                assert draw.power_w == curves.idle_w and draw.rate == 0
            else:
                assert draw.power_w == limit_w and draw.rate > 0
                points = CURVES[curves.work.profile]
                if limit_w not in [w for w, _ in points]:
                    rate = np.interp(limit_w, *zip(*points, strict=True))
                    assert abs(draw.rate - rate) < 1e-12

    def _check_states(self) -> None:
        fleet, power = self.cluster.fleet, self._power
        assert power is not None
        lights = power.lights
        dark = free = 0
        by_reason = [0, 0, 0, 0]
        for v, residents in enumerate(self.cluster.residents):
            whole = (1 << fleet.site.pools[fleet.node_pool[v]].gpus_per_node) - 1
            held = 0
            for job in residents:
                assert not held & job.held[v]
                held |= job.held[v]
            down = fleet.down_mask[v] & ~fleet.leaving.get(v, 0)
            is_dark = whole if v in fleet.dark_nodes else 0
            assert held + down + is_dark + fleet.free_mask[v] == whole
            assert held | down | is_dark | fleet.free_mask[v] == whole
            dark, free = dark + is_dark.bit_count(), free + fleet.free_mask[v].bit_count()
            assert (v in lights._why) == bool(is_dark)
            if is_dark:
                by_reason[lights._why[v]] += is_dark.bit_count()
                assert lights._why[v] != 0
        assert (fleet.dark_gpus, fleet.free_gpus) == (dark, free)
        assert lights.dark_gpus == by_reason
