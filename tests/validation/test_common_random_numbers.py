"""Rival policies meet the same failures, unless rates depend on what runs where."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from failing import Run, agrees, alike, fails, repair
from scipy.special import ndtri

from twin.distributions import Choice, Constant, Exponential, Lognormal, Weibull
from twin.failures.model import FailureModel, Incident, Stage
from twin.failures.restart import RestartModel, SaveLevel
from twin.policies.checkpoints.adaptive import Adaptive
from twin.policies.recoveries.replace import Replace
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.policies.schedulers.fifo import Fifo
from twin.registry import CHECKPOINTS, RECOVERIES, make_policy
from twin.results.outcome import outcome
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

HOUR, DAY = 3600.0, 86_400.0

SITE = lay_out(
    [
        Pool("main", "node", "", 8, 24, nodes_per_rack=4, spares=2),
        Pool("lent", "node", "", 8, 8, nodes_per_rack=4),
    ]
)
RNG = np.random.default_rng(8)
N = 60
JOBS = job_table(
    {
        "submit_s": np.sort(RNG.uniform(0, 10 * DAY, N)),
        "run_s": RNG.lognormal(np.log(20 * HOUR), 1, N),
        "gpus": RNG.choice([1, 4, 8, 16, 64], N),
        "kind": RNG.choice(["training", "batch", "serving"], N),
        "pool": RNG.choice(["main", "lent", ""], N),
    }
)
STAGES = (
    Stage(((0.0, Lognormal(2 * HOUR, 1.0)),), escalates=0.3, unmended=0.2),
    Stage(((0.0, Constant(DAY)), (6 * DAY, Constant(6 * HOUR))), unmended=0.1, crew=True),
)
CLASSES = [
    fails("gpu", 100 * DAY, repair=STAGES, detection=Exponential(600.0), recurs=Constant(HOUR)),
    fails("node", 30 * DAY, life=Weibull(0.7, 30 * DAY), repair=STAGES, beta=0.2, beta_of="rack"),
    fails("rack", 60 * DAY, repair=STAGES),
    fails("leaf", 5 * DAY, effect="degraded", bandwidth=0.5, exposed_share=0.3, repair=STAGES),
    replace(fails("node", 25 * DAY, effect="slow", speed=0.7, repair=STAGES), name="slow"),
    replace(
        fails("gpu", 200 * DAY, effect="silent", detection=Exponential(DAY), repair=STAGES),
        name="corrupt",
    ),
]
MODEL = FailureModel(
    lemons=Choice((0.8, 3.0), (0.9, 0.1)),
    mends_lemons=True,
    crews=3,
    incidents=(Incident(3 * DAY, "mains", "site", 0, 2 * HOUR),),
)
SAVES = RestartModel(
    startup_s=60.0, restart_s=300.0, levels=(SaveLevel("storage", 1, 60.0, flush_s=300.0),)
)
OPTIONS = {
    "borrow": {"pool": "lent", "take": "2 min"},
    "elastic": {"replica_nodes": 2},
    "fixed": {"every": "1 h"},
}
BASE = Run(
    site=SITE,
    jobs=JOBS,
    classes=CLASSES,
    seed=1,
    recovery=Replace(),
    checkpoint=Adaptive(),
    restarts=SAVES,
    others=MODEL,
)


def what_failed(run: Run, horizon_s: float = 12 * DAY) -> pd.DataFrame:
    """When, what and how, of hardware."""
    tables = outcome(run.record(horizon_s), run.jobs, run.site)
    columns = ["time_s", "component", "component_id", "domain", "kind", "gpus_down"]
    hardware = ~tables.incidents["domain"].str.startswith("job ")
    failed = tables.incidents.loc[hardware.to_numpy(), columns].reset_index(drop=True)
    return failed.astype({"component": str, "kind": str})


@pytest.fixture(scope="module")
def failed() -> pd.DataFrame:
    found = what_failed(BASE)
    assert len(found) > 80
    assert set(found["kind"]) == {"fail_stop", "slow", "silent", "degraded"}
    return found


@pytest.mark.parametrize("name", RECOVERIES.names())
def test_under_every_recovery(failed, name):
    policy = make_policy("recoveries", name, OPTIONS.get(name, {}))
    pd.testing.assert_frame_equal(what_failed(replace(BASE, recovery=policy)), failed)


@pytest.mark.parametrize("name", CHECKPOINTS.names())
def test_under_every_checkpoint(failed, name):
    policy = make_policy("checkpoints", name, OPTIONS.get(name, {}))
    pd.testing.assert_frame_equal(what_failed(replace(BASE, checkpoint=policy)), failed)


def test_under_another_scheduler_and_another_load(failed):
    pd.testing.assert_frame_equal(what_failed(replace(BASE, scheduler=EasyBackfill())), failed)
    pd.testing.assert_frame_equal(what_failed(replace(BASE, jobs=alike(1, HOUR))), failed)


def test_whatever_software_does(failed):
    crash = replace(CLASSES[0], name="crash", of="job", life=Exponential(DAY), repair=())
    pd.testing.assert_frame_equal(what_failed(replace(BASE, classes=[*CLASSES, crash])), failed)


def test_another_seed_is_another_luck(failed):
    other = what_failed(replace(BASE, seed=2))
    assert not set(other["time_s"]) & set(failed["time_s"]) - {3 * DAY}  # but for what is dated


# -- rates that depend on the load

IDLE = 0.3


def failures_of(run: Run, horizon_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and parts of all failures."""
    incidents = run.record(horizon_s).incidents
    return np.frombuffer(incidents.time_s, float), np.frombuffer(incidents.part, np.int64)


