"""Fairness worked by hand on a few jobs."""

import numpy as np
import pytest
from schedule_case import case

from twin.metrics.fairness import fairness, fairness_over_time, jain
from twin.metrics.tenants import tenants


def measured(rows, held, *pools, horizon_s):
    made = case(rows, held, *pools, horizon_s=horizon_s)
    return fairness(made.jobs, made.allocations, made.site.n_gpus, made.horizon_s)


def test_jain_by_hand():
    assert jain(np.array([1.0, 2.0, 3.0])) == pytest.approx(36 / (3 * 14))


def test_each_on_its_half_is_fair():
    """Two groups with a job on half of the GPUs each, neither of which waits."""
    rows = [{"gpus": 4, "end": 100, "group": name} for name in "ab"]
    held = [(0, 0, 0b1111, 0, 100), (1, 0, 0b11110000, 0, 100)]
    found = measured(rows, held, (1, 8), horizon_s=100)
    assert found == {
        **{"tenants": 2, "tenant_kind": "group", "jain": 1.0, "share_error": 0.0},
        **dict.fromkeys(("rho_mean", "rho_p50", "rho_p99", "rho_max", "rho_fair_share"), 1.0),
    }


def test_first_come_takes_all():
    """Both groups want the whole node: a holds it for 100 s while b waits, then b for 50."""
    rows = [{"gpus": 8, "end": 100, "group": "a"}, {"gpus": 8, "end": 150, "group": "b"}]
    held = [(0, 0, 255, 0, 100), (1, 0, 255, 100, 150)]
    found = measured(rows, held, (1, 8), horizon_s=150)
    # Entitled: 4 GPUs each for 100 s, then all 8 for b. Attained over that: 2, and 400 / 800.
    assert found["jain"] == pytest.approx((2 + 0.5) ** 2 / (2 * (4 + 0.25)))
    assert found["share_error"] == pytest.approx(0.5 * 100 / 150)
    # Two tenants for all of a's stay, 250 / 150 in the mean of b's; half the GPUs, half the speed.
    assert found["rho_mean"] == pytest.approx((100 / 200 + 150 / (50 * 250 / 150)) / 2)
    assert found["rho_max"] == pytest.approx(1.8)
    assert found["rho_fair_share"] == 0.5


def test_nobody_is_entitled_to_more_than_he_asks_for():
    """a asks for 2 of 8, b for 10: 2 and 6 would be fair, and so it is."""
    rows = [{"gpus": 2, "group": "a"}, {"gpus": 6, "group": "b"}, {"gpus": 4, "group": "b"}]
    held = [(0, 0, 0b11, 0, 10), (1, 0, 0b11111100, 0, 10)]
    found = measured(rows, held, (1, 8), horizon_s=10)
    assert (found["jain"], found["share_error"]) == (1.0, 0.0)
    assert "rho_mean" not in found  # no job has ended


def test_users_where_there_is_one_group_and_nothing_where_there_is_one_user():
    rows = [{"end": 10, "user": name} for name in "ab"]
    held = [(0, 0, 1, 0, 10), (1, 0, 2, 0, 10)]
    assert measured(rows, held, (1, 2), horizon_s=10)["tenant_kind"] == "user"
    assert measured(rows[:1], held[:1], (1, 2), horizon_s=10) == {}
    assert measured(rows, held, (1, 2), horizon_s=0) == {}


def test_one_hundred_users_are_fifty_and_the_others():
    rows = [{"user": f"user-{k}", "end": 100, "gpus": 1, "run_s": 200.0 - k} for k in range(100)]
    made = case(rows, [(k, k, 1, 0, 100) for k in range(100)], (100, 1), horizon_s=100)
    who = tenants(made.jobs, 50)
    assert who.names == (*(f"user-{k}" for k in range(50)), "others")
    assert who.others == 50
    found = fairness(made.jobs, made.allocations, 100, 100.0)
    assert (found["tenants"], found["jain"], found["share_error"]) == (100, 1.0, 0.0)


def test_over_time():
    rows = [{"gpus": 8, "end": 100, "group": "a"}, {"gpus": 8, "end": 150, "group": "b"}]
    made = case(rows, [(0, 0, 255, 0, 100), (1, 0, 255, 100, 150)], (1, 8), horizon_s=150)
    found = fairness_over_time(made.jobs, made.allocations, 8, 150.0, 80.0)
    assert found.columns.tolist() == [
        *("time_s", "error", "attained_gpus[a]", "attained_gpus[b]"),
        *("entitled_gpus[a]", "entitled_gpus[b]"),
    ]
    assert found["time_s"].tolist() == [0, 80]
    assert found["error"].tolist() == pytest.approx([0.5, 0.5 * 20 / 70])
    assert found["attained_gpus[b]"].tolist() == pytest.approx([0, 8 * 50 / 70])
    assert found["entitled_gpus[b]"].tolist() == pytest.approx([4, (4 * 20 + 8 * 50) / 70])
    nobody = case([], [], (1, 8), horizon_s=0)
    assert len(fairness_over_time(nobody.jobs, nobody.allocations, 8, 0.0, 1.0)) == 1
