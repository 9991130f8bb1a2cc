"""Files by the hour: what they say, and what is told where they cannot be used."""

import gzip
from datetime import datetime, timedelta
from math import inf

import numpy as np
import pytest

from twin.errors import InputError
from twin.facility.hourly import read_hours
from twin.facility.series import Steps, TypicalYear

HOUR_S, DAY_S = 3600.0, 86_400.0
EPOCH = datetime(2022, 6, 1)


def write(folder, text, name="prices.csv"):
    path = folder / name
    path.write_text(text)
    return str(path)


def dated(start, hours, skip=(), offset="", header="time,price", step_h=1):
    """Rows whose value is their number."""
    times = [start + timedelta(hours=step_h * i) for i in range(hours)]
    rows = [f"{t.isoformat()}{offset},{i}" for i, t in enumerate(times) if i not in skip]
    return "\n".join([header, *rows, ""])


def typical(hours=range(1, 25), skip=(), leap=False):
    """A year by month, day and hour; the value is its hour of the year."""
    year = 2024 if leap else 2023
    rows, n = ["month,day,hour,price"], 0
    for day in range(366 if leap else 365):
        date = datetime(year, 1, 1) + timedelta(days=day)
        for hour in hours:
            if (date.month, date.day) == (2, 29):
                rows.append(f"2,29,{hour},-1")
                continue
            if n not in skip:
                rows.append(f"{date.month},{date.day},{hour},{n}")
            n += 1
    return "\n".join([*rows, ""])


def read(path, epoch=EPOCH, horizon_s=DAY_S, column="price", **options):
    hours = read_hours(path, epoch, key="power.price.file", **options)
    return hours.series(hours.column(column), horizon_s)


# -- dated rows


@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz"])
def test_rows_hold_from_their_time_on(tmp_path, name):
    text = dated(datetime(2022, 5, 31, 22), 50)
    path = write(tmp_path, text, name)
    if name.endswith("gz"):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    series = read(path)
    assert isinstance(series, Steps)
    assert [series.at(t) for t in (0, HOUR_S - 1, HOUR_S, DAY_S)] == [2, 2, 3, 26]
    assert series.ends_s == 48 * HOUR_S
    assert series.next_change_s(0) == HOUR_S


def test_columns_other_than_the_first_and_prices_below_zero(tmp_path):
    path = write(tmp_path, "Timestamp,other,spot\n2022-06-01 00:00,1,-35.5\n2022-06-01 12:00,2,8\n")
    series = read(path, column="spot")
    assert [series.at(0), series.at(13 * HOUR_S)] == [-35.5, 8]


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+02:00"])
def test_times_with_an_offset_are_placed_on_the_sites_clock(tmp_path, offset):
    """Berlin's summer midnight of the first of June is 22:00 UTC of the day before."""
    path = write(tmp_path, dated(datetime(2022, 5, 31, 12), 60, offset=offset))
    series = read(path, zone="Europe/Berlin")
    assert series.at(0) == (12 if offset == "+02:00" else 10)


def test_a_local_file_follows_summer_time_in_its_zone(tmp_path):
    """Chicago, 2022: on 13 March 02:00 does not exist, on 6 November 01:00 comes twice."""
    spring = dated(datetime(2022, 3, 12), 72, skip=[26])
    epoch = datetime(2022, 3, 12)
    series = read(write(tmp_path, spring), epoch=epoch, zone="America/Chicago")
    assert [series.at(h * HOUR_S) for h in (25, 26, 27)] == [25, 27, 28]
    rows = dated(datetime(2022, 11, 5), 72).splitlines()
    rows.insert(27, "2022-11-06T01:00:00,99")  # the second 01:00, after the first
    epoch = datetime(2022, 11, 5)
    series = read(
        write(tmp_path, "\n".join(rows)), epoch=epoch, zone="America/Chicago", horizon_s=DAY_S
    )
    assert [series.at(h * HOUR_S) for h in (25, 26, 27)] == [25, 99, 26]


def test_gaps_hold_the_value_before(tmp_path):
    text = dated(datetime(2022, 6, 1), 48, skip=[5, 6]).replace("T09:00:00,9\n", "T09:00:00,\n")
    series = read(write(tmp_path, text), gaps="hold")
    assert [series.at(h * HOUR_S) for h in (4, 5, 6, 7, 9, 10)] == [4, 4, 4, 7, 8, 10]


def test_daily_and_quarter_hourly_rows(tmp_path):
    daily = read(write(tmp_path, dated(datetime(2022, 6, 1), 10, step_h=24)), horizon_s=10 * DAY_S)
    assert daily.at(9.99 * DAY_S) == 9
    assert daily.ends_s == 10 * DAY_S
    quarters = read(write(tmp_path, dated(datetime(2022, 6, 1), 96, step_h=0.25)))
    assert quarters.at(HOUR_S) == 4


# -- years


@pytest.mark.parametrize("hours", [range(1, 25), range(24)])
@pytest.mark.parametrize("leap", [False, True])
def test_typical_year_repeats(tmp_path, hours, leap):
    series = read(
        write(tmp_path, typical(hours, leap=leap)), epoch=datetime(2023, 12, 31, 23), horizon_s=None
    )
    assert isinstance(series, TypicalYear)
    assert [series.at(t) for t in (0, HOUR_S)] == [8759, 0]
    leap_day = (31 + 28) * DAY_S + HOUR_S  # after the hour that is left of 2023
    assert series.at(leap_day) == 58 * 24  # like 28 February
    assert series.at(leap_day + DAY_S) == 59 * 24


