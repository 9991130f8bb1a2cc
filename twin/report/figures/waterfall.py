"""A ledger from all there was down to "useful": where did the GPUs, or the energy, go?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.report.numbers import gpu_hours, percent
from twin.report.theme import BOUGHT, INK, MUTED, SHARE_COLOURS, Shape, baseline, note
from twin.tables import GPU_TIME_SHARES, Share

_ROW = 30.0  # height of a row [px]


@dataclass(frozen=True)
class Kind:
    """What a ledger splits, and how it is written.

    Parameters
    ----------
    shares : sequence of Share
        In the order of their rows, ``useful`` the last.
    colour : callable
        Name of a share -> its colour.
    whole : str
        What all of it is called.
    head, of_whole : str
        Over the column of amounts, and over that of percentages.
    amount : callable
        An amount in the ledger's unit -> text.
    nothing : str
        What is said where the total is zero.
    """

    shares: Sequence[Share]
    colour: Callable[[str], str]
    whole: str
    head: str
    of_whole: str
    amount: Callable[[float], str]
    nothing: str


GPU_TIME = Kind(
    shares=GPU_TIME_SHARES,
    colour=SHARE_COLOURS.__getitem__,
    whole="bought",
    head="GPU-hours",
    of_whole="of bought",
    amount=gpu_hours,
    nothing="no GPU-time: the run has no length",
)


def waterfall(ledger: Mapping[str, Any], shape: Shape, kind: Kind = GPU_TIME) -> Figure:
    """Bars from all that there was, less each share in turn, to what was useful.

    Parameters
    ----------
    ledger : mapping
        One of ``ledgers`` of a summary: ``total`` and ``shares`` [GPU s, or J]. Shares of zero get
        no row; the table beside the picture has them.
    shape : Shape
        Wide or narrow.
    """
    total = float(ledger["total"])
    shares = [(share, float(ledger["shares"].get(share.name, 0.0))) for share in kind.shares]
    rows = [(share, part) for share, part in shares if part > 0 or share.name == "useful"]
    figure = shape.figure(_ROW * (len(rows) + 1) + 32)
    axes = shape.axes(figure, left=shape.names, right=shape.values, top=28, bottom=4)
    axes.set(xlim=(0, 1), ylim=(len(rows) + 0.5, -0.5))
    axes.axis("off")
    if not total > 0:
        note(axes, kind.nothing, shape)
        return figure

    _texts(axes, shape, -0.8, "", kind.head, kind.of_whole, colour=MUTED)
    axes.barh(0, 1, height=0.62, color=BOUGHT)
    _texts(axes, shape, 0, kind.whole, kind.amount(total), percent(1), weight="bold")
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
            color=kind.colour(share.name),
            edgecolor=MUTED if share.name == "idle" else kind.colour(share.name),
            linewidth=0.5,
        )
        axes.plot([right, right], [y - 1 + 0.31, y + 0.31], color=MUTED, linewidth=0.7)
        weight = "bold" if share.name == "useful" else "normal"
        _texts(axes, shape, y, share.label, kind.amount(part), percent(width), weight=weight)
    return figure


def _texts(
    axes: Axes,
    shape: Shape,
    y: float,
    name: str,
    amount: str,
    share: str,
    *,
    colour: str = INK,
    weight: str = "normal",
) -> None:
    """Name at the left of a bar; at the right its percentage and, given room, its amount."""
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
        axes.annotate(amount, (1, y), (shape.values, low), color=MUTED, **style)
