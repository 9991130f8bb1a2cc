"""Prices, carbon, cooling and weather as a scenario writes them."""

import json
from datetime import datetime

import pytest
from pydantic import ValidationError

from twin.catalog import grids
from twin.errors import CatalogError
from twin.scenario import check
from twin.scenario.cooling import ConstantWeather, Cooling, Weather
from twin.scenario.energy import Carbon, Price, TimeOfUse
from twin.scenario.load import dump, input_files, load
from twin.scenario.power import Power

KWH_J, MWH_J = 3.6e6, 3.6e9

PEAK = {"name": "peak", "price": "0.19 USD/kWh", "hours": [16, 21], "days": "weekdays"}
BY_HOUR = {"periods": [PEAK], "otherwise": "0.09 USD/kWh"}

SCENARIO = """\
name: energy
start: 2024-03-01
site: {pools: [{name: a, node: dgx-h100, nodes: 2}]}
workload: {synthetic: {jobs: 10}}
"""


def refusals(section, data):
    """path -> message of each fault."""
    with pytest.raises(ValidationError) as caught:
        section.model_validate(data)
    return {".".join(map(str, e["loc"])): e["msg"] for e in caught.value.errors()}


def scenario(tmp_path, power):
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + f"power: {json.dumps(power)}\n")
    return load(path)


# -- prices


@pytest.mark.parametrize("usd_per_kwh", [0.08, 0.0, -0.02])
def test_a_flat_price_may_be_plain_text_zero_and_negative(usd_per_kwh):
    text = f"{usd_per_kwh} USD/kWh"
    assert Price.model_validate(text) == Price.model_validate({"flat": text})
    assert Price(flat=text).flat_usd_per_j == pytest.approx(usd_per_kwh / KWH_J)
    assert not Price(flat=text).has_dates()


def test_a_price_is_of_one_kind():
    assert "needs exactly one of flat, time_of_use and file; found none" in str(refusals(Price, {}))
    both = {"flat": "0 USD/kWh", "time_of_use": BY_HOUR}
    assert "found flat and time_of_use" in str(refusals(Price, both))


def test_a_demand_charge_is_for_a_watt_and_a_month():
    power = Power(demand_charge="12 USD/kW-month")
    assert power.demand_charge_usd_per_w_month == pytest.approx(0.012)
    assert Power(demand_charge="12 USD/kW/month") == power
    said = refusals(Power, {"demand_charge": "12 USD/kWh"})["demand_charge"]
    assert said.startswith("'12 USD/kWh' is an energy price, not a demand charge")
    assert "must be 0" in refusals(Power, {"demand_charge": "-1 USD/kW-month"})["demand_charge"]


def test_time_of_use_is_read():
    given = TimeOfUse.model_validate(BY_HOUR | {"zone": "Europe/Berlin"})
    (peak,) = given.periods
    assert (peak.hours, peak.days, peak.months) == ((16.0, 21.0), "weekdays", tuple(range(1, 13)))
    assert peak.price_usd_per_j == pytest.approx(0.19 / KWH_J)
    assert given.otherwise_usd_per_j == pytest.approx(0.09 / KWH_J)
    assert TimeOfUse.model_validate(BY_HOUR).zone is None


