"""Files by the hour: prices, carbon intensities and weather, as series over simulated time.

A file is a CSV, plain or gzipped, with a column of ISO times, or with the columns ``month``,
``day`` and ``hour`` of a typical year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zlib import error as ZlibError  # noqa: N812 -- zlib's own name is not that of a class

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError, did_you_mean
from twin.facility.row_times import (
    CALENDAR_COLUMNS,
    COMMON_YEAR,
    Gaps,
    even_step_s,
    hour_of_year,
    seconds_since,
    typical_slots,
)
from twin.facility.series import HOURS_OF_A_YEAR, Array, Series, Steps, TypicalYear

TIME_COLUMNS = ("time", "timestamp", "datetime", "date")


@dataclass(frozen=True, eq=False)
class Hours:
    """The rows of a file, placed in time.

    Attributes
    ----------
    where : str
        Key of the scenario and path of the file, for messages.
    epoch : datetime
        Calendar time of second 0.
    time_s : (n_row,) array or None
        Since the start; None for a typical year. [s]
    slot : (n_row,) array
        Hour of a year without 29 February, from 0; -1 on that day.
    step_s : float
        From one row to the next. [s]
    """

    where: str
    epoch: datetime
    frame: pd.DataFrame
    time_s: Array | None
    slot: NDArray[np.int64]
    step_s: float
    gaps: Gaps

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return [str(name) for name in self.frame.columns]

    def column(self, name: str, low: float = -np.inf, high: float = np.inf) -> Array:
        """(n_row,) the numbers of a column; blank ones hold the value before, if gaps may.

        Raises
        ------
        InputError
            If there is no such column, or a row of it is blank, no number, or not within ``low``
            to ``high``; the message names the line.
        """
        if name not in self.columns:
            raise InputError(
                f"{self.where}: no column {name!r}; {did_you_mean(name, self.columns)}"
            )
        texts = self.frame[name]
        values = pd.to_numeric(texts, errors="coerce").to_numpy(float)
        blank = texts.isna().to_numpy() | (texts.astype(str).str.strip() == "").to_numpy()
        wrong = np.flatnonzero(~blank & ~((values >= low) & (values <= high) & np.isfinite(values)))
        if len(wrong):
            found, line = texts.iloc[wrong[0]], wrong[0] + 2
            wanted = "a finite number"
            if np.isfinite([low, high]).any():
                wanted = f"a number from {low:g} to {high:g}"
            raise InputError(f"{self.where}:{line} {name}: expected {wanted}, found {found!r}")
        if blank.any():
            first = int(np.flatnonzero(blank)[0])
            if self.gaps == "refuse":
                raise InputError(
                    f"{self.where}:{first + 2} {name}: blank; fill it in, or write 'gaps: hold' to "
                    "let the value before hold on"
                )
            values = _held(values)
            if np.isnan(values).all():
                raise InputError(f"{self.where} {name}: the whole column is blank")
        return values

    def series(self, values: Array, horizon_s: float | None) -> Series:
        """Values of the rows as a series.

        Parameters
        ----------
        values : (n_row,) array
        horizon_s : float or None
            Length of the run; None if that is not known. [s]

        Returns
        -------
        Series
            The dated rows if they cover the run; else the year that they hold, again and again.

        Raises
        ------
        InputError
            If they neither cover the run nor hold a whole year.
        """
        if self.time_s is not None and horizon_s is not None:
            ends_s = float(self.time_s[-1]) + self.step_s
            if self.time_s[0] <= 0 and horizon_s <= ends_s:
                return Steps(self.time_s, values, ends_s)
        return TypicalYear(self.epoch, hours=self._year(values, horizon_s))

    def _year(self, values: Array, horizon_s: float | None) -> Array:
        """(8760,) mean of the rows of each hour of a year, or of the hour before that has any."""
        kept = self.slot >= 0
        if self.time_s is not None:  # a later year does not mix with the first
            kept &= self.time_s < self.time_s[0] + 366 * 86_400
        n = np.bincount(self.slot[kept], minlength=HOURS_OF_A_YEAR)
        total = np.bincount(self.slot[kept], values[kept], minlength=HOURS_OF_A_YEAR)
        missing = np.flatnonzero(n == 0)
        rare = len(missing) < HOURS_OF_A_YEAR / 10  # else it never was meant to be a year
        if self.time_s is not None and len(missing) and (not rare or self.gaps == "refuse"):
            begins, ends = self._clock(self.time_s[0]), self._clock(self.time_s[-1] + self.step_s)
            to = "an end that is not known" if horizon_s is None else self._clock(horizon_s)
            raise InputError(
                f"{self.where}: has {begins} to {ends}, but the run goes from {self._clock(0)} to "
                f"{to}; give a file that covers it or all hours of one year, which is then "
                "repeated, or another start or horizon"
            )
        if len(missing) and self.gaps == "refuse":
            first = pd.Timestamp(COMMON_YEAR, 1, 1) + pd.Timedelta(hours=int(missing[0]))
            raise InputError(
                f"{self.where}: {len(missing):,} hours of the year are missing, first month "
                f"{first.month}, day {first.day}, hour {first.hour + 1}; add them, or write "
                "'gaps: hold' to let the hour before hold on"
            )
        means = np.full(HOURS_OF_A_YEAR, np.nan)
        np.divide(total, n, out=means, where=n > 0)
        return _held(means)

    def _clock(self, at_s: float) -> str:
        return (self.epoch + timedelta(seconds=float(at_s))).isoformat(timespec="minutes")


def _held(values: Array) -> Array:
    """Each missing value as the one before; at the beginning as the first."""
    return np.asarray(pd.Series(values).ffill().bfill(), np.float64)


def read_hours(
    path: str, epoch: datetime, *, key: str, gaps: Gaps = "refuse", zone: str | None = None
) -> Hours:
    """Read a file by the hour, or by another even step up to a day.

    Parameters
    ----------
    path : str
    epoch : datetime
        Calendar time of second 0, on the site's clock.
    key : str
        Where the scenario names the file, for messages.
    gaps : {'refuse', 'hold'}
        What to do where hours are missing or blank.
    zone : str or None
        The site's IANA zone. With it, times with an offset are placed on the site's clock, and
        times without one follow summer time.

    Raises
    ------
    InputError
        If the file cannot be read, has no times, or hours are missing; the message names the line.

    Notes
    -----
    A row's value holds from its time on. In a typical year hours count from 1 to 24, each the hour
    that ends then, or from 0 to 23.
    """
    where = f"{key}: {path}"
    frame = _frame(path, where)
    names = {str(name).strip().lower(): str(name) for name in frame.columns}
    timed = next((names[name] for name in TIME_COLUMNS if name in names), None)
    if timed is None:
        if not set(CALENDAR_COLUMNS) <= set(names):
            raise InputError(
                f"{where}: no times; name a column 'time' with times such as 2024-01-31T13:00, or "
                f"give month, day and hour. Found: {', '.join(list(names.values())[:12])}"
            )
        slot = typical_slots([frame[names[name]] for name in CALENDAR_COLUMNS], where)
        return Hours(where, epoch, frame, None, slot, 3600.0, gaps)
    time_s = seconds_since(frame[timed], epoch, zone, where)
    step_s = even_step_s(time_s, frame[timed], gaps, zone, where)
    clock = pd.DatetimeIndex(pd.Timestamp(epoch) + pd.to_timedelta(time_s, unit="s"))
    slot = hour_of_year(clock.month.to_numpy(), clock.day.to_numpy(), clock.hour.to_numpy())
    return Hours(where, epoch, frame, time_s, slot, step_s, gaps)


def _frame(path: str, where: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(Path(path), dtype=str)
    except (OSError, EOFError, ZlibError) as error:
        raise InputError(f"{where}: cannot be read: {error}") from None
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{where}: is not a CSV file: {str(error).strip()}") from None
    if frame.empty:
        raise InputError(f"{where}: has no rows")
    return frame
