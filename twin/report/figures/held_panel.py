"""A panel of GPUs by who holds them, stacked up to what is installed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.timeline import stepped
from twin.report.held import Held
from twin.report.numbers import count
from twin.report.theme import BATCH, INK, PAPER, SERVICE_COLOURS, SHARE_COLOURS, Shape, cut, legend

FREE = ("free", SHARE_COLOURS["idle"])
GUESTS = ("line: jobs in gaps", "#b8264f")
AXIS = 58.0  # room for the names of ticks left of a panel [px]
KEY_LINE = 18.0  # [px]


def colours(holders: Sequence[str]) -> list[str]:
    """Of services in their order; the last holder is the jobs."""
    return [*SERVICE_COLOURS[: len(holders) - 1], BATCH]


def key_lines(holders: Sequence[str], pools: Sequence[Held], shape: Shape) -> int:
    """Lines that the key takes above a panel."""
    return -(-len(_entries(holders, pools, shape)) // _abreast(shape))


def key(axes: Axes, holders: Sequence[str], pools: Sequence[Held], shape: Shape) -> None:
    """Who has which colour, above a panel."""
    entries = _entries(holders, pools, shape)
    legend(axes, shape, entries, columns=min(_abreast(shape), len(entries)), up=9, left=AXIS)


def _entries(holders: Sequence[str], pools: Sequence[Held], shape: Shape) -> list[tuple[str, str]]:
    names = [cut(name, 18 if shape.width > 500 else 10) for name in holders]
    lodged = [GUESTS] if any(pool.guests.any() for pool in pools) else []
    return [*zip(names, colours(holders), strict=True), FREE, *lodged]


def _abreast(shape: Shape) -> int:
    return 6 if shape.width > 500 else 3


def of_pool(pool: Held) -> str:
    """A pool in words."""
    if not pool.pool:
        return f"the {count(pool.gpus)} GPUs of the site"
    if pool.cloud:
        return f"GPUs rented of {pool.pool}, {count(pool.gpus)} at most"
    return f"the {count(pool.gpus)} GPUs of pool {pool.pool}"


def held_panel(axes: Axes, edges: np.ndarray, pool: Held, paints: Sequence[str]) -> None:
    """Draw what holders hold from the ground up, and what is left of the GPUs behind it.

    Jobs that are guests hold nothing: a line says on how many GPUs of services they are.

    Parameters
    ----------
    edges : (n_bin + 1,) array
        In the unit of the x axis.
    """
    gpus = pool.gpus
    axes.set_ylim(0, max(gpus, 1))
    if not pool.cloud:  # what is not rented is not free
        axes.axhspan(0, max(gpus, 1), color=FREE[1], linewidth=0, zorder=0)
    below: np.ndarray | float = 0.0
    for part, colour in zip(pool.parts, paints, strict=True):
        above = below + stepped(part)
        axes.fill_between(edges, below, above, step="post", color=colour, linewidth=0)
        below = above
    if pool.guests.any():
        axes.step(edges, stepped(pool.guests), where="post", color=PAPER, linewidth=3.4)
        axes.step(edges, stepped(pool.guests), where="post", color=GUESTS[1], linewidth=1.7)
    axes.yaxis.set_major_locator(FixedLocator([0, gpus / 2, gpus]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: count(y)))
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(INK)
