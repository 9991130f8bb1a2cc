"""Power over time against caps: the site, and below it the fullest domain of each level."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from twin.report.figures.time_axis import run_clock, thinned
from twin.report.figures.timeline import stepped
from twin.report.numbers import power
from twin.report.power_series import Array, Drawn, PowerSeries, Rate, Reason
from twin.report.theme import INK, MUTED, OVER, SERIES, SHADE, WASH, Shape, cut, title

_SITE, _OTHER, _RATE, _GAP, _FLAG, _BOTTOM = 170.0, 92.0, 64.0, 46.0, 19.0, 46.0  # heights [px]
_LEFT = 64.0
_FAR = 3.0  # a cap that many times above all power would leave a picture of nothing else
_MOST_SPANS = 200


def power_over_time(found: PowerSeries, shape: Shape) -> Figure:
    """A panel a domain, each with its cap as a line of steps, over one clock.

    Parameters
    ----------
    found : PowerSeries
        What to show, from `twin.report.power_series`.
    """
    flags = 6 + _FLAG * len(found.reasons) if found.reasons else 0.0
    heights = [_SITE, *[_OTHER] * (len(found.domains) - 1), *[_RATE] * len(found.rates)]
    total = flags + 32 + sum(heights) + _GAP * (len(heights) - 1) + _BOTTOM
    figure = shape.figure(total)
    panels, top = [], flags + 32
    for height in heights:
        panels.append(
            shape.axes(figure, left=_LEFT, right=16, top=top, bottom=total - top - height)
        )
        top += height + _GAP
    for index, (axes, domain) in enumerate(zip(panels, found.domains, strict=False)):
        _domain(axes, domain, found.edges_s, shape, up=9.0 + (flags if index == 0 else 0.0))
    for axes, rate in zip(panels[len(found.domains) :], found.rates, strict=True):
        rate_panel(axes, rate, shape)
    for axes in panels:
        run_clock(axes, found.edges_s[-1], shape)
    for axes in panels[:-1]:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    for level, reason in enumerate(found.reasons):
        up = 6 + _FLAG * (len(found.reasons) - level - 1)
        _flag(panels[0], reason, found.edges_s[-1], up, shape)
    return figure


def _domain(axes: Axes, domain: Drawn, edges_s: Array, shape: Shape, *, up: float) -> None:
    at_s, mean, peak = thinned(edges_s, domain.power_w, shape.bins)
    axes.fill_between(at_s, 0, stepped(peak), step="post", color=WASH, linewidth=0)
    axes.step(at_s, stepped(mean), where="post", color=SERIES, linewidth=1.1)
    cap_w = domain.cap_w
    known = cap_w[np.isfinite(cap_w)]
    highest = float(peak.max(initial=0.0))
    words = domain.title
    if known.size and known.min() > _FAR * highest:
        words += f"; its cap, {power(float(known.min()))}, is far above"
        known = known[:0]
    elif known.size:
        _cap(axes, edges_s, cap_w, domain.power_w, shape)
    power_axis(axes, max(highest, float(known.max(initial=0.0))))
    title(axes, cut(words, shape.letters(shape.width)), shape, left=_LEFT, up=up)


def _cap(axes: Axes, edges_s: Array, cap_w: Array, power_w: Array, shape: Shape) -> None:
    """The cap as a line of steps, named at its end, and what was drawn above it."""
    over = np.append(power_w > cap_w * (1 + 1e-6), False)
    axes.fill_between(
        edges_s, stepped(cap_w), stepped(power_w), where=over, step="post", color=OVER, linewidth=0
    )
    axes.step(edges_s, stepped(cap_w), where="post", color=INK, linewidth=1.3)
    last_w = float(cap_w[np.isfinite(cap_w)][-1])
    axes.annotate(
        f"cap {power(last_w)}", (1, last_w), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", ha="right", va="bottom", fontsize=shape.font - 1, color=INK,
        annotation_clip=False,
    )  # fmt: skip


def power_axis(axes: Axes, highest_w: float) -> None:
    """A y axis of power from zero, with a few quiet grid lines and room for the name of a cap."""
    axes.set_ylim(0, 1.16 * highest_w if highest_w > 0 else 1.0)
    ticks = MaxNLocator(nbins=3).tick_values(0, highest_w if highest_w > 0 else 1.0)
    axes.yaxis.set_major_locator(FixedLocator([t for t in ticks if 0 <= t <= 1.1 * highest_w]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: power(y)))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)


def rate_panel(axes: Axes, rate: Rate, shape: Shape) -> None:
    """A price or carbon intensity; a price may be below zero."""
    axes.step(rate.edges_s, stepped(rate.values), where="post", color=MUTED, linewidth=1.2)
    low, high = min(0.0, float(rate.values.min())), max(0.0, float(rate.values.max()))
    margin = 0.08 * (high - low)
    axes.set_ylim(low - (margin if low < 0 else 0), high + margin)
    ticks = MaxNLocator(nbins=3).tick_values(low, high)
    axes.yaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}".replace("-", "−")))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    title(axes, rate.title, shape, left=_LEFT)


def _flag(axes: Axes, reason: Reason, end_s: float, up: float, shape: Shape) -> None:
    """When caps of a reason held, as a shade, and their name above the panel."""
    for start_s, over_s in reason.spans_s[:_MOST_SPANS]:
        axes.axvspan(start_s, over_s, color=SHADE, linewidth=0, zorder=0)
    at_s = reason.spans_s[0][0]
    late = at_s > 0.55 * end_s
    axes.annotate(
        cut(reason.text, shape.letters(0.5 * shape.width)),
        (at_s, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if late else 5, up),
        textcoords="offset points",
        ha="right" if late else "left",
        va="bottom",
        fontsize=shape.font,
        color=INK,
        annotation_clip=False,
    )
    axes.annotate(
        "", (at_s, 0), xycoords=("data", "axes fraction"), xytext=(0, axes.bbox.height + up + 13),
        textcoords="offset points", arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.8},
        annotation_clip=False,
    )  # fmt: skip
