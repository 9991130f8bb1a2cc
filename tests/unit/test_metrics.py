"""The figures of a run, worked by hand; the names that the contract promises, typed again."""

import json

import numpy as np
import pandas as pd
import pytest

from twin.errors import InvariantError
from twin.kernel.ledger import gpu_time, job_shares
from twin.kernel.recorder import COMPLETED, HAZARD_COLUMNS, LOG_COLUMNS, POWER_COLUMNS, Record
from twin.metrics.jobs import bounded_slowdown, makespan_s, quantiles, utilisation
from twin.run import load, run

SHARES = (
    *("dark", "down", "spare", "idle", "stranded", "startup", "restart", "checkpoint"),
    *("lost", "exposed_comm", "throttled", "straggling", "interference", "useful"),
)

# On one node of 8 GPUs under FIFO, stopped at 200 s: a and b end, c runs, d is larger than the
# site, e waits, and f has not been submitted.
CUT_SHORT = """\
job_id,submit_s,run_s,gpus
a,0,100,4
b,10,20,8
c,20,1000,2
d,30,5,16
e,40,50,8
f,300,1,1
"""


@pytest.fixture
def cut_short(small):
    path = small(CUT_SHORT, nodes=1, gpus=8, horizon="200 s", more="output: {timeline_bin: 100 s}")
    return run(path, report=False)


@pytest.mark.parametrize(
    ("scheduler", "starts_s", "wait_s", "jct_s", "slowdown", "span_s", "used"),
    [
        ("fifo", [0, 0, 10, 10, 14, 18], 7.0, 14.0, 1.403, 26, 0.635),
        ("easy-backfill", [0, 0, 10, 6, 3, 18], 4.5, 11.5, 1.217, 20, 0.825),
    ],
)
def test_the_worked_example_of_the_literature(
    small, scheduler, starts_s, wait_s, jct_s, slowdown, span_s, used
):
    """Six jobs on eight nodes, with the figures that a published simulator gives for them."""
    results = run(small(scheduler=scheduler), report=False)
    assert results.jobs["start_s"].tolist() == starts_s
    summary = results.summary
    assert summary["wait_s"]["mean"] == wait_s
    assert summary["jct_s"]["mean"] == jct_s
    assert summary["bounded_slowdown"]["mean"] == pytest.approx(slowdown, abs=5e-4)
    assert summary["makespan_s"] == span_s
    assert summary["utilisation"] == pytest.approx(used, abs=5e-4)


def test_a_horizon_leaves_jobs_running_waiting_and_not_yet_submitted(cut_short):
    summary = cut_short.summary
    assert summary["horizon_s"] == 200.0
    assert summary["jobs"] == {
        **{"submitted": 5, "completed": 2, "failed": 0},
        **{"rejected": 1, "running": 1, "queued": 1},
    }
    assert summary["jobs_not_submitted"] == 1
    jobs = cut_short.jobs.set_index("job_id")
    assert jobs.index.tolist() == list("abcde")
    assert jobs["state"].tolist() == ["completed", "completed", "running", "rejected", "queued"]
    assert jobs["start_s"].tolist()[:3] == [0, 100, 120]
    assert jobs["start_s"].isna().tolist() == [False, False, False, True, True]
    assert jobs["end_s"].isna().tolist() == [False, False, True, True, True]
    assert jobs.loc[["d", "e"], "pool"].tolist() == ["", ""]


def test_waits_completion_times_and_slowdowns_by_hand(cut_short):
    summary = cut_short.summary
    # Waits 0, 90 and 100 s; percentiles lie on the lines between them.
    assert summary["wait_s"] == pytest.approx(
        {"mean": 190 / 3, "p50": 90, "p90": 98, "p95": 99, "p99": 99.8, "max": 100}
    )
    assert summary["waited_fraction"] == pytest.approx(2 / 3)
    # Only a and b have ended: after 100 and 110 s, one and 5.5 times their work.
    assert summary["jct_s"] == pytest.approx(
        {"mean": 105, "p50": 105, "p90": 109, "p95": 109.5, "p99": 109.9, "max": 110}
    )
    assert summary["bounded_slowdown"] == pytest.approx(
        {"mean": 3.25, "p50": 3.25, "p90": 5.05, "p95": 5.275, "p99": 5.455, "max": 5.5}
    )


