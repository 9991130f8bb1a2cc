"""Waits by size of job: which share of them waits longer than a given time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twin.report.figures.line_letters import line_letters
from twin.report.figures.time_axis import log_durations
from twin.report.numbers import count, duration, percent
from twin.report.sizes import SIZE_CLASSES, known
from twin.report.theme import MUTED, SIZE_COLOURS, Shape, baseline, note

_POINTS = 240  # of a curve
_LINE = 18.0  # height of a line of the key [px]


@dataclass(frozen=True)
class Curve:
    """One line: times of some jobs [s], a name, and how it is drawn.

    With a letter the line has it on itself; a line that is not strong stands behind the others.
    """

    name: str
    values_s: np.ndarray
    colour: str
    dash: Any = "solid"
    letter: str = ""
    strong: bool = True


@dataclass(frozen=True)
class _Times:
    """What the times of curves are: words for the axis, for empty panels, and the key's figure."""

    axis: str
    none: str
    zero: str
    figure: str
    write: Callable[[np.ndarray], str]


_WAITS = _Times(
    "wait longer than", "no job started", "no job waited",
    "waited", lambda wait_s: percent(float((wait_s > 0).mean())),
)  # fmt: skip
_QUEUED = _Times(
    "queued longer than", "no job started", "no job waited",
    "queued", lambda queued_s: percent(float((queued_s > 0).mean())),
)  # fmt: skip
_COMPLETION = _Times(
    "longer than this from submit to end", "no job ended", "no job took time",
    "median", lambda jct_s: duration(float(np.median(jct_s))),
)  # fmt: skip


def waits(jobs: pd.DataFrame, shape: Shape) -> Figure:
    """Share of jobs that wait longer than x, a line a size class.

    Parameters
    ----------
    jobs : DataFrame
        The run's `twin.tables.JOBS`; jobs that never started are not counted.
    """
    gpus = jobs["gpus"].to_numpy()
    curves = []
    for size, colour in zip(SIZE_CLASSES, SIZE_COLOURS, strict=True):
        wait_s = known(jobs, "wait_s", size.of(gpus))
        if wait_s.size:
            curves.append(Curve(size.name, wait_s, colour))
    return wait_curves(curves, shape)


def wait_curves(curves: Sequence[Curve], shape: Shape) -> Figure:
    """Share of jobs that wait longer than x, with a key that says what share waits at all."""
    return _curves(curves, shape, _WAITS)


def queued_curves(curves: Sequence[Curve], shape: Shape) -> Figure:
    """Share of jobs that are queued longer than x in all, waits after giving way included."""
    return _curves(curves, shape, _QUEUED)


def completion_curves(curves: Sequence[Curve], shape: Shape) -> Figure:
    """Share of jobs that take longer than x from submit to end, with medians in the key."""
    return _curves(curves, shape, _COMPLETION)


def _curves(curves: Sequence[Curve], shape: Shape, times: _Times) -> Figure:
    wide = shape.width > 500
    key = _LINE * (len(curves) + 1) + 10
    panel = 280.0
    figure = shape.figure(panel + 78 + (0 if wide else key))
    right = 340.0 if wide else 16.0
    axes = shape.axes(figure, left=58, right=right, top=30, bottom=48 + (0 if wide else key))
    longest_s = max((float(curve.values_s.max()) for curve in curves), default=0.0)
    log_durations(axes, longest_s, shape)
    axes.set_xlabel(times.axis, fontsize=shape.font, labelpad=4)
    axes.annotate(
        "share of jobs", (0, 1), (-58, 10), xycoords="axes fraction", textcoords="offset points",
        fontsize=shape.font, fontweight="bold", va="bottom", annotation_clip=False,
    )  # fmt: skip
    highest = 0.0
    lines = []
    for curve in curves:
        at_s, share = exceedance(curve.values_s, longest_s)
        highest = max(highest, float(share[0]))
        lines += axes.plot(
            at_s, share, color=curve.colour, linestyle=curve.dash,
            linewidth=2 if curve.strong else 1.3, zorder=2.2 if curve.strong else 2,
        )  # fmt: skip
    axes.set_ylim(0, min(1.0, 1.12 * highest) if highest > 0 else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}\N{NO-BREAK SPACE}%"))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    if not curves:
        note(axes, times.none, shape)
    elif longest_s <= 0:
        note(axes, times.zero, shape)
    elif all(curve.letter for curve in curves):
        line_letters(axes, lines, [curve.letter for curve in curves], shape)
    _key(axes, curves, shape, times, beside=wide)
    return figure


def exceedance(values_s: np.ndarray, longest_s: float) -> tuple[np.ndarray, np.ndarray]:
    """P(time > x) at points spread evenly over the logarithm of x, from 1 s on.

    Returns
    -------
    x, share : (n_point,) arrays
        Times [s] and the share of the jobs that take longer.
    """
    at_s = np.geomspace(1.0, max(longest_s, 10.0), _POINTS)
    ordered = np.sort(values_s)
    return at_s, 1.0 - np.searchsorted(ordered, at_s, side="right") / max(ordered.size, 1)


def _key(axes: Axes, curves: Sequence[Curve], shape: Shape, times: _Times, *, beside: bool) -> None:
    """Names with a figure and how many jobs they are: right of the panel, or below it."""
    if not curves:
        return
    x, top = (axes.bbox.width + 24, axes.bbox.height) if beside else (-58.0, -62.0)
    columns = (x, x + 26, x + (228 if beside else 250), x + (316 if beside else 344))
    low = baseline(shape.font)
    style: dict[str, Any] = {"fontsize": shape.font, "va": "baseline", "annotation_clip": False}
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(
        times.figure, (0, 0), xytext=(columns[2], top), ha="right", color=MUTED, **place, **style
    )
    axes.annotate(
        "jobs", (0, 0), xytext=(columns[3], top), ha="right", color=MUTED, **place, **style
    )
    for row, curve in enumerate(curves, start=1):
        y = top - _LINE * row
        width, height = axes.bbox.width, axes.bbox.height
        axes.plot(
            [columns[0] / width, (columns[0] + 20) / width],
            [(y - low) / height] * 2,
            transform=axes.transAxes,
            color=curve.colour,
            linestyle=curve.dash,
            linewidth=2.4,
            clip_on=False,
        )
        figure = times.write(curve.values_s)
        axes.annotate(curve.name, (0, 0), xytext=(columns[1], y), ha="left", **place, **style)
        axes.annotate(figure, (0, 0), xytext=(columns[2], y), ha="right", **place, **style)
        jobs = count(curve.values_s.size)
        axes.annotate(
            jobs, (0, 0), xytext=(columns[3], y), ha="right", color=MUTED, **place, **style
        )
