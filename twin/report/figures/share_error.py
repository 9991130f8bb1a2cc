"""How far what groups hold is from what they are entitled to, over time, a line a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twin.report.figures.line_letters import line_letters
from twin.report.figures.time_axis import run_clock
from twin.report.theme import Shape, Stroke, title

_PANEL, _TOP, _BOTTOM, _LEFT = 200.0, 32.0, 46.0, 58.0  # [px]


@dataclass(frozen=True)
class ShareError:
    """The error of shares in a run over time.

    Attributes
    ----------
    letter : str
    stroke : Stroke
    edges_s : (n_bin + 1,) array
        Ends of the bins. [s]
    error : (n_bin,) array
        0 where all hold what they are entitled to, 1 where nobody holds any of it; NaN where
        nobody wants anything.
    """

    letter: str
    stroke: Stroke
    edges_s: np.ndarray
    error: np.ndarray


def share_error(runs: Sequence[ShareError], shape: Shape) -> Figure:
    """Share errors of runs over one clock; gaps where nobody wants anything."""
    figure = shape.figure(_TOP + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=_LEFT, right=16, top=_TOP, bottom=_BOTTOM)
    lines, highest = [], 0.0
    for run in runs:
        middle_s = (run.edges_s[1:] + run.edges_s[:-1]) / 2
        lines += axes.plot(
            middle_s, run.error, color=run.stroke.colour, linestyle=run.stroke.dash,
            linewidth=0.75 * run.stroke.width, zorder=2.2 if run.stroke.strong else 2,
        )  # fmt: skip
        highest = max(highest, float(np.nanmax(run.error, initial=0.0)))
    axes.set_ylim(0, min(1.0, 1.1 * highest) or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}\N{NO-BREAK SPACE}%"))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    run_clock(axes, max(float(run.edges_s[-1]) for run in runs), shape)
    title(axes, "Error of shares", shape, left=_LEFT)
    line_letters(axes, lines, [run.letter for run in runs], shape)
    return figure
