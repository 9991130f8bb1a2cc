"""Queue and utilisation over time: what the GPUs did, and what waited for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from twin.report.figures.time_axis import run_clock, thinned
from twin.report.numbers import count
from twin.report.theme import (
    BUSY,
    INK,
    MUTED,
    SERIES,
    SHARE_COLOURS,
    WASH,
    Shape,
    legend,
    note,
    title,
)

# From the ground up: what is used, then what is not.
_STACK: tuple[tuple[str, str, str], ...] = (
    ("busy_gpus", "busy", BUSY),
    ("stranded_gpus", "stranded", SHARE_COLOURS["stranded"]),
    ("idle_gpus", "idle", SHARE_COLOURS["idle"]),
    ("spare_gpus", "spare", SHARE_COLOURS["spare"]),
    ("down_gpus", "down", SHARE_COLOURS["down"]),
    ("dark_gpus", "dark", SHARE_COLOURS["dark"]),
)
_PANEL, _GAP, _TOP, _BOTTOM = 130.0, 52.0, 58.0, 46.0  # [px]


def timeline(table: pd.DataFrame, end_s: float, gpus: int, shape: Shape) -> Figure:
    """Three panels over one clock: GPUs by state, jobs waiting, GPUs that they ask for.

    Where no job ever waited the first is all.

    Parameters
    ----------
    table : DataFrame
        The run's `twin.tables.TIMELINE`.
    end_s : float
        End of the last bin. [s]
    gpus : int
        GPUs installed.
    """
    rows = 3 if (table["queued_jobs"] > 0).any() or not len(table) else 1
    figure = shape.figure(_TOP + rows * _PANEL + (rows - 1) * _GAP + _BOTTOM)
    panels = []
    for row in range(rows):
        top = _TOP + row * (_PANEL + _GAP)
        bottom = _BOTTOM + (rows - 1 - row) * (_PANEL + _GAP)
        panels.append(shape.axes(figure, left=58, right=16, top=top, bottom=bottom))
    if not len(table):
        for axes in panels:
            axes.axis("off")
        note(panels[1], "no time passed: there is nothing to show", shape)
        return figure
    start_s = table["time_s"].to_numpy(float)
    edges_s = np.append(start_s, max(end_s, start_s[-1]))
    _states(panels[0], table, edges_s, gpus, shape)
    if rows > 1:
        _queue(panels[1], edges_s, table["queued_jobs"].to_numpy(float), shape)
        title(panels[1], "Jobs waiting", shape, left=58)
        _queue(panels[2], edges_s, table["queued_gpus"].to_numpy(float), shape)
        title(panels[2], "GPUs that waiting jobs ask for", shape, left=58)
        _installed(panels[2], gpus, shape)
    for axes in panels:
        run_clock(axes, edges_s[-1], shape)
    for axes in panels[:-1]:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    return figure


def _states(axes: Axes, table: pd.DataFrame, edges_s: np.ndarray, gpus: int, shape: Shape) -> None:
    below: np.ndarray | float = 0.0
    shown = []
    for column, name, colour in _STACK:
        values = table[column].to_numpy(float)
        if not np.nansum(values) > 0:
            continue
        at_s, mean, _ = thinned(edges_s, values, shape.bins)
        above = below + stepped(mean)
        axes.fill_between(at_s, below, above, step="post", color=colour, linewidth=0)
        below = above
        shown.append((name, colour))
    axes.set_ylim(0, max(gpus, 1))
    axes.yaxis.set_major_locator(FixedLocator([0, gpus / 2, gpus]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: f"{y / max(gpus, 1):.0%}".replace("%", " %"))
    )
    title_up = f"GPUs, share of {count(gpus)} installed"
    axes.annotate(
        title_up, (0, 1), xycoords="axes fraction", xytext=(-58, 31), textcoords="offset points",
        fontsize=shape.font, fontweight="bold", va="bottom", color=INK, annotation_clip=False,
    )  # fmt: skip
    legend(axes, shape, shown, columns=len(shown), up=9)


def _queue(axes: Axes, edges_s: np.ndarray, values: np.ndarray, shape: Shape) -> None:
    at_s, mean, peak = thinned(edges_s, values, shape.bins)
    axes.fill_between(at_s, 0, stepped(peak), step="post", color=WASH, linewidth=0)
    axes.step(at_s, stepped(mean), where="post", color=SERIES, linewidth=1.1)
    count_axis(axes, float(peak.max(initial=0.0)))


def _installed(axes: Axes, gpus: int, shape: Shape) -> None:
    """A line at what is installed, where the axis reaches it."""
    if axes.get_ylim()[1] < gpus:
        return
    axes.axhline(gpus, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        "installed", (1, gpus), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", ha="right", va="bottom", fontsize=shape.font - 1, color=MUTED,
    )  # fmt: skip


def count_axis(axes: Axes, highest: float) -> None:
    """A y axis of counts from zero, with a few quiet grid lines."""
    axes.set_ylim(0, 1.08 * highest if highest > 0 else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=highest >= 1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _short(y)))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)


def stepped(values: np.ndarray | Sequence[float]) -> np.ndarray:
    """Values of bins for drawing over their edges: the last one twice."""
    values = np.asarray(values, float)
    return np.append(values, values[-1:])


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:,g}\N{NO-BREAK SPACE}M"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
