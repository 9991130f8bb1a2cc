"""What rises and falls with the time of day, in steps: drawn as a wave, or read from a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError
from twin.streams import stream

Array = NDArray[np.float64]
N = TypeVar("N", bound=np.generic)

_DAY_S = 86_400.0
_MOST_STEPS = 5_000_000
_TIME_COLUMNS = ("time_s", "time")


class Wave(Protocol):
    """A daily tide as a scenario asks for it."""

    @property
    def least(self) -> float: ...
    @property
    def most(self) -> float: ...
    @property
    def peak_s(self) -> float: ...
    @property
    def weekend(self) -> float: ...
    @property
    def step_s(self) -> float: ...
    @property
    def noise(self) -> float: ...


def wave(asked: Wave, seed: int, name: str, epoch: datetime, end_s: float) -> tuple[Array, Array]:
    """A smooth daily tide in steps.

    Parameters
    ----------
    asked : Wave
    seed, name
        Of the stream from which noise is drawn.
    epoch : datetime
        Calendar time of second 0.
    end_s : float
        Up to when it is told. [s]

    Returns
    -------
    time_s, value : (n_step,) arrays
        Each value holds from its time to the next; the first time is 0 or before. [s]

    Raises
    ------
    InputError
        If there are too many steps.

    Notes
    -----
    With ``h`` the time of day in the middle of a step and ``p`` that of the peak,
    ``least + (most - least) * (1 + cos(2 pi (h - p) / 24 h)) / 2``, on Saturdays and Sundays with
    ``weekend`` times the rise above ``least``, times the noise of the step. Steps begin at
    midnight.
    """
    since_midnight_s = (epoch - epoch.replace(hour=0, minute=0, second=0, microsecond=0)) / (
        timedelta(seconds=1)
    )
    step_s = asked.step_s
    first = int(since_midnight_s // step_s)
    n = int(np.ceil((since_midnight_s + end_s) / step_s)) - first
    if n > _MOST_STEPS:
        raise InputError(
            f"workload.services: a tide in {n:,} steps of {step_s:g} s is too fine; give "
            "daily.step more"
        )
    starts_s = (first + np.arange(max(n, 1))) * step_s  # since midnight of the first day
    middle_s = starts_s + step_s / 2
    days = (epoch.weekday() + (middle_s // _DAY_S)) % 7
    rise = (1 + np.cos(2 * np.pi * (middle_s - asked.peak_s) / _DAY_S)) / 2
    rise *= np.where(days >= 5, asked.weekend, 1.0)
    value = asked.least + (asked.most - asked.least) * rise
    if asked.noise:
        sigma = np.sqrt(np.log1p(asked.noise**2))
        shocks = stream(seed, name).standard_normal(len(value))
        value *= np.exp(sigma * shocks - sigma**2 / 2)
    return np.maximum(starts_s - since_midnight_s, 0.0), value


def from_zero(time_s: Array, value: NDArray[N], before: float) -> tuple[Array, NDArray[N]]:
    """From second 0 on: what held before that last holds then, ``before`` if nothing did."""
    at = int(np.searchsorted(time_s, 0.0, side="right")) - 1
    if at < 0:
        begin = np.array([before], value.dtype)
        return np.concatenate([[0.0], time_s]), np.concatenate([begin, value])
    return np.concatenate([[0.0], time_s[at + 1 :]]), value[at:]


def read_tide(
    path: Path,
    epoch: datetime,
    column: str,
    allowed: tuple[Callable[[Array], NDArray[np.bool_]], str],
) -> tuple[Array, Array]:
    """Times since the start and the values of one column of a CSV file.

    Parameters
    ----------
    path : Path
        With ``column`` and ``time_s`` (seconds since the start) or ``time`` (ISO calendar times).
    epoch : datetime
        Calendar time of second 0.
    column : str
    allowed : (function, text)
        Which values will do, and what to say of others.

    Raises
    ------
    InputError
        If it cannot be read, a column is missing, or a row makes no sense.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as a CSV of {column}: {error}") from None
    time = next((name for name in _TIME_COLUMNS if name in frame), None)
    if time is None or column not in frame:
        known = ", ".join(map(str, frame.columns))
        raise InputError(
            f"{path}: needs the column {column}, and time_s (seconds since the start) or time (ISO "
            f"calendar times); it has {known or 'none'}"
        )
    if frame.empty:
        raise InputError(f"{path}: has no rows; write at least one time and {column}")
    value = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
    if time == "time_s":
        time_s = pd.to_numeric(frame[time], errors="coerce").to_numpy(float)
    else:
        stamps = pd.to_datetime(frame[time], errors="coerce", format="ISO8601")
        if isinstance(stamps.dtype, pd.DatetimeTZDtype):
            raise InputError(
                f"{path}: column time names a time zone; write it without, on the clock of the site"
            )
        time_s = (stamps - pd.Timestamp(epoch)).dt.total_seconds().to_numpy(float)
    will_do, must = allowed
    for fine, message in (
        (np.isfinite(time_s), f"{time} is no time"),
        (will_do(value), f"{column} {must}"),
        (np.diff(time_s, prepend=-np.inf) > 0, f"{time} must come after that of the row before"),
    ):
        if not fine.all():
            row = int(np.flatnonzero(~fine)[0])
            told = ", ".join(str(frame[name].iloc[row]) for name in (time, column))
            raise InputError(f"{path}: row {row + 1} ({told}): {message}")
    return time_s, value