@pytest.mark.parametrize("epoch", [datetime(2022, 6, 1), datetime(2017, 9, 4, 10, 30)])
def test_a_year_of_dates_is_repeated_where_it_does_not_cover_the_run(tmp_path, epoch):
    path = write(tmp_path, dated(datetime(2022, 1, 1), 8760))
    series = read(path, epoch=epoch, horizon_s=400 * DAY_S)
    hour = int((epoch - datetime(epoch.year, 1, 1)).total_seconds() // HOUR_S)
    assert series.at(0) == series.at(365 * DAY_S) == hour
    inside = read(path, epoch=datetime(2022, 6, 1), horizon_s=30 * DAY_S)
    assert isinstance(inside, Steps)
    assert inside.mean(0, 30 * DAY_S) == pytest.approx(read(path).mean(0, 30 * DAY_S))


def test_quarters_of_an_hour_are_averaged_in_a_repeated_year(tmp_path):
    path = write(tmp_path, dated(datetime(2021, 1, 1), 4 * 8760, step_h=0.25))
    assert read(path, epoch=datetime(2023, 1, 1)).at(0) == np.mean([0, 1, 2, 3])


def test_a_year_with_gaps(tmp_path):
    path = write(tmp_path, typical(skip=[100, 101]))
    with pytest.raises(InputError, match="2 hours of the year are missing, first month 1, day 5"):
        read(path)
    assert read(path, epoch=datetime(2023, 1, 5), gaps="hold").at(5 * HOUR_S) == 99


# -- what is refused

DAY = dated(datetime(2022, 6, 1), 30)
REFUSED = [
    (dated(datetime(2022, 6, 1), 30, skip=[5]), {}, r":7: 2022-06-01T05:00:00 is missing, .*hold"),
    (dated(datetime(2022, 3, 13), 30, skip=[2]), {}, "summer time, give the site's 'zone'"),
    (DAY.replace(",7\n", ",\n"), {}, r":9 price: blank; fill it in, or write 'gaps: hold'"),
    (DAY.replace(",7\n", ",dear\n"), {"gaps": "hold"}, r":9 price: expected .* found 'dear'"),
    (DAY.replace(",7\n", ",inf\n"), {}, r":9 price: expected a finite number, found 'inf'"),
    (DAY.replace("T07", "T06"), {}, r":9: 2022-06-01T06:00:00 stands twice; put rows in order"),
    (DAY.replace("T07", "T03"), {}, r":9: .* comes after a later time"),
    (DAY.replace("T07", " noon"), {}, r":9: expected a time such as 2024-01-31T13:00"),
    (DAY.replace("T07:00:00", "T07:00:00Z"), {}, r":9: some times have an offset from UTC"),
    (dated(EPOCH, 30, offset="Z"), {}, "say on which clock .* 'zone: America/Chicago'"),
    (dated(datetime(2022, 3, 13), 30), {"zone": "America/Chicago"}, "not those of clocks in"),
    (DAY.replace("time,", "when,"), {}, "no times; name a column 'time'"),
    (DAY.replace("price", "prices"), {}, "no column 'price'; did you mean 'prices'"),
    ("time,price\n", {}, "has no rows"),
    ("time,price\n2022-06-01T00:00,1\n", {}, "needs two rows or more"),
    ("", {}, "is not a CSV file"),
    (dated(EPOCH, 30, step_h=48), {}, "48 h apart; give one an hour, or one a day"),
    (dated(datetime(2022, 6, 1), 20), {}, "has 2022-06-01T00:00 to 2022-06-01T20:00, but the run"),
    (dated(datetime(2022, 6, 1, 1), 90), {}, "but the run goes from 2022-06-01T00:00 to"),
    (typical().replace("2,1,5,", "2,1,4,"), {}, "month 2, day 1, hour 4 stands twice"),
    (typical().replace("4,30,5,", "4,31,5,"), {}, "there is no day 31 in month 4"),
    (typical().replace("2,1,5,", "13,1,5,"), {}, "month: expected a whole number from 1 to 12"),
]


@pytest.mark.parametrize(("text", "options", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_place_and_the_remedy(tmp_path, text, options, words):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as error:
        read(path, **options)
    assert str(error.value).startswith(f"power.price.file: {path}")


def test_without_a_known_end_only_a_whole_year_will_do(tmp_path):
    with pytest.raises(InputError, match="to an end that is not known; give a file that covers it"):
        read(write(tmp_path, DAY), horizon_s=None)


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\x00rest", b"\xff\xfe\x00\x01\x02", b"\0\0\0"])
@pytest.mark.parametrize("name", ["broken.csv", "broken.csv.gz"])
def test_broken_files_are_told_and_not_raised_through(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=name):
        read(str(path))
    path.write_bytes(gzip.compress(DAY.encode())[:-12])
    with pytest.raises(InputError, match=name):
        read(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read(str(tmp_path / "absent.csv"))


def test_bounds_of_a_column(tmp_path):
    hours = read_hours(write(tmp_path, DAY), EPOCH, key="k")
    assert len(hours.column("price", 0, 29)) == 30
    with pytest.raises(InputError, match=r":31 price: expected a number from 0 to 28, found '29'"):
        hours.column("price", 0, 28)
    assert hours.column("price", -inf, inf)[3] == 3
