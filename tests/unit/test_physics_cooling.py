"""The power of cooling, by hand and by what must hold in all weathers; and the wet bulb."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from twin.errors import DomainError
from twin.physics.cooling import CoolingType, Loop, chiller_cop, cooling_curve
from twin.physics.humid_air import saturation_pa, wet_bulb_degc

LOOP = Loop(
    supply_degc=20.0,
    rise_k=10.0,
    hx_k=3.0,
    approach_k=4.0,
    sink="dry",
    economiser=True,
    carnot=0.5,
    lift_k=6.0,
    moving=0.05,
    least_moving=0.4,
    rejection=0.02,
)
TOWER = replace(LOOP, sink="wet")
WETTED = replace(LOOP, sink="adiabatic")
RATED_W = 2e6


def curve(loop, dry_degc, wet_degc):
    return cooling_curve(CoolingType(loop=loop, overhead=0.01), dry_degc, wet_degc, RATED_W)


# -- by hand


def test_free_cooling_costs_fans_and_pumps_only():
    of = curve(LOOP, 13.0, 8.0)  # 13 + 4 + 3 is just the supply
    assert of.free == 1
    assert of.fixed_w == pytest.approx((0.01 + 0.05 * 0.4) * RATED_W)
    assert of.linear == pytest.approx(0.02)
    assert of.power_w(RATED_W) == pytest.approx((0.01 + 0.05 + 0.02) * RATED_W)
    assert of.power_w(RATED_W / 2) == pytest.approx((0.03 + 0.03 / 8 + 0.01) * RATED_W)


def test_chillers_carry_all_from_the_return_on():
    of = curve(LOOP, 23.0, 8.0)  # 23 + 4 + 3 is the return
    cop = 0.5 * (17 + 273.15) / (23 + 4 + 6 - 17)  # evaporator 3 K below the supply
    cop = min(cop, 0.5 * (17 + 273.15) / 20)  # no chiller does better
    assert of.free == pytest.approx(0, abs=1e-12)
    assert of.linear == pytest.approx(1 / cop + 0.02 * (1 + 1 / cop))


def test_half_way_outside_air_takes_half():
    assert curve(LOOP, 18.0, 8.0).free == pytest.approx(0.5)
    assert curve(replace(LOOP, economiser=False), -30.0, -30.0).free == 0


def test_cop_by_hand():
    assert chiller_cop(LOOP, 40.0) == pytest.approx(0.5 * 290.15 / (40 + 4 + 6 - 17))


def test_a_tower_evaporates_what_it_rejects():
    of = curve(TOWER, 40.0, 13.0)
    assert of.free == 1  # 40 degC, but dry
    assert of.water_l_per_j * 3.6e6 == pytest.approx(3.6e6 / 2.45e6 * 5 / 4)
    assert curve(LOOP, 13.0, 13.0).water_l_per_j == 0


def test_adiabatic_wets_no_more_than_it_must():
    assert curve(WETTED, 13.0, 5.0).water_l_per_j == 0
    of = curve(WETTED, 18.0, 5.0)  # wetted from 18 to 13 degC
    assert of.free == 1
    assert of.water_l_per_j * 2.45e6 * 4 / 5 == pytest.approx(5 / 10)


def test_heat_parts_between_two_ways():
    warm = replace(LOOP, supply_degc=45.0)
    both = cooling_curve(CoolingType(loop=warm, share=0.8, rest=LOOP), 30.0, 20.0, RATED_W)
    liquid = cooling_curve(CoolingType(loop=warm), 30.0, 20.0, RATED_W)
    air = cooling_curve(CoolingType(loop=LOOP), 30.0, 20.0, RATED_W)
    for heat_w in (0.0, 0.3 * RATED_W, RATED_W):
        expected_w = 0.8 * liquid.power_w(heat_w) + 0.2 * air.power_w(heat_w)
        assert both.power_w(heat_w) == pytest.approx(expected_w)
    assert both.free == pytest.approx(0.8)


# -- in all weathers

loops = st.builds(
    Loop,
    supply_degc=st.floats(10, 50),
    rise_k=st.floats(3, 15),
    hx_k=st.floats(0, 8),
    approach_k=st.floats(0, 12),
    sink=st.sampled_from(["dry", "wet", "adiabatic"]),
    economiser=st.booleans(),
    carnot=st.floats(0.3, 0.7),
    lift_k=st.floats(0, 10),
    moving=st.floats(0, 0.2),
    least_moving=st.floats(0, 1),
    rejection=st.floats(0, 0.1),
)


@given(loop=loops, dry=st.floats(-30, 50), depression_k=st.floats(0, 20), heat=st.floats(0, 1.2))
def test_convex_increasing_and_never_negative(loop, dry, depression_k, heat):
    of = curve(loop, dry, dry - depression_k)
    assert of.fixed_w >= 0 and of.linear >= 0 and of.cubic_per_w2 >= 0
    assert 0 <= of.free <= 1 and of.water_l_per_j >= 0
    heat_w = heat * RATED_W
    assert of.power_w(heat_w) == pytest.approx(
        of.fixed_w + of.linear * heat_w + of.cubic_per_w2 * heat_w**3
    )


@given(loop=loops, dry=st.floats(-30, 50), depression_k=st.floats(0.1, 20))
def test_nothing_jumps_when_the_weather_turns(loop, dry, depression_k):
    """A hundredth of a degree changes power by less than the steepest slope that there can be.

    That slope: the share of chillers goes from 0 to 1 over the rise, at 1 / COP watts each, and
    1 / COP itself by one part of ``carnot x evaporator`` for each degree.
    """
    step_k = 0.01
    before, after = (
        curve(loop, dry + change, dry - depression_k + change) for change in (0.0, step_k)
    )
    evaporator_k = loop.supply_degc - loop.hx_k + 273.15
    most_lift_k = max(dry + step_k + loop.approach_k + loop.lift_k + 273.15 - evaporator_k, 20)
    slope = (most_lift_k / loop.rise_k + 1) / (loop.carnot * evaporator_k)
    assert abs(after.linear - before.linear) <= 1.2 * slope * step_k + 1e-12
    assert abs(after.free - before.free) <= step_k / loop.rise_k + 1e-12


@given(loop=loops, dry=st.floats(-30, 49), wet=st.floats(-40, 49), warmer_k=st.floats(0, 10))
def test_warmer_air_never_costs_less(loop, dry, wet, warmer_k):
    wet = min(dry, wet)
    assert (
        curve(loop, dry + warmer_k, wet + warmer_k).linear >= curve(loop, dry, wet).linear - 1e-12
    )


@given(loop=loops, dry=st.floats(-30, 50), depression_k=st.floats(0, 20))
def test_outside_air_never_costs_more_than_chillers_alone(loop, dry, depression_k):
    chilled = curve(replace(loop, economiser=False), dry, dry - depression_k)
    mixed = curve(replace(loop, economiser=True), dry, dry - depression_k)
    assert mixed.linear <= chilled.linear + 1e-12


# -- what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"supply_degc": 400.0}, "supply_degc: must be"),
        ({"sink": "lake"}, "sink: must be dry, wet or adiabatic, found 'lake'"),
        ({"rise_k": 0.0}, "rise_k: must be above 0"),
        ({"carnot": 1.2}, "carnot: must be above 0, at most 1"),
        ({"moving": math.nan}, "moving: must be zero or above and finite"),
        ({"least_moving": 1.5}, "least_moving: must be a fraction"),
    ],
)
def test_loops_out_of_order(change, message):
    with pytest.raises(DomainError, match=message):
        replace(LOOP, **change)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"share": 0.5}, "share: must be above 0, at most 1, and 1 without a rest"),
        ({"overhead": -0.1}, "overhead: must be zero or above"),
        ({"time_constant_s": 0.0}, "time_constant_s: must be above 0"),
        ({"throttle_degc": 19.0}, "must lie above the supply, 20 degC"),
        ({"throttle_degc": 40.0, "off_degc": 35.0}, "in that order, found 40 and 35"),
    ],
)
def test_types_out_of_order(given, message):
    with pytest.raises(DomainError, match=message):
        CoolingType(loop=LOOP, **given)


@pytest.mark.parametrize(
    ("dry", "wet", "rated_w", "message"),
    [
        (20.0, 21.0, 1.0, "wet_bulb_degc: must not be above the dry bulb, 20 degC, found 21"),
        (math.nan, 10.0, 1.0, "must be finite"),
        (20.0, 10.0, 0.0, "rated_w: must be above zero"),
    ],
)
def test_weather_out_of_order(dry, wet, rated_w, message):
    with pytest.raises(DomainError, match=message):
        cooling_curve(CoolingType(loop=LOOP), dry, wet, rated_w)


# -- the wet bulb


def _hyland_wexler_pa(degc):
    t = degc + 273.15
    return math.exp(
        -5.8002206e3 / t
        + 1.3914993
        - 4.8640239e-2 * t
        + 4.1764768e-5 * t**2
        - 1.4452093e-8 * t**3
        + 6.5459673 * math.log(t)
    )


def _independent_wet_bulb_degc(dry_degc, humidity, pressure_pa):
    """Enthalpies of moist air per kg of dry air, with the law of Hyland and Wexler, by Brent."""

    def ratio(vapour_pa):
        return 0.621945 * vapour_pa / (pressure_pa - vapour_pa)

    def enthalpy(degc, water):
        return 1.006 * degc + water * (2501 + 1.86 * degc)

    water = ratio(humidity * _hyland_wexler_pa(dry_degc))

    def balance(degc):
        saturated = ratio(_hyland_wexler_pa(degc))
        added = (saturated - water) * 4.186 * degc
        return enthalpy(dry_degc, water) + added - enthalpy(degc, saturated)

    return brentq(balance, dry_degc - 60, dry_degc + 1e-6, xtol=1e-9)


def test_wet_bulb_within_a_twentieth_of_an_independent_solution():
    cases = [
        (dry, humidity, pressure)
        for dry in np.arange(-20.0, 50.1, 5.0).tolist()
        for humidity in (0.02, 0.1, 0.3, 0.5, 0.8, 0.99)
        for pressure in (70e3, 90e3, 101_325.0, 104e3)
    ]
    found = wet_bulb_degc(*np.array(cases).T)
    expected = np.array([_independent_wet_bulb_degc(*case) for case in cases])
    assert np.abs(found - expected).max() < 0.05


def test_wet_bulb_of_stull():
    dry, percent = (a.ravel() for a in np.meshgrid(np.arange(0.0, 50, 5), np.arange(20.0, 100, 5)))
    stull = (
        dry * np.arctan(0.151977 * (percent + 8.313659) ** 0.5)
        + np.arctan(dry + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )
    error_k = wet_bulb_degc(dry, percent / 100) - stull  # stated: -1.0 to 0.65 K
    assert error_k.min() > -1.0 and error_k.max() < 0.67


def test_wet_bulb_of_saturated_air_is_its_temperature():
    dry = np.linspace(-40, 50, 19)
    assert wet_bulb_degc(dry, 1.0) == pytest.approx(dry, abs=1e-6)


@given(dry=st.floats(-40, 55), humidity=st.floats(0, 1), more=st.floats(0, 1))
def test_wet_bulb_rises_with_humidity_and_stays_below_the_dry_bulb(dry, humidity, more):
    low, high = wet_bulb_degc(dry, [humidity, humidity + (1 - humidity) * more])
    assert low <= high <= dry


def test_saturation_of_boiling_water_at_a_tenth_of_an_atmosphere():
    assert saturation_pa(45.81) == pytest.approx(10e3, rel=4e-3)  # steam tables: 10 kPa


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((70.0, 0.5), "dry_bulb_degc: must be -60 to 60, found 70"),
        ((20.0, 50.0), "rel_humidity: must be a fraction"),
        ((20.0, 0.5, 1013.0), "pressure_pa: must be 50000 to 110000, found 1013"),
    ],
)
def test_air_out_of_range(given, message):
    with pytest.raises(DomainError, match=message):
        wet_bulb_degc(*given)
