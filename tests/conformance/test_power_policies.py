"""What every registered policy of power must hold to, those of plug-ins included."""

from copy import deepcopy
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from power_cases import check, demand, demands, speed

from twin.errors import PolicyError
from twin.policies.base import PowerPolicy
from twin.policies.power.efficient import Efficient
from twin.registry import POWER, make_policy

CAPPING = [name for name in POWER.names() if name != "uncapped"]


@pytest.fixture(params=CAPPING)
def policy(request):
    return make_policy("power", request.param, {})


@pytest.mark.parametrize("name", CAPPING)
@given(asked=demands())
def test_budgets_hold_and_powers_are_possible(name, asked):
    check(asked, make_policy("power", name, {}).share(asked))


@pytest.mark.parametrize("name", POWER.names())
@given(asked=demands())
def test_same_answer_twice_and_inputs_untouched(name, asked):
    before = deepcopy(asked)
    made = make_policy("power", name, {})
    first = made.share(asked).copy()
    np.testing.assert_array_equal(first, made.share(asked))
    for field in fields(asked):
        there, then = getattr(asked, field.name), getattr(before, field.name)
        if field.name == "share":
            there, then = there.toarray(), then.toarray()
        if field.name != "curves":
            np.testing.assert_array_equal(there, then)


@pytest.mark.parametrize("name", POWER.names())
def test_where_all_fits_by_far_nobody_is_held(name):
    asked = demand([[8, 16, 1], [0, 16, 1]], [1e6, 1e6])
    np.testing.assert_array_equal(make_policy("power", name, {}).share(asked), asked.top_w)


def test_nothing_runs(policy):
    asked = demand(np.zeros((2, 0)), [100.0, -5.0])
    assert policy.share(asked).shape == (0,)


def test_jobs_outside_a_full_domain_are_let_alone(policy):
    asked = demand([[8, 0, 8], [0, 8, 0]], [4000.0, 1e6])
    power_w = policy.share(asked)
    check(asked, power_w)
    assert power_w[1] == asked.top_w[1]
    assert (power_w[[0, 2]] < asked.top_w[[0, 2]]).all()


def test_no_budget_at_all_pauses_all_that_draws_on_it(policy):
    for nothing in (0.0, -1e4):
        asked = demand([[8, 4, 0], [8, 4, 2]], [nothing, 1e6])
        np.testing.assert_array_equal(policy.share(asked), [100.0, 100.0, 700.0])


def test_exactly_the_floors(policy):
    asked = demand([[8, 4], [8, 0]], [1200.0, 800.0])
    np.testing.assert_array_equal(policy.share(asked), asked.floor_w)


def test_the_senior_job_is_kept(policy):
    """Of alike jobs that cannot all run even at their floors the younger ones are paused."""
    asked = demand([[8, 8, 8]], [1700.0], start_s=[5.0, 3.0, 9.0])
    power_w = policy.share(asked)
    np.testing.assert_array_equal(power_w > asked.idle_w, [True, True, False])
    asked = replace(asked, priority=np.array([0, 0, 1]))
    np.testing.assert_array_equal(policy.share(asked) > asked.idle_w, [False, True, True])


def test_the_order_of_jobs_does_not_matter(policy):
    rng = np.random.default_rng(3)
    share = rng.integers(1, 64, (3, 40)) * (rng.random((3, 40)) < 0.6)
    asked = demand(share, 0.6 * share.sum(axis=1) * 600.0, gpus=share.max(axis=0) + 1)
    turned = rng.permutation(40)
    of_jobs = ("gpus", "start_s", "floor_w", "top_w")  # in the others all are alike
    moved = {name: getattr(asked, name)[turned] for name in of_jobs}
    other = replace(asked, share=asked.share[:, turned], **moved)
    first, second = policy.share(asked), policy.share(other)
    if isinstance(policy, Efficient):  # of several optima it may find another
        assert speed(asked, first) == pytest.approx(speed(other, second), rel=1e-6)
    else:
        np.testing.assert_allclose(first[turned], second)


@pytest.mark.parametrize("name", POWER.names())
def test_a_negative_period_or_delay_is_refused(name):
    for option in ("period", "delay"):
        with pytest.raises(PolicyError, match=rf"{name}\.{option}: must be 0 s or above"):
            make_policy("power", name, {option: "-1 s"})
    made = make_policy("power", name, {"period": "30 s", "delay": "0 s"})
    assert isinstance(made, PowerPolicy)
    assert (made.period_s, made.delay_s) == (30.0, 0.0)
