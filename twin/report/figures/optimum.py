"""Useful GPUs against GPUs installed, a line a policy, the most of each marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from twin.report.figures.line_names import Name, line_names
from twin.report.numbers import count
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
    """A line: the figures of its points by size.

    Attributes
    ----------
    stroke : int
        Index of its stroke and its letter.
    name : str
    installed, useful : (n_point,) lists
        Means over seeds, ascending by GPUs installed.
    seeds : (n_point,) list of tuples
        Useful GPUs of each seed.
    """

    stroke: int
    name: str
    installed: Sequence[float]
    useful: Sequence[float]
    seeds: Sequence[tuple[float, ...]]

    @property
    def best(self) -> int:
        """Place of the point with the most useful GPUs, the smallest size among equals."""
        return max(range(len(self.useful)), key=lambda at: self.useful[at])


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
    if len(lines) > 1:
        line_names(axes, [_name(line, shape.letters(right - 30)) for line in lines], shape)
    for axis, (start, end) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        ticks = MaxNLocator(nbins=6 if wide else 4).tick_values(start, end)
        axis.set_major_locator(FixedLocator([t for t in ticks if start <= t <= end]))
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


def _name(line: Sized, letters: int) -> Name:
    """Its letter, and as much of its name as there is room for."""
    letter = run_letter(line.stroke)
    text = run_name(line.stroke, line.name, letters) if letters > 4 else letter
    return Name(text, run_stroke(line.stroke).colour, line.useful[-1])
