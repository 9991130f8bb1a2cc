"""Services over time: replicas wanted and had, and below them who held the GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from twin.report.figures.held_panel import (
    AXIS,
    KEY_LINE,
    colours,
    held_panel,
    key,
    key_lines,
    of_pool,
)
from twin.report.figures.time_axis import run_clock
from twin.report.figures.timeline import count_axis, stepped
from twin.report.numbers import count, percent
from twin.report.service_series import Series, WhoHeld, joined, most_wanted
from twin.report.theme import INK, MUTED, OVER, RULE, Shape, cut, legend, note, title

_REPLICAS, _GPUS, _GAP, _KEY, _BOTTOM = 110.0, 150.0, 50.0, 58.0, 46.0  # heights [px]
_RIGHT = 16.0
_DAY_S = 86400.0


def services_over_time(
    series: Sequence[Series], held: WhoHeld, end_s: float, shape: Shape
) -> Figure:
    """A panel a service, then one a pool, over one clock.

    Parameters
    ----------
    series : sequence of Series
        Services that have a panel.
    held : WhoHeld
        Made with the number of bins of this shape.
    end_s : float
        Simulated time. [s]
    """
    lines = key_lines(held.holders, held.pools, shape)
    first_pool = KEY_LINE * (lines if series else lines - 1)  # its key is above it
    heights = [*[_REPLICAS] * len(series), *[_GPUS] * len(held.pools)]
    total = _KEY + sum(heights) + _GAP * (len(heights) - 1) + first_pool + _BOTTOM
    figure = shape.figure(total)
    panels, top = [], _KEY
    for index, height in enumerate(heights):
        top += first_pool if index == len(series) else 0.0
        panels.append(
            shape.axes(figure, left=AXIS, right=_RIGHT, top=top, bottom=total - top - height)
        )
        top += height + _GAP
    paints = colours(held.holders)
    for index, (axes, each) in enumerate(zip(panels, series, strict=False)):
        _replicas(axes, each, paints[min(index, len(paints) - 2)], shape, keyed=index == 0)
    for index, (axes, pool) in enumerate(zip(panels[len(series) :], held.pools, strict=True)):
        held_panel(axes, held.edges_s, pool, paints)
        words = f"Who held {of_pool(pool)}"
        letters = shape.letters(shape.width)
        up = 13 + KEY_LINE * lines if index == 0 else 9
        title(axes, cut(words, letters), shape, left=AXIS, up=up)
        if index == 0:
            key(axes, held.holders, held.pools, shape)
    for axes in panels:
        run_clock(axes, end_s, shape)
    for axes in panels[:-1]:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    if not panels:
        note(shape.axes(figure, left=0, right=0, top=0, bottom=0), "nothing to show", shape)
    return figure


def _replicas(axes: Axes, one: Series, colour: str, shape: Shape, *, keyed: bool) -> None:
    at_s, had = joined(one.edges_s, one.had, shape.bins)
    _, wanted = joined(one.edges_s, one.wanted, shape.bins)
    most = most_wanted(one, at_s)
    by_day = at_s[1] - at_s[0] >= _DAY_S
    if by_day:  # the tide of a day is gone from the mean
        axes.fill_between(at_s, 0, stepped(most), step="post", color=RULE, linewidth=0)
    axes.fill_between(at_s, 0, stepped(had), step="post", color=colour, linewidth=0)
    axes.fill_between(at_s, stepped(had), stepped(wanted), step="post", color=OVER, linewidth=0)
    axes.step(at_s, stepped(wanted), where="post", color=INK, linewidth=1.0)
    highest = float((most if by_day else wanted).max(initial=0.0))
    count_axis(axes, highest)
    ticks = MaxNLocator(nbins=3, integer=True).tick_values(0, max(highest, 1.0))
    axes.yaxis.set_major_locator(FixedLocator([t for t in ticks if t <= axes.get_ylim()[1]]))
    gpus = f"{count(one.gpus)} GPU" + ("" if one.gpus == 1 else "s")
    figure = f": {percent(one.share)} of wanted replica-time had"
    words = f"replicas of {gpus}"
    room = shape.letters(shape.width) - 2
    if len(figure) + len(words) + 20 > room:  # phones
        figure, words = f": {percent(one.share)} had", f"replicas of {gpus}"
    name = cut(one.name, max(room - len(figure) - len(words) - 2, 8))
    title(axes, f"{name}, {words}{figure}", shape, left=AXIS, up=31 if keyed else 9)
    if keyed:
        entries = [("had", colour), ("wanted, not had", OVER), ("wanted (line)", INK)]
        entries += [("at most", RULE)] if by_day and shape.width > 500 else []
        legend(axes, shape, entries, columns=len(entries), up=9, left=AXIS)
    axes.tick_params(axis="y", colors=MUTED)
