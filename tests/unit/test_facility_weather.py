"""Weather over simulated time, against the rows that it comes from."""

import gzip
from datetime import datetime, timedelta
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog.climates import climate
from twin.errors import CatalogError, InputError
from twin.facility.cooling import weather_asked
from twin.facility.weather import (
    weather_constant,
    weather_from_file,
    weather_of_climate,
)
from twin.physics.humid_air import wet_bulb_degc
from twin.scenario import cooling as asked

HOUR_S = 3600.0
YEAR = [
    datetime(2023, 1, 1) + timedelta(hours=hour) for hour in range(8760)
]  # the beginning of each hour of a year without 29 February


def dry_of(month, day, hour):
    """A value that tells its hour; ``hour`` counts from 0."""
    return month + day / 100 + hour / 10_000


def rows(keep=lambda time: True):
    yield "month,day,hour,dry_bulb_c,rel_humidity_pct,pressure_pa"
    for t in YEAR:
        if keep(t):
            dry = dry_of(t.month, t.day, t.hour)
            yield f"{t.month},{t.day},{t.hour + 1},{dry:.4f},{20 + t.hour},{90_000 + t.day}"


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    path = tmp_path_factory.mktemp("weather") / "year.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows()).encode()))
    return str(path)


def write(tmp_path, lines):
    path = tmp_path / "weather.csv"
    path.write_text("\n".join(lines))
    return str(path)


def test_constant_never_changes():
    of = weather_constant(20.0, 14.0)
    assert of.at(0.0) == of.at(1e9) == (20.0, 14.0)
    assert of.next_change_s(5.0) == inf


@pytest.mark.parametrize("epoch", [datetime(2023, 12, 30, 5, 20), datetime(2024, 2, 28)])
def test_every_hour_has_its_row(year, epoch):
    """Over leap days and the turn of years, at the beginning, inside and at the end of hours."""
    of = weather_from_file(year, epoch)
    for at_s in np.arange(0, 5 * 24 * HOUR_S, 1200.0).tolist():
        now = epoch + timedelta(seconds=at_s)
        day = 28 if (now.month, now.day) == (2, 29) else now.day
        dry, wet = of.at(at_s)
        assert dry == pytest.approx(dry_of(now.month, day, now.hour), abs=1e-9)
        expected = wet_bulb_degc(dry, (20 + now.hour) / 100, 90_000 + day)
        assert wet == pytest.approx(float(expected), abs=1e-9)
        due = now.replace(minute=0, second=0) + timedelta(hours=1)
        assert epoch + timedelta(seconds=of.next_change_s(at_s)) == due


@given(now_s=st.floats(0, 5e8))
def test_climates_follow_the_calendar(now_s):
    epoch = datetime(2024, 7, 1)
    of = weather_of_climate("phoenix", epoch)
    now = epoch + timedelta(seconds=now_s)
    day = now.timetuple().tm_yday - 1
    if now.year % 4 == 0 and day >= 59:  # no century is near
        day -= 1
    of_year = climate("phoenix").hours()
    assert of.at(now_s) == tuple(each[day * 24 + now.hour] for each in of_year)
    assert now_s < of.next_change_s(now_s) <= now_s + HOUR_S


def test_a_file_by_date_holds_while_it_lasts_and_else_repeats(tmp_path):
    lines = ["time,dry_bulb_c,wet_bulb_c"]
    for hour in range(8784):
        t = datetime(2024, 1, 1) + timedelta(hours=hour)
        lines.append(f"{t.isoformat()},{dry_of(t.month, t.day, t.hour):.4f},0.5")
    path = write(tmp_path, lines)
    feb_29 = (datetime(2024, 2, 29, 12) - datetime(2024, 1, 1)).total_seconds()
    dated = weather_from_file(path, datetime(2024, 1, 1), 8784 * HOUR_S)
    assert dated.at(feb_29)[0] == pytest.approx(dry_of(2, 29, 12))
    later = weather_from_file(path, datetime(2028, 1, 1), 8784 * HOUR_S)
    assert later.at(feb_29)[0] == pytest.approx(dry_of(2, 28, 12))
    lazily = weather_from_file(path, datetime(2024, 1, 1), None)
    assert lazily.at(feb_29 + 86_400)[0] == pytest.approx(dry_of(3, 1, 12))


def test_pressure_is_that_at_sea_level_unless_given(tmp_path):
    lines = [line.rsplit(",", 1)[0] for line in rows()]
    _, wet = weather_from_file(write(tmp_path, lines), datetime(2023, 8, 1)).at(0.0)
    assert wet == pytest.approx(float(wet_bulb_degc(dry_of(8, 1, 0), 0.2)), abs=1e-9)


def test_a_missing_hour_is_named(tmp_path):
    path = write(tmp_path, rows(keep=lambda t: (t.month, t.day, t.hour) != (3, 7, 13)))
    with pytest.raises(InputError, match=r"hour.*missing.*month 3, day 7, hour 14") as told:
        weather_from_file(path, datetime(2023, 1, 1))
    assert "power.cooling.weather.file" in str(told.value) and "add" in str(told.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("dry_bulb_c", "dry_bulb", "no column 'dry_bulb_c'; did you mean 'dry_bulb'"),
        ("rel_humidity_pct", "humidity", "no column 'wet_bulb_c' or 'rel_humidity_pct'"),
        ("rel_humidity_pct", "wet_bulb_c", "wet_bulb_c: 20 degC is above the dry bulb, 1.01 degC"),
        ("1,1,1,1.0100,20", "1,1,1,1.0100,200", ":2 rel_humidity_pct: .*0 to 100, found '200'"),
        ("1,1,2,1.0101", "1,1,2,warm", ":3 dry_bulb_c: expected a number .*found 'warm'"),
        ("90001", "900", ":2 pressure_pa: expected a number from 50000 to 110000"),
        ("month,day,hour", "m,d,h", "no times"),
    ],
)
def test_bad_files_are_told(tmp_path, before, after, message):
    text = "\n".join(rows())
    assert before in text
    path = write(tmp_path, [text.replace(before, after, 1)])
    with pytest.raises(InputError, match=message):
        weather_from_file(path, datetime(2023, 1, 1))


def test_no_file_and_no_climate(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        weather_from_file(str(tmp_path / "none.csv"), datetime(2023, 1, 1))
    with pytest.raises(CatalogError, match="unknown climate 'atlantis'"):
        weather_of_climate("atlantis", datetime(2023, 1, 1))


def test_the_weather_that_a_scenario_asks_for(year):
    epoch = datetime(2023, 6, 1)
    constant = asked.Weather(constant={"dry_bulb": "30 degC", "wet_bulb": "25 degC"})
    assert weather_asked(constant, epoch, None).at(0.0) == (30.0, 25.0)
    place = weather_asked(asked.Weather(climate="dallas"), epoch, None)
    assert place.at(0.0) == weather_of_climate("dallas", epoch).at(0.0)
    of_file = weather_asked(asked.Weather(file=year), epoch, None)
    assert of_file.at(0.0)[0] == pytest.approx(dry_of(6, 1, 0))
