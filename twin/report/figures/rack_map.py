"""Racks in their rows: where power was drawn, where silicon was dark, where it was slowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from twin.report.figures.ledgers import on_colour
from twin.report.numbers import percent
from twin.report.racks import Racks, Shown
from twin.report.theme import MUTED, RAMPS, Shape, cut

_SIDES = (46, 40, 34, 28, 24, 20, 17, 14, 12, 10, 8, 7, 6, 5, 4, 3)  # of a rack [px]
_UNBROKEN = 24  # racks of a row that are kept on one line
_WRITTEN = 34  # side from which on a square bears its number [px]
_GUTTER, _HEAD, _SCALE, _BESIDE = 48.0, 48.0, 34.0, 24.0  # [px]
_STEPS = 16  # colours of a ramp


@dataclass(frozen=True)
class _Plan:
    """Where racks stand on a map. [px, y downwards]"""

    side: float
    at: NDArray[np.float64]  # (n_rack, 2) upper left corners
    lines: list[tuple[int, float]]  # number of the first row, and y, of each line
    height: float


def rack_map(found: Racks, shape: Shape) -> Figure:
    """Up to three maps, side by side or below each other; a square is a rack.

    Parameters
    ----------
    found : Racks
        What to show, from `twin.report.racks`.
    """
    wide = shape.width > 500
    across = len(found.shown) if wide else 1
    width = (shape.width - _BESIDE * (across - 1)) / across
    plan = _plan(found.row, width, 380.0 if wide else 260.0, labelled=found.level == "rack")
    down = 1 if wide else len(found.shown)
    block = _HEAD + plan.height + _SCALE
    total = down * block + 14 * (down - 1)
    figure = shape.figure(total)
    for index, shown in enumerate(found.shown):
        left = index * (width + _BESIDE) if wide else 0.0
        top = _HEAD + (0 if wide else index * (block + 14))
        axes = shape.axes(
            figure, left=left, right=shape.width - left - width, top=top,
            bottom=total - top - plan.height,
        )  # fmt: skip
        axes.set(xlim=(0, width), ylim=(plan.height, 0))
        axes.axis("off")
        _squares(axes, shown, plan, shape)
        _rows(axes, plan, shape, labelled=found.level == "rack")
        _scale(axes, shown, plan.height, shape)
        _words(axes, shown, width, shape)
    return figure


def _plan(row: NDArray[np.int64], width: float, most: float, *, labelled: bool) -> _Plan:
    """The largest squares at which all rows, laid out like words of a text, fit."""
    first = _GUTTER if labelled else 0.0
    sizes = np.unique(row, return_counts=True)[1].tolist()
    for side in _SIDES:
        across = max(1, int((width - first) // side))
        if across < min(max(sizes), _UNBROKEN) and side > _SIDES[-1]:
            continue
        at: list[tuple[float, float]] = []
        lines: list[tuple[int, float]] = []
        x, y, gap = width, -float(side), max(2.0, side / 3)
        for number, racks in enumerate(sizes):
            if x + racks * side > width:  # like a word that does not fit on the line
                y += side + (gap if number else 0.0)
                x = first
                lines.append((number, y))
            for rack in range(racks):
                if rack and rack % across == 0:  # a row that is longer than any line
                    x, y = first, y + side
                at.append((x, y))
                x += side
            x = width if racks > across else x + gap
        if y + side <= most or side == _SIDES[-1]:
            return _Plan(side, np.array(at), lines, y + side)
    raise AssertionError("the smallest side is always taken")


def _squares(axes: Axes, shown: Shown, plan: _Plan, shape: Shape) -> None:
    """All squares of a colour are one path of short thick strokes, the smallest SVG for them."""
    inner = plan.side - (1.0 if plan.side >= 5 else 0.5)
    step = np.minimum((shown.shares / shown.end * _STEPS).astype(int), _STEPS - 1)
    colours = _ramp(shown.name)
    for k in np.unique(step):
        at = plan.at[step == k]
        points = np.repeat(at, 2, axis=0)
        points[:, 1] += plan.side / 2
        points[1::2, 0] += inner
        codes = np.tile([Path.MOVETO, Path.LINETO], len(at)).astype(np.uint8)
        axes.add_patch(
            PathPatch(
                Path(points, codes), fill=False, edgecolor=colours[k], linewidth=inner,
                capstyle="butt", clip_on=False,
            )
        )  # fmt: skip
    if plan.side < _WRITTEN:
        return
    for (x, y), share, k in zip(plan.at, shown.shares, step, strict=True):
        axes.text(
            x + inner / 2, y + plan.side / 2 + 0.36 * shape.font, percent(share, 0), ha="center",
            va="baseline", fontsize=shape.font - 2, color=on_colour(colours[k]),
        )  # fmt: skip


def _ramp(name: str) -> list[str]:
    ramp = LinearSegmentedColormap.from_list(name, RAMPS[name])
    return [to_hex(ramp(k / (_STEPS - 1))) for k in range(_STEPS)]


def _rows(axes: Axes, plan: _Plan, shape: Shape, *, labelled: bool) -> None:
    """Names of rows that begin a line, or of every few where lines are low."""
    free_from = -1.0
    for row, y in plan.lines if labelled else ():
        middle = y + plan.side / 2
        if middle >= free_from:
            axes.text(
                0, middle + 0.33 * (shape.font - 2), f"row {row}", fontsize=shape.font - 2,
                color=MUTED, va="baseline",
            )  # fmt: skip
            free_from = middle + shape.font + 3


def _scale(axes: Axes, shown: Shown, height: float, shape: Shape) -> None:
    """The ramp below a map, from nothing to its end."""
    style: dict[str, Any] = {"fontsize": shape.font - 2, "color": MUTED, "va": "baseline"}
    y, wide = height + 14.0, 7.0
    axes.text(0, y + 9, percent(0, 0), **style)
    for k, colour in enumerate(_ramp(shown.name)):
        axes.add_patch(
            Rectangle((30 + wide * k, y), wide, 10, color=colour, linewidth=0, clip_on=False)
        )
    axes.text(36 + wide * _STEPS, y + 9, percent(shown.end, 0 if shown.end >= 0.01 else 2), **style)


def _words(axes: Axes, shown: Shown, width: float, shape: Shape) -> None:
    axes.annotate(
        cut(shown.note, shape.letters(width)), (0, 1), xycoords="axes fraction", xytext=(0, 9),
        textcoords="offset points", fontsize=shape.font - 1, color=MUTED, va="bottom",
        annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        shown.title, (0, 1), xycoords="axes fraction", xytext=(0, 27), textcoords="offset points",
        fontsize=shape.font, fontweight="bold", va="bottom", annotation_clip=False,
    )  # fmt: skip