@pytest.mark.parametrize(
    ("changes", "at", "said"),
    [
        ({"hours": [16]}, "hours", "expected two hours of the day, such as [16, 21]"),
        ({"hours": "16-21"}, "hours", "expected two hours of the day"),
        ({"hours": [16, 25]}, "hours", "25 is no hour of the day; give 0 to 24 in quarters"),
        ({"hours": [-1, 5]}, "hours", "-1 is no hour of the day"),
        ({"hours": [16.1, 21]}, "hours", "16.1 is no hour of the day"),
        ({"hours": [float("nan"), 21]}, "hours", "nan is no hour of the day"),
        ({"hours": [True, 21]}, "hours", "expected two hours of the day"),
        ({"hours": [7, 7]}, "hours", "begins and ends at 7; for the whole day leave it out"),
        ({"months": [0]}, "months", "0 is no month; give whole numbers from 1 to 12"),
        ({"months": []}, "months", "expected months by number"),
        ({"months": 6}, "months", "expected months by number"),
        ({"days": "weekday"}, "days", "unknown choice 'weekday'; did you mean 'weekdays'?"),
        ({"price": "0.2"}, "price", "'0.2' has no unit"),
    ],
)
def test_a_period_that_is_none_says_how_to_write_it(changes, at, said):
    wrong = refusals(TimeOfUse, BY_HOUR | {"periods": [PEAK | changes]})
    assert wrong[f"periods.0.{at}"].startswith(said)


def test_periods_are_named_once_and_there_are_some():
    twice = refusals(TimeOfUse, BY_HOUR | {"periods": [PEAK, PEAK]})
    assert twice == {"periods.1.name": "period 'peak' is given twice"}
    assert "needs at least 1" in refusals(TimeOfUse, BY_HOUR | {"periods": []})["periods"]


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../etc/passwd", "a\0b", "x" * 500])
def test_an_unknown_zone_is_refused(zone):
    said = refusals(TimeOfUse, BY_HOUR | {"zone": zone})["zone"]
    assert said.startswith("unknown time zone")
    assert zone != "Europe/Berln" or "did you mean 'Europe/Berlin'?" in said
    assert "expected a time zone" in refusals(TimeOfUse, BY_HOUR | {"zone": 1})["zone"]


def test_zones_without_zone_data_say_what_to_install(monkeypatch):
    import zoneinfo

    def absent(name):
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", absent)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ValueError, match="no zone data; install them: pip install tzdata"):
        check.time_zone("Europe/Berlin")


# -- carbon


def test_carbon_is_kept_per_joule():
    assert Carbon.model_validate("360 g/kWh").flat_kg_per_j == pytest.approx(1e-7)
    assert Carbon(country="NO").country == "NO"
    assert "did you mean" in refusals(Carbon, {"country": "USA"})["country"]
    assert "found flat and country" in str(refusals(Carbon, {"flat": "0 g/kWh", "country": "FR"}))


def test_a_file_says_itself_how_carbon_swings():
    said = refusals(Carbon, {"file": {"path": "x.csv"}, "diurnal_swing": 0.4})
    assert said["diurnal_swing"].startswith("is for a mean; the file says itself")
    assert Carbon(country="US", diurnal_swing=0.4).has_dates()
    assert not Carbon(country="US").has_dates()


# Typed once more from the reference, in g/kWh.
G_PER_KWH = {
    "US": 369, "FR": 56, "DE": 381, "GB": 238, "SE": 41, "NO": 30, "IS": 28, "FI": 79, "PL": 662,
    "IE": 291, "NL": 268, "ES": 174, "CA": 170, "CN": 582, "IN": 713, "JP": 485, "KR": 431,
    "SG": 471, "MY": 606, "AU": 549, "AE": 561, "SA": 707, "BR": 98,
}  # fmt: skip


def test_grids_of_the_catalog_are_those_of_the_reference():
    found = {name: grids.carbon_kg_per_j(name) * 1000 * KWH_J for name in grids.names()}
    assert found == pytest.approx(G_PER_KWH)
    assert {f.basis.status for name in found for f in grids.figures(name)[1]} == {"verified"}
    with pytest.raises(CatalogError, match="unknown country 'XX'"):
        grids.carbon_kg_per_j("XX")


# -- cooling and weather


def test_cooling_has_mild_weather_unless_told():
    cooling = Cooling()
    assert cooling.type == "air-economiser"
    assert cooling.weather.constant == ConstantWeather(dry_bulb="20 degC", wet_bulb="14 degC")
    assert not cooling.has_dates()
    assert cooling.spare_share == 0.2


