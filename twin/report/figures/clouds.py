"""Rented GPUs beside one's own over time, nodes taken back, and money spent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from twin.report.figures.line_names import Name, line_names
from twin.report.figures.time_axis import run_clock
from twin.report.figures.timeline import stepped
from twin.report.numbers import MINUS, count, money
from twin.report.rented import Rented, Spent
from twin.report.theme import (
    BUSY,
    INK,
    MUTED,
    OVER,
    RULE,
    SHARE_COLOURS,
    Shape,
    legend,
    title,
)

_GPUS, _MARKS, _MONEY, _GAP, _BOTTOM, _LINE = 190.0, 20.0, 130.0, 58.0, 46.0, 18.0  # [px]
_LEFT = 64.0
RENTED, WASTED = "#e69f00", "#f6dfae"
_COLOURS = {"own GPUs": BUSY, "rent": "#b87d00", "egress": OVER}


def clouds_over_time(found: Rented, money_spent: Sequence[Spent], shape: Shape) -> Figure:
    """Two panels over one clock: GPUs there and in use, and what had been spent.

    Parameters
    ----------
    found : Rented
        Made with the number of bins of this shape.
    money_spent : sequence of Spent
        At the edges of the same bins.
    """
    wide = shape.width > 500
    entries = [
        ("own, held", BUSY),
        ("own, free", SHARE_COLOURS["idle"]),
        ("rented, held", RENTED),
        ("rented, not held", WASTED),
    ]
    marks = _MARKS if found.reclaimed_s.size else 0.0
    if marks and not wide:
        entries.append((_taken(found), OVER))
    abreast = 4 if wide else 2
    key = 12 + _LINE * (1 + -(-len(entries) // abreast)) + marks
    total = key + _GPUS + _GAP + _MONEY + _BOTTOM
    # Names of lines stand right of the panels; phones have them in the panel's title.
    right = 170.0 if wide else 16.0
    figure = shape.figure(total)
    gpus = shape.axes(figure, left=_LEFT, right=right, top=key, bottom=total - key - _GPUS)
    paid = shape.axes(figure, left=_LEFT, right=right, top=key + _GPUS + _GAP, bottom=_BOTTOM)
    _gpus(gpus, found, shape)
    up = 9 + marks
    title(gpus, "GPUs there, and who held them", shape, left=_LEFT, up=key - 18)
    legend(gpus, shape, entries, columns=abreast, up=up, left=_LEFT)
    if marks:
        _reclaims(gpus, found, shape)
    _money(paid, found.edges_s, money_spent, shape, named=wide)
    for axes in (gpus, paid):
        run_clock(axes, float(found.edges_s[-1]), shape)
    gpus.set_xlabel("")
    gpus.tick_params(labelbottom=False)
    return figure


def _gpus(axes: Axes, found: Rented, shape: Shape) -> None:
    own = np.full(len(found.own_held), float(found.own))
    held = np.minimum(found.rented_held, found.rented)
    layers = (
        (0 * own, found.own_held, BUSY),
        (found.own_held, own, SHARE_COLOURS["idle"]),
        (own, own + held, RENTED),
        (own + held, own + found.rented, WASTED),
    )
    for low, high, colour in layers:
        axes.fill_between(
            found.edges_s, stepped(low), stepped(high), step="post", color=colour, linewidth=0
        )
    most = found.own + found.quota
    axes.axhline(found.own, color=INK, linewidth=1.1)
    axes.axhline(most, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_ylim(0, max(most, 1))
    axes.yaxis.set_major_locator(FixedLocator(sorted({0, found.own, most})))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: count(float(y))))
    axes.spines["left"].set_visible(False)
    if shape.width > 500:
        names = [
            Name(f"own, {count(found.own)}", INK, found.own),
            Name(f"with all of the quota, {count(most)}", MUTED, most),
        ]
        line_names(axes, names, shape)


def _reclaims(axes: Axes, found: Rented, shape: Shape) -> None:
    """A stroke for each node taken back, in a lane above the panel."""
    height = axes.bbox.height
    # Strokes nearer than a pixel are one.
    width_s = found.edges_s[-1] / axes.bbox.width
    at_s = np.unique(np.floor(found.reclaimed_s / width_s)) * width_s
    low, high = 1 + 4 / height, 1 + 14 / height
    axes.vlines(
        at_s, low, high, transform=axes.get_xaxis_transform(), color=OVER, linewidth=1.1,
        clip_on=False,
    )  # fmt: skip
    axes.plot([0, 1], [low, low], transform=axes.transAxes, color=RULE, lw=0.8, clip_on=False)
    if shape.width > 500:
        axes.annotate(
            _taken(found), (1, 1), xycoords="axes fraction", xytext=(7, 15),
            textcoords="offset points", fontsize=shape.font, color=OVER, va="baseline",
            annotation_clip=False,
        )  # fmt: skip


def _taken(found: Rented) -> str:
    return f"{count(found.reclaimed_s.size)} taken back"


def _money(
    axes: Axes, edges_s: np.ndarray, lines: Sequence[Spent], shape: Shape, *, named: bool
) -> None:
    highest = max((float(line.usd[-1]) for line in lines), default=0.0)
    for line in lines:
        axes.plot(edges_s, line.usd, color=_COLOURS[line.name], linewidth=1.8)
    axes.set_ylim(0, 1.08 * highest if highest > 0 else 1.0)
    ticks = MaxNLocator(nbins=3).tick_values(0, highest if highest > 0 else 1.0)
    axes.yaxis.set_major_locator(FixedLocator([t for t in ticks if t <= axes.get_ylim()[1]]))
    axes.yaxis.set_major_formatter(FuncFormatter(_dollars))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    if named:
        title(axes, "Spent since the start, USD", shape, left=_LEFT)
        names = [
            Name(f"{line.name}, {_written(line)}", _COLOURS[line.name], float(line.usd[-1]))
            for line in lines
        ]
        line_names(axes, names, shape)
    else:
        title(axes, "Spent since the start, USD", shape, left=_LEFT, up=31)
        entries = [
            (f"{line.name} {_dollars(float(line.usd[-1]))}", _COLOURS[line.name]) for line in lines
        ]
        legend(axes, shape, entries, columns=3, up=9, left=_LEFT)


def _written(line: Spent) -> str:
    """What was spent at the end, in full while that is short."""
    usd = float(line.usd[-1])
    return money(usd) if abs(usd) < 1e6 else f"{_dollars(usd)}\N{NO-BREAK SPACE}USD"


def _dollars(usd: float, _: object = None) -> str:
    sizes = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (0.0, ""))
    size, letter = next(pair for pair in sizes if abs(usd) >= pair[0])
    size = size or 1.0
    return f"{usd / size:.3g}{letter}".replace("-", MINUS)
