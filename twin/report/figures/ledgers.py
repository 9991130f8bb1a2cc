"""GPU-time ledgers of several runs side by side, each as shares of what that run bought."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from twin.report.numbers import percent
from twin.report.theme import INK, MUTED, PAPER, SHARE_COLOURS, Shape, legend
from twin.tables import GPU_TIME_SHARES

_ROW, _KEY = 56.0, 20.0  # heights of a bar with its name, and of a line of the key [px]


def ledgers(names: Sequence[str], shares: Sequence[Mapping[str, float]], shape: Shape) -> Figure:
    """One bar a run from useful, at the left, to what was never powered, at the right.

    Parameters
    ----------
    names : sequence of str
        A name a run, short enough for a line.
    shares : sequence of mapping
        A mapping a run from share name to fraction of the GPU-time bought; they sum to one.
    """
    shown = [
        share
        for share in reversed(GPU_TIME_SHARES)
        if share.name == "useful" or any(each.get(share.name, 0) > 0 for each in shares)
    ]
    lines = math.ceil(len(shown) / (7 if shape.width > 500 else 2))
    columns = math.ceil(len(shown) / lines)  # as many on each line of the key
    key = _KEY * lines + 8
    figure = shape.figure(key + _ROW * len(names) + 8)
    axes = shape.axes(figure, left=0, right=0, top=key, bottom=4)
    axes.set(xlim=(0, 1), ylim=(len(names), 0))
    axes.axis("off")
    legend(axes, shape, [(s.label, SHARE_COLOURS[s.name]) for s in shown], columns=columns, up=6)
    for row, (name, parts) in enumerate(zip(names, shares, strict=True)):
        axes.annotate(
            name, (0, row), (0, -16), textcoords="offset points", va="center", fontsize=shape.font,
            fontweight="bold",
        )  # fmt: skip
        left = 0.0
        for share in shown:
            part = float(parts.get(share.name, 0.0))
            if not part > 0:
                continue
            colour = SHARE_COLOURS[share.name]
            edge = MUTED if share.name == "idle" else PAPER
            axes.barh(
                row + 0.7, part, left=left, height=0.46, color=colour, edgecolor=edge, linewidth=0.6
            )
            if part * shape.width > 50:
                axes.text(
                    left + part / 2, row + 0.78, percent(part), ha="center", va="baseline",
                    fontsize=shape.font - 1, color=on_colour(colour),
                )  # fmt: skip
            left += part
    return figure


def on_colour(colour: str) -> str:
    """The ink that reads on a colour, by its luma."""
    red, green, blue = to_rgb(colour)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else PAPER
