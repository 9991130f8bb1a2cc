"""Mean waits and completion times by size of job, a bar a run: whom a scheduler serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.report.numbers import duration
from twin.report.sizes import SizeClass
from twin.report.theme import INK, MUTED, Shape, Stroke, baseline, note, short_names, title

_BAR, _HEAD, _GAP = 19.0, 30.0, 14.0  # height of a bar's row; above and below a panel [px]
_VALUE, _BETWEEN = 64.0, 12.0  # room for values, between panels [px]


@dataclass(frozen=True)
class Served:
    """What jobs of each size class met in a run: means, NaN where no job gives one.

    Attributes
    ----------
    letter, name : str
    stroke : Stroke
    wait_s, jct_s : sequence of float
        One a class. [s]
    """

    letter: str
    name: str
    stroke: Stroke
    wait_s: Sequence[float]
    jct_s: Sequence[float]


def size_bars(sizes: Sequence[SizeClass], runs: Sequence[Served], shape: Shape) -> Figure:
    """A panel a class and a quantity, each with a scale of its own that begins at zero.

    Wide, classes stand side by side; narrow, they stand below each other and letters alone name
    the runs.
    """
    if not sizes:
        figure = shape.figure(60)
        axes = shape.axes(figure, left=0, right=0, top=0, bottom=0)
        axes.axis("off")
        note(axes, "there were no jobs", shape)
        return figure
    wide = shape.width > 500
    panels = [
        (size.name, "Mean wait", [run.wait_s[k] for run in runs], (0, k))
        for k, size in enumerate(sizes)
    ] + [
        (size.name, "Mean JCT", [run.jct_s[k] for run in runs], (1, k))
        for k, size in enumerate(sizes)
    ]
    across, down = (len(sizes), 2) if wide else (2, len(sizes))
    names = 150.0 if wide else 20.0
    width = (shape.width - names - _BETWEEN * (across - 1)) / max(across, 2)
    height = _BAR * len(runs)
    total = down * (_HEAD + height + _GAP)
    figure = shape.figure(total)
    for size, what, values, place in panels:
        line, column = place if wide else place[::-1]
        left, top = names + column * (width + _BETWEEN), line * (_HEAD + height + _GAP) + _HEAD
        axes = shape.axes(
            figure, left=left, right=shape.width - left - width, top=top,
            bottom=total - top - height,
        )  # fmt: skip
        _bars(axes, np.array(values, float), runs, width, shape)
        if wide:
            title(axes, size, shape)
        else:
            title(axes, "JCT" if column else f"{size}: wait", shape)
        if column == 0:
            _names(axes, runs, shape, 14 if wide else 0)
            if wide:
                title(axes, what, shape, left=names)
    return figure


def _bars(
    axes: Axes, values_s: np.ndarray, runs: Sequence[Served], width: float, shape: Shape
) -> None:
    axes.set_ylim(len(runs) - 0.5, -0.5)
    known = np.isfinite(values_s)
    longest_s = float(values_s[known].max(initial=0.0)) or 1.0
    axes.set_xlim(0, longest_s * width / (width - _VALUE))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    least = values_s[known].min(initial=np.inf)
    tied = bool((values_s[known] <= least * (1 + 1e-9)).all())
    for y, (value_s, run) in enumerate(zip(values_s.tolist(), runs, strict=True)):
        if value_s == value_s:
            axes.barh(y, value_s, height=0.62, color=run.stroke.colour, linewidth=0)
        best = not tied and value_s <= least * (1 + 1e-9)
        axes.annotate(
            duration(value_s), (value_s if value_s == value_s else 0, y),
            xytext=(4, baseline(shape.font - 1)), textcoords="offset points", va="baseline",
            fontsize=shape.font - 1, fontweight="bold" if best else "normal",
            color=INK if value_s == value_s else MUTED, annotation_clip=False,
        )  # fmt: skip


def _names(axes: Axes, runs: Sequence[Served], shape: Shape, letters: int) -> None:
    """Names left of the bars: a letter, and as many letters of the name as there is room for."""
    short = short_names([run.name for run in runs], letters)
    for y, run in enumerate(runs):
        name = f"{run.letter}\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}{short[y]}"
        axes.annotate(
            name if letters else run.letter, (0, y), xycoords=("axes fraction", "data"),
            xytext=(-150 if letters else -20, baseline(shape.font)), textcoords="offset points",
            va="baseline", ha="left", fontsize=shape.font, annotation_clip=False,
        )  # fmt: skip
