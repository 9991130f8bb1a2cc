"""Temperatures in time: by hand, against integrated equations, and what is refused."""

from math import exp, inf, log, nan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.errors import DomainError
from twin.physics.thermal import (
    junction_degc,
    steady_degc,
    temperature_degc,
    throttle_power_w,
    time_constant_s,
    time_to_reach_s,
)

degrees = st.floats(-20, 120).map(lambda degc: round(degc, 6))
taus = st.floats(1, 3600)


def test_by_hand():
    # 100 kW too much, 0.2 K for a kW: 20 K above the set point in the end, 63 % of it after tau.
    assert steady_degc(25.0, 100e3, 0.2e-3) == pytest.approx(45)
    assert temperature_degc(300.0, 25.0, 45.0, 300.0) == pytest.approx(25 + 20 * (1 - exp(-1)))
    assert temperature_degc(0.0, 31.0, 45.0, 300.0) == 31
    assert time_to_reach_s(35.0, 25.0, 45.0, 300.0) == pytest.approx(300 * log(2))
    assert time_to_reach_s(35.0, 45.0, 25.0, 300.0) == pytest.approx(300 * log(2))
    assert time_constant_s(1.5e6, 0.2e-3) == pytest.approx(300)
    assert junction_degc(700.0, 30.0, 0.05) == pytest.approx(65)
    assert throttle_power_w(85.0, 30.0, 0.05) == pytest.approx(1100)


@pytest.mark.parametrize(
    ("target", "start", "steady", "wait_s"),
    [
        (30.0, 30.0, 45.0, 0.0),  # it is there
        (45.0, 25.0, 45.0, inf),  # neared for ever
        (50.0, 25.0, 45.0, inf),  # out of reach
        (20.0, 25.0, 45.0, inf),  # moves away
        (30.0, 25.0, 25.0, inf),  # stays
        (25.0, 25.0, 25.0, 0.0),
    ],
)
def test_targets_that_are_met_at_once_or_never(target, start, steady, wait_s):
    with np.errstate(all="raise"):
        assert time_to_reach_s(target, start, steady, 300.0) == wait_s


def test_a_failure_of_cooling_against_an_integrated_balance_of_heat():
    # A hall that draws 1 MW has cooling for 1 MW; 400 kW of it fails, and comes back at 10 minutes.
    capacity, resistance, setpoint, heat_w = 2e6, 0.3e-3, 24.0, 1e6
    tau_s = time_constant_s(capacity, resistance)

    def warms(cooling_w):
        return lambda _, y: [(heat_w - cooling_w - (y[0] - setpoint) / resistance) / capacity]

    precise = {"rtol": 1e-10, "atol": 1e-10}
    out = solve_ivp(warms(0.6e6), (0, 600), [setpoint], **precise).y[0, -1]
    back = solve_ivp(warms(1e6), (0, 300), [out], **precise).y[0, -1]
    hot = temperature_degc(600.0, setpoint, steady_degc(setpoint, 0.4e6, resistance), tau_s)
    assert hot == pytest.approx(out, abs=1e-6)
    assert temperature_degc(300.0, hot, steady_degc(setpoint, 0.0, resistance), tau_s) == (
        pytest.approx(back, abs=1e-6)
    )
    # In the first seconds all heat stays: excess over capacity.
    early = temperature_degc(0.01, setpoint, steady_degc(setpoint, 0.4e6, resistance), tau_s)
    assert (early - setpoint) / 0.01 == pytest.approx(0.4e6 / capacity, rel=1e-4)


@given(degrees, degrees, taus, st.floats(0, 3600), st.floats(0, 3600))
def test_two_waits_are_one_and_stay_between_start_and_end(start, steady, tau_s, first_s, second_s):
    between = temperature_degc(first_s, start, steady, tau_s)
    twice = temperature_degc(second_s, between, steady, tau_s)
    assert twice == pytest.approx(
        temperature_degc(first_s + second_s, start, steady, tau_s), abs=1e-9
    )
    assert min(start, steady) - 1e-9 <= between <= max(start, steady) + 1e-9


@given(degrees, degrees, degrees, taus)
def test_the_target_is_met_at_its_time_and_not_before(target, start, steady, tau_s):
    wait_s = time_to_reach_s(target, start, steady, tau_s)
    between = min(start, steady) < target < max(start, steady)
    if np.isinf(wait_s):
        assert not between
    else:
        assert between or target == start
        assume(abs(steady - target) > 1e-3)
        assert temperature_degc(wait_s, start, steady, tau_s) == pytest.approx(target, abs=1e-6)
        early = temperature_degc(0.9 * wait_s, start, steady, tau_s)
        assert (early - target) * (steady - start) <= 1e-9


@given(degrees, degrees, st.floats(1e-3, 1))
def test_at_its_throttle_power_a_chip_is_at_its_limit(limit, inlet, resistance):
    power_w = throttle_power_w(limit, inlet, resistance)
    if power_w > 0:
        assert junction_degc(power_w, inlet, resistance) == pytest.approx(limit, abs=1e-9)
    else:
        assert inlet >= limit


def test_arrays_broadcast():
    rooms = temperature_degc(np.array([[0.0], [60.0]]), [20.0, 25.0, 30.0], 40.0, 300.0)
    assert rooms.shape == (2, 3)
    assert list(rooms[0]) == [20, 25, 30]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: steady_degc(-300.0, 0.0, 1.0), "setpoint_degc: must be above -273.15 degC"),
        (lambda: steady_degc(25.0, -1.0, 1.0), "excess_w: must be zero or above"),
        (lambda: steady_degc(25.0, 1.0, inf), "resistance_k_per_w: must be zero or above and fin"),
        (lambda: temperature_degc(-1.0, 25.0, 30.0, 300.0), "t_s: must be zero or above"),
        (lambda: temperature_degc(1.0, nan, 30.0, 300.0), "start_degc: must"),
        (lambda: temperature_degc(1.0, 25.0, inf, 300.0), "steady_degc: must"),
        (lambda: temperature_degc(1.0, 25.0, 30.0, 0.0), "tau_s: must be above zero"),
        (lambda: time_to_reach_s(nan, 25.0, 30.0, 300.0), "target_degc: must"),
        (lambda: time_to_reach_s(30.0, 25.0, 30.0, -1.0), "tau_s: must be above zero"),
        (lambda: junction_degc(-5.0, 25.0, 0.1), "power_w: must be zero or above"),
        (lambda: throttle_power_w(85.0, 25.0, 0.0), "resistance_k_per_w: must be above zero"),
        (lambda: time_constant_s(0.0, 1.0), "capacity_j_per_k: must be above zero"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(DomainError, match=words):
        call()
