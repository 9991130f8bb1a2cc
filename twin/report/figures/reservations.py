"""Reservations over time: a bar each, as high as the nodes asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.time_axis import window_clock
from twin.report.figures.timeline import stepped
from twin.report.numbers import count, percent
from twin.report.theme import BUSY, INK, MUTED, OVER, SHARE_COLOURS, Shape, cut, legend, title

_LANE, _GAP, _BOTTOM, _LINE = 56.0, 34.0, 46.0, 18.0  # [px]
_LEFT, _RIGHT = 58.0, 46.0  # half a tick label stands right of the last
_MARGIN = 0.03  # of the time shown, before the first and after the last

# Part, its name in the key, colour; from the ground up.
_PARTS = (
    ("used", "used by its jobs", BUSY),
    ("others", "held by others", "#cc79a7"),
    ("idle", "idle", SHARE_COLOURS["idle"]),
    ("short", "not had", OVER),
)
_DRAIN = ("drained before", "#f0d9a8")


@dataclass(frozen=True)
class Lane:
    """A reservation.

    Attributes
    ----------
    name, pool : str
    nodes : float
        Asked for.
    closes_s, start_s, end_s : float
        When its nodes close, when it begins, and when it or the run ends. [s]
    complete_s : float
        When all nodes were had; the start if they never were. [s]
    complete : str
        The same in words.
    parts : mapping
        ``used``, ``others``, ``idle``, ``short`` -> nodes, means from start to end.
    used : (n_bin + 1,) and (n_bin,) arrays, or None
        Edges of bins [s] and nodes used in each; None if only the mean is known.
    """

    name: str
    pool: str
    nodes: float
    closes_s: float
    start_s: float
    end_s: float
    complete_s: float
    complete: str
    parts: Mapping[str, float]
    used: tuple[np.ndarray, np.ndarray] | None


def reservations_over_time(lanes: Sequence[Lane], shape: Shape) -> Figure:
    """A lane a reservation over one clock, from the first that closes to the last that ends."""
    entries = [(name, colour) for part, name, colour in _PARTS if _any(lanes, part)]
    if any(lane.closes_s < lane.start_s for lane in lanes):
        entries.append(_DRAIN)
    abreast = len(entries) if shape.width > 500 else 2
    key = _LINE * -(-len(entries) // abreast) + 20
    lines = 1 if shape.width > 500 else 2  # of words above a lane
    head = 14.0 + _LINE * lines
    total = key + len(lanes) * (head + _LANE) + (len(lanes) - 1) * (_GAP - 20) + _BOTTOM
    figure = shape.figure(total)
    from_s, to_s = min(lane.closes_s for lane in lanes), max(lane.end_s for lane in lanes)
    margin_s = _MARGIN * (to_s - from_s)
    for index, lane in enumerate(lanes):
        top = key + head + index * (head + _LANE + _GAP - 20)
        axes = shape.axes(figure, left=_LEFT, right=_RIGHT, top=top, bottom=total - top - _LANE)
        _draw(axes, lane)
        _words(axes, lane, shape, lines)
        if index == 0:
            legend(axes, shape, entries, columns=abreast, up=head + 10, left=_LEFT)
        window_clock(axes, max(from_s - margin_s, 0.0), to_s + margin_s, shape)
        if index + 1 < len(lanes):
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
    return figure


def _any(lanes: Sequence[Lane], part: str) -> bool:
    return any(lane.parts[part] > 1e-9 * lane.nodes for lane in lanes)


def _words(axes: Axes, lane: Lane, shape: Shape, lines: int) -> None:
    nodes = f"{count(lane.nodes)} node" + ("" if lane.nodes == 1 else "s")
    told = [f"{percent(lane.parts['used'] / lane.nodes)} used"]
    if lane.parts["short"] > 1e-9 * lane.nodes:
        told.append(f"{percent(lane.parts['short'] / lane.nodes)} not had")
    told += [lane.complete] if lane.complete.endswith(("late", "all")) else []
    figures = ", ".join(told)
    room = shape.letters(shape.width) - 4
    if lines == 1:
        name = cut(lane.name, 40)
        pool = cut(lane.pool, max(room - len(name) - len(nodes) - len(figures) - 12, 8))
        title(axes, f"{name}: {nodes} of {pool}; {figures}", shape, left=_LEFT, up=10)
        return
    end = f": {nodes} of {cut(lane.pool, 14)}"
    title(axes, cut(lane.name, room - len(end)) + end, shape, left=_LEFT, up=10 + _LINE)
    title(axes, figures, shape, left=_LEFT, up=10)


def _draw(axes: Axes, lane: Lane) -> None:
    span_s = lane.start_s, lane.end_s
    if lane.closes_s < lane.start_s:
        axes.fill_between(
            [lane.closes_s, lane.start_s], 0, lane.nodes, color=_DRAIN[1], linewidth=0
        )
    below = 0.0
    for part, _, colour in _PARTS:
        if lane.used is not None and part == "used":
            continue  # drawn over the rest, hour by hour
        above = lane.nodes if part == "short" else below + lane.parts[part]
        if lane.used is not None and part == "idle":
            above = lane.nodes
        if above - below > 1e-9 * lane.nodes:
            axes.fill_between(span_s, below, above, color=colour, linewidth=0)
        below = above
    if lane.used is not None:
        edges_s, used = lane.used
        axes.fill_between(
            edges_s, 0, stepped(used), step="post", color=dict(_colours())["used"], linewidth=0
        )
    axes.plot(
        [lane.start_s, lane.start_s, lane.end_s, lane.end_s], [0, lane.nodes, lane.nodes, 0],
        color=INK, linewidth=1.0, solid_joinstyle="miter", clip_on=False,
    )  # fmt: skip
    if lane.complete_s > lane.start_s + 1:
        axes.plot([lane.complete_s] * 2, [0, lane.nodes], color=INK, linewidth=1.4, dashes=(3, 2))
    axes.set_ylim(0, lane.nodes)
    axes.yaxis.set_major_locator(FixedLocator([0, lane.nodes]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: count(y)))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", colors=MUTED)


def _colours() -> list[tuple[str, str]]:
    return [(part, colour) for part, _, colour in _PARTS]
