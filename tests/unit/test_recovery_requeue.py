"""Whole-job restart by hand: the place in the queue, patience that ends, giving up, software."""

import pytest
from recovery_case import LONG_S, down, fails, hall, jobs, repair, run

from twin.distributions import Constant
from twin.failures.model import FaultClass
from twin.policies.recoveries.replace import Replace
from twin.policies.recoveries.requeue import RequeueJob

# Node 1 of two is away from 300 to 500. The gang of 4 GPUs has saved at 110 and 220 s and done
# 280 s of work; 80 s of it are lost.
AWAY = [down(300, 1, 200)]
THREE = jobs((0, 1000, 4), (1, 100, 4), (2, 50, 4))
SMALL = jobs((0, 1000, 4), (1, 150, 2))


def test_a_job_keeps_its_place():
    case = run(hall(2), THREE, incidents=AWAY, recovery=RequeueJob())
    # It starts again at 500 with 200 s of work, computes from 523 on and saves 7 times more.
    assert case.jobs["end_s"].tolist() == [523 + 800 + 70, 1393 + 100, 1493 + 50]
    assert case.spent() == {"useful": 4000, "lost": 320, "restart": 92, "checkpoint": 9 * 10 * 4}
    job = case.jobs.iloc[0]
    assert job[["start_s", "interruptions", "restarts", "interrupted_s"]].tolist() == [0, 1, 1, 223]
    assert case.cost() == {"down": 400, "lost": 320, "restart": 92}
    row = case.incidents.iloc[0]
    assert row[["gpus_down", "gpus_idled", "nodes_hit", "jobs_hit"]].tolist() == [2, 2, 1, 1]
    assert row["recovered_s"] == 523
    # Node 0 is free for the 200 s, and work waits.
    assert case.hall("down", "stranded", "idle") == [400, 400, 0]


def test_a_job_goes_behind_all_that_wait():
    case = run(hall(2), THREE, incidents=AWAY, recovery=RequeueJob(keeps_place=False))
    assert case.jobs["end_s"].tolist() == [650 + 23 + 870, 600, 650]
    assert case.jobs["interrupted_s"][0] == 373
    assert case.incidents["recovered_s"].tolist() == [673]


def test_a_job_that_waits_again_lets_nothing_pass_first_in_first_out():
    case = run(hall(2), SMALL, incidents=AWAY)
    assert case.jobs["end_s"].tolist() == [1393, 1393 + 160]


def test_backfill_passes_a_job_that_waits_again():
    """It needs both nodes, and one is away until 500: a job of 150 s fits before, at 300."""
    case = run(hall(2), jobs((0, 1000, 4), (1, 150, 2)), incidents=AWAY, backfill=True)
    assert case.jobs["start_s"].tolist() == [0, 300]
    assert case.jobs["end_s"].tolist() == [1393, 460]


def test_patience_runs_out():
    """The other node is held for 100 s, then given back; the scheduler starts the job at 500."""
    recovery = Replace(patience_s=100, take_s=7)
    case = run(hall(2), jobs((0, 1000, 4)), incidents=AWAY, recovery=recovery)
    assert case.end() == 523 + 870
    assert case.spent() == {"useful": 4000, "lost": 320, "restart": 200 + 92, "checkpoint": 360}
    assert case.cost() == {"down": 400, "idled": 200, "lost": 320, "restart": 92}
    assert case.hall("stranded") == [200]  # node 0 from 400 to 500
    assert case.nodes_at(0, 350) == [0]
    assert case.nodes_at(0, 450) == []


def test_patience_does_not_begin_anew_with_each_node_that_comes():
    """Node 2 comes back at 350, which is not enough for the two that are missing."""
    away = [down(300, 1, 500), down(100, 3, 250), down(300, 2, 500)]
    case = run(hall(4), jobs((0, 1000, 6)), incidents=away, recovery=Replace(patience_s=100))
    assert case.nodes_at(0, 399) == [0]
    assert case.nodes_at(0, 401) == []


@pytest.mark.parametrize(("retries", "end_s"), [(1, 700.0), (2, 1100.0)])
def test_a_job_is_given_up_after_so_many_retries(retries, end_s):
    """One node fails every 300 s in service and is away for 100; work restarts at 400, 800, ..."""
    node = fails("node", 300, repair=repair(100))
    case = run(
        hall(1), jobs((0, 1000, 2)), classes=[node], retries=retries, levels=(), horizon_s=5000
    )
    job = case.jobs.iloc[0]
    assert job[["state", "end_s"]].tolist() == ["failed", end_s]
    assert job[["interruptions", "restarts"]].tolist() == [retries + 1, retries]
    # Nothing is saved: 300 s of the first run, and 280 s of each that begins with a restart.
    lost = 2 * (300 + 280 * retries)
    assert case.spent() == {"lost": lost, "restart": 2 * 20 * retries}
    assert case.incidents["recovered_s"][retries] == end_s + 100  # the node; the job gave up before


def test_software_fails_and_the_gang_begins_again_where_it_is():
    """Every 300 s of running, known 30 s later: the gang stays, and stands still meanwhile."""
    crash = FaultClass("crash", "job", Constant(300), (), detection=Constant(30))
    case = run(hall(2), jobs((0, 450, 4)), classes=[crash])
    # Stops at 300 with 280 s done and 200 saved; known at 330, runs from 353. Work 200 at 353:
    # saves at 453 and 563, done at 200 + 250 s of work and two stalls: 623 < 653.
    assert case.end() == 353 + 250 + 20
    assert case.spent() == {"useful": 1800, "lost": 320, "restart": 53 * 4, "checkpoint": 160}
    assert case.cost() == {"idled": 120, "restart": 92, "lost": 320}
    row = case.incidents.iloc[0]
    assert row[["component", "domain", "kind"]].tolist() == ["crash", "job 1", "fail_stop"]
    assert row[["gpus_down", "nodes_hit", "gpus_idled", "jobs_hit"]].tolist() == [0, 0, 4, 1]
    assert row["recovered_s"] == 353


def test_software_that_fails_for_good():
    crash = FaultClass("crash", "job", Constant(300), (), detection=Constant(30), permanent=1.0)
    case = run(hall(2), jobs((0, 450, 4), (1, 100, 4)), classes=[crash])
    assert case.jobs["state"].tolist() == ["failed", "completed"]
    assert case.jobs["end_s"].tolist() == [300, 400]
    assert case.spent() == {"useful": 800, "lost": 320, "checkpoint": 80}
    assert case.incidents["recovered_s"].tolist() == [300]


@pytest.mark.parametrize(("scale", "at_s"), [("job", 600.0), ("node", 300.0), ("gpu", 150.0)])
def test_software_by_job_node_and_gpu(scale, at_s):
    crash = FaultClass("crash", "job", Constant(600), (), job_scale=scale)
    case = run(hall(2), jobs((0, 1000, 4)), classes=[crash], horizon_s=at_s + 1)
    assert case.incidents["time_s"].tolist() == [at_s]


def test_a_job_that_never_fits_again_waits_at_the_end():
    case = run(hall(2), jobs((0, 1000, 4)), incidents=[down(300, 1, LONG_S)], horizon_s=2000)
    assert case.jobs["state"].tolist() == ["queued"]
    assert case.jobs["interrupted_s"].tolist() == [1700]
    assert case.incidents["recovered_s"].isna().all()
