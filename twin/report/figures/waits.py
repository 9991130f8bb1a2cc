"""Waits by size of job: which share of them waits longer than a given time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twin.report.figures.time_axis import log_durations
from twin.report.numbers import count, percent
from twin.report.sizes import SIZE_CLASSES, known
from twin.report.theme import MUTED, SIZE_COLOURS, Shape, baseline, note

_POINTS = 240  # of a curve
_LINE = 18.0  # height of a line of the key [px]


@dataclass(frozen=True)
class Curve:
    """One line: waits of some jobs [s], a name, and how it is drawn."""

    name: str
    wait_s: np.ndarray
    colour: str
    dash: Any = "solid"


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
    wide = shape.width > 500
    key = _LINE * (len(curves) + 1) + 10
    panel = 280.0
    figure = shape.figure(panel + 78 + (0 if wide else key))
    right = 340.0 if wide else 16.0
    axes = shape.axes(figure, left=58, right=right, top=30, bottom=48 + (0 if wide else key))
    longest_s = max((float(curve.wait_s.max()) for curve in curves), default=0.0)
    log_durations(axes, longest_s, shape)
    axes.set_xlabel("wait longer than", fontsize=shape.font, labelpad=4)
    axes.annotate(
        "share of jobs", (0, 1), (-58, 10), xycoords="axes fraction", textcoords="offset points",
        fontsize=shape.font, fontweight="bold", va="bottom", annotation_clip=False,
    )  # fmt: skip
    highest = 0.0
    for curve in curves:
        at_s, share = exceedance(curve.wait_s, longest_s)
        highest = max(highest, float(share[0]))
        axes.plot(at_s, share, color=curve.colour, linestyle=curve.dash, linewidth=2)
    axes.set_ylim(0, min(1.0, 1.12 * highest) if highest > 0 else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}\N{NO-BREAK SPACE}%"))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    if not curves:
        note(axes, "no job started", shape)
    elif longest_s <= 0:
        note(axes, "no job waited", shape)
    _key(axes, curves, shape, beside=wide)
    return figure


def exceedance(wait_s: np.ndarray, longest_s: float) -> tuple[np.ndarray, np.ndarray]:
    """P(wait > x) at points spread evenly over the logarithm of x, from 1 s on.

    Returns
    -------
    x, share : (n_point,) arrays
        Times [s] and the share of the jobs that wait longer.
    """
    at_s = np.geomspace(1.0, max(longest_s, 10.0), _POINTS)
    ordered = np.sort(wait_s)
    return at_s, 1.0 - np.searchsorted(ordered, at_s, side="right") / max(ordered.size, 1)


def _key(axes: Axes, curves: Sequence[Curve], shape: Shape, *, beside: bool) -> None:
    """Names with the share that waits at all: right of the panel, or below it."""
    if not curves:
        return
    x, top = (axes.bbox.width + 24, axes.bbox.height) if beside else (-58.0, -62.0)
    columns = (x, x + 26, x + (228 if beside else 250), x + (316 if beside else 344))
    low = baseline(shape.font)
    style: dict[str, Any] = {"fontsize": shape.font, "va": "baseline", "annotation_clip": False}
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(
        "waited", (0, 0), xytext=(columns[2], top), ha="right", color=MUTED, **place, **style
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
        waited = percent(float((curve.wait_s > 0).mean()))
        axes.annotate(curve.name, (0, 0), xytext=(columns[1], y), ha="left", **place, **style)
        axes.annotate(waited, (0, 0), xytext=(columns[2], y), ha="right", **place, **style)
        jobs = count(curve.wait_s.size)
        axes.annotate(
            jobs, (0, 0), xytext=(columns[3], y), ha="right", color=MUTED, **place, **style
        )