def test_idle_parts_fail_less_and_then_policies_matter():
    """With repairs at once, those of a lighter load are some of those of full load, no others."""
    node = fails("node", 5 * DAY, idle_rate=IDLE)
    run = replace(BASE, classes=[node], others=FailureModel(), scheduler=Fifo())
    at_full_load = replace(run, classes=[replace(node, idle_rate=1.0)])
    full, fifo, easy = (
        set(zip(*failures_of(each, 12 * DAY), strict=True))
        for each in (at_full_load, run, replace(run, scheduler=EasyBackfill()))
    )
    assert fifo != easy
    assert len(fifo) < 0.9 * len(full)
    assert fifo < full
    assert easy < full


def one_job_a_node(nodes: int, gpus_per_node: int, **more) -> Run:
    """A job of one GPU that never ends on each node, and stays there; as many idle nodes."""
    names = [f"pool-{i}" for i in range(nodes)]
    pools = [Pool(name, "node", "", gpus_per_node, 1) for name in names]
    return Run(
        site=lay_out([*pools, Pool("idle", "node", "", gpus_per_node, nodes)]),
        jobs=alike(nodes, 1e12, pool=names),
        scheduler=EasyBackfill(),  # who waits for his node does not keep others waiting
        **more,
    )


@pytest.mark.parametrize("repair_s", [0.0, DAY])
def test_idle_nodes_fail_as_often_as_asked(repair_s):
    """Counts are Poisson, or vary a little less with repairs."""
    nodes, mean_s, horizon_s = 100, 10 * DAY, 400 * DAY
    node = fails("node", mean_s, idle_rate=IDLE, repair=repair(Constant(repair_s)))
    _, part = failures_of(one_job_a_node(nodes, 1, classes=[node], seed=5), horizon_s)
    for n, cycle_s in (
        ((part < nodes).sum(), mean_s + repair_s),
        ((part >= nodes).sum(), mean_s / IDLE + repair_s),
    ):
        exact = nodes * horizon_s / cycle_s
        agrees(n, exact, ndtri(0.9995) * sqrt(exact), 0.11)


def test_a_gpu_is_idle_if_no_job_holds_it():
    """One of the four GPUs of a node is held: the others fail as those of idle nodes do."""
    nodes, mean_s, horizon_s = 50, 10 * DAY, 400 * DAY
    gpu = fails("gpu", mean_s, idle_rate=IDLE, takes="gpu")
    _, part = failures_of(one_job_a_node(nodes, 4, classes=[gpu], seed=6), horizon_s)
    rates = {"held": 1.0, "beside": 3 * IDLE, "idle": 4 * IDLE}
    held, beside = (part < 4 * nodes) & (part % 4 == 0), (part < 4 * nodes) & (part % 4 > 0)
    for of, here in (("held", held), ("beside", beside), ("idle", part >= 4 * nodes)):
        exact = rates[of] * nodes * horizon_s / mean_s
        agrees(here.sum(), exact, ndtri(0.9995) * sqrt(exact), 0.08)
