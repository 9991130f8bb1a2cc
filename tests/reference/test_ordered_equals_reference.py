"""Schedulers that order jobs by submission, against the independent EASY: every start."""

import numpy as np
import pytest
from gang_scheduler import easy, easy_literal, fifo
from hypothesis import given, settings
from hypothesis import strategies as st
from philly import TRACE, philly_jobs

from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.greedy import Greedy
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table


def starts(jobs, backfill, n_nodes, gpus_per_node=8):
    site = lay_out([Pool("p", "node", "", gpus_per_node, n_nodes)])
    submit_s, gpus, run_s = zip(*jobs, strict=True)
    table = job_table({"submit_s": submit_s, "gpus": gpus, "run_s": run_s})
    return Simulation(site, table, Greedy(backfill=backfill), BestFit()).run().start_s


eighths = st.integers(1, 400).map(lambda n: n / 8)


@st.composite
def small_cases(draw):
    size, n_nodes = draw(st.sampled_from([1, 2, 4, 8])), draw(st.integers(1, 5))
    row = st.tuples(eighths, st.integers(1, n_nodes * size), eighths)
    return n_nodes, size, draw(st.lists(row, min_size=1, max_size=30))


@settings(max_examples=80)
@given(small_cases())
def test_every_start_on_random_small_cases(case):
    n_nodes, size, jobs = case
    np.testing.assert_array_equal(
        starts(jobs, "easy", n_nodes, size), easy_literal(jobs, n_nodes, size)
    )
    np.testing.assert_array_equal(starts(jobs, "none", n_nodes, size), fifo(jobs, n_nodes, size))


@pytest.mark.skipif(not TRACE.exists(), reason="needs ../shared/data/sia/philly.csv.gz")
def test_every_start_on_a_slice_of_philly():
    """A month in which many wait, on a quarter of the nodes."""
    jobs = sorted(philly_jobs())[20_000:26_000]
    jobs = [(submit_s - jobs[0][0], gpus, run_s) for submit_s, gpus, run_s in jobs]
    expected = easy(jobs, 32)
    found = starts(jobs, "easy", 32)
    waited = np.array(expected) - [submit_s for submit_s, _, _ in jobs]
    assert (waited > 0).mean() > 0.05
    np.testing.assert_array_equal(found, expected)
