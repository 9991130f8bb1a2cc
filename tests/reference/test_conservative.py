"""Conservative backfill against an independent program, to the second, and against its promise."""

import numpy as np
import pytest
from conservative import conservative
from hypothesis import given, settings
from hypothesis import strategies as st
from philly import TRACE, philly_jobs

from twin.kernel.plan import Plan
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.placements.spread import Spread
from twin.policies.schedulers.conservative import ConservativeBackfill
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

# (submit, nodes, run); shared/reference/scheduling.md, section 5
WORKED = [(0, 4, 10), (0, 3, 6), (1, 6, 8), (2, 2, 4), (3, 1, 12), (4, 3, 2)]


def starts(jobs, pools, estimates=None, placement=None, scheduler=None, wanted="", **options):
    submit_s, gpus, run_s = zip(*jobs, strict=True)
    table = job_table({"submit_s": submit_s, "gpus": gpus, "run_s": run_s, "pool": wanted})
    site = lay_out([Pool(f"p{i}", "node", "", size, n) for i, (size, n) in enumerate(pools)])
    scheduler = scheduler or ConservativeBackfill(**options)
    estimate_s = None if estimates is None else np.array(estimates, float)
    return Simulation(site, table, scheduler, placement or BestFit(), estimate_s).run().start_s


def test_worked_example():
    expected = [0, 0, 10, 6, 3, 18]
    assert conservative(WORKED, 8, 1)[0] == expected
    start_s = starts(WORKED, [(1, 8)])
    assert start_s.tolist() == expected
    submit_s, nodes, run_s = np.array(WORKED).T
    jct_s = start_s + run_s - submit_s
    assert (start_s - submit_s).mean() == 4.5
    assert jct_s.mean() == 11.5
    assert np.maximum(1, jct_s / np.maximum(run_s, 10)).mean() == pytest.approx(1.217, abs=5e-4)
    assert (start_s + run_s).max() == 20
    assert (nodes * run_s).sum() / (8 * 20) == pytest.approx(0.825, abs=5e-4)


def test_a_promise_is_kept_that_easy_does_not_make():
    """One node of 8. A (4 GPUs) runs until 10, then B (6) until 20, then C (8) until 25.

    D (2 GPUs, 30 s) fits at 3 and leaves room for B: EASY starts it, and C waits for it until 33.
    """
    jobs = [(0, 4, 10), (1, 6, 10), (2, 8, 5), (3, 2, 30)]
    assert starts(jobs, [(8, 1)], scheduler=EasyBackfill()).tolist() == [0, 10, 33, 3]
    assert starts(jobs, [(8, 1)]).tolist() == [0, 10, 20, 25]
    assert starts(jobs, [(8, 1)], depth=1).tolist() == [0, 10, 33, 3]
    # C is then promised nothing that it could lose: its start at 20 is too far ahead to be held.
    assert starts(jobs, [(8, 1)], window_s=10).tolist() == [0, 10, 33, 3]


# Eighths of a second: sums of them are exact, so that equality can be asked of every float.
eighths = st.integers(1, 400).map(lambda n: n / 8)


@st.composite
def cases(draw, upper_bounds=False):
    size = draw(st.sampled_from([1, 2, 4, 8]))
    n_nodes = draw(st.integers(1, 6))
    sizes = st.one_of(st.integers(1, size), st.integers(1, n_nodes * size))
    submit_s = st.one_of(st.just(0.0), st.integers(0, 200).map(float), eighths)
    jobs = draw(st.lists(st.tuples(submit_s, sizes, eighths), min_size=1, max_size=40))
    jobs.sort(key=lambda job: job[0])
    many = {"min_size": len(jobs), "max_size": len(jobs)}
    factors = draw(st.lists(st.sampled_from([1, 1, 1.5, 4]), **many))
    upper = [run_s * factor for (_, _, run_s), factor in zip(jobs, factors, strict=True)]
    if upper_bounds:
        return n_nodes, size, jobs, upper
    wrong = draw(st.lists(st.one_of(eighths, st.just(0.0)), **many))
    return n_nodes, size, jobs, draw(st.sampled_from([None, upper, wrong]))


@settings(max_examples=120, deadline=None)
@given(
    cases(),
    st.sampled_from([1, 2, 5, 100]),
    st.sampled_from([float("inf"), float("inf"), 30.0, 100.0]),
)
def test_every_start_on_random_small_cases(case, depth, window_s):
    n_nodes, size, jobs, estimates = case
    expected, _ = conservative(jobs, n_nodes, size, estimates, depth, window_s)
    ours = starts(jobs, [(size, n_nodes)], estimates, depth=depth, window_s=window_s)
    np.testing.assert_array_equal(ours, expected)


