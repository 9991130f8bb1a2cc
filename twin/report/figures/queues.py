"""Several runs over one clock: GPUs in use, and jobs waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.line_letters import line_letters
from twin.report.figures.time_axis import run_clock, thinned
from twin.report.figures.timeline import count_axis
from twin.report.theme import Shape, Stroke, note, title

_PANEL, _GAP, _TOP, _BOTTOM = 150.0, 48.0, 32.0, 46.0  # [px]


@dataclass(frozen=True)
class Clocked:
    """A run's `twin.tables.TIMELINE`, its end [s], the GPUs installed, its letter and stroke."""

    table: pd.DataFrame
    end_s: float
    gpus: int
    letter: str
    stroke: Stroke


def queues(runs: Sequence[Clocked], shape: Shape) -> Figure:
    """Two panels: busy GPUs as a share of the installed, and jobs waiting; a line a run."""
    figure = shape.figure(_TOP + 2 * _PANEL + _GAP + _BOTTOM)
    below = _BOTTOM + _PANEL + _GAP
    busy = shape.axes(figure, left=58, right=16, top=_TOP, bottom=below)
    waiting = shape.axes(figure, left=58, right=16, top=_TOP + _PANEL + _GAP, bottom=_BOTTOM)
    highest, last_s = 0.0, 0.0
    lines: list[tuple[Line2D, Line2D]] = []
    letters: list[str] = []
    for run in runs:
        if not len(run.table):
            continue
        start_s = run.table["time_s"].to_numpy(float)
        edges_s = np.append(start_s, max(run.end_s, start_s[-1]))
        stroke = run.stroke
        style: dict[str, Any] = {"color": stroke.colour, "linestyle": stroke.dash}
        style |= {"linewidth": 0.65 * stroke.width, "zorder": 2.2 if stroke.strong else 2}
        # Lines of several runs cross: half the bins of a single run's picture, and no steps.
        most = shape.bins // 2
        at_s, used, _ = thinned(edges_s, run.table["busy_gpus"].to_numpy(float), most)
        middle_s = (at_s[1:] + at_s[:-1]) / 2
        (use,) = busy.plot(middle_s, used / max(run.gpus, 1), **style)
        _, queued, _ = thinned(edges_s, run.table["queued_jobs"].to_numpy(float), most)
        (queue,) = waiting.plot(middle_s, queued, **style)
        lines.append((use, queue))
        letters.append(run.letter)
        highest, last_s = max(highest, float(queued.max())), max(last_s, float(edges_s[-1]))
    busy.set_ylim(0, 1.02)
    busy.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    busy.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}\N{NO-BREAK SPACE}%"))
    busy.grid(axis="y")
    busy.spines["left"].set_visible(False)
    count_axis(waiting, highest)
    for axes in (busy, waiting):
        run_clock(axes, last_s, shape)
    busy.set_xlabel("")
    busy.tick_params(labelbottom=False)
    title(busy, "GPUs busy, share of installed", shape, left=58)
    title(waiting, "Jobs waiting", shape, left=58)
    if not last_s > 0:
        note(waiting, "no time passed", shape)
    for axes, drawn in zip((busy, waiting), zip(*lines, strict=True), strict=False):
        line_letters(axes, drawn, letters, shape)
    return figure
