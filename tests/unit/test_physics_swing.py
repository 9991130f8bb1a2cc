"""Swings of power: by hand, against waves built point by point and a linear program."""

from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from twin.errors import DomainError
from twin.physics.swing import combined_w, floored, ramped, square, stored

unit = st.floats(0, 1)
shares = st.integers(0, 20).map(lambda twentieths: twentieths / 20)
N = 4000  # points of a step


@st.composite
def waves(draw: st.DrawFn) -> tuple[float, float, float]:
    peak = draw(st.floats(1, 1000))
    return peak, peak * draw(unit), draw(shares)


def wave(peak_w, trough_w, at_peak, n=N):
    """One step at the middles of equal intervals, the top first."""
    at = (np.arange(n) + 0.5) / n
    return np.where(at < at_peak, peak_w, trough_w)


def test_by_hand():
    # 700 W for three quarters of the step, 300 W for the rest.
    bare = square(700.0, 300.0, 0.75)
    assert (bare.peak_w, bare.trough_w, bare.mean_w, bare.amplitude_w) == (700, 300, 600, 400)
    held = floored(700.0, 300.0, 0.75, 500.0)
    assert (held.peak_w, held.trough_w, held.mean_w, held.amplitude_w) == (700, 500, 650, 200)
    # At 100 W/s one second at the bottom is half a second down and half a second up: 50 W, a
    # triangle that leaves out 25 J of the step's 2800.
    slow = ramped(700.0, 300.0, 0.75, 4.0, 100.0)
    assert (slow.peak_w, slow.trough_w, slow.mean_w) == (700, 650, 700 - 25 / 4)
    # At 1600 W/s it is down after a quarter of a second, and 100 J are burnt on the ramps.
    fast = ramped(700.0, 300.0, 0.75, 4.0, 1600.0)
    assert (fast.trough_w, fast.mean_w) == (300, pytest.approx(600 + 100 / 4))


def test_a_store_by_hand():
    # Half of the time at the top: it gives 150 W there and takes 200 W below, at 75 %.
    left = stored(1000.0, 2.0, energy_j=150.0, power_w=1e3, efficiency=0.75)
    assert left.amplitude_w == pytest.approx(1000 - 150 - 200)
    assert left.loss_w == pytest.approx((200 - 150) / 2)
    # What it may take limits it before what it may give.
    left = stored(1000.0, 2.0, energy_j=1e6, power_w=200.0, efficiency=0.75)
    assert left.amplitude_w == pytest.approx(1000 - 150 - 200)
    # Large enough, it leaves nothing.
    left = stored(1000.0, 2.0, energy_j=1e6, power_w=1e6, efficiency=1.0)
    assert (left.amplitude_w, left.loss_w) == (0, 0)
    assert stored(9.0, 2.0, energy_j=0, power_w=5, efficiency=0.9).amplitude_w == 9
    assert stored(9.0, 2.0, energy_j=5, power_w=0, efficiency=0.9).amplitude_w == 9


@given(waves(), st.floats(0, 1200))
def test_a_floor_against_a_wave_point_by_point(of, floor_w):
    peak_w, trough_w, at_peak = of
    points = np.maximum(wave(*of), floor_w)
    held = floored(peak_w, trough_w, at_peak, floor_w)
    assert held.mean_w == pytest.approx(points.mean())
    if 0 < at_peak < 1:
        assert (held.peak_w, held.trough_w) == (points.max(), points.min())
    bare = square(*of)
    assert held.mean_w >= bare.mean_w * (1 - 1e-12)
    assert held.amplitude_w <= bare.amplitude_w


@settings(max_examples=60, deadline=None)
@given(waves(), st.floats(0.1, 10), st.floats(10, 1e4))
def test_a_ramp_against_the_least_wave_above_the_work(of, step_s, ramp_w_per_s):
    peak_w, trough_w, at_peak = of
    # Least power above the work whose slope is bounded: down the ramp from each point, both ways.
    points, dt_s = np.tile(wave(*of), 3), step_s / N
    for _ in range(2):
        ramp = ramp_w_per_s * dt_s * np.arange(len(points))
        points = (np.maximum.accumulate(points + ramp) - ramp)[::-1]
    assert np.abs(np.diff(points)).max() <= ramp_w_per_s * dt_s * (1 + 1e-6) + 1e-9
    within, slack = points[N : 2 * N], 3 * ramp_w_per_s * dt_s + 1e-9
    slow = ramped(peak_w, trough_w, at_peak, step_s, ramp_w_per_s)
    if at_peak > 0:
        assert slow.peak_w == pytest.approx(within.max())
        assert slow.trough_w == pytest.approx(within.min(), abs=slack)
        assert slow.mean_w == pytest.approx(within.mean(), abs=slack)


