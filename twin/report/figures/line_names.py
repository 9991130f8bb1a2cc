"""Names where lines end, pushed apart where they would stand on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes

from twin.report.theme import Shape


@dataclass(frozen=True)
class Name:
    """The name of a line: its text and colour, and where the line ends. [unit of the axis]"""

    text: str
    colour: str
    end: float


def line_names(axes: Axes, names: Sequence[Name], shape: Shape) -> None:
    """Write each name right of the axes at the height of its line, or as near as there is room.

    Limits of the axes must be set before.
    """
    ends = [float(axes.transData.transform((0, name.end))[1]) for name in names]
    heights = apart(ends, shape.font + 2, axes.bbox.y1)
    for name, at, y in zip(names, ends, heights, strict=True):
        axes.annotate(
            name.text, (1, name.end), xycoords=("axes fraction", "data"),
            xytext=(7, y - at - 0.36 * shape.font), textcoords="offset points",
            fontsize=shape.font, color=name.colour, va="baseline", annotation_clip=False,
        )  # fmt: skip


def apart(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Heights near those asked for, in the same order, at least a gap apart and none above a top.

    >>> apart([1.0, 1.0, 9.0], 2.0, 9.0)
    [1.0, 3.0, 9.0]
    >>> apart([9.0, 8.0, 9.0], 2.0, 9.0)
    [7.0, 5.0, 9.0]
    """
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    found = list(heights)
    free_from = -math.inf
    for k in order:
        found[k] = max(found[k], free_from)
        free_from = found[k] + gap
    if order:
        found[order[-1]] = min(found[order[-1]], top)
    for above, below in pairwise(reversed(order)):
        found[below] = min(found[below], found[above] - gap)
    return found
