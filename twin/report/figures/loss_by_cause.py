"""What each class of parts cost, by kind of loss: where does it pay to look first?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.report.figures.ledgers import on_colour
from twin.report.numbers import gpu_hours, percent
from twin.report.reliability import cost_gpu_s
from twin.report.theme import (
    INK,
    LOSS_COLOURS,
    MUTED,
    PAPER,
    Shape,
    baseline,
    cut,
    legend,
    note,
)
from twin.tables import INCIDENT_COSTS

_ROW, _MOST = 30.0, 10  # height of a row [px]; rows, the last for all others


def loss_by_cause(rows: Sequence[Mapping[str, Any]], shape: Shape) -> Figure:
    """A bar a class of parts, the dearest first, in shares by kind.

    Parameters
    ----------
    rows : sequence of mapping
        ``reliability.by_component`` of a summary, dearest first. [GPU s]
    """
    bars = [(str(row["component"]), [float(row[c.column]) for c in INCIDENT_COSTS]) for row in rows]
    total = sum(cost_gpu_s(row) for row in rows)
    bars = [bar for bar in bars if sum(bar[1]) > 0]
    if len(bars) > _MOST:
        others = bars[_MOST - 1 :]
        rest = [sum(parts) for parts in zip(*(costs for _, costs in others), strict=True)]
        bars = [*bars[: _MOST - 1], (f"{len(others)} others", rest)]
    shown = [i for i in range(len(INCIDENT_COSTS)) if any(costs[i] > 0 for _, costs in bars)]
    columns = 5 if shape.width > 500 else 3
    key = 20.0 * -(-len(shown) // columns) + 34
    figure = shape.figure(_ROW * max(len(bars), 2) + key + 10)
    axes = shape.axes(figure, left=shape.names, right=shape.values, top=key, bottom=8)
    axes.set(xlim=(0, 1), ylim=(max(len(bars), 1) - 0.5, -0.5))
    axes.axis("off")
    if not bars:
        note(axes, "failures cost no GPU-time", shape)
        return figure
    entries = [(INCIDENT_COSTS[i].label, LOSS_COLOURS[INCIDENT_COSTS[i].name]) for i in shown]
    left = shape.names if shape.width < 500 else 0.0
    legend(axes, shape, entries, columns=columns, up=28, left=left)
    _right(axes, shape, -0.5, "of all", "GPU-hours", colour=MUTED, up=8)
    longest = max(sum(costs) for _, costs in bars)
    for y, (name, costs) in enumerate(bars):
        _bar(axes, shape, y, [part / longest for part in costs], costs)
        axes.annotate(
            cut(name, shape.letters(shape.names - 12)), (0, y), (-12, baseline(shape.font)),
            xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
            va="baseline", fontsize=shape.font, annotation_clip=False,
        )  # fmt: skip
        _right(axes, shape, y, percent(sum(costs) / total), gpu_hours(sum(costs)))
    return figure


def _bar(axes: Axes, shape: Shape, y: int, widths: Sequence[float], costs: Sequence[float]) -> None:
    """The shares of one class side by side, labelled with GPU-hours where there is room."""
    left = 0.0
    for cost, width, part in zip(INCIDENT_COSTS, widths, costs, strict=True):
        if not width > 0:
            continue
        colour = LOSS_COLOURS[cost.name]
        # A share too small for a pixel still shows as a hairline.
        seen = max(width, 1.5 / shape.width)
        axes.barh(
            y, seen, left=left, height=0.66, color=colour, edgecolor=PAPER, linewidth=0.7,
            clip_on=False,
        )  # fmt: skip
        text = gpu_hours(part)
        if width * axes.bbox.width > 8 * len(text) + 10:
            axes.annotate(
                text, (left + width / 2, y), (0, baseline(shape.font - 1)), va="baseline",
                textcoords="offset points", ha="center", fontsize=shape.font - 1,
                color=on_colour(colour),
            )  # fmt: skip
        left += width


def _right(
    axes: Axes, shape: Shape, y: float, share: str, hours: str, *, colour: str = INK, up: float = 0
) -> None:
    """The share of all losses and, given room, GPU-hours, right of a bar."""
    low = up or baseline(shape.font)
    style: dict[str, Any] = {
        "xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right",
        "va": "baseline", "fontsize": shape.font, "annotation_clip": False,
    }  # fmt: skip
    axes.annotate(share, (1, y), (64, low), color=colour, **style)
    if shape.values > 100:
        axes.annotate(hours, (1, y), (shape.values, low), color=MUTED, **style)