def test_weather_is_of_one_kind():
    assert Weather.model_validate("phoenix") == Weather(climate="phoenix")
    both = {"climate": "phoenix", "file": "x.csv"}
    assert "found climate and file" in str(refusals(Weather, both))
    assert "unknown climate 'phenix'; did you mean 'phoenix'?" in str(refusals(Weather, "phenix"))
    assert Cooling(weather="phoenix").has_dates()


def test_the_wet_bulb_is_not_above_the_dry_bulb():
    hot = {"constant": {"dry_bulb": "10 degC", "wet_bulb": "11 degC"}}
    said = refusals(Weather, hot)
    assert said == {
        "constant.wet_bulb": "is above the dry bulb, 10 degC; it is at most equal to it"
    }
    Weather.model_validate({"constant": {"dry_bulb": "10 degC", "wet_bulb": "10 degC"}})
    # The wet bulb by default is 14 degC.
    assert "constant.wet_bulb" in refusals(Weather, {"constant": {"dry_bulb": "10 degC"}})


def test_gpus_slow_down_before_nodes_go_off():
    said = refusals(Cooling, {"throttle_at": "45 degC", "off_at": "45 degC"})
    assert said == {"throttle_at": "must be below off_at, 45 degC, found 45 degC"}
    cooling = Cooling(throttle_at="40 degC", off_at="45 degC")
    assert (cooling.throttle_at_degc, cooling.off_at_degc) == (40.0, 45.0)


def test_outages_of_cooling():
    outages = [
        {"at": "3 h", "lasts": "30 min", "hall": "hall-1", "lost": 0.5},
        {"at": "2024-07-01T14:00", "lasts": "1 h"},
    ]
    first, second = Cooling(outages=outages).outages
    assert (first.at, first.lasts_s, first.hall, first.lost) == (10_800.0, 1800.0, "hall-1", 0.5)
    assert (second.at, second.hall, second.lost) == (datetime(2024, 7, 1, 14), None, 1.0)
    assert Cooling(outages=outages[1:]).has_dates()
    assert not Cooling(outages=outages[:1]).has_dates()
    assert (
        "lost"
        in refusals(Cooling, {"outages": [{"at": "0 s", "lasts": "1 s", "lost": 0}]}).popitem()[0]
    )


# -- whole scenarios

FULL = {
    "price": {"time_of_use": BY_HOUR | {"zone": "America/Chicago"}},
    "demand_charge": "12 USD/kW-month",
    "carbon": {"country": "NO", "diurnal_swing": 0.05},
    "cooling": {"type": "direct-liquid", "weather": "phoenix", "off_at": "50 degC"},
}


@pytest.mark.parametrize(
    "power",
    [
        FULL,
        {},
        {"price": "-0.01 USD/kWh", "carbon": "369 g/kWh", "demand_charge": "0.1 USD/W-month"},
    ],
)
def test_what_is_dumped_loads_back_equal(tmp_path, power):
    made = scenario(tmp_path, power)
    again = tmp_path / "again.yaml"
    again.write_text(dump(made))
    assert load(again) == made


def test_files_of_prices_carbon_and_weather_are_found_beside_the_scenario(tmp_path):
    for name in ("price.csv", "carbon.csv", "weather.csv"):
        (tmp_path / name).write_text("time\n")
    made = scenario(
        tmp_path,
        {
            "price": {"file": {"path": "price.csv"}},
            "carbon": {"file": {"path": "carbon.csv", "gaps": "hold"}},
            "cooling": {"weather": {"file": "weather.csv"}},
        },
    )
    folder = tmp_path.resolve()
    assert set(input_files(made)) == {
        folder / "price.csv",
        folder / "carbon.csv",
        folder / "weather.csv",
    }
    assert made.power.price.file.path == str(folder / "price.csv")
    assert input_files(scenario(tmp_path, {})) == []