def test_the_ledger_and_the_use_by_hand(cut_short):
    summary = cut_short.summary
    assert summary["makespan_s"] == 200.0  # c runs on to the horizon
    assert summary["utilisation"] == pytest.approx((400 + 160 + 2 * 80) / (8 * 200))
    ledger = summary["ledgers"]["gpu_time"]
    assert (ledger["unit"], ledger["total"]) == ("gpu_s", 1600)
    used = {name: part for name, part in ledger["shares"].items() if part}
    # Four GPUs are free with nobody waiting for 10 s, then b waits for 90; e waits for the last 80.
    assert used == pytest.approx({"idle": 40, "stranded": 4 * 90 + 6 * 80, "useful": 720})
    assert cut_short.jobs["useful_gpu_s"].tolist() == [400, 160, 160, 0, 0]
    timeline = cut_short.timeline
    assert timeline["time_s"].tolist() == [0, 100]
    assert timeline["busy_gpus"].tolist() == pytest.approx([4, 3.2])
    assert timeline["queued_jobs"].tolist() == pytest.approx([2.3, 1.2])
    assert timeline["queued_gpus"].tolist() == pytest.approx(
        [(8 * 90 + 2 * 80 + 8 * 60) / 100, 8.4]
    )


def test_gpus_held_and_not_asked_for_are_stranded(small):
    """A job of 12 GPUs takes two whole nodes of 8."""
    path = small("submit_s,run_s,gpus\n0,10,12\n", nodes=2, gpus=8)
    results = run(path, report=False)
    assert results.jobs[["useful_gpu_s", "stranded_gpu_s"]].iloc[0].tolist() == [120, 40]
    shares = results.summary["ledgers"]["gpu_time"]["shares"]
    assert (shares["useful"], shares["stranded"], shares["idle"]) == (120, 40, 0)
    assert results.summary["utilisation"] == 0.75  # what was asked for, over what is there


def test_a_job_back_in_the_queue_uses_nothing(small):
    """It runs for 4 s, waits for the one node until 10, and begins again: 24 s of 30 are used."""
    crash = "failures: {incidents: [{at: 4 s, name: crash, of: node, lasts: 6 s}]}"
    results = run(small("submit_s,run_s,gpus\n0,20,8\n", nodes=1, gpus=8, more=crash), report=False)
    assert results.jobs["end_s"][0] == 30.0
    assert results.summary["utilisation"] == 24 / 30


def test_fragments_are_stranded_while_a_job_waits_for_a_whole_node(small):
    """Two nodes of 4: a and b leave 1 GPU on each, c wants 2 on one node, d would have fitted."""
    jobs = "job_id,submit_s,run_s,gpus\na,0,10,3\nb,0,20,3\nc,2,5,2\nd,3,5,1\n"
    results = run(small(jobs, nodes=2, gpus=4), report=False)
    assert results.jobs["start_s"].tolist() == [0, 0, 10, 10]
    shares = results.summary["ledgers"]["gpu_time"]["shares"]
    # Free: 2 GPUs until 10 s, stranded from 2 s on; d takes the last of the node of b at 10 s, c
    # half of the other, until 15 s; then 5 are free to 20 s.
    wanted = {"idle": 2 * 2 + 2 * 5 + 5 * 5, "stranded": 2 * 8, "useful": 30 + 60 + 10 + 5}
    assert {name: part for name, part in shares.items() if part} == wanted
    assert sum(wanted.values()) == 8 * 20


def test_summaries_hold_what_the_contract_names(cut_short):
    summary = cut_short.summary
    quantile_keys = ["mean", "p50", "p90", "p95", "p99", "max"]
    for key in ("wait_s", "jct_s", "bounded_slowdown"):
        assert list(summary[key]) == quantile_keys
    kinds = {"scenario": str, "seed": int, "version": str, "horizon_s": float}
    kinds |= {"makespan_s": float, "utilisation": float, "jobs": dict, "ledgers": dict}
    for key, kind in kinds.items():
        assert type(summary[key]) is kind, key
    assert tuple(summary["ledgers"]["gpu_time"]["shares"]) == SHARES
    assert {"events", "wall_s", "peak_rss_bytes"} <= set(summary["engine"])
    # Sections for what is not simulated are absent, not zero.
    assert not {"reliability", "power", "serving", "cost"} & set(summary)
    assert set(summary["ledgers"]) == {"gpu_time"}


