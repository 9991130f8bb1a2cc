"""Series over simulated time against the calendar, the clock on the wall, and sums by hand."""

from datetime import UTC, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import DomainError
from twin.facility.series import HOURS_OF_A_YEAR, Steps, TypicalYear, flat
from twin.facility.time_of_use import Period, TimeOfUse

HOUR_S, DAY_S = 3600.0, 86_400.0
EVERY_DAY, EVERY_MONTH = frozenset(range(7)), frozenset(range(1, 13))
HOURS = np.arange(float(HOURS_OF_A_YEAR))
epochs = st.datetimes(datetime(1999, 1, 1), datetime(2030, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


def changes(most):
    """Times of change from 0 on, whole seconds, and values."""
    value = st.integers(-9, 9)
    return st.lists(st.tuples(st.integers(1, 7), value), max_size=most).flatmap(
        lambda steps: st.tuples(
            st.just([0, *np.cumsum([step for step, _ in steps]).tolist()]),
            st.lists(value, min_size=len(steps) + 1, max_size=len(steps) + 1),
        )
    )


# -- integrals


@given(changes(6), changes(6), st.integers(1, 40))
def test_integral_is_the_sum_over_seconds(series, power, horizon_s):
    """All changes fall on whole seconds, so second by second the sum is exact."""
    by_hand = 0.0
    for second in range(horizon_s):
        price = series[1][np.searchsorted(series[0], second, side="right") - 1]
        watts = power[1][np.searchsorted(power[0], second, side="right") - 1]
        by_hand += price * watts
    assert Steps(*map(np.array, series)).integral(*power, horizon_s) == by_hand


def test_of_several_values_at_one_time_the_last_holds():
    assert flat(3.0).integral([0.0, 1.0, 1.0], [5.0, 100.0, 7.0], 3.0) == 3 * (5 + 14)


@given(epochs, st.floats(0, 3e7), st.floats(1, 3e7), st.floats(1, 3e7))
def test_integrals_of_two_spans_add_up(epoch, from_s, first_s, second_s):
    series = TypicalYear(epoch, hours=HOURS)
    middle_s, end_s = from_s + first_s, from_s + first_s + second_s
    parts = series.integral([from_s], [2.0], middle_s) + series.integral([middle_s], [2.0], end_s)
    assert series.integral([from_s], [2.0], end_s) == pytest.approx(parts, rel=1e-9)


def test_nothing_drawn_and_no_time():
    assert flat(3.0).integral([], [], 10.0) == 0
    assert flat(3.0).integral([5.0], [1.0], 5.0) == 0
    assert flat(3.0).mean(2.0, 9.0) == 3


@pytest.mark.parametrize(
    ("time_s", "value", "words"),
    [
        ([1.0, 0.0], [1.0, 1.0], "must not fall"),
        ([0.0], [1.0, 1.0], "rows of one length"),
        ([0.0], [np.nan], "must be finite"),
        ([np.nan], [0.0], "must not fall"),
    ],
)
def test_what_is_no_quantity_over_time(time_s, value, words):
    with pytest.raises(DomainError, match=words):
        flat(1.0).integral(time_s, value, 5.0)


# -- changes


def test_steps_hold_from_their_time_on():
    steps = Steps(np.array([0.0, 10.0, 20.0]), np.array([1.0, 2.0, -3.0]), ends_s=30.0)
    assert [steps.at(t) for t in (0, 9.999, 10, 20, 30)] == [1, 1, 2, -3, -3]
    assert [steps.next_change_s(t) for t in (0, 10, 19.9, 20)] == [10, 20, 20, inf]
    assert steps.changes_s(0, 20) == [10]
    assert steps.changes_s(0, 1e9) == [10, 20]
    for wrong in (-1.0, 30.1):
        with pytest.raises(DomainError, match="runs from 0 to 30 s"):
            steps.at(wrong)
    with pytest.raises(DomainError, match="ends at 30 s"):
        steps.integral([0.0], [1.0], 31.0)
    with pytest.raises(DomainError, match="each after the one before"):
        Steps(np.array([0.0, 0.0]), np.array([1.0, 2.0]))


@given(epochs, st.floats(0, 1e8), st.floats(0, 1e6))
def test_pieces_next_changes_and_values_agree(epoch, from_s, lasts_s):
    series = TypicalYear(epoch, hours=HOURS)
    times, values = series.pieces(from_s, from_s + lasts_s)
    assert times[0] == from_s
    assert values.tolist() == [series.at(t) for t in times]
    at_s, seen = from_s, []
    while (at_s := series.next_change_s(at_s)) < from_s + lasts_s:
        seen.append(at_s)
    assert seen == times[1:].tolist() == series.changes_s(from_s, from_s + lasts_s)


# -- the calendar


@given(epochs, st.integers(0, 4 * 366 * 86_400))
def test_typical_year_by_the_calendar(epoch, now_s):
    """29 February is like the 28th; all other days are those of a year without it."""
    moment = epoch + timedelta(seconds=now_s)
    day = min(moment.day, 28) if moment.month == 2 else moment.day
    hour = (datetime(2023, moment.month, day) - datetime(2023, 1, 1)).days * 24 + moment.hour
    assert TypicalYear(epoch, hours=HOURS).at(now_s) == hour


def test_a_year_of_365_days_has_the_mean_of_its_hours():
    series = TypicalYear(datetime(2023, 1, 1), hours=HOURS)
    assert series.mean(0, 365 * DAY_S) == pytest.approx(HOURS.mean())
    with pytest.raises(DomainError, match="8,760 finite values"):
        TypicalYear(datetime(2023, 1, 1), hours=HOURS[:-1])


def test_years_without_end_are_not_walked():
    with pytest.raises(DomainError, match="years have no end"):
        TypicalYear(datetime(2023, 1, 1), hours=HOURS).changes_s(0.0, inf)


def peak(from_hour, to_hour, value=1.0, weekdays=EVERY_DAY, months=EVERY_MONTH):
    return Period(value, from_hour, to_hour, weekdays, months)


def hours_of(series, epoch, day, value=1.0):
    """Hours of a calendar day of the zone in which a value holds."""
    zone = ZoneInfo(series.zone)
    origin = epoch.replace(tzinfo=zone).astimezone(UTC)
    start, end = (
        (datetime(*at, tzinfo=zone).astimezone(UTC) - origin).total_seconds()
        for at in (day, (day[0], day[1], day[2] + 1))
    )
    times, values = series.pieces(start, end)
    return float(np.diff(times, append=end)[values == value].sum()) / HOUR_S


@pytest.mark.parametrize(
    ("day", "one_to_three", "whole"),
    [((2024, 3, 9), 2, 24), ((2024, 3, 10), 1, 23), ((2024, 11, 3), 3, 25)],
)
def test_days_of_23_and_25_hours(day, one_to_three, whole):
    """In spring the clock jumps from 2 to 3, in autumn it goes from 1 to 2 twice."""
    epoch, zone = datetime(2024, 1, 1), "America/Los_Angeles"
    night = TimeOfUse(epoch, periods=(peak(1, 3),), otherwise=0.0, zone=zone)
    assert hours_of(night, epoch, day) == one_to_three
    assert hours_of(night, epoch, day, 0.0) == whole - one_to_three


@given(
    epochs,
    st.integers(0, 2 * 366 * 86_400),
    st.sampled_from(
        ["Europe/Berlin", "America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
    ),
)
def test_time_of_use_by_the_clock_on_the_wall(epoch, now_s, zone):
    """Over both shifts of the year; Lord Howe's is half an hour, India lies half an hour off."""
    series = TimeOfUse(
        epoch,
        periods=(
            peak(22, 6, 1.0, weekdays=frozenset(range(5))),
            peak(5.5, 17.25, 2.0, months=frozenset((3, 4, 10, 11))),
        ),
        otherwise=3.0,
        zone=zone,
    )
    start = epoch.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    wall = (start + timedelta(seconds=now_s)).astimezone(ZoneInfo(zone))
    hour = wall.hour + wall.minute / 60
    value = 3.0
    if wall.month in (3, 4, 10, 11) and 5.5 <= hour < 17.25:
        value = 2.0
    if wall.weekday() < 5 and (hour >= 22 or hour < 6):
        value = 1.0
    assert series.at(now_s) == value


def test_without_a_zone_every_day_has_24_hours():
    epoch = datetime(2024, 3, 10)
    series = TimeOfUse(epoch, periods=(peak(16, 21, -0.5),), otherwise=0.1)
    for day in range(300):
        times, values = series.pieces(day * DAY_S, (day + 1) * DAY_S)
        assert (times - day * DAY_S).tolist() == [0, 16 * HOUR_S, 21 * HOUR_S]
        assert values.tolist() == [0.1, -0.5, 0.1]
    # 5 h at -0.5 and 19 h at 0.1: what is drawn then is paid for.
    assert series.integral([0.0], [1.0], DAY_S) == pytest.approx((19 * 0.1 - 5 * 0.5) * HOUR_S)


def test_a_tariff_by_month_does_not_change_within_it():
    series = TimeOfUse(
        datetime(2023, 7, 1), periods=(peak(0, 24, 2.0, months=frozenset((7, 8))),), otherwise=1.0
    )
    assert series.next_change_s(0.0) == 62 * DAY_S
    assert series.mean(0.0, 31 * DAY_S) == 2
