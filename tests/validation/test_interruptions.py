"""Mean time to interruption (MTTI) of jobs by size: rates of independent parts add up."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from failing import Run, agrees, alike, fails, hall, poisson_interval, repair
from scipy.special import ndtri

from twin.distributions import Constant, Exponential, Lognormal
from twin.failures.hazard import Hazard
from twin.failures.model import FailureModel
from twin.failures.restart import RestartModel
from twin.kernel.recorder import Record
from twin.physics.reliability import job_mttf_s
from twin.policies.recoveries.replace import Replace
from twin.site.domains import Domains
from twin.workload.jobs import job_table

HOUR, DAY = 3600.0, 86_400.0
SIZES = {512: 1, 64: 8, 8: 64}  # GPUs -> jobs: 64 nodes of 8 GPUs each
JOBS = job_table(
    {
        "submit_s": np.zeros(73),
        "run_s": np.full(73, 1e12),
        "gpus": np.repeat(list(SIZES), list(SIZES.values())),
    }
)
GPU_S, NODE_S, RACK_S = 500 * DAY, 150 * DAY, 100 * DAY
CLASSES = [fails("gpu", GPU_S), fails("node", NODE_S), fails("rack", RACK_S)]


def mtti(record: Record, jobs: np.ndarray) -> tuple[float, int]:
    """Time at work of some jobs over their interruptions, and how many there were."""
    ran_s = record.horizon_s - record.start_s - record.lives["interrupted_s"]
    n = int(record.lives["interruptions"][jobs].sum())
    return float(ran_s[jobs].sum()) / n, n


def test_mtti_by_size():
    """``1 / (GPUs / M_gpu + nodes / M_node + racks / M_rack)``: a rack holds four nodes.

    A rack that fails stops the four jobs of one node in it at once: their faults count as one.
    """
    run = Run(site=hall(192, 8), jobs=JOBS, classes=CLASSES, seed=1, recovery=Replace())
    record = run.record(2000 * DAY)
    hazard = Hazard(FailureModel(tuple(CLASSES)), Domains(run.site))
    for gpus, count in SIZES.items():
        nodes = gpus // 8
        racks = max(nodes // 4, 1)
        rates = [1 / GPU_S] * gpus + [1 / NODE_S] * nodes + [1 / RACK_S] * racks
        exact_s = float(job_mttf_s(rates))
        measured_s, n = mtti(record, JOBS["gpus"].to_numpy() == gpus)
        at_once = 4 if nodes == 1 else 1
        alone = 1 - racks / RACK_S * exact_s
        variance = n * (alone + (1 - alone) * at_once)
        agrees(measured_s, exact_s, ndtri(0.9995) * sqrt(variance) / n * exact_s, 0.08)
        assert hazard.mttf_s(0, gpus, nodes) == pytest.approx(exact_s)
        assert record.nodes[JOBS["gpus"] == gpus].tolist() == [nodes] * count


def test_mtti_does_not_depend_on_what_a_recovery_takes():
    """Faults while a job recovers are not interruptions, and that time is not time at work."""
    slow = {"repair": repair(Lognormal(3 * HOUR, 1.0)), "detection": Exponential(0.2 * HOUR)}
    # Not of racks: a gang that was mended with nodes from elsewhere is exposed to more of them.
    classes = [replace(cls, **slow) for cls in CLASSES[:2]]
    run = Run(
        site=hall(200, 8),
        jobs=JOBS,
        classes=classes,
        seed=2,
        recovery=Replace(),
        restarts=RestartModel(startup_s=HOUR, restart_s=2 * HOUR),
    )
    record = run.record(2500 * DAY)
    job = JOBS["gpus"].to_numpy() == 512
    assert record.lives["interrupted_s"][0] > 0.1 * record.horizon_s
    measured_s, n = mtti(record, job)
    exact_s = 1 / (512 / GPU_S + 64 / NODE_S)
    low, high = poisson_interval(n)
    agrees(measured_s, exact_s, max(high / n - 1, 1 - low / n) * exact_s, 0.09)


@pytest.mark.parametrize(("takes", "gpus_that_matter"), [("node", 8), ("gpu", 1)])
def test_a_small_job_is_hit_by_its_siblings_where_they_take_the_node(takes, gpus_that_matter):
    """Eight jobs of one GPU share a node: a fault of any GPU stops all of them, or only one."""
    mean_s, horizon_s = 50 * DAY, 1000 * DAY
    run = Run(
        site=hall(20, 8),
        jobs=alike(160, 1e12),
        classes=[fails("gpu", mean_s, takes=takes, repair=repair(Constant(HOUR)))],
        seed=3,
    )
    record = run.record(horizon_s)
    measured_s, n = mtti(record, np.arange(160))
    exact_s = mean_s / gpus_that_matter
    half = ndtri(0.9995) * sqrt(gpus_that_matter / n) * exact_s
    agrees(measured_s, exact_s, half, 0.09)
    hazard = Hazard(FailureModel(tuple(run.classes)), Domains(run.site))
    assert hazard.mttf_s(0, 1, 1) == pytest.approx(exact_s)