def test_tables_hold_what_the_contract_names(cut_short):
    assert cut_short.jobs.columns.tolist() == [
        *("job_id", "submit_s", "start_s", "end_s", "gpus", "nodes", "wait_s", "jct_s", "run_s"),
        *("user", "group", "kind", "pool", "state", "restarts", "preemptions", "energy_j"),
        *(f"{share}_gpu_s" for share in SHARES),
        *("interruptions", "interrupted_s", "queued_s", "migrations"),
        *("gpu_fraction", "deadline_s", "qos", "model", "until_s", "guest_fraction"),
    ]
    assert cut_short.incidents.columns.tolist() == [
        *("time_s", "component", "component_id", "domain", "kind", "gpus_down", "gpus_idled"),
        *("nodes_hit", "jobs_hit", "users_hit", "down_gpu_s", "idled_gpu_s", "lost_gpu_s"),
        *("restart_gpu_s", "recovered_s", "slowed_gpu_s"),
    ]
    assert cut_short.timeline.columns.tolist() == [
        *("time_s", "busy_gpus", "idle_gpus", "stranded_gpus", "down_gpus", "dark_gpus"),
        *("spare_gpus", "queued_jobs", "queued_gpus", "running_jobs"),
        *("it_power_w", "facility_power_w", "pue", "working_gpus"),
    ]
    assert cut_short.domains.columns.tolist() == ["time_s", "domain", "quantity", "value"]
    written = {path.name for path in cut_short.path.iterdir()}
    assert {"summary.json", "provenance.json", "scenario.yaml"} <= written
    assert {f"{t}.parquet" for t in ("jobs", "timeline", "incidents", "domains")} <= written


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize(
    "jobs",
    [
        "submit_s,run_s,gpus\n0,10,9\n",  # rejected: no wait, no completion time
        "submit_s,run_s,gpus\n0,0,1\n",  # over before any time has passed
        CUT_SHORT,
    ],
)
def test_there_is_no_nan_in_json(small, jobs):
    results = run(small(jobs, nodes=1, gpus=8), report=False)
    for name in ("summary.json", "provenance.json"):
        json.loads((results.path / name).read_text("utf-8"), parse_constant=no_constant)


def test_nobody_ran():
    assert quantiles(np.array([])) == {}
    none = pd.DataFrame({"state": ["rejected"], "submit_s": [5.0], "start_s": [np.nan]})
    none = none.assign(end_s=np.nan, gpus=9, run_s=1.0, jct_s=np.nan)
    assert makespan_s(none, 5.0) == 0.0
    assert utilisation(none, 8, 5.0) == 0.0
    assert len(bounded_slowdown(none)) == 0


def test_the_makespan_begins_at_the_first_submit(small):
    path = small("submit_s,run_s,gpus\n0,10,1\n50,10,1\n")
    assert run(path, report=False).summary["makespan_s"] == 60.0
    # The window puts second 0 at 30 s of the trace: 20 s before the job that is left.
    window = "workload.transforms=[{window: {start: 30 s}}]"
    later = run(load(path, [window]), report=False)
    assert later.jobs["submit_s"].tolist() == [20.0]
    assert (later.summary["horizon_s"], later.summary["makespan_s"]) == (30.0, 10.0)


@pytest.mark.parametrize(("work_s", "slowdown"), [(0.0, 5.0), (10.0, 5.0), (25.0, 2.0), (100.0, 1)])
def test_slowdown_is_bounded_at_ten_seconds_and_never_below_one(work_s, slowdown):
    jobs = pd.DataFrame({"state": ["completed"], "run_s": [work_s], "jct_s": [50.0]})
    assert bounded_slowdown(jobs).tolist() == [slowdown]


def record(*, end_s=10.0, busy=2.0, idle=6.0):
    """One job of two GPUs on eight, from 0 to 10 s, with the counters of the hall as given."""
    log = dict.fromkeys((*LOG_COLUMNS, *POWER_COLUMNS, *HAZARD_COLUMNS), np.zeros(1))
    log |= {"busy_gpus": np.array([busy]), "idle_gpus": np.array([idle])}
    return Record(
        horizon_s=10.0,
        log=log,
        start_s=np.array([0.0]),
        end_s=np.array([end_s]),
        held_gpus=np.array([2]),
        nodes=np.array([1], np.int32),
        state=np.array([COMPLETED], np.int8),
        allocations={},
        events=1,
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"end_s": 9.0}, "GPU-time held by jobs does not balance at 10.0 s: 18.0 GPU s, not 20.0"),
        ({"idle": 5.0}, "the GPU-time ledger does not balance at 10.0 s: 70.0 GPU s, not 80.0"),
        ({"idle": np.nan}, "the GPU-time ledger does not balance at 10.0 s: nan GPU s, not 80.0"),
    ],
)
def test_a_ledger_that_does_not_balance_is_a_bug(changed, said):
    asked = np.array([2], np.int32)
    good = record()
    assert sum(gpu_time(good, job_shares(good, asked), 8).values()) == 80.0
    bad = record(**changed)
    with pytest.raises(InvariantError, match=said):
        gpu_time(bad, job_shares(bad, asked), 8)
