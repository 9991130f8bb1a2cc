"""Preemptions, migrations and deadlines worked by hand."""

import numpy as np
import pytest
from schedule_case import case

from twin.metrics.deadlines import deadlines
from twin.metrics.moves import moves


def test_preemptions_and_what_they_cost():
    """Job 0 waits from 10 to 30 s and from 40 to 45 s; job 1 is left alone."""
    rows = [
        {"end": 60, "preemptions": 2, "checkpoint_gpu_s": 8.0, "restart_gpu_s": 5.0},
        {"end": 60, "checkpoint_gpu_s": 100.0, "restart_gpu_s": 100.0},
        {"submit": 10, "end": 40, "preemptions": 1},
    ]
    held = [(0, 0, 1, 5, 10), (0, 0, 1, 30, 40), (0, 0, 1, 45, 60), (1, 0, 2, 0, 60)]
    held += [(2, 0, 1, 10, 20), (2, 0, 1, 20, 30)]
    made = case(rows, held, (1, 8), horizon_s=100)
    assert moves(made.jobs, made.allocations, 100.0) == {
        "preemptions": 3,
        "jobs_preempted": 2,
        "most_preemptions": 2,
        "preempted_checkpoint_gpu_s": 8.0,
        "preempted_restart_gpu_s": 5.0,
        "waited_again_s": (20 + 5 + 10) / 2,
    }


def test_migrations_are_counted_and_nothing_is_said_of_nothing():
    rows = [{"end": 60, "migrations": 2}, {"end": 60, "migrations": 1}, {"end": 60}]
    made = case(rows, [], (1, 8), horizon_s=100)
    assert moves(made.jobs, made.allocations, 100.0) == {"migrations": 3, "jobs_migrated": 2}
    still = made.jobs.assign(migrations=0)
    assert moves(still, made.allocations, 100.0) == {}


def test_deadlines_by_hand():
    rows = [
        {"end": 50, "deadline_s": 60.0},  # in time
        {"end": 50, "deadline_s": 50.0},  # just in time
        {"end": 90, "deadline_s": 60.0},  # 30 s late
        {"deadline_s": 80.0},  # still queued: 20 s late at least
        {"deadline_s": 100.0},  # not decided at the horizon
        {"deadline_s": 40.0, "state": "rejected"},
        {"end": 30, "deadline_s": 40.0, "state": "failed"},
        {"end": 70},  # none
    ]
    found = deadlines(case(rows, [], (1, 8), horizon_s=100).jobs, 100.0)
    late_s = [0, 0, 30, 20]
    assert found["deadlines"] == 6
    assert found["deadline_misses"] == 4
    assert found["deadline_miss_share"] == pytest.approx(4 / 6)
    assert found["tardiness_s"]["mean"] == np.mean(late_s)
    assert found["tardiness_s"]["p99"] == pytest.approx(np.percentile(late_s, 99))
    assert found["tardiness_s"]["max"] == 30


def test_no_deadlines_no_figures():
    rows = [{"end": 50}, {"deadline_s": 200.0}]
    assert deadlines(case(rows, [], (1, 8), horizon_s=100).jobs, 100.0) == {}
    lost = case([{"deadline_s": 1.0, "state": "rejected"}], [], (1, 8), horizon_s=100).jobs
    assert deadlines(lost, 100.0)["tardiness_s"] == {}


def test_the_last_bits_of_a_sum_are_no_delay():
    end_s = 0.1 + 0.2
    jobs = case([{"end": end_s, "deadline_s": 0.3}], [], (1, 8), horizon_s=1).jobs
    assert end_s > 0.3
    assert deadlines(jobs, 1.0)["deadline_misses"] == 0
