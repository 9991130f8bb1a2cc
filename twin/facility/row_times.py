"""When the rows of a file by the hour are, and whether any are missing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError
from twin.facility.series import Array
from twin.facility.time_of_use import to_utc

Gaps = Literal["refuse", "hold"]

CALENDAR_COLUMNS = ("month", "day", "hour")
COMMON_YEAR = 2023  # any that has no 29 February
_DAYS_OF_MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_HAS_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})\s*$"
_LONGEST_STEP_S = 86_400.0


def typical_slots(columns: list[Any], where: str) -> NDArray[np.int64]:
    """Hour of the year of each row of a typical year, from its month, day and hour."""
    parts = [pd.to_numeric(each, errors="coerce").to_numpy(float) for each in columns]
    first = 1 if np.nanmax(parts[2], initial=0) > 23 else 0  # hours 1 to 24, or 0 to 23
    limits = ((1, 12), (1, 31), (first, first + 23))
    for name, values, (low, high) in zip(CALENDAR_COLUMNS, parts, limits, strict=True):
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(~((values >= low) & (values <= high) & (values % 1 == 0)))
        if len(wrong):
            raise InputError(
                f"{where}:{wrong[0] + 2} {name}: expected a whole number from {low} to {high}"
            )
    m, d, h = (values.astype(np.int64) for values in parts)
    slot = hour_of_year(m, d, h - first)
    no_day = np.flatnonzero((slot < 0) & ~((m == 2) & (d == 29)))
    if len(no_day):
        at = no_day[0]
        raise InputError(f"{where}:{at + 2}: there is no day {d[at]} in month {m[at]}")
    twice = np.flatnonzero(pd.Series(slot).duplicated().to_numpy() & (slot >= 0))
    if len(twice):
        at = twice[0]
        raise InputError(
            f"{where}:{at + 2}: month {m[at]}, day {d[at]}, hour {h[at]} stands twice; keep one"
        )
    return slot


def hour_of_year(month: NDArray[Any], day: NDArray[Any], hour: NDArray[Any]) -> NDArray[np.int64]:
    """Hour of a year without 29 February; -1 on a day that such a year does not have."""
    before = np.cumsum([0, *_DAYS_OF_MONTHS])
    hours = (before[month - 1] + day - 1) * 24 + hour
    return np.asarray(np.where(day <= _DAYS_OF_MONTHS[month - 1], hours, -1), np.int64)


def seconds_since(texts: Any, epoch: datetime, zone: str | None, where: str) -> Array:
    """Seconds since the start of each row's time."""
    texts = texts.astype(str)
    offset = texts.str.contains(_HAS_OFFSET, regex=True).to_numpy()
    if offset.any() and not offset.all():
        line = int(np.flatnonzero(offset != offset[0])[0]) + 2
        raise InputError(
            f"{where}:{line}: some times have an offset from UTC and some have none; write all in "
            "one way"
        )
    in_utc = bool(offset.all())
    stamps = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=in_utc)
    wrong = np.flatnonzero(stamps.isna().to_numpy())
    if len(wrong):
        raise InputError(
            f"{where}:{wrong[0] + 2}: expected a time such as 2024-01-31T13:00, found "
            f"{texts.iloc[wrong[0]]!r}"
        )
    start = pd.Timestamp(epoch)
    if in_utc:
        if zone is None:
            raise InputError(
                f"{where}: its times are in UTC or have an offset; say on which clock the site's "
                "times are, for example 'zone: America/Chicago'"
            )
        start, stamps = pd.Timestamp(to_utc(epoch, zone)), stamps.dt.tz_localize(None)
    elif zone is not None:
        start = pd.Timestamp(to_utc(epoch, zone))
        try:
            there = stamps.dt.tz_localize(ZoneInfo(zone), ambiguous="infer", nonexistent="raise")
        except ValueError as error:
            raise InputError(
                f"{where}: its times are not those of clocks in {zone}: {error}; write them with "
                "their offset, or leave zone out if they know no summer time"
            ) from None
        stamps = there.dt.tz_convert("UTC").dt.tz_localize(None)
    since: Array = ((stamps - start) / pd.Timedelta(seconds=1)).to_numpy(float)
    return since


def even_step_s(time_s: Array, texts: Any, gaps: Gaps, zone: str | None, where: str) -> float:
    """The step from row to row, which must be even, save for gaps that may be."""
    if len(time_s) < 2:
        raise InputError(f"{where}: needs two rows or more")
    steps = np.diff(time_s)
    summer = "" if zone else "; if its clocks follow summer time, give the site's 'zone'"
    back = np.flatnonzero(steps <= 0)
    if len(back):
        at = int(back[0]) + 1
        what = "stands twice" if steps[at - 1] == 0 else "comes after a later time"
        raise InputError(
            f"{where}:{at + 2}: {texts.iloc[at]} {what}; put rows in order, each time once{summer}"
        )
    step_s = float(np.median(steps))
    if step_s > _LONGEST_STEP_S:
        raise InputError(
            f"{where}: its rows are {step_s / 3600:g} h apart; give one an hour, or one a day"
        )
    wide = np.flatnonzero(np.abs(steps - step_s) > 1e-3 * step_s)
    if len(wide) and gaps == "refuse":
        at = int(wide[0])
        due = pd.Timestamp(texts.iloc[at]) + pd.Timedelta(seconds=step_s)
        raise InputError(
            f"{where}:{at + 3}: {due.isoformat()} is missing, the next row is {texts.iloc[at + 1]};"
            f" add it, or write 'gaps: hold' to let the value before hold on{summer}"
        )
    return step_s