@given(waves(), st.floats(0.1, 10), st.floats(1, 1e6))
def test_a_ramp_never_makes_more_swing_and_never_draws_less(of, step_s, ramp_w_per_s):
    bare, slow = square(*of), ramped(*of, step_s, ramp_w_per_s)
    assert slow.amplitude_w <= bare.amplitude_w * (1 + 1e-12)
    assert bare.mean_w <= slow.mean_w * (1 + 1e-12)
    assert slow.mean_w <= bare.peak_w * (1 + 1e-12)
    slower = ramped(*of, step_s, ramp_w_per_s / 2)
    assert slower.amplitude_w <= slow.amplitude_w * (1 + 1e-12)
    assert slow.mean_w <= slower.mean_w * (1 + 1e-12)


@given(waves(), st.floats(0.1, 10))
def test_without_a_limit_a_ramp_changes_nothing(of, step_s):
    bare, same = square(*of), ramped(*of, step_s, inf)
    assert same.mean_w == pytest.approx(bare.mean_w)
    if of[2] < 1:
        assert same.amplitude_w == pytest.approx(bare.amplitude_w)


def least_swing_w(amplitude_w, period_s, energy_j, power_w, efficiency, at_peak, n=20):
    """The best that a store can do, by a linear program over its power in each interval."""
    load, dt_s = wave(amplitude_w, 0.0, at_peak, n), period_s / n
    top = load > 0
    # Variables: given (n), taken (n), charge before each interval (n), highest, lowest.
    flow = np.hstack([dt_s * np.eye(n), -efficiency * dt_s * np.eye(n)])
    charge = np.roll(np.eye(n), 1, axis=1) - np.eye(n)
    balance = np.hstack([flow, charge, np.zeros((n, 2))])
    drawn = np.hstack([-np.eye(n), np.eye(n), np.zeros((n, n))])
    ones, none = np.ones((n, 1)), np.zeros((n, 1))
    bounds = [(0, power_w if up else 0) for up in top] + [(0, 0 if up else power_w) for up in top]
    found = linprog(
        np.r_[np.zeros(3 * n), 1, -1],
        A_ub=np.vstack([np.hstack([drawn, -ones, none]), np.hstack([-drawn, none, ones])]),
        b_ub=np.r_[-load, load],
        A_eq=balance,
        b_eq=np.zeros(n),
        bounds=[*bounds, *[(0, energy_j)] * n, (None, None), (None, None)],
    )
    assert found.success
    return found.fun, found.x[n : 2 * n].mean() - found.x[:n].mean()


@settings(max_examples=40, deadline=None)
@given(
    st.floats(10, 1000),
    st.floats(0.5, 10),
    st.floats(0, 2000),
    st.floats(0, 800),
    st.floats(0.5, 1),
    st.integers(1, 19).map(lambda twentieths: twentieths / 20),
)
def test_a_store_against_a_linear_program(amplitude, period, energy, power, efficiency, at_peak):
    left = stored(
        amplitude, period, energy_j=energy, power_w=power, efficiency=efficiency, at_peak=at_peak
    )
    least_w, loss_w = least_swing_w(amplitude, period, energy, power, efficiency, at_peak)
    assert left.amplitude_w == pytest.approx(least_w, abs=1e-4)
    assert left.loss_w == pytest.approx(loss_w, abs=1e-3)


def test_a_store_at_the_edges_of_its_share_gives_no_warning():
    with np.errstate(all="raise"):
        left = stored(100.0, 1.0, energy_j=[0, 5], power_w=10.0, efficiency=0.9, at_peak=[0.0, 1.0])
    assert np.all((left.amplitude_w >= 0) & (left.amplitude_w <= 100))
    assert list(left.loss_w) == [0, 0]


