"""Letters on lines: each where its line is far from the others, and none on another letter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from twin.report.theme import BEHIND, MUTED, PAPER, Shape

Array = NDArray[np.float64]

_PLACES = 60  # along a line, of which the best is taken
_EDGE = 9.0  # from the panel's edges [px]


def line_letters(axes: Axes, lines: Sequence[Line2D], letters: Sequence[str], shape: Shape) -> None:
    """Write a letter in its line's colour on each line.

    Limits and scales of the axes must be set before. A line that has no point in the panel has no
    letter.
    """
    drawn = [_in_panel(axes, line) for line in lines]
    for index, at in enumerate(places(drawn, shape.font + 3)):
        if at is None:
            continue
        x, y = axes.transAxes.inverted().transform(at)
        axes.text(
            x, y, letters[index], transform=axes.transAxes, ha="center", va="center_baseline",
            fontsize=shape.font - 1, fontweight="bold", color=_ink(lines[index]), zorder=5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip


def _ink(line: Line2D) -> str:
    """The line's colour; that of lines which stand back is too light for type."""
    colour = str(line.get_color())
    return MUTED if colour == BEHIND else colour


def places(lines: Sequence[Array], gap: float) -> list[Array | None]:
    """A point on each line: far from other lines, and at least a gap from the points of others.

    Parameters
    ----------
    lines : sequence of (n_point, 2) array
        Points of each line. [px]
    gap : float
        Least distance of two points; where there is no room for it, the largest there is. [px]

    Returns
    -------
    list of (2,) array or None
        None for a line without points.
    """
    candidates = [line[_spread(line)] for line in lines]
    # How far from all other lines; beyond two gaps it makes no difference.
    clear = [
        np.minimum(_distance(points, [o for k, o in enumerate(lines) if k != index]), 2 * gap)
        for index, points in enumerate(candidates)
    ]
    taken: list[Array] = []
    found: list[Array | None] = [None] * len(lines)
    # Lines with the least room choose first.
    for index in sorted(range(len(lines)), key=lambda k: clear[k].max(initial=0.0)):
        points = candidates[index]
        if not len(points):
            continue
        away = _distance(points, [np.array([at]) for at in taken])
        best = int(np.argmax(np.minimum(away, gap) * 1e3 + np.minimum(clear[index], away)))
        found[index] = points[best]
        taken.append(points[best])
    return found


def _spread(line: Array) -> NDArray[np.intp]:
    """Indices of points evenly along the length of a line, from its middle outwards."""
    if not len(line):
        return np.empty(0, np.intp)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    where = np.linspace(0.03, 0.97, _PLACES)
    where = where[np.argsort(np.abs(where - 0.5), kind="stable")]
    index: NDArray[np.intp] = np.searchsorted(along, where * along[-1])
    return np.minimum(index, len(line) - 1)


def _distance(points: Array, lines: Sequence[Array]) -> Array:
    """Of each point from the nearest point of any of the lines."""
    there = [line for line in lines if len(line)]
    if not there:
        return np.full(len(points), np.inf)
    all_points = np.concatenate(there)
    apart: Array = np.hypot(
        points[:, None, 0] - all_points[None, :, 0], points[:, None, 1] - all_points[None, :, 1]
    ).min(axis=1, initial=np.inf)
    return apart


def _in_panel(axes: Axes, line: Line2D) -> Array:
    """Points of a line a few pixels apart, as far as they are well inside the panel. [px]"""
    at: Array = axes.transData.transform(np.asarray(line.get_xydata(), float))
    at = at[np.isfinite(at).all(axis=1)]
    if len(at) > 1:
        steps = np.hypot(*np.diff(at, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        fine = np.linspace(0, along[-1], max(2, min(2000, int(along[-1] / 4))))
        at = np.column_stack([np.interp(fine, along, at[:, k]) for k in (0, 1)])
    box = axes.bbox
    inside = (at[:, 0] > box.x0 + _EDGE) & (at[:, 0] < box.x1 - _EDGE)
    inside &= (at[:, 1] > box.y0 + _EDGE) & (at[:, 1] < box.y1 - _EDGE)
    kept: Array = at[inside]
    return kept
