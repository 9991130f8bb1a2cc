"""Breakers: by hand, against an integrated equation, and what is refused."""

from math import exp, inf, log, nan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.errors import DomainError
from twin.physics.breaker import advance, time_to_trip_s

thetas, ratios, taus = st.floats(0, 2), st.floats(0, 5), st.floats(1, 3600)
BREAKER = {"trips_at": 1.13, "tau_s": 600.0, "at_once": 8.0}


def test_by_hand():
    # A cold breaker at twice its rating has a quarter of its final heat after tau ln(4/3).
    assert time_to_trip_s(0.0, 2.0, trips_at=1.0, tau_s=600.0) == pytest.approx(600 * log(4 / 3))
    assert advance(0.0, 1.0, 600.0, 600.0) == pytest.approx(1 - exp(-1))
    assert advance(1.0, 0.0, 1200.0, 600.0) == pytest.approx(exp(-2))
    assert advance(0.7, 1.3, 0.0, 600.0) == 0.7
    assert advance(0.7, 1.3, 1e9, 600.0) == pytest.approx(1.69)


@pytest.mark.parametrize(
    ("theta", "ratio", "wait_s"),
    [
        (0.0, 1.0, inf),
        (0.0, 1.13, inf),  # the limit is neared, and never met
        (1.0, 0.0, inf),
        (0.0, 8.0, 0.0),  # a short circuit
        (0.0, 50.0, 0.0),
        (1.13**2, 1.0, 0.0),  # as hot as it may be, whatever the load
        (1.5, 0.0, 0.0),
    ],
)
def test_at_the_edges(theta, ratio, wait_s):
    assert time_to_trip_s(theta, ratio, **BREAKER) == wait_s


def test_without_a_magnetic_part_a_short_circuit_waits_too():
    assert time_to_trip_s(0.0, 50.0, trips_at=1.13, tau_s=600.0) == pytest.approx(
        -600 * log(1 - 1.13**2 / 2500)
    )


@pytest.mark.parametrize(("theta", "ratio"), [(0.0, 1.2), (0.5, 1.5), (1.0, 1.14), (0.9, 5.0)])
def test_against_an_integrated_equation(theta, ratio):
    limit, tau_s = BREAKER["trips_at"] ** 2, BREAKER["tau_s"]

    def heats(_, y):
        return [(ratio**2 - y[0]) / tau_s]

    def trip(_, y):
        return y[0] - limit

    precise = {"rtol": 1e-10, "atol": 1e-12}
    found = solve_ivp(heats, (0, 1e4), [theta], events=trip, **precise).t_events[0][0]
    assert time_to_trip_s(theta, ratio, **BREAKER) == pytest.approx(found, rel=1e-6)
    half_way = solve_ivp(heats, (0, found / 2), [theta], **precise).y[0, -1]
    assert advance(theta, ratio, found / 2, tau_s) == pytest.approx(half_way, rel=1e-8)


@given(thetas, ratios, taus, st.floats(0, 3600), st.floats(0, 3600))
def test_two_waits_are_one(theta, ratio, tau_s, first_s, second_s):
    twice = advance(advance(theta, ratio, first_s, tau_s), ratio, second_s, tau_s)
    once = advance(theta, ratio, first_s + second_s, tau_s)
    assert twice == pytest.approx(once, rel=1e-9, abs=1e-12)


@given(thetas, ratios, taus, st.floats(1, 2))
def test_the_image_is_at_its_limit_when_it_trips_and_not_before(theta, ratio, tau_s, trips_at):
    wait_s = time_to_trip_s(theta, ratio, trips_at=trips_at, tau_s=tau_s)
    limit = trips_at**2
    if np.isinf(wait_s):
        assert ratio <= trips_at
        assert advance(theta, ratio, 50 * tau_s, tau_s) <= limit * (1 + 1e-12)
    elif wait_s == 0:
        assert theta >= limit * (1 - 1e-12)
    else:
        assume(ratio**2 - limit > 1e-6)
        assert advance(theta, ratio, wait_s, tau_s) == pytest.approx(limit, rel=1e-9)
        assert advance(theta, ratio, 0.99 * wait_s, tau_s) < limit


@given(thetas, st.tuples(ratios, ratios), taus)
def test_more_load_and_more_heat_never_trip_later(theta, pair, tau_s):
    waits_s = time_to_trip_s(theta, np.sort(pair), trips_at=1.13, tau_s=tau_s, at_once=4.0)
    assert waits_s[1] <= waits_s[0]
    hotter_s = time_to_trip_s(theta + 0.1, np.sort(pair), trips_at=1.13, tau_s=tau_s, at_once=4.0)
    assert np.all(hotter_s <= waits_s)


def test_arrays_of_breakers_and_no_warnings():
    theta, ratio = np.array([0.0, 0.0, 2.0, 0.0]), np.array([1.0, 2.0, 0.0, 9.0])
    with np.errstate(all="raise"):
        waits_s = time_to_trip_s(theta, ratio, **BREAKER)
    assert waits_s[0] == inf
    assert waits_s[1] == time_to_trip_s(0.0, 2.0, **BREAKER) > 0
    assert list(waits_s[2:]) == [0, 0]
    assert advance(theta, ratio, 60.0, 600.0).shape == (4,)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"theta": -0.1}, "theta: must be zero or above and finite"),
        ({"ratio": -1.0}, "ratio: must be zero or above and finite"),
        ({"ratio": inf}, "ratio: must be zero or above and finite"),
        ({"theta": nan}, "theta: must"),
        ({"trips_at": 0.0}, "trips_at: must be above zero"),
        ({"tau_s": 0.0}, "tau_s: must be above zero"),
        ({"at_once": -8.0}, "at_once: must be above zero"),
    ],
)
def test_what_is_refused(changed, words):
    with pytest.raises(DomainError, match=words):
        time_to_trip_s(**{"theta": 0.0, "ratio": 1.0, **BREAKER, **changed})


def test_time_does_not_run_back():
    with pytest.raises(DomainError, match="dt_s: must be zero or above"):
        advance(0.0, 1.0, -1.0, 600.0)
