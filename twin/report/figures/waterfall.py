"""The GPU-time ledger from "bought" down to "useful": where did the GPUs go?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.report.numbers import gpu_hours, percent
from twin.report.theme import BOUGHT, INK, MUTED, SHARE_COLOURS, Shape, baseline, note
from twin.tables import GPU_TIME_SHARES

_ROW = 30.0  # height of a row [px]


def waterfall(ledger: Mapping[str, Any], shape: Shape) -> Figure:
    """Bars from all that was bought, less each share in turn, to what was useful.

    Parameters
    ----------
    ledger : mapping
        ``ledgers.gpu_time`` of a summary: ``total`` and ``shares`` [GPU s]. Shares of zero get no
        row; the table beside the picture has them.
    shape : Shape
        Wide or narrow.
    """
    total = float(ledger["total"])
    shares = [(share, float(ledger["shares"].get(share.name, 0.0))) for share in GPU_TIME_SHARES]
    rows = [(share, part) for share, part in shares if part > 0 or share.name == "useful"]
    figure = shape.figure(_ROW * (len(rows) + 1) + 32)
    axes = shape.axes(figure, left=shape.names, right=shape.values, top=28, bottom=4)
    axes.set(xlim=(0, 1), ylim=(len(rows) + 0.5, -0.5))
    axes.axis("off")
    if not total > 0:
        note(axes, "no GPU-time: the run has no length", shape)
        return figure

    _texts(axes, shape, -0.8, "", "GPU-hours", "of bought", colour=MUTED)
    axes.barh(0, 1, height=0.62, color=BOUGHT)
    _texts(axes, shape, 0, "bought", gpu_hours(total), percent(1), weight="bold")
    left = 1.0
    for y, (share, part) in enumerate(rows, start=1):
        width = part / total
        right, left = left, (0.0 if share.name == "useful" else left - width)
        # A share too small for a pixel still shows as a hairline.
        axes.barh(
            y,
            max(width, 1.5 / shape.width),
            left=left,
            height=0.62,
            color=SHARE_COLOURS[share.name],
            edgecolor=MUTED if share.name == "idle" else SHARE_COLOURS[share.name],
            linewidth=0.5,
        )
        axes.plot([right, right], [y - 1 + 0.31, y + 0.31], color=MUTED, linewidth=0.7)
        weight = "bold" if share.name == "useful" else "normal"
        _texts(axes, shape, y, share.label, gpu_hours(part), percent(width), weight=weight)
    return figure


def _texts(
    axes: Axes,
    shape: Shape,
    y: float,
    name: str,
    hours: str,
    share: str,
    *,
    colour: str = INK,
    weight: str = "normal",
) -> None:
    """Name at the left of a bar; at the right its percentage and, given room, GPU-hours."""
    style: dict[str, Any] = {
        "xycoords": ("axes fraction", "data"),
        "textcoords": "offset points",
        "fontsize": shape.font,
        "va": "baseline",
        "ha": "right",
        "ma": "right",
        "annotation_clip": False,
    }
    lines = name.replace(" ", "\n") if shape.names < 150 else name
    low, lowest = baseline(shape.font), baseline(shape.font, lines.count("\n") + 1)
    axes.annotate(
        lines, (0, y), (-12, lowest), weight=weight, color=colour, linespacing=1.0, **style
    )
    axes.annotate(share, (1, y), (64, low), weight=weight, color=colour, **style)
    if shape.values > 100:
        axes.annotate(hours, (1, y), (shape.values, low), color=MUTED, **style)
