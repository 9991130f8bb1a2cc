"""Axes of time: durations on a logarithmic scale, and the clock of a run."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from twin.report.numbers import instant
from twin.report.theme import MUTED, Shape

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_WORDS = {86400.0: "days", 3600.0: "hours", 60.0: "minutes", 1.0: "seconds"}


def log_durations(axes: Axes, longest_s: float, shape: Shape, *, shortest_s: float = 1.0) -> None:
    """A logarithmic x axis with ticks people know: 1 s, 1 min, 1 h, 1 d.

    Parameters
    ----------
    shortest_s, longest_s : float
        Ends of the axis; a decade at least is shown. [s]
    """
    end = max(longest_s, 10 * shortest_s) if math.isfinite(longest_s) else 10 * shortest_s
    end *= 1.06
    ticks = [t for t in shape.time_ticks if shortest_s * 0.999 <= t <= end]
    axes.set_xscale("log")
    axes.set_xlim(shortest_s, end)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([in_words(t) for t in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())


def in_words(seconds: float) -> str:
    """A round duration as a tick label: ``10 min``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:g}\N{NO-BREAK SPACE}{unit}"
    return f"{seconds:g}\N{NO-BREAK SPACE}s"


def run_clock(axes: Axes, end_s: float, shape: Shape, *, from_s: float = 0.0) -> None:
    """An x axis in seconds, labelled in days, hours or minutes since the start of the run."""
    size = next((size for size, _ in _UNITS if end_s - from_s >= 2.5 * size), 1.0)
    axes.set_xlim(from_s, end_s if end_s > from_s else from_s + 1.0)
    step = MaxNLocator(nbins=10 if shape.width > 500 else 5, integer=True, steps=[1, 2, 5, 10])
    least = from_s / size
    ticks = [
        t * size
        for t in step.tick_values(least, max(end_s / size, least + 1))
        if from_s <= t * size <= end_s + 1e-4 * (end_s - from_s)
    ]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:g}"))
    axes.set_xlabel(f"{_WORDS[size]} since the start", fontsize=shape.font, color=MUTED, labelpad=4)


def window_clock(axes: Axes, from_s: float, end_s: float, shape: Shape) -> None:
    """An x axis of a part of a run; of a few days at most, with day and hour at each tick."""
    hours = (end_s - from_s) / 3600
    if not (from_s >= 86400 and 6 <= hours < 60):
        run_clock(axes, end_s, shape, from_s=from_s)
        return
    most = 7 if shape.width > 500 else 3
    step = next(step for step in (1, 2, 3, 6, 12, 24) if hours / step <= most)
    first = math.ceil(from_s / 3600 / step)
    ticks = np.arange(first, math.floor(end_s / 3600 / step) + 1) * step * 3600.0
    axes.set_xlim(from_s, end_s)
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_major_formatter(FixedFormatter([instant(tick) for tick in ticks.tolist()]))
    axes.set_xlabel("time since the start", fontsize=shape.font, color=MUTED, labelpad=4)


def thinned(
    edges_s: np.ndarray, values: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A series of time-weighted means with at most ``most`` bins.

    Parameters
    ----------
    edges_s : (n_bin + 1,) array
        Ends of the bins. [s]
    values : (n_bin,) array
        Means over the bins.

    Returns
    -------
    edges, means, peaks : arrays
        Of wider bins: their ends, the weighted mean and the highest of the old means in each.
    """
    n = len(values)
    group = max(1, math.ceil(n / most))
    starts = np.arange(0, n, group)
    width = np.diff(edges_s)
    held = np.nan_to_num(values)
    weight = np.add.reduceat(width, starts)
    means = np.add.reduceat(held * width, starts) / np.where(weight > 0, weight, 1.0)
    return edges_s[np.append(starts, n)], means, np.maximum.reduceat(held, starts)
