"""A panel of GPUs by who holds them, stacked up to what is installed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.timeline import stepped
from twin.report.numbers import count
from twin.report.theme import BATCH, INK, SERVICE_COLOURS, SHARE_COLOURS, Shape, cut, legend

FREE = ("free", SHARE_COLOURS["idle"])
AXIS = 58.0  # room for the names of ticks left of a panel [px]
KEY_LINE = 18.0  # [px]


def colours(holders: Sequence[str]) -> list[str]:
    """Of services in their order; the last holder is the jobs."""
    return [*SERVICE_COLOURS[: len(holders) - 1], BATCH]


def key_lines(holders: Sequence[str], shape: Shape) -> int:
    """Lines that the key takes above a panel."""
    return -(-(len(holders) + 1) // _abreast(shape))


def key(axes: Axes, holders: Sequence[str], shape: Shape) -> None:
    """Who has which colour, above a panel."""
    names = [cut(name, 18 if shape.width > 500 else 10) for name in holders]
    entries = [*zip(names, colours(holders), strict=True), FREE]
    legend(axes, shape, entries, columns=min(_abreast(shape), len(entries)), up=9, left=AXIS)


def _abreast(shape: Shape) -> int:
    return 6 if shape.width > 500 else 3


def held_panel(
    axes: Axes, edges: np.ndarray, parts: np.ndarray, gpus: float, paints: Sequence[str]
) -> None:
    """Draw what holders hold from the ground up, and what is left of the GPUs behind it.

    Parameters
    ----------
    edges : (n_bin + 1,) array
        In the unit of the x axis.
    parts : (n_holder, n_bin) array
        GPUs.
    """
    axes.set_ylim(0, max(gpus, 1))
    axes.axhspan(0, max(gpus, 1), color=FREE[1], linewidth=0, zorder=0)
    below: np.ndarray | float = 0.0
    for part, colour in zip(parts, paints, strict=True):
        above = below + stepped(part)
        axes.fill_between(edges, below, above, step="post", color=colour, linewidth=0)
        below = above
    axes.yaxis.set_major_locator(FixedLocator([0, gpus / 2, gpus]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: count(y)))
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(INK)
