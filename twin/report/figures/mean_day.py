"""The mean day: who holds the GPUs by the hour, a panel a pool."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.held_panel import (
    AXIS,
    KEY_LINE,
    colours,
    held_panel,
    key,
    key_lines,
    of_pool,
)
from twin.report.mean_day import MeanDay
from twin.report.theme import MUTED, Shape, cut, title

_PANEL, _GAP, _TOP, _BOTTOM = 150.0, 72.0, 40.0, 46.0  # [px]
_RIGHT = 22.0


def mean_day(day: MeanDay, shape: Shape) -> Figure:
    """Panels side by side where there is room, each from 00:00 to 24:00."""
    side = len(day.pools) if shape.width > 500 else 1
    lines = -(-len(day.pools) // side)
    key_px = KEY_LINE * key_lines(day.holders, day.pools, shape)
    total = _TOP + key_px + lines * _PANEL + (lines - 1) * _GAP + _BOTTOM
    figure = shape.figure(total)
    # One pool alone need not be as wide as a page: a day is no more than that.
    width = min(shape.width / side, 560.0)
    paints = colours(day.holders)
    for index, pool in enumerate(day.pools):
        line, column = divmod(index, side)
        top = _TOP + key_px + line * (_PANEL + _GAP)
        left = column * width + AXIS
        axes = shape.axes(
            figure, left=left, right=shape.width - (column + 1) * width + _RIGHT,
            top=top, bottom=total - top - _PANEL,
        )  # fmt: skip
        hours = np.linspace(0, 24, pool.parts.shape[1] + 1)
        held_panel(axes, hours, pool, paints)
        words = of_pool(pool)
        words = words[0].upper() + words[1:]
        up = 9 if line else 13 + key_px
        title(axes, cut(words, shape.letters(width)), shape, left=AXIS, up=up)
        if index == 0:
            key(axes, day.holders, day.pools, shape)
        _hours(axes, day, shape)
    return figure


def _hours(axes: Axes, day: MeanDay, shape: Shape) -> None:
    axes.set_xlim(0, 24)
    axes.xaxis.set_major_locator(FixedLocator(range(0, 25, 6)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:02.0f}:00"))
    words = "time of day" if day.dated else "hours since the start, day upon day"
    axes.set_xlabel(words, fontsize=shape.font, color=MUTED, labelpad=4)
