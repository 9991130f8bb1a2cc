"""What stays unallocated while jobs come and stay: a line a run, over what has arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twin.report.figures.line_letters import line_letters
from twin.report.theme import MUTED, Shape, Stroke, title

_PANEL, _TOP, _BOTTOM, _LEFT = 220.0, 32.0, 46.0, 58.0  # [px]
_FROM = 0.75  # of the GPUs installed: before, all that comes is allocated


@dataclass(frozen=True)
class Filling:
    """A run that fills up.

    Attributes
    ----------
    letter : str
    stroke : Stroke
    arrived, allocated : (n_bin,) arrays
        GPUs asked for so far and GPUs held of these, over the GPUs installed. [-]
    """

    letter: str
    stroke: Stroke
    arrived: np.ndarray
    allocated: np.ndarray


def filling(runs: Sequence[Filling], shape: Shape) -> Figure:
    """Unallocated GPUs against GPUs asked for, both over those installed; dotted: all allocated."""
    figure = shape.figure(_TOP + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=_LEFT, right=16, top=_TOP, bottom=_BOTTOM)
    axes.plot([0, 1], [1, 0], color=MUTED, linestyle=":", linewidth=1.2, zorder=1)
    lines: list[Line2D] = []
    highest, last = 0.0, 1.0
    for run in runs:
        late = run.arrived >= _FROM
        (line,) = axes.plot(
            run.arrived[late], 1 - run.allocated[late], color=run.stroke.colour,
            linestyle=run.stroke.dash, linewidth=0.8 * run.stroke.width,
        )  # fmt: skip
        lines.append(line)
        highest = max(highest, float((1 - run.allocated[late]).max(initial=0.0)))
        last = max(last, float(run.arrived.max(initial=0.0)))
    axes.set_xlim(_FROM, last)
    axes.set_ylim(0, max(highest, 0.01) * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}\N{NO-BREAK SPACE}%"))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("GPUs asked for so far, of those installed")
    title(axes, "GPUs not allocated, share of installed", shape, left=_LEFT)
    line_letters(axes, lines, [run.letter for run in runs], shape)
    return figure