@settings(max_examples=80, deadline=None)
@given(cases(upper_bounds=True), st.sampled_from([1, 5, 100]))
def test_no_job_starts_later_than_it_was_first_promised(case, depth):
    n_nodes, size, jobs, estimates = case
    began, promised = conservative(jobs, n_nodes, size, estimates, depth)
    for start_s, first_s in zip(began, promised, strict=True):
        assert first_s is None or start_s <= first_s


@pytest.fixture
def first_promises(monkeypatch):
    """By row, the start that each job was first promised."""
    promised = {}
    keep = Plan._set

    def heed(plan, promise, start_s, place):
        promised.setdefault(promise.job.row, start_s)
        keep(plan, promise, start_s, place)

    monkeypatch.setattr(Plan, "_set", heed)
    return promised


@pytest.mark.parametrize("placement", [BestFit(), Spread(across="rack")])
@pytest.mark.parametrize("seed", range(6))
def test_promises_hold_over_several_pools_and_other_placements(first_promises, placement, seed):
    rng = np.random.default_rng(seed)
    n = 250
    gpus = rng.choice([1, 2, 3, 4, 8, 12, 16], n)
    run_s = rng.lognormal(4, 1.5, n)
    jobs = list(zip(np.sort(rng.uniform(0, 9000, n)), gpus, run_s, strict=True))
    wanted = rng.choice(["", "", "p0", "p1"], n)
    estimates = run_s * rng.choice([1, 1, 3], n)
    began = starts(jobs, [(8, 3), (4, 5)], estimates, placement, wanted=wanted, depth=20)
    assert len(first_promises) > 50
    for row, first_s in first_promises.items():
        assert began[row] <= first_s


@pytest.mark.parametrize("seed", range(4))
def test_on_one_node_a_depth_of_one_is_easy(seed):
    """Where there is no choice of nodes; elsewhere EASY promises a number, this promises nodes."""
    rng = np.random.default_rng(seed)
    n = 400
    run_s = rng.integers(1, 400, n) / 8
    jobs = list(
        zip(np.sort(rng.integers(0, 4000, n)) / 4, rng.integers(1, 9, n), run_s, strict=True)
    )
    estimates = run_s * rng.choice([1, 1, 2, 8], n)
    for given_s in (None, estimates):
        easy = starts(jobs, [(8, 1)], given_s, scheduler=EasyBackfill())
        np.testing.assert_array_equal(starts(jobs, [(8, 1)], given_s, depth=1), easy)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["upper", "wrong", "nothing"])
def test_every_start_under_a_deep_queue(seed, kind):
    """Odd times, where floats round: the same sums on both sides."""
    rng = np.random.default_rng(seed)
    n = 150
    run_s = rng.lognormal(4, 1.5, n)
    jobs = list(
        zip(
            rng.exponential(8.0, n).cumsum().tolist(),
            rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24], n).tolist(),
            run_s.tolist(),
            strict=True,
        )
    )
    factor = rng.choice([1, 1, 2.5, 7], n) if kind == "upper" else rng.lognormal(0, 1, n)
    if kind == "nothing":  # jobs that hold GPUs though by their estimates they take no time
        factor *= rng.choice([0, 1, 1], n)
    estimates = (run_s * factor).tolist()
    expected, promised = conservative(jobs, 4, 8, estimates, depth=12)
    np.testing.assert_array_equal(starts(jobs, [(8, 4)], estimates, depth=12), expected)
    if kind == "upper":
        assert all(p is None or s <= p for s, p in zip(expected, promised, strict=True))


@pytest.mark.skipif(not TRACE.exists(), reason="needs ../shared/data/sia/philly.csv.gz")
@pytest.mark.parametrize("first", [0, 20_000, 60_000])
def test_every_start_on_a_slice_of_philly(first):
    """300 jobs of the trace on 4 nodes: long queues, exact estimates, and some too long."""
    jobs = sorted(philly_jobs(), key=lambda job: job[0])[first : first + 300]
    jobs = [job for job in jobs if job[1] <= 32]
    for estimates in (None, [run_s * (1 + i % 3) for i, (_, _, run_s) in enumerate(jobs)]):
        expected, _ = conservative(jobs, 4, 8, estimates, depth=10)
        np.testing.assert_array_equal(starts(jobs, [(8, 4)], estimates, depth=10), expected)