def test_jobs_out_of_step_add_in_squares():
    # Square waves of 1, 2 and 4 to the period are orthogonal: their variances add exactly.
    amplitudes = np.array([300.0, 500.0, 120.0])
    at = (np.arange(N) + 0.5) / N
    total = sum(a * (at * k % 1 < 0.5) for a, k in zip(amplitudes, (1, 2, 4), strict=True))
    # A square wave of amplitude A and half of its time at the top has a deviation of A / 2.
    assert combined_w(amplitudes) == pytest.approx(2 * total.std())
    assert combined_w(np.full(100, 7.0)) == pytest.approx(70)
    assert combined_w([]) == 0
    assert combined_w([[3.0, 4.0], [5.0, 12.0]]) == pytest.approx([5, 13])


def test_jobs_at_random_phases_add_in_squares():
    rng = np.random.default_rng(7)
    amplitudes, n = np.array([1.0, 2.0, 2.0, 4.0]), 40_000
    # Half of the time at the top, at a random moment: each job is up or down.
    total = (rng.random((n, 4)) < 0.5) @ amplitudes
    # Of n independent draws the deviation is known to about 1 / sqrt(2 n), here 0.4 %.
    assert 2 * total.std() == pytest.approx(combined_w(amplitudes), rel=4 / sqrt(2 * n))


@given(st.lists(st.floats(0, 1e6), max_size=8))
def test_a_sum_in_squares_lies_between_the_largest_and_the_plain_sum(amplitudes):
    total = combined_w(amplitudes)
    assert max(amplitudes, default=0) <= total * (1 + 1e-9) + 1e-150
    assert total <= sum(amplitudes) * (1 + 1e-9)


def test_floor_ramp_and_store_in_turn_over_arrays_of_jobs():
    at_peak, step_s = np.array([0.8, 0.5]), np.array([2.0, 10.0])
    held = floored([7e6, 1e6], [3e6, 4e5], at_peak, [4e6, 0.0])
    slow = ramped(held.peak_w, held.trough_w, at_peak, step_s, 1e7)
    left = stored(
        slow.amplitude_w, step_s, energy_j=1e6, power_w=5e5, efficiency=0.9, at_peak=at_peak
    )
    assert left.amplitude_w.shape == left.loss_w.shape == slow.mean_w.shape == (2,)
    assert np.all(left.amplitude_w < slow.amplitude_w)
    assert np.all(slow.amplitude_w <= held.amplitude_w)


SQUARE = {"peak_w": 700.0, "trough_w": 300.0, "at_peak": 0.5}
STORE = {"amplitude_w": 9.0, "period_s": 1.0, "energy_j": 5.0, "power_w": 5.0, "efficiency": 0.9}


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (square, {**SQUARE, "trough_w": 701.0}, "trough_w: must be at most peak_w"),
        (square, {**SQUARE, "at_peak": 1.1}, "at_peak: must be a fraction"),
        (square, {**SQUARE, "peak_w": nan}, "peak_w: must be zero or above and finite"),
        (floored, {**SQUARE, "floor_w": -1.0}, "floor_w: must be zero or above"),
        (ramped, {**SQUARE, "step_s": 0.0, "ramp_w_per_s": 1.0}, "step_s: must be above zero"),
        (ramped, {**SQUARE, "step_s": inf, "ramp_w_per_s": 1.0}, "step_s: .* and finite"),
        (ramped, {**SQUARE, "step_s": 1.0, "ramp_w_per_s": 0.0}, "ramp_w_per_s: must be above"),
        (stored, {**STORE, "efficiency": 0.0}, "efficiency: must be above 0"),
        (stored, {**STORE, "efficiency": 1.1}, "efficiency: must be a fraction"),
        (stored, {**STORE, "energy_j": -1.0}, "energy_j: must be zero or above"),
        (stored, {**STORE, "period_s": 0.0}, "period_s: must be above zero"),
        (stored, {**STORE, "period_s": inf}, "period_s: must be .* finite"),
        (combined_w, {"amplitudes_w": [1.0, -1.0]}, "amplitudes_w: must be zero or above"),
    ],
)
def test_what_is_refused(function, arguments, words):
    with pytest.raises(DomainError, match=words):
        function(**arguments)
