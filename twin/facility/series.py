"""Quantities that are constant between changes: prices, weather, carbon, over simulated time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf, isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import DomainError

Array = NDArray[np.float64]

HOURS_OF_A_YEAR = 8760
_DAY_S = 86_400.0
_FEBRUARY_29 = 59  # its place among the days of a leap year, from 0


class Series(ABC):
    """A piecewise-constant quantity over seconds since the start.

    Attributes
    ----------
    ends_s : float
        Beyond which nothing is known. [s]
    """

    ends_s: float = inf

    @abstractmethod
    def pieces(self, from_s: float, to_s: float) -> tuple[Array, Array]:
        """(n_piece,) when each piece begins, the first at ``from_s``, and its value.

        Raises
        ------
        DomainError
            If the span begins before the series or ends after it.
        """

    @abstractmethod
    def at(self, now_s: float) -> float:
        """The value that holds from ``now_s`` on."""

    @abstractmethod
    def next_change_s(self, now_s: float) -> float:
        """When it may next take another value, later than ``now_s``; ``inf`` for never. [s]"""

    def integral(self, time_s: ArrayLike, value: ArrayLike, horizon_s: float) -> float:
        """The integral over time of this series times another piecewise-constant quantity.

        Parameters
        ----------
        time_s, value : (n_change,) array_like
            When the other begins to have each value, not falling; of several at one time the last
            holds. [s]
        horizon_s : float
            Where both end. [s]

        Returns
        -------
        float
            Exact but for rounding: with USD/J and W in, USD out.
        """
        times, values = _checked(time_s, value)
        if not len(times) or horizon_s <= times[0]:
            return 0.0
        starts, own = self.pieces(float(times[0]), horizon_s)
        edges = np.union1d(starts, times[times < horizon_s])
        lasts_s = np.diff(edges, append=horizon_s)
        other = values[np.searchsorted(times, edges, side="right") - 1]
        mine = own[np.searchsorted(starts, edges, side="right") - 1]
        return float(np.sum(lasts_s * other * mine))

    def changes_s(self, from_s: float, to_s: float) -> list[float]:
        """Times after ``from_s`` and before ``to_s`` at which it may take another value. [s]"""
        to_s = min(to_s, self.ends_s)
        if to_s <= from_s:
            return []
        changes: list[float] = self.pieces(from_s, to_s)[0][1:].tolist()
        return changes

    def mean(self, from_s: float, to_s: float) -> float:
        """Time-weighted mean of a span."""
        return self.integral([from_s], [1.0], to_s) / (to_s - from_s)


@dataclass(frozen=True, eq=False)
class Steps(Series):
    """A series given by its changes; the last value holds until ``ends_s``.

    Parameters
    ----------
    time_s, value : (n_change,) array_like
        Times that rise, and the values from each on. [s]
    ends_s : float
        Beyond which nothing is known. [s]
    """

    time_s: Array
    value: Array
    ends_s: float = inf

    def __post_init__(self) -> None:
        times, values = _checked(self.time_s, self.value)
        if not len(times) or np.any(np.diff(times) <= 0):
            raise DomainError("time_s: must have one time or more, each after the one before")
        object.__setattr__(self, "time_s", times)
        object.__setattr__(self, "value", values)

    def pieces(self, from_s: float, to_s: float) -> tuple[Array, Array]:
        if to_s > self.ends_s:
            raise DomainError(f"to_s: the series ends at {self.ends_s:g} s, found {to_s:g}")
        first, last = self._piece(from_s), int(np.searchsorted(self.time_s, to_s))
        times = self.time_s[first : max(last, first + 1)].copy()
        times[0] = from_s
        return times, self.value[first : max(last, first + 1)]

    def at(self, now_s: float) -> float:
        return float(self.value[self._piece(now_s)])

    def next_change_s(self, now_s: float) -> float:
        after = int(np.searchsorted(self.time_s, now_s, side="right"))
        return float(self.time_s[after]) if after < len(self.time_s) else inf

    def _piece(self, now_s: float) -> int:
        piece = int(np.searchsorted(self.time_s, now_s, side="right")) - 1
        if piece < 0 or now_s > self.ends_s:
            raise DomainError(
                f"now_s: the series runs from {self.time_s[0]:g} to {self.ends_s:g} s, found "
                f"{now_s:g}"
            )
        return piece


def flat(value: float) -> Steps:
    """A series that never changes."""
    return Steps(np.array([-inf]), np.array([float(value)]))


@dataclass(frozen=True, eq=False)
class Yearly(Series):
    """A series that is made year by year, as the run comes to them.

    Parameters
    ----------
    epoch : datetime
        Calendar time of second 0; the calendar runs on from there without changing its clocks.
    """

    epoch: datetime
    _years: dict[int, Steps] = field(default_factory=dict, init=False, repr=False)

    @abstractmethod
    def values_of(self, year: int) -> Array:
        """(n,) values of a year in equal steps from its first midnight on."""

    def pieces(self, from_s: float, to_s: float) -> tuple[Array, Array]:
        if not isfinite(to_s):
            raise DomainError(f"to_s: must be finite, since years have no end, found {to_s}")
        times, values, at_s = [], [], from_s
        while True:
            year = self._year_at(at_s)
            end_s = min(year.ends_s, to_s)
            here = year.pieces(at_s, end_s)
            times.append(here[0])
            values.append(here[1])
            if end_s >= to_s:
                return np.concatenate(times), np.concatenate(values)
            at_s = end_s

    def at(self, now_s: float) -> float:
        return self._year_at(now_s).at(now_s)

    def next_change_s(self, now_s: float) -> float:
        year = self._year_at(now_s)
        return min(year.next_change_s(now_s), year.ends_s)

    def _year_at(self, now_s: float) -> Steps:
        number = (self.epoch + timedelta(seconds=now_s)).year
        year = self._year(number)
        if now_s < year.time_s[0]:  # microseconds are all that a datetime can tell apart
            return self._year(number - 1)
        return year if now_s < year.ends_s else self._year(number + 1)

    def _year(self, number: int) -> Steps:
        if number not in self._years:
            start_s = (datetime(number, 1, 1) - self.epoch).total_seconds()
            end_s = start_s + days_of(number) * _DAY_S
            values = self.values_of(number)
            step_s = (end_s - start_s) / len(values)
            times: Array = start_s + step_s * np.arange(len(values), dtype=float)
            changes = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
            self._years[number] = Steps(times[changes], values[changes], end_s)
        return self._years[number]


@dataclass(frozen=True, eq=False)
class TypicalYear(Yearly):
    """The same 8,760 hours every year; 29 February is like the day before.

    Parameters
    ----------
    hours : (8760,) array
        Value of each hour from the first of January on.
    """

    hours: Array = field(kw_only=True)

    def __post_init__(self) -> None:
        hours = np.asarray(self.hours, float)
        if hours.shape != (HOURS_OF_A_YEAR,) or not np.isfinite(hours).all():
            raise DomainError(f"hours: must be {HOURS_OF_A_YEAR:,} finite values")
        object.__setattr__(self, "hours", hours)

    def values_of(self, year: int) -> Array:
        if days_of(year) == 365:
            return self.hours
        days = np.insert(np.arange(365), _FEBRUARY_29, _FEBRUARY_29 - 1)
        return self.hours.reshape(365, 24)[days].ravel()


def days_of(year: int) -> int:
    """Days of a year."""
    return (datetime(year + 1, 1, 1) - datetime(year, 1, 1)).days


def _checked(time_s: ArrayLike, value: ArrayLike) -> tuple[Array, Array]:
    times, values = np.asarray(time_s, float), np.asarray(value, float)
    if times.shape != values.shape or times.ndim != 1:
        raise DomainError(
            f"time_s and value: must be rows of one length, found {times.shape} and {values.shape}"
        )
    if np.any(np.diff(times) < 0) or np.isnan(times).any():
        raise DomainError("time_s: must not fall")
    if not np.isfinite(values).all():
        raise DomainError("value: must be finite")
    return times, values
