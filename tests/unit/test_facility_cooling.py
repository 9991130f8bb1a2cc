"""Cooling over simulated time: ratings, outages, water and what a scenario gets wrong."""

from dataclasses import replace
from datetime import datetime
from math import inf

import numpy as np
import pytest
import yaml

from twin import build
from twin.catalog import facilities
from twin.errors import InputError
from twin.facility.cooling import Cooling, CoolingOutage
from twin.facility.series import Steps, TypicalYear
from twin.facility.weather import Weather, weather_constant
from twin.physics.cooling import cooling_curve
from twin.scenario.load import load

HOUR_S, DAY_S = 3600.0, 86_400.0
RATED_W = np.array([2e6, 1e6])


def halls(kind="air-economiser", weather=None, outages=(), spare_share=0.25):
    return Cooling(
        kind=facilities.cooling_type(kind),
        rated_w=RATED_W,
        spare_share=spare_share,
        weather=weather or weather_constant(30.0, 20.0),
        most_heat_w=RATED_W,
        outages=tuple(outages),
    )


@pytest.fixture
def built(tmp_path):
    """The cooling of a scenario of two halls of 32 nodes each."""

    def make(cooling=None, **more):
        pool = {"node": "dgx-h100", "nodes": 32, "nodes_per_rack": 4}
        scenario = {
            "name": "halls",
            "start": "2024-06-30",
            "horizon": "10 days",
            "site": {
                "pools": [
                    {"name": "a", "halls": ["north"], **pool},
                    {"name": "b", "halls": ["south"], **pool},
                ]
            },
            "workload": {"synthetic": {"jobs": 10}},
            "power": {"cooling": cooling or {}},
            **more,
        }
        path = tmp_path / "halls.yaml"
        path.write_text(yaml.safe_dump(scenario))
        powering = build.build(load(path)).powering
        assert powering is not None
        return powering.model

    return make


# -- power


@pytest.mark.parametrize("kind", facilities.cooling_names())
def test_the_curve_is_that_of_the_weather_and_the_halls_rating(kind):
    dry = Steps(np.array([0.0, HOUR_S]), np.array([10.0, 38.0]))
    wet = Steps(np.array([0.0, 2 * HOUR_S]), np.array([8.0, 24.0]))
    cooling = halls(kind, Weather(dry, wet))
    for at_s, weather in ((0.0, (10.0, 8.0)), (HOUR_S, (38.0, 8.0)), (2 * HOUR_S, (38.0, 24.0))):
        for hall, rated_w in enumerate(RATED_W):
            alone = cooling_curve(facilities.cooling_type(kind), *weather, rated_w)
            assert cooling.curve(hall, at_s) == alone
    assert [cooling.next_change_s(t) for t in (0.0, HOUR_S, 2 * HOUR_S)] == [
        HOUR_S,
        2 * HOUR_S,
        inf,
    ]


def test_water_and_free_hours_against_sums_by_the_hour():
    rng = np.random.default_rng(3)
    dry = rng.uniform(5, 40, 8760)
    wet = dry - rng.uniform(0, 15, 8760)
    epoch = datetime(2023, 1, 1)
    cooling = halls(
        "rear-door", Weather(TypicalYear(epoch, hours=dry), TypicalYear(epoch, hours=wet))
    )
    heat_w = rng.uniform(0, 2e6, 48)
    curves = [cooling_curve(cooling.kind, dry[h], wet[h], 1.0) for h in range(48)]
    at_s = np.arange(48) * HOUR_S
    water_l = sum(c.water_l_per_j * w * HOUR_S for c, w in zip(curves, heat_w, strict=True))
    assert cooling.water_l(at_s, heat_w, 48 * HOUR_S) == pytest.approx(water_l)
    assert cooling.free_s(48 * HOUR_S) == HOUR_S * sum(c.free == 1 for c in curves)
    assert 0 < cooling.free_s(48 * HOUR_S) < 48 * HOUR_S
    assert cooling.water_l([], [], 1.0) == 0


# -- outages


def test_capacity_and_power_in_an_outage():
    outages = [
        CoolingOutage(100.0, 200.0, 1, 0.5),
        CoolingOutage(150.0, 300.0, None, 1.0),
        CoolingOutage(400.0, 500.0, 0, 0.2),
    ]
    cooling, whole = halls(outages=outages), halls()
    assert [cooling.next_change_s(t) for t in (0, 100, 150, 200, 300, 400, 500)] == [
        100,
        150,
        200,
        300,
        400,
        500,
        inf,
    ]
    assert [cooling.capacity_w(1, t) for t in (0, 100, 150, 299, 300, 450)] == pytest.approx(
        [1.25e6, 0.625e6, 0, 0, 1.25e6, 1.25e6]
    )
    heat_w = 0.6e6
    assert cooling.curve(1, 0.0) == whole.curve(1, 0.0)
    assert cooling.curve(1, 100.0).power_w(heat_w) == pytest.approx(
        0.625 * whole.curve(1, 0.0).power_w(heat_w)
    )
    assert cooling.curve(1, 150.0).power_w(heat_w) == 0
    # The spare quarter makes up for a fifth that is lost.
    assert cooling.capacity_w(0, 400.0) == pytest.approx(2e6)
    assert cooling.curve(0, 400.0).power_w(heat_w) == pytest.approx(
        whole.curve(0, 0.0).power_w(heat_w)
    )


