"""Power of several runs over one clock, with the price or carbon intensity that they met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from twin.report.figures.line_names import Name, line_names
from twin.report.figures.power_over_time import power_axis, rate_panel
from twin.report.figures.time_axis import run_clock, thinned
from twin.report.power_series import Array, Rate
from twin.report.theme import SHADE, Shape, Stroke, run_letter, run_stroke, title

_PANEL, _RATE, _GAP, _TOP, _BOTTOM = 180.0, 80.0, 46.0, 32.0, 46.0  # [px]
_LEFT = 64.0


@dataclass(frozen=True)
class Metered:
    """Power of one run at the meter.

    Attributes
    ----------
    run : int
        Its index: its letter, and its stroke if none is given.
    edges_s : (n_bin + 1,) array
        Ends of the bins. [s]
    power_w : (n_bin,) array
        [W]
    stroke : Stroke or None
    """

    run: int
    edges_s: Array
    power_w: Array
    stroke: Stroke | None = None


def power_runs(runs: Sequence[Metered], rates: Sequence[Rate], shape: Shape) -> Figure:
    """Power, a line a run, and below it what energy cost meanwhile.

    Parameters
    ----------
    runs : sequence of Metered
        At least one.
    rates : sequence of Rate
        Price and carbon intensity; the first one's hours above its mean are shaded behind the
        power.
    """
    heights = [_PANEL, *[_RATE] * len(rates)]
    total = _TOP + sum(heights) + _GAP * len(rates) + _BOTTOM
    figure = shape.figure(total)
    panels, top = [], _TOP
    for height in heights:
        bottom = total - top - height
        panels.append(shape.axes(figure, left=_LEFT, right=26, top=top, bottom=bottom))
        top += height + _GAP
    power, last_s, highest_w = panels[0], 0.0, 0.0
    ends: list[Name] = []
    for run in runs:
        at_s, mean_w, _ = thinned(run.edges_s, run.power_w, shape.bins // 2)
        stroke = run.stroke or run_stroke(run.run)
        power.plot(
            (at_s[1:] + at_s[:-1]) / 2, mean_w, color=stroke.colour, linestyle=stroke.dash,
            linewidth=0.7 * stroke.width, zorder=2.2 if stroke.strong else 2,
        )  # fmt: skip
        last_s = max(last_s, float(run.edges_s[-1]))
        highest_w = max(highest_w, float(mean_w.max()))
        ends.append(Name(run_letter(run.run), stroke.colour, float(mean_w[-1])))
    power_axis(power, highest_w)
    line_names(power, ends, shape)
    title(power, "Power at the meter", shape, left=_LEFT)
    for axes, rate in zip(panels[1:], rates, strict=True):
        rate_panel(axes, rate, shape)
    for rate in rates[:1]:
        for axes in panels[:2]:
            for start_s, over_s in above_mean(rate):
                axes.axvspan(start_s, over_s, color=SHADE, linewidth=0, zorder=0)
    for axes in panels:
        run_clock(axes, last_s, shape)
    for axes in panels[:-1]:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    return figure


def above_mean(rate: Rate) -> list[tuple[float, float]]:
    """Stretches of time in which a rate is above its mean over time. [s]"""
    mean = np.average(rate.values, weights=np.diff(rate.edges_s))
    above = rate.values > mean
    turns = np.flatnonzero(np.diff(np.concatenate([[0], above.view(np.int8), [0]])))
    starts_s, ends_s = rate.edges_s[turns[::2]].tolist(), rate.edges_s[turns[1::2]].tolist()
    return list(zip(starts_s, ends_s, strict=True))
