"""Invariants of any run: nothing is lost, nothing is used twice, the ledger balances."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernel import recorder
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.policies.schedulers.fifo import Fifo
from twin.results.outcome import outcome
from twin.site.layout import Pool, lay_out
from twin.tables import GPU_TIME_SHARES, JOB_STATES
from twin.workload.jobs import job_table

times = st.floats(0, 1e6, allow_nan=False)
lengths = st.floats(0, 1e5, allow_nan=False)


@st.composite
def scenarios(draw):
    pools = [
        Pool(f"p{i}", "node", "", draw(st.sampled_from([1, 2, 4, 8])), draw(st.integers(1, 5)))
        for i in range(draw(st.integers(1, 3)))
    ]
    n = draw(st.integers(1, 30))
    many = {"min_size": n, "max_size": n}
    jobs = job_table(
        {
            "submit_s": draw(st.lists(times, **many)),
            "run_s": draw(st.lists(lengths, **many)),
            "gpus": draw(st.lists(st.integers(1, 40), **many)),
            "pool": draw(st.lists(st.sampled_from(["", *(p.name for p in pools)]), **many)),
        }
    )
    estimate_s = draw(st.one_of(st.none(), st.lists(lengths, **many)))
    horizon_s = draw(st.one_of(st.none(), st.floats(1.0, 2e6)))
    scheduler = draw(st.sampled_from([Fifo(), EasyBackfill()]))
    return lay_out(pools), jobs, scheduler, estimate_s, horizon_s


def simulate(scenario):
    site, jobs, scheduler, estimate_s, horizon_s = scenario
    estimate_s = None if estimate_s is None else np.array(estimate_s)
    record = Simulation(site, jobs, scheduler, BestFit(), estimate_s).run(horizon_s)
    return record, outcome(record, jobs, site)


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_every_job_ends_in_exactly_one_state(scenario):
    site, jobs, *_ = scenario
    record, tables = simulate(scenario)
    assert len(tables.jobs) + tables.not_submitted == len(jobs)
    assert tables.jobs["state"].isin(JOB_STATES).all()
    fits_somewhere = [
        any(
            -(-gpus // pool.gpus_per_node) <= pool.nodes
            for pool in site.pools
            if wanted in ("", pool.name)
        )
        for gpus, wanted in zip(jobs["gpus"], jobs["pool"], strict=True)
    ]
    submitted = record.state != recorder.NOT_SUBMITTED
    rejected = record.state == recorder.REJECTED
    np.testing.assert_array_equal(rejected, submitted & ~np.array(fits_somewhere))
    done = tables.jobs[tables.jobs["state"] == "completed"]
    np.testing.assert_allclose(done["end_s"], done["start_s"] + done["run_s"], rtol=1e-12)
    started = tables.jobs["start_s"].notna()
    assert (started == tables.jobs["state"].isin(["completed", "running"])).all()
    assert (tables.jobs.loc[started, "start_s"] >= tables.jobs.loc[started, "submit_s"]).all()


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_the_ledger_sums_to_what_was_bought(scenario):
    site, *_ = scenario
    record, tables = simulate(scenario)
    total = site.n_gpus * record.horizon_s
    assert sum(tables.gpu_time.values()) == pytest.approx(total, rel=1e-9, abs=1e-6)
    assert all(value >= -1e-6 for value in tables.gpu_time.values())
    held = sum(tables.jobs[f"{share.name}_gpu_s"].sum() for share in GPU_TIME_SHARES)
    # The same again from the allocations, GPU by GPU.
    a = tables.allocations
    by_mask = (np.bitwise_count(a["gpu_mask"].to_numpy()) * (a["end_s"] - a["start_s"])).sum()
    assert held == pytest.approx(by_mask, rel=1e-9, abs=1e-6)
    # And from the bins of the timeline.
    t = tables.timeline
    width_s = np.diff(np.append(t["time_s"], record.horizon_s))
    in_bins = (t["busy_gpus"] + t["idle_gpus"] + t["stranded_gpus"]) @ width_s
    assert in_bins == pytest.approx(total, rel=1e-9, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_no_gpu_is_used_twice_at_a_time(scenario):
    site, *_ = scenario
    _, tables = simulate(scenario)
    uses = defaultdict(list)
    for row in tables.allocations.itertuples():
        assert 0 < row.gpu_mask < 1 << site.node_gpus[row.node]
        for gpu in range(int(row.gpu_mask).bit_length()):
            if row.gpu_mask >> gpu & 1 and row.end_s > row.start_s:
                uses[row.node, gpu].append((row.start_s, row.end_s))
    for intervals in uses.values():
        intervals.sort()
        for (_, end_s), (start_s, _) in pairwise(intervals):
            assert start_s >= end_s


@settings(max_examples=80, deadline=None)
@given(scenarios())
def test_gangs_get_all_they_asked_for_in_the_fewest_nodes(scenario):
    site, jobs, *_ = scenario
    _, tables = simulate(scenario)
    a = tables.allocations
    held = np.bitwise_count(a["gpu_mask"].to_numpy())
    for job, rows in a.groupby("job"):
        gpus = int(jobs["gpus"].iat[job])
        size = site.pools[site.node_pool[rows["node"].iat[0]]].gpus_per_node
        assert rows["node"].is_unique
        assert len(rows) == max(1, -(-gpus // size))
        assert held[rows.index].sum() == (gpus if gpus <= size else len(rows) * size)


@settings(max_examples=80, deadline=None)
@given(scenarios())
def test_fifo_starts_in_queue_order_among_jobs_that_may_run_anywhere(scenario):
    site, jobs, _, _, horizon_s = scenario
    jobs = job_table({name: jobs[name] for name in ("submit_s", "run_s", "gpus")})
    record, _ = simulate((site, jobs, Fifo(), None, horizon_s))
    started_s = record.start_s[(record.state != recorder.REJECTED)]
    seen = started_s[~np.isnan(started_s)]
    assert (np.diff(seen) >= 0).all()
    # Nobody behind a job that still waits has started.
    waiting = np.flatnonzero(np.isnan(started_s))
    if len(waiting):
        assert np.isnan(started_s[waiting[0] :]).all()


class Watched(EasyBackfill):
    """EASY that takes down every promise it makes: job -> earliest promised start."""

    def __init__(self):
        object.__setattr__(self, "promised_s", {})

    def choose(self, queue, cluster):
        promised_s = self.promised_s

        class Listening:
            def __getattr__(self, name):
                return getattr(cluster, name)

            def reserve(self, job):
                reservation = cluster.reserve(job)
                promised_s.setdefault(job.row, reservation.start_s)
                return reservation

        yield from super().choose(queue, Listening())


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_easy_never_delays_the_head_beyond_its_reservation(scenario):
    site, jobs, _, _, _ = scenario
    easy = Watched()
    record = Simulation(site, jobs, easy, BestFit()).run()
    for row, promised_s in easy.promised_s.items():
        assert record.start_s[row] <= promised_s
