"""The simulation against the independent reference: every start time, to the second."""

import json
from pathlib import Path

import numpy as np
import pytest
from gang_scheduler import easy, easy_literal, fifo
from hypothesis import given, settings
from hypothesis import strategies as st
from philly import TRACE, philly_jobs

from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.policies.schedulers.fifo import Fifo
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

POLICIES = {"fifo": Fifo(), "easy": EasyBackfill()}


def starts(jobs, policy, n_nodes, gpus_per_node=8, estimate_s=None):
    site = lay_out([Pool("p", "node", "", gpus_per_node, n_nodes)])
    estimate_s = None if estimate_s is None else np.array(estimate_s, float)
    return Simulation(site, jobs, POLICIES[policy], BestFit(), estimate_s).run().start_s


def table(jobs):
    submit_s, gpus, run_s = zip(*jobs, strict=True)
    return job_table({"submit_s": submit_s, "gpus": gpus, "run_s": run_s})


@pytest.mark.skipif(not TRACE.exists(), reason="needs ../shared/data/sia/philly.csv.gz")
@pytest.mark.parametrize("n_nodes", [96, 64, 312])
@pytest.mark.parametrize("policy", ["fifo", "easy"])
def test_every_start_on_the_whole_philly_trace(policy, n_nodes):
    """Read by twin's own reader; the reference reads the file by itself and computes its own."""
    from twin.workload.traces.base import read_trace

    jobs = read_trace(TRACE, format="philly-csv").jobs
    expected = {"fifo": fifo, "easy": easy}[policy](philly_jobs(), n_nodes)
    assert len(expected) == 82_247
    np.testing.assert_array_equal(starts(jobs, policy, n_nodes), expected)
    if n_nodes == 96:
        waited = json.loads((Path(__file__).parent / "philly_starts.json").read_text())
        wait_s = np.array(expected) - jobs["submit_s"].to_numpy()
        assert (wait_s > 0).sum() == waited["96"][policy]["waiting_jobs"]


# Eighths of a second: sums of them are exact, so that equality can be asked of every float.
eighths = st.integers(1, 400).map(lambda n: n / 8)


@st.composite
def small_cases(draw):
    gpus_per_node = draw(st.sampled_from([1, 2, 4, 8]))
    n_nodes = draw(st.integers(1, 6))
    sizes = st.integers(1, n_nodes * gpus_per_node)
    small = st.integers(1, gpus_per_node)
    submit_s = st.one_of(st.just(0.0), st.integers(0, 200).map(float), eighths)
    jobs = draw(
        st.lists(st.tuples(submit_s, st.one_of(small, sizes), eighths), min_size=1, max_size=40)
    )
    estimates = draw(
        st.one_of(
            st.none(),
            st.lists(eighths, min_size=len(jobs), max_size=len(jobs)),
        )
    )
    return n_nodes, gpus_per_node, jobs, estimates


@settings(max_examples=200, deadline=None)
@given(small_cases())
def test_every_start_on_random_small_cases(case):
    n_nodes, gpus_per_node, jobs, estimates = case
    ours = starts(table(jobs), "fifo", n_nodes, gpus_per_node)
    np.testing.assert_array_equal(ours, fifo(jobs, n_nodes, gpus_per_node))
    ours = starts(table(jobs), "easy", n_nodes, gpus_per_node, estimates)
    np.testing.assert_array_equal(ours, easy_literal(jobs, n_nodes, gpus_per_node, estimates))


@pytest.mark.parametrize("seed", range(8))
def test_every_start_under_a_deep_queue_with_wrong_estimates(seed):
    """Long queues of mixed sizes at odd times, where floats round: the same sums on both sides."""
    rng = np.random.default_rng(seed)
    n = 1500
    jobs = list(
        zip(
            np.sort(rng.exponential(3.0, n).cumsum()).tolist(),
            rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 40], n).tolist(),
            rng.lognormal(4, 1.5, n).tolist(),
            strict=True,
        )
    )
    estimates = (np.array([run_s for _, _, run_s in jobs]) * rng.lognormal(0, 1, n)).tolist()
    ours = starts(table(jobs), "easy", 5, 8, estimates)
    np.testing.assert_array_equal(ours, easy(jobs, 5, 8, estimates))