def test_only_what_may_be_too_small_may_fail():
    assert not halls().may_fail
    assert halls(outages=[CoolingOutage(0.0, 1.0, 0, 0.1)]).may_fail
    assert replace(halls(), most_heat_w=RATED_W * [1.2, 1.3]).may_fail
    assert not replace(halls(), most_heat_w=RATED_W * 1.2).may_fail


def test_a_hall_without_cooling_is_too_warm_within_minutes():
    """At rated heat it nears 40 K above the set point with the time constant of its air."""
    cooling = halls("air-economiser")
    rise_k = cooling.resistance_k_per_w(0) * RATED_W[0]
    assert rise_k == pytest.approx(40)
    to_throttle_k = cooling.throttle_degc - cooling.supply_degc
    wait_s = -cooling.time_constant_s * np.log1p(-to_throttle_k / rise_k)
    assert 60 < wait_s < 600


# -- from a scenario


def test_a_hall_is_rated_for_its_nameplate_with_losses(built):
    model = built()
    cooling = model.cooling
    nameplate_w = 32 * (model.nodes[0].nameplate_w + model.nodes[0].network_w)
    assert cooling.rated_w.shape == (2,)
    assert cooling.rated_w == pytest.approx(nameplate_w, rel=0.12)
    assert (cooling.rated_w > nameplate_w).all()
    told = " ".join(cooling.assumed)
    assert "rated for the heat of its nameplate" in told
    assert "always the same: 20 degC, with a wet bulb of 14 degC" in told


def test_what_is_given_is_not_assumed(built):
    cooling = built({"rated": "1 MW", "weather": "phoenix", "type": "rear-door"}).cooling
    assert cooling.rated_w.tolist() == [1e6, 1e6]
    assert cooling.assumed == ()
    assert cooling.kind == facilities.cooling_type("rear-door")
    assert cooling.next_change_s(0.0) == HOUR_S


def test_limits_and_outages_as_given(built):
    cooling = built(
        {
            "time_constant": "5 min",
            "throttle_at": "32 degC",
            "off_at": "40 degC",
            "outages": [
                {"at": "2024-07-01T12:00", "lasts": "2 h", "hall": "south", "lost": 0.5},
                {"at": "1 h", "lasts": "10 min"},
            ],
        }
    ).cooling
    assert (cooling.time_constant_s, cooling.throttle_degc, cooling.off_degc) == (300, 32, 40)
    assert cooling.outages == (
        CoolingOutage(36 * HOUR_S, 38 * HOUR_S, 1, 0.5),
        CoolingOutage(HOUR_S, HOUR_S + 600, None, 1.0),
    )
    assert replace(cooling.kind, time_constant_s=1.0) != cooling.kind


def test_cooling_distribution_units_limit_their_racks(built):
    """Four racks of four nodes on a unit of 100 kW, which 85 % of the heat goes through."""
    cooling = built({"type": "direct-liquid", "cdu": "100 kW"}).cooling
    assert cooling.node_heat_w == pytest.approx(np.full(64, 100e3 / 0.85 / 16))
    (cap,) = cooling.caps
    assert (cap.level, cap.from_s, cap.to_s) == ("rack", 0.0, inf)
    assert cap.cap_w == pytest.approx(np.full(16, 100e3 / 0.85 / 4))
    free = built({"type": "direct-liquid"}).cooling
    assert free.caps == ()
    assert np.isinf(free.node_heat_w).all()


def test_another_supply_temperature(built):
    cooling = built({"type": "direct-liquid", "supply": "45 degC"}).cooling
    assert cooling.supply_degc == 45
    assert cooling.kind.rest == facilities.cooling_type("direct-liquid").rest


@pytest.mark.parametrize(
    ("cooling", "words"),
    [
        ({"cdu": "1 MW"}, r"power\.cooling\.cdu: air-economiser has no .*: direct-liquid, imm"),
        ({"supply": "36 degC"}, "must lie above the supply, 36 degC"),
        ({"outages": [{"at": "1 h", "lasts": "1 h", "hall": "norht"}]}, "did you mean 'north'"),
        (
            {"outages": [{"at": "2024-06-29", "lasts": "1 h"}]},
            r"power\.cooling\.outages\[0\]\.at: .* lies before the start of the run, 2024-06-30",
        ),
        ({"throttle_at": "25 degC"}, "must lie above the supply, 25 degC"),
        ({"throttle_at": "50 degC"}, "in that order, found 50 and 45"),
    ],
)
def test_what_does_not_hold_together(built, cooling, words):
    with pytest.raises(InputError, match=words):
        built(cooling)
