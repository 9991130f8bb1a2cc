"""Prices by hour, weekday and month, on the wall clock of a zone or one that never shifts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from twin.facility.series import Array, Yearly, days_of

_QUARTERS = 96  # of a day; boundaries of periods and shifts of clocks lie on quarters of an hour


@dataclass(frozen=True)
class Period:
    """When a value holds.

    Attributes
    ----------
    value : float
    from_hour, to_hour : float
        Hours of the day on the clock; from 22 to 6 is before 6 and from 22 on. [h]
    weekdays : frozenset of int
        Monday is 0.
    months : frozenset of int
        January is 1.
    """

    value: float
    from_hour: float
    to_hour: float
    weekdays: frozenset[int]
    months: frozenset[int]


@dataclass(frozen=True, eq=False)
class TimeOfUse(Yearly):
    """A value by time of use; of several periods that hold, the first in the list.

    Parameters
    ----------
    periods : tuple of Period
    otherwise : float
        Outside of all.
    zone : str or None
        IANA zone of the wall clock, whose days may have 23 or 25 hours; None for a clock that never
        shifts.
    """

    periods: tuple[Period, ...] = field(kw_only=True)
    otherwise: float = field(kw_only=True)
    zone: str | None = field(default=None, kw_only=True)

    def values_of(self, year: int) -> Array:
        start = datetime(year, 1, 1)
        steps = np.arange(days_of(year) * _QUARTERS) * np.timedelta64(15, "m")
        clock = pd.DatetimeIndex(np.datetime64(start, "s") + steps)
        if self.zone is not None:
            ahead = self.epoch - to_utc(self.epoch, self.zone)
            clock = (clock - ahead).tz_localize("UTC").tz_convert(ZoneInfo(self.zone))
        hour = clock.hour.to_numpy() + clock.minute.to_numpy() / 60
        weekday, month = clock.day_of_week.to_numpy(), clock.month.to_numpy()
        values = np.full(len(clock), self.otherwise)
        for period in reversed(self.periods):
            after, before = hour >= period.from_hour, hour < period.to_hour
            inside = after & before if period.from_hour < period.to_hour else after | before
            inside &= np.isin(weekday, list(period.weekdays)) & np.isin(month, list(period.months))
            values[inside] = period.value
        return values


def to_utc(local: datetime, zone: str) -> datetime:
    """A time on the wall clock of a zone, in UTC, both without saying so."""
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
