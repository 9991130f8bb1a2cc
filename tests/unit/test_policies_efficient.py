"""The efficient allocation against enumeration and a plain linear program, and in its limits."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_cases import check, concave_curves, demand, demands, drawn_w, speed
from scipy.optimize import linprog

from twin.policies.allocation import Pieces
from twin.policies.hull import concave
from twin.policies.power_view import Curve
from twin.registry import make_policy

EFFICIENT = make_policy("power", "efficient", {})
KNEE = Curve(np.array([200.0, 300.0, 500.0, 700.0]), np.array([0.4, 0.7, 0.9, 1.0]))
FLAT = Curve(np.array([200.0, 300.0, 400.0]), np.array([0.8, 1.0, 1.0]))


def best_by_enumeration(asked):
    """The best of all points on a grid of 100 W, floors included."""
    grids = [asked.curves[k].power_w[0] + 100.0 * np.arange(6) for k in asked.curve]
    grids = [g[g <= top] for g, top in zip(grids, asked.top_w, strict=True)]
    points = [np.array(point) for point in product(*grids)]
    fit = [p for p in points if (drawn_w(asked, p) <= asked.budget_w * (1 + 1e-9)).all()]
    return max(speed(asked, p) for p in fit)


def best_by_program(asked):
    """Each step of each job a variable, no grouping, no fast path."""
    gains, watts, least = [], [], 0.0
    share = asked.share.toarray()
    for job, k in enumerate(asked.curve):
        curve = asked.curves[k]
        least += asked.gpus[job] * curve.rate[0]
        gains.append(asked.gpus[job] * np.diff(curve.rate))
        watts.append(np.outer(share[:, job], np.diff(curve.power_w)))
    room_w = np.maximum(asked.budget_w - drawn_w(asked, asked.floor_w), 0)
    answer = linprog(
        -np.concatenate(gains), np.hstack(watts), room_w, bounds=(0, 1), method="highs"
    )
    return least - answer.fun


@pytest.mark.parametrize("seed", range(12))
def test_small_cases_equal_brute_force(seed):
    """Three jobs in up to three domains; budgets and corners lie on the grid of 100 W a GPU."""
    rng = np.random.default_rng(seed)
    share = rng.integers(1, 4, (1 + seed % 3, 3))
    share[1:] *= rng.integers(0, 2, share[1:].shape)
    asked = demand(share, [0.0] * len(share), [KNEE, FLAT], rng.integers(0, 2, 3), gpus=share[0])
    low_w, high_w = drawn_w(asked, asked.floor_w), drawn_w(asked, asked.top_w)
    budget_w = low_w + rng.integers(0, 1 + ((high_w - low_w) / 100).astype(int)) * 100.0
    asked = replace(asked, budget_w=budget_w)
    power_w = EFFICIENT.share(asked)
    check(asked, power_w)
    found, best = speed(asked, power_w), best_by_enumeration(asked)
    # The grid holds an optimum for one domain if all weigh 1; a grid is never better otherwise.
    assert found >= best * (1 - 1e-7)
    assert found == pytest.approx(best_by_program(asked), rel=1e-7)


def test_unit_weights_in_one_domain_equal_brute_force_exactly():
    for steps in range(15):
        asked = demand([[1, 1, 1]], [300.0 + 100.0 * steps], [KNEE, FLAT], [0, 1, 0])
        assert speed(asked, EFFICIENT.share(asked)) == pytest.approx(best_by_enumeration(asked))


@given(asked=demands(most_jobs=6, most_domains=1, floors_fit=True))
def test_one_domain_filled_by_steepness_equals_the_linear_program(asked):
    power_w = EFFICIENT.share(asked)
    check(asked, power_w)
    if (asked.budget_w >= drawn_w(asked, asked.floor_w)).all():
        assert speed(asked, power_w) == pytest.approx(best_by_program(asked), rel=1e-6)


@given(asked=demands(most_jobs=6, floors_fit=True))
def test_several_domains_equal_the_plain_linear_program(asked):
    power_w = EFFICIENT.share(asked)
    check(asked, power_w)
    if (asked.budget_w >= drawn_w(asked, asked.floor_w)).all():
        assert speed(asked, power_w) == pytest.approx(best_by_program(asked), rel=1e-6)


@given(asked=demands(floors_fit=True), more=st.lists(st.floats(0, 2), min_size=4, max_size=4))
def test_more_budget_never_gives_less_while_all_run(asked, more):
    asked = replace(asked, budget_w=np.maximum(asked.budget_w, drawn_w(asked, asked.floor_w)))
    richer = replace(asked, budget_w=asked.budget_w * (1 + np.array(more[: len(asked.budget_w)])))
    before, after = EFFICIENT.share(asked), EFFICIENT.share(richer)
    check(richer, after)
    assert speed(richer, after) >= speed(asked, before) * (1 - 1e-6)


def test_with_pausing_more_budget_can_give_less():
    """A watt more, and a second job must run at its floor on what the first made more of."""
    crawls = Curve(np.array([200.0, 700.0]), np.array([0.1, 0.11]))
    rises = Curve(np.array([200.0, 700.0]), np.array([0.3, 1.0]))
    asked = demand([[10, 10]], [1999.0], [crawls, rises], [0, 1])
    poor = EFFICIENT.share(asked)
    rich = EFFICIENT.share(replace(asked, budget_w=np.array([2000.0])))
    np.testing.assert_allclose(poor, [100.0, 299.9])
    np.testing.assert_allclose(rich, [200.0, 200.0])
    assert speed(asked, rich) < speed(asked, poor)


def smooth(power):
    """Sixty pieces, as curves of GPUs have."""
    at_w = np.linspace(200, 700, 61)
    return Curve(at_w, (at_w / 700) ** power)


@pytest.mark.parametrize("seed", range(3))
def test_smooth_curves_under_several_budgets_are_solved_to_a_thousandth(seed):
    """Gangs across racks, all racks and the site short of power; in truth up to 0.02 % is lost."""
    rng = np.random.default_rng(seed)
    share = np.zeros((9, 40))
    share[0] = gpus = rng.integers(1, 64, 40)
    for job in range(40):
        racks = rng.choice(np.arange(1, 9), rng.integers(1, 4), replace=False)
        share[racks, job] = gpus[job] / len(racks)
    curves = [smooth(0.2), smooth(0.5), smooth(0.8)]
    asked = demand(share, [0.0] * 9, curves, rng.integers(0, 3, 40), gpus=gpus)
    low_w, high_w = drawn_w(asked, asked.floor_w), drawn_w(asked, asked.top_w)
    budget_w = low_w + rng.uniform(0.3, 0.9, 9) * (high_w - low_w)
    asked = replace(asked, budget_w=budget_w)
    power_w = EFFICIENT.share(asked)
    check(asked, power_w)
    assert speed(asked, power_w) == pytest.approx(best_by_program(asked), rel=1e-3)


def test_curves_are_thinned_where_they_are_straight():
    curves = [smooth(0.2), KNEE, smooth(0.8), FLAT]
    asked = demand([[1, 1, 1, 1]], [0.0], curves, [0, 1, 2, 3])
    pieces = Pieces(asked)
    thin = pieces.thinned()
    assert thin.count[thin.hull].tolist() == [8, 3, 8, 1]
    for job, curve in enumerate(curves):
        these = thin.of(pieces.hull[[job]])[0]
        power_w = 200.0 + np.r_[0, np.cumsum(thin.height_w[these])]
        rate = curve.rate[0] + np.r_[0, np.cumsum(thin.gain[these])]
        upto = curve.power_w <= power_w[-1]
        lost = curve.rate[upto] - np.interp(curve.power_w[upto], power_w, rate)
        assert -1e-12 <= lost.min() <= lost.max() < 1e-3
        np.testing.assert_allclose(np.interp(power_w, curve.power_w, curve.rate), rate)


def test_alike_jobs_get_the_same_power():
    asked = demand([[8, 64, 24, 8]], [0.55 * 104 * 600.0], [KNEE])
    power_w = EFFICIENT.share(asked)
    np.testing.assert_allclose(power_w, power_w[0])


def test_speed_for_watts_goes_first_and_watts_without_speed_are_not_spent():
    # FLAT gives 0.2 for its first 100 W and none for the second; KNEE 0.3, then 0.1, then 0.05.
    asked = demand([[1, 1]], [0.0], [KNEE, FLAT], [0, 1])

    def at(above_floor_w):
        return EFFICIENT.share(replace(asked, budget_w=np.array([200.0 + above_floor_w]))).tolist()

    assert at(0) == [200, 200]
    assert at(50) == [250, 200]
    assert at(150) == [300, 250]
    assert at(300) == [400, 300]
    assert at(590) == [690, 300]
    assert at(650) == [700, 300]
    assert at(700) == [700, 400]  # all fits: nothing is held


@given(curve=concave_curves())
def test_a_concave_curve_is_its_own_hull(curve):
    hull = concave(curve, curve.power_w[0], curve.power_w[-1])
    np.testing.assert_allclose(
        np.interp(curve.power_w, hull.power_w, hull.rate), curve.rate, rtol=1e-9, atol=1e-12
    )


@given(
    rates=st.lists(st.floats(0, 1), min_size=2, max_size=12),
    low=st.floats(0, 0.4),
    high=st.floats(0.6, 1),
)
def test_a_hull_is_above_its_curve_concave_and_made_of_its_points(rates, low, high):
    curve = Curve(np.linspace(100, 700, len(rates)), np.sort(rates))
    floor_w, top_w = 100 + 600 * low, 100 + 600 * high
    hull = concave(curve, floor_w, top_w)
    assert (hull.power_w[0], hull.power_w[-1]) == (floor_w, top_w)
    at_w = np.linspace(floor_w, top_w, 100)
    assert (
        np.interp(at_w, hull.power_w, hull.rate)
        >= np.interp(at_w, curve.power_w, curve.rate) - 1e-12
    ).all()
    np.testing.assert_allclose(
        hull.rate, np.interp(hull.power_w, curve.power_w, curve.rate), atol=1e-12
    )
    assert (np.diff(hull.rate) / np.diff(hull.power_w))[1:].tolist() == sorted(
        (np.diff(hull.rate) / np.diff(hull.power_w))[1:].tolist(), reverse=True
    )
    assert len(concave(curve, 400.0, 400.0).rate) == 1
