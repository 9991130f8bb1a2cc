"""Useful GPUs against GPUs installed, a line a policy, the most of each marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twin.report.numbers import count
from twin.report.points import Point
from twin.report.theme import (
    BOUGHT,
    INK,
    MUTED,
    PAPER,
    Shape,
    run_letter,
    run_name,
    run_stroke,
    title,
)

_PANEL, _TOP, _BOTTOM = 300.0, 34.0, 46.0  # [px]


@dataclass(frozen=True)
class Sized:
    """A line: its points by size, and their figures.

    Attributes
    ----------
    stroke : int
        Index of its stroke and its letter.
    name : str
    points : list of Point
        Ascending by GPUs installed.
    installed, useful : (n_point,) lists
        Means over seeds.
    seeds : (n_point,) list of tuples
        Useful GPUs of each seed.
    """

    stroke: int
    name: str
    points: Sequence[Point]
    installed: Sequence[float]
    useful: Sequence[float]
    seeds: Sequence[tuple[float, ...]]

    @property
    def best(self) -> int:
        """Place of the point with the most useful GPUs, the smallest size among equals."""
        return max(range(len(self.points)), key=lambda at: self.useful[at])


def optimum(lines: Sequence[Sized], shape: Shape) -> Figure:
    """Lines with a ring where each has its most; the most of all in words.

    Parameters
    ----------
    lines : sequence of Sized
        Each with a point at least.
    """
    wide = shape.width > 500
    right = 150.0 if wide and len(lines) > 1 else 26.0
    figure = shape.figure(_TOP + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=58, right=right, top=_TOP, bottom=_BOTTOM)
    highest = max(max(max(each) for each in line.seeds) for line in lines)
    sizes = [size for line in lines for size in line.installed]
    low, high = min(sizes), max(sizes)
    axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.set_ylim(0, 1.15 * highest if highest > 0 else 1.0)
    _all_useful(axes)
    for line in lines:
        stroke = run_stroke(line.stroke)
        axes.plot(
            line.installed, line.useful, color=stroke.colour, linestyle=stroke.dash, linewidth=1.8,
            marker="o", markersize=4, clip_on=False,
        )  # fmt: skip
        for size, each in zip(line.installed, line.seeds, strict=True):
            if len(each) > 1:
                axes.plot(
                    [size] * len(each), each, linestyle="none", marker="o", markersize=3,
                    color=stroke.colour, alpha=0.35, clip_on=False,
                )  # fmt: skip
        axes.plot(
            [line.installed[line.best]], [line.useful[line.best]], marker="o", markersize=11,
            markerfacecolor=PAPER, markeredgecolor=stroke.colour, markeredgewidth=2.2,
            clip_on=False, zorder=4,
        )  # fmt: skip
    _most(axes, max(lines, key=lambda line: line.useful[line.best]), shape)
    _names(axes, lines, shape, shape.letters(right - 30) if wide else 0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6 if wide else 4))
        axis.set_major_formatter(FuncFormatter(lambda v, _: count(v)))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("GPUs installed", fontsize=shape.font, color=MUTED)
    title(axes, "Useful GPUs", shape, left=58)
    return figure


def _all_useful(axes: Axes) -> None:
    """Where every GPU installed would be useful, as far as it is in the picture."""
    low, high = axes.get_xlim()
    top = axes.get_ylim()[1]
    if top <= low:
        return
    end = min(high, top)
    axes.plot([low, end], [low, end], color=BOUGHT, linewidth=1.4, zorder=0)


def _most(axes: Axes, line: Sized, shape: Shape) -> None:
    """The most of all lines: how much, and at which size."""
    x, y = line.installed[line.best], line.useful[line.best]
    low, high = axes.get_xlim()
    place = (x - low) / (high - low)
    side = "left" if place < 0.25 else "right" if place > 0.75 else "center"
    axes.plot([x, x], [0, y], color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    axes.annotate(
        f"{count(y)} useful of {count(x)}", (x, y),
        ({"left": -6, "center": 0, "right": 6}[side], 11), textcoords="offset points", ha=side,
        va="bottom", fontsize=shape.font, fontweight="bold", color=INK, annotation_clip=False,
    )  # fmt: skip


def _names(axes: Axes, lines: Sequence[Sized], shape: Shape, letters: int) -> None:
    """Names at the ends of lines, pushed apart where they would stand on each other."""
    if len(lines) < 2:
        return

    def end(line: Sized) -> float:
        return float(axes.transData.transform((0, line.useful[-1]))[1])

    free_from = -math.inf
    for line in sorted(lines, key=end):
        y = max(end(line), free_from)
        free_from = y + shape.font + 2
        short = run_letter(line.stroke)
        text = run_name(line.stroke, line.name, letters) if letters else short
        axes.annotate(
            text, (1, line.useful[-1]), xycoords=("axes fraction", "data"),
            xytext=(6, y - end(line) - 0.36 * shape.font), textcoords="offset points",
            fontsize=shape.font, color=run_stroke(line.stroke).colour, va="baseline",
            annotation_clip=False,
        )  # fmt: skip
