"""Incidents under the GPUs at work: what did each of them take away?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.time_axis import run_clock, thinned
from twin.report.figures.timeline import stepped
from twin.report.numbers import count, gpu_hours
from twin.report.reliability import named
from twin.report.theme import (
    BUSY,
    INK,
    MUTED,
    PAPER,
    SHARE_COLOURS,
    WASH,
    Shape,
    baseline,
    cut,
    legend,
)
from twin.tables import INCIDENT_COSTS

_PANEL, _LANE, _FLAG, _BOTTOM = 170.0, 24.0, 19.0, 46.0  # heights [px]
_LANES, _NAMED = 7, 3  # lanes, the last for all other causes; incidents that are named


def incidents(
    table: pd.DataFrame, timeline: pd.DataFrame, end_s: float, gpus: int, shape: Shape
) -> Figure:
    """GPUs at work over time, and under them a lane of marks a class of parts.

    Parameters
    ----------
    table : DataFrame
        The run's `twin.tables.INCIDENTS`.
    timeline : DataFrame
        Its `twin.tables.TIMELINE`.
    end_s : float
        End of the run. [s]
    gpus : int
        GPUs installed.
    """
    cost_gpu_s = table[[cost.column for cost in INCIDENT_COSTS]].to_numpy(float).sum(axis=1)
    component = table["component"].astype(str).to_numpy()
    lanes = _lanes(component, cost_gpu_s)
    dearest = np.argsort(-cost_gpu_s, kind="stable")[:_NAMED]
    flagged = sorted(
        (int(i) for i in dearest if cost_gpu_s[i] > 0), key=table["time_s"].iloc.__getitem__
    )
    top = 32 + _FLAG * len(flagged) + 12
    below = _LANE * len(lanes) + _BOTTOM
    figure = shape.figure(top + _PANEL + 14 + below)
    panel = shape.axes(figure, left=shape.names, right=16, top=top, bottom=below + 14)
    marks = shape.axes(figure, left=shape.names, right=16, top=top + _PANEL + 14, bottom=_BOTTOM)
    _at_work(panel, timeline, end_s, gpus, shape, up=_FLAG * len(flagged) + 12)
    time_s = table["time_s"].to_numpy(float)
    for lane, (name, mine) in enumerate(lanes):
        _lane(marks, lane, name, time_s[mine], end_s, shape)
    marks.set_ylim(len(lanes) - 0.5, -0.5)
    marks.set_yticks([])
    marks.spines["left"].set_visible(False)
    for axes in (panel, marks):
        run_clock(axes, end_s, shape)
    panel.set_xlabel("")
    panel.tick_params(labelbottom=False)
    for level, row in enumerate(flagged):
        incident = table.iloc[row]
        lane = next(at for at, (_, mine) in enumerate(lanes) if mine[row])
        up = _FLAG * (len(flagged) - level)
        words = named(incident["component"], incident["domain"])
        hours = f"{gpu_hours(cost_gpu_s[row])}\N{NO-BREAK SPACE}GPU-h"
        _flag(panel, marks, lane, time_s[row], end_s, words, hours, up, shape)
    return figure


def _lanes(component: np.ndarray, cost_gpu_s: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """A name and the incidents of each lane, the dearest cause first."""
    names, of = np.unique(component, return_inverse=True)
    order = np.argsort(-np.bincount(of, weights=cost_gpu_s), kind="stable")
    if len(names) <= _LANES:
        return [(names[i], of == i) for i in order]
    rest = order[_LANES - 1 :]
    first = [(names[i], of == i) for i in order[: _LANES - 1]]
    return [*first, (f"{len(rest)} others", np.isin(of, rest))]


def _at_work(
    axes: Axes, timeline: pd.DataFrame, end_s: float, gpus: int, shape: Shape, *, up: float
) -> None:
    """GPUs that compute, those that are held and do not, and from above those that are down."""
    start_s = timeline["time_s"].to_numpy(float)
    shown = []
    if len(start_s):
        edges_s = np.append(start_s, max(end_s, start_s[-1]))

        def series(column: str) -> tuple[np.ndarray, np.ndarray]:
            at_s, mean, _ = thinned(edges_s, timeline[column].to_numpy(float), shape.bins)
            return at_s, stepped(mean)

        at_s, held = series("busy_gpus")
        _, working = series("working_gpus")
        _, down = series("down_gpus")
        style: dict[str, Any] = {"step": "post", "linewidth": 0}
        axes.fill_between(at_s, 0, held, color=WASH, **style)
        axes.fill_between(at_s, 0, np.minimum(working, held), color=BUSY, **style)
        axes.fill_between(at_s, gpus - down, gpus, color=SHARE_COLOURS["down"], **style)
        shown = [("at work", BUSY), ("held, not at work", WASH)]
        if down.any():
            shown.append(("down", SHARE_COLOURS["down"]))
    axes.set_ylim(0, max(gpus, 1))
    axes.yaxis.set_major_locator(FixedLocator([0, gpus / 2, gpus]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: f"{y / max(gpus, 1):.0%}".replace("%", "\N{NO-BREAK SPACE}%"))
    )
    axes.annotate(
        f"GPUs,\nshare of\n{count(gpus)}\ninstalled", (0, 1), (-shape.names, 0),
        xycoords="axes fraction", textcoords="offset points", fontsize=shape.font,
        fontweight="bold", va="top", linespacing=1.25, color=INK, annotation_clip=False,
    )  # fmt: skip
    # The key stands above the names of incidents, at the left edge of the picture.
    left = shape.names if shape.width < 500 else 0.0
    legend(axes, shape, shown, columns=len(shown) or 1, up=up, left=left)


def _lane(axes: Axes, lane: int, name: str, time_s: np.ndarray, end_s: float, shape: Shape) -> None:
    """A tick an incident; those that fall on one pixel are one."""
    pixel_s = max(end_s, 1.0) / max(axes.bbox.width, 1.0)
    at_s = np.unique(np.round(time_s / pixel_s)) * pixel_s
    axes.axhline(lane, color="#e6eaee", linewidth=0.8, zorder=0)
    # All marks as one line with gaps: a path for each would make the page several times as large.
    x = np.repeat(at_s, 3)
    y = np.tile([lane - 0.28, lane + 0.28, np.nan], at_s.size)
    axes.plot(x, y, color=INK, linewidth=1.0, clip_on=False)
    number = count(time_s.size)
    text = cut(name, shape.letters(shape.names - 22) - len(number))
    style: dict[str, Any] = {
        "xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "baseline",
        "fontsize": shape.font, "annotation_clip": False,
    }  # fmt: skip
    low = baseline(shape.font)
    axes.annotate(number, (0, lane), (-10, low), ha="right", color=MUTED, **style)
    axes.annotate(text, (0, lane), (-shape.names, low), ha="left", **style)


def _flag(
    panel: Axes,
    marks: Axes,
    lane: int,
    at_s: float,
    end_s: float,
    words: str,
    hours: str,
    up: float,
    shape: Shape,
) -> None:
    """A name above the panel, and a line from there down to the incident's mark.

    Names stand the higher the earlier they are and to the right of their lines, so that no line
    crosses a name; near the right end they stand to the left.
    """
    room = panel.bbox.width * (1 - at_s / max(end_s, 1.0)) + 14
    letters = shape.letters(panel.bbox.width + 0.9 * shape.names) - len(hours) - 3
    text = f"{cut(words, letters)}: {hours}"
    width = len(text) * 0.56 * shape.font
    panel.annotate(
        text, (at_s, 1), (min(4.0, room - width), up - _FLAG + 5), annotation_clip=False,
        xycoords=panel.get_xaxis_transform(), textcoords="offset points", va="baseline",
        ha="left", fontsize=shape.font, color=INK,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip
    panel.plot(
        [at_s, at_s], [1, 1 + (up - 6) / max(panel.bbox.height, 1.0)], color=INK, linewidth=0.9,
        transform=panel.get_xaxis_transform(), clip_on=False,
    )  # fmt: skip
    # Across the panel there is no line: it would hide just what the incident took away.
    marks.plot([at_s, at_s], [-0.5 - 14 / _LANE, lane], color=INK, linewidth=0.9, clip_on=False)
    marks.plot(
        [at_s], [lane], marker="o", markersize=7, color=SHARE_COLOURS["down"],
        markeredgecolor=PAPER, clip_on=False, zorder=5,
    )  # fmt: skip
