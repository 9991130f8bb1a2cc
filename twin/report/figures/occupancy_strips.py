"""Strips of nodes over time, one a run: which nodes were held, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from twin.report.figures.time_axis import run_clock
from twin.report.occupancy import Occupancy
from twin.report.theme import (
    GROUP_COLOURS,
    HELD_COLOURS,
    INK,
    PAPER,
    Shape,
    cut,
    legend,
    note,
    title,
)

_ROWS = 128.0  # height of a strip of many nodes [px]
_HEAD, _GAP, _AXIS, _LINE = 26.0, 10.0, 46.0, 20.0  # above and below strips, of the key [px]
_LEFT, _RIGHT = 58.0, 16.0
_IN_TWO = 4  # from so many strips on, they stand in two columns where there is room


@dataclass(frozen=True)
class Strip:
    """A run: its name, its nodes over time (None if it does not say) and when it ended. [s]

    A strip that is alone needs no name.
    """

    name: str
    nodes: Occupancy | None
    until_s: float


def abreast(strips: int, shape: Shape) -> int:
    """How many strips stand side by side."""
    return 2 if shape.width > 500 and strips >= _IN_TWO else 1


def bins(strips: int, shape: Shape) -> int:
    """How many bins of time a strip has room for: two pixels each."""
    return int((shape.width / abreast(strips, shape) - _LEFT - _RIGHT) / 2)


def occupancy_strips(strips: Sequence[Strip], shape: Shape) -> Figure:
    """One strip a run over a common clock; rows are nodes, the lowest id on top.

    Parameters
    ----------
    strips : sequence of Strip
        Made with the number of `bins` of this shape.
    """
    side = abreast(len(strips), shape)
    rows = [len(strip.nodes.nodes) if strip.nodes else 0 for strip in strips]
    row_px = max(1.0, min(12.0, _ROWS // max(*rows, 1)))
    heights = [max(row_px * each, 24.0) for each in rows]
    head_px = _HEAD if any(strip.name for strip in strips) else 4.0
    lines = [heights[k : k + side] for k in range(0, len(strips), side)]
    words, entries, in_line = _key(strips, shape)
    key = _LINE * (1 + math.ceil(len(entries) / in_line)) + 6
    total = key + sum(head_px + max(line) + _GAP for line in lines) + _AXIS
    figure = shape.figure(total)
    head = shape.axes(figure, left=0, right=0, top=key - 1, bottom=total - key)
    head.axis("off")
    title(head, words, shape, up=key - _LINE)
    legend(head, shape, entries, columns=in_line, up=4)
    width = shape.width / side
    end_s = max((strip.nodes.end_s for strip in strips if strip.nodes), default=0.0)
    top = key
    for index, strip in enumerate(strips):
        line, column = divmod(index, side)
        if column == 0:
            top += head_px + (max(lines[line - 1]) + _GAP if line else 0.0)
        axes = shape.axes(
            figure, left=column * width + _LEFT, right=shape.width - (column + 1) * width + _RIGHT,
            top=top, bottom=total - top - heights[index],
        )  # fmt: skip
        title(axes, strip.name, shape, left=_LEFT, up=7)
        _draw(axes, strip, end_s, shape)
        if index + side < len(strips):
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
    return figure


def _draw(axes: Axes, strip: Strip, end_s: float, shape: Shape) -> None:
    run_clock(axes, end_s, shape)
    found = strip.nodes
    if found is None:
        axes.set_yticks([])
        note(axes, "no record of who was where", shape)
        return
    n_rows, n_bins = found.held.shape
    if found.holder is None:
        palette, index = _rgb(HELD_COLOURS), np.rint(found.held * (len(HELD_COLOURS) - 1))
    else:
        palette, index = _rgb((*GROUP_COLOURS, HELD_COLOURS[0])), found.holder
    pixels = palette[index.astype(int)]
    pixels[:, np.arange(n_bins) >= strip.until_s / end_s * n_bins] = _rgb((PAPER,))[0]
    axes.imshow(
        pixels, extent=(0, end_s, n_rows, 0), aspect="auto", interpolation="none", origin="upper"
    )
    if strip.until_s < 0.995 * end_s:
        axes.axvline(strip.until_s, color=INK, linewidth=1)
    ticks, ends = ([0], [0.0]) if n_rows == 1 else ([0, n_rows - 1], [0.0, n_rows])
    axes.yaxis.set_major_locator(FixedLocator(ends))
    axes.yaxis.set_major_formatter(FixedFormatter([str(found.nodes[tick]) for tick in ticks]))
    labels = axes.get_yticklabels()
    labels[0].set_verticalalignment("top")
    labels[-1].set_verticalalignment("bottom" if n_rows > 1 else "top")
    axes.spines["left"].set_visible(False)


def _rgb(colours: Sequence[str]) -> np.ndarray:
    return np.array([[round(255 * part) for part in to_rgb(each)] for each in colours], np.uint8)


def _key(strips: Sequence[Strip], shape: Shape) -> tuple[str, list[tuple[str, str]], int]:
    """What the colours are, the entries, and how many of them stand in a line."""
    wide = shape.width > 500
    groups = next((s.nodes.groups for s in strips if s.nodes and s.nodes.groups), ())
    if groups:
        names = [cut(name, 15) for name in groups]
        entries = [*zip(names, GROUP_COLOURS, strict=False), ("free", HELD_COLOURS[0])]
        return "Who held most of the node", entries, 5 if wide else 2
    steps = range(0, len(HELD_COLOURS), 2)
    entries = [(f"{100 * k / (len(HELD_COLOURS) - 1):g}", HELD_COLOURS[k]) for k in steps]
    return "Share of the node's GPUs that jobs held, %", entries, 5
