"""Power policies by hand: who gets which watts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_cases import check, demand, drawn_w
from scipy.sparse import csr_array

from twin.errors import PolicyError
from twin.policies.power_view import Curve
from twin.policies.sharing import draws, first_fit
from twin.registry import make_policy

# GPUs rest at 100 W; floor 200 W, full power 700 W, or 400 W for those that decode.
TRAIN = Curve(np.array([200.0, 700.0]), np.array([0.5, 1.0]))
DECODE = Curve(np.array([200.0, 400.0]), np.array([0.9, 1.0]))


def shares(name, asked, **options):
    power_w = make_policy("power", name, options).share(asked)
    check(asked, power_w)
    return power_w


def test_uniform_is_one_cap_that_light_work_does_not_notice():
    # Rest is 100 W each: 10 GPUs at 500 and 10 at 400 draw 7 kW above it.
    asked = demand([[10, 10]], [7000.0], [TRAIN, DECODE], [0, 1])
    np.testing.assert_allclose(shares("uniform", asked), [500.0, 400.0])
    asked = replace(asked, budget_w=np.array([4000.0]))
    np.testing.assert_allclose(shares("uniform", asked), [300.0, 300.0])


def test_uniform_is_a_share_of_each_rated_power():
    asked = demand([[1, 1]], [700.0 + 350.0 - 200.0], tdp_w=[700.0, 1400.0], top_w=[700.0, 1400.0])
    np.testing.assert_allclose(shares("uniform", asked), [350.0, 700.0])


def test_proportional_scales_what_is_above_the_floor():
    # Floors take 2 kW; full power 5 kW and 2 kW more; of those 7 kW there are 3.5 kW.
    asked = demand([[10, 10]], [5500.0], [TRAIN, DECODE], [0, 1])
    np.testing.assert_allclose(shares("proportional", asked), [450.0, 300.0])


@pytest.mark.parametrize("name", ["uniform", "proportional"])
def test_a_job_has_the_least_of_its_domains_and_others_get_what_it_leaves(name):
    # The rack (row 2) holds job 0 at 300 W; the site's other 12 kW are for job 1 alone.
    asked = demand([[10, 20], [10, 0]], [2000.0 + 20 * 400.0, 2000.0])
    np.testing.assert_allclose(shares(name, asked), [300.0, 500.0])


def test_priority_caps_batch_first_and_prefill_last():
    kind = ["serving", "serving", "batch", "training", "interactive"]
    asked = demand(
        [[10] * 5],
        [0.0],
        kind=kind,
        phase=["decode", "prefill", "training", "training", "decode"],
    )

    def at(budget_w):
        return shares("priority", replace(asked, budget_w=np.array([budget_w]))).tolist()

    full, floor = 6000.0, 1000.0
    assert at(4 * full + floor) == [700, 700, 200, 700, 700]
    assert at(3 * full + 2 * floor) == [700, 700, 200, 200, 700]
    assert at(2 * full + 3 * floor) == [700, 700, 200, 200, 200]
    assert at(full + 4 * floor) == [200, 700, 200, 200, 200]
    assert at(full + 4 * floor + 2500.0) == [450, 700, 200, 200, 200]
    assert at(4 * floor) == [200, 200, 100, 200, 200]  # the floors do not fit: batch rests


def test_priority_within_a_class_and_its_order_as_an_option():
    asked = demand([[10, 10, 10]], [6000.0 + 3500.0 + 1000.0], priority=[2, 1, 0])
    assert shares("priority", asked).tolist() == [700, 450, 200]
    asked = replace(asked, kind=["training", "training", "batch"])
    assert shares("priority", asked, order=["training", "batch"]).tolist() == [450, 200, 700]
    assert shares("priority", asked, order=["batch"]).tolist() == [450, 200, 700]  # others first
    for order in ([], ["batch", "batch"]):
        with pytest.raises(PolicyError, match=r"priority\.order: must name each class once"):
            make_policy("power", "priority", {"order": order})


def test_brake_takes_all_of_the_domain_and_lets_go_when_full_power_fits():
    asked = demand([[10, 10, 0], [0, 0, 10]], [11_999.0, 6000.0])
    assert shares("brake", asked).tolist() == [200, 200, 700]
    held = replace(asked, power_w=np.array([200.0, 200.0, 700.0]), load=np.array([0.2, 1.0]))
    assert shares("brake", held).tolist() == [200, 200, 700]
    enough = replace(held, budget_w=np.array([12_000.0, 6000.0]))
    assert shares("brake", enough).tolist() == [700, 700, 700]


def test_polca_goes_by_its_thresholds():
    """Row of 100 kW, of which 10 kW are drawn at rest; 100 GPUs of low, 50 of high priority."""
    asked = demand([[100, 50]], [90_000.0], priority=[0, 1], cap_w=[100_000.0], gpus=[100, 50])

    def at(top_w):
        return shares("polca", replace(asked, top_w=np.array([top_w, top_w]))) / top_w

    np.testing.assert_allclose(at(560.0), [1, 1])  # 10 + 150 x 0.46 = 79 kW
    # 80.5 kW at full power; 66 kW with the low ones at 83 %.
    np.testing.assert_allclose(at(570.0), [0.83, 1])
    # 92.5 kW; 81.5 kW with the low ones at 83 %, which is between the two thresholds.
    np.testing.assert_allclose(at(650.0), [0.83, 1])
    # 106 kW; 94 kW with the low ones at 83 %, which is above the second threshold.
    np.testing.assert_allclose(at(740.0), [0.67, 0.87])
    # Rest, and 100 at 0.67 and 50 at 0.87 of 1000 W: 105.5 kW. Brake.
    np.testing.assert_allclose(at(1000.0), [0.2, 0.2])


def test_polca_is_asked_from_its_own_threshold_on():
    assert make_policy("power", "polca", {}).alarm == 0.80
    assert make_policy("power", "polca", {"first": 0.7}).alarm == 0.7
    assert make_policy("power", "brake", {}).alarm == 1.0
    for options, words in (
        ({"first": 0.9}, r"first: must be above 0 and at most second"),
        ({"second": 1.1}, r"first: must be above 0 and at most second"),
        ({"low": [0.5, 0.6]}, r"low: must be two shares of full power"),
        ({"low": [0.5]}, r"polca\.low"),
        ({"high": 0.0}, r"high: must be above 0"),
    ):
        with pytest.raises(PolicyError, match=words):
            make_policy("power", "polca", options)


def test_what_a_small_job_needs_is_not_kept_from_it():
    """A large job that cannot run does not stand in the way of those behind it."""
    asked = demand([[100, 10]], [5000.0])
    for name in ("uniform", "proportional", "priority"):
        power_w = shares(name, asked)
        assert power_w.tolist() == [100, 600]
        np.testing.assert_allclose(drawn_w(asked, power_w), asked.budget_w)


@given(
    watts=st.lists(st.lists(st.integers(0, 9), min_size=12, max_size=12), min_size=1, max_size=4),
    room=st.lists(st.integers(-3, 40), min_size=4, max_size=4),
    order=st.permutations(range(12)),
)
def test_first_fit_takes_one_after_the_other(watts, room, order):
    matrix, left = np.array(watts, float), np.array(room[: len(watts)], float)
    on = draws(csr_array(matrix), np.ones(12), np.ones(len(watts), bool))
    found = first_fit(on, left, np.array(order))
    for item in order:
        draws_on = matrix[:, item] > 0
        fits = (matrix[draws_on, item] <= left[draws_on]).all()
        assert found[item] == fits
        left = left - matrix[:, item] * fits
