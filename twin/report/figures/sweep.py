"""One headline figure of a sweep along one axis, a line for each combination of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from twin.report.numbers import headline, is_number
from twin.report.points import Point
from twin.report.theme import MUTED, Shape, baseline, run_stroke, title
from twin.tables import Headline

_PANEL, _ROW, _TOP, _BOTTOM = 150.0, 26.0, 32.0, 46.0  # [px]


@dataclass(frozen=True)
class Line:
    """Points that share all but one axis, and the index of their stroke."""

    stroke: int
    points: tuple[Point, ...]


def sweep(entry: Headline, lines: Sequence[Line], axis: str, along: int, shape: Shape) -> Figure:
    """A figure's mean over seeds along an axis; where there are several seeds, each as a dot.

    Parameters
    ----------
    entry : Headline
        The figure.
    lines : sequence of Line
        The points, by the values of the other axes.
    axis : str
        Name of the axis along which they stand.
    along : int
        Its position among the axes.
    """
    points = [point for line in lines for point in line.points]
    numeric = all(is_number(point.numeric[along]) for point in points)
    return (_over_numbers if numeric else _over_names)(entry, lines, axis, along, shape)


def _over_numbers(
    entry: Headline, lines: Sequence[Line], axis: str, along: int, shape: Shape
) -> Figure:
    figure = shape.figure(_TOP + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=62, right=18, top=_TOP, bottom=_BOTTOM)
    for line in lines:
        ordered = sorted(line.points, key=lambda point: point.numeric[along])
        known = [point for point in ordered if point.figures[entry]]
        at = [point.numeric[along] for point in known]
        _line(axes, line, at, [point.mean(entry) for point in known])
        for x, point in zip(at, known, strict=True):
            if len(point.figures[entry]) > 1:
                _seeds(axes, line, [x] * len(point.figures[entry]), point.figures[entry])
    values = sorted({point.numeric[along] for line in lines for point in line.points})
    scale = ""
    if values[0] > 0 and values[-1] >= 4 * values[0]:
        scale = " (logarithmic)"
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(_apart(axes, values)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.6g}"))
    axes.set_xlabel(_cut(axis, 30) + scale, fontsize=shape.font, color=MUTED)
    words = _figure_axis(axes, axes.yaxis, entry, lines)
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    title(axes, words, shape, left=62)
    return figure


def _over_names(
    entry: Headline, lines: Sequence[Line], axis: str, along: int, shape: Shape
) -> Figure:
    names = list(dict.fromkeys(point.key[along] for line in lines for point in line.points))
    figure = shape.figure(_TOP + _ROW * len(names) + _BOTTOM)
    axes = shape.axes(figure, left=shape.names, right=22, top=_TOP, bottom=_BOTTOM)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([])
    for line in lines:
        # Lines of one row stand a little above each other, so that equal values stay apart.
        shift = 0.5 * ((line.stroke + 0.5) / max(len(lines), 1) - 0.5) if len(lines) > 1 else 0.0
        for point in line.points:
            found = point.figures[entry]
            if not found:
                continue
            y = names.index(point.key[along]) + shift
            if len(found) > 1:
                _seeds(axes, line, found, [y] * len(found))
            stroke = run_stroke(line.stroke)
            axes.plot(
                [point.mean(entry)],
                [y],
                color=stroke.colour,
                marker="o",
                markersize=7,
                clip_on=False,
            )
    for y, name in enumerate(names):
        axes.annotate(
            _cut(name, 15), (0, y), (-10, baseline(shape.font)), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right", va="baseline", fontsize=shape.font,
            annotation_clip=False,
        )  # fmt: skip
        axes.axhline(y, color="#e6eaee", linewidth=0.8, zorder=0)
    words = _figure_axis(axes, axes.xaxis, entry, lines)
    axes.spines["left"].set_visible(False)
    title(axes, words, shape, left=shape.names)
    axes.set_xlabel(f"by {_cut(axis, 40)}", fontsize=shape.font, color=MUTED)
    return figure


def _apart(axes: Axes, values: Sequence[float]) -> list[float]:
    """Those of the values whose labels do not run into each other."""
    axes.get_xlim()  # has the limits found before anything is placed by them
    kept: list[float] = []
    free_from = -math.inf
    for value in values:
        at = float(axes.transData.transform((value, 0))[0])
        half = 4.0 * len(f"{value:,.6g}") + 3
        if at - half >= free_from:
            kept.append(value)
            free_from = at + half
    return kept


def _line(axes: Axes, line: Line, x: Sequence[float], y: Sequence[float]) -> None:
    stroke = run_stroke(line.stroke)
    style: dict[str, Any] = {"linewidth": 1.6, "marker": "o", "markersize": 5, "clip_on": False}
    axes.plot(x, y, color=stroke.colour, linestyle=stroke.dash, **style)


def _seeds(axes: Axes, line: Line, x: Sequence[float], y: Sequence[float]) -> None:
    colour = run_stroke(line.stroke).colour
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=3.5, color=colour, alpha=0.35, clip_on=False
    )


def _figure_axis(axes: Axes, axis: Any, entry: Headline, lines: Sequence[Line]) -> str:
    """The figure's own axis: from zero unless all values lie close together; the title."""
    values = [v for line in lines for point in line.points for v in point.figures[entry]]
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.08 * abs(high) or 1.0
    start = 0.0 if 0 <= low < 0.6 * high or low == high else low - margin
    limits = (start, high + margin)
    (axes.set_ylim if axis is axes.yaxis else axes.set_xlim)(limits)
    size, unit, in_title = _unit(entry, limits[1])
    ticks = [size * t for t in MaxNLocator(nbins=4).tick_values(start / size, limits[1] / size)]
    axis.set_major_locator(FixedLocator([t for t in ticks if start <= t <= limits[1]]))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / size:,.10g}{unit}"))
    return entry.label + in_title


# Units that ticks are written in: sizes from the largest, and whether the title has the sign, as
# ticks of these have no room for it.
_UNITS: Mapping[str, tuple[tuple[tuple[float, str], ...], bool]] = {
    "s": (((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (0.0, "s")), False),
    "W": (((1e6, "MW"), (1e3, "kW"), (0.0, "W")), False),
    "USD": (((1e6, "million USD"), (1e3, "thousand USD"), (0.0, "USD")), True),
    "kg": (((1e3, "t"), (0.0, "kg")), True),
}


def _unit(entry: Headline, high: float) -> tuple[float, str, str]:
    """Size of the unit of an axis, what its ticks bear of its sign, and what the title does."""
    blank = "\N{NO-BREAK SPACE}"
    if entry.unit in _UNITS:
        sizes, above = _UNITS[entry.unit]
        size, sign = next((size, sign) for size, sign in sizes if high >= 2 * size)
        return size or 1.0, "" if above else blank + sign, f", {sign}" if above else ""
    if headline(entry, 0.5).endswith("%"):
        return 0.01, f"{blank}%", ""
    return 1.0, blank + entry.unit if entry.unit else "", ""


def _cut(text: str, length: int) -> str:
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return plain if len(plain) <= length else plain[: length - 1] + "…"
