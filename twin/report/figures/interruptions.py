"""How long jobs run between interruptions, by size, against what the rates of failure lead to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from twin.report.figures.time_axis import in_words
from twin.report.numbers import count, duration, is_number
from twin.report.theme import INK, MUTED, SERIES, Shape, note

_PANEL, _TOP, _BOTTOM = 250.0, 62.0, 50.0  # [px]
_DAY_S = 86400.0
_TICKS = (1.0, 60.0, 600.0, 3600.0, 6 * 3600.0, *(n * _DAY_S for n in (1, 10, 100, 1000, 10_000)))


def interruptions(sizes: Sequence[Mapping[str, Any]], shape: Shape) -> Figure:
    """MTTI by GPUs of a job, both logarithmic, with 95 % intervals and the line expected.

    Parameters
    ----------
    sizes : sequence of mapping
        ``reliability.by_size`` of a summary. Sizes without an interruption have an arrow from the
        lower end of their interval.
    """
    figure = shape.figure(_TOP + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=58, right=30, top=_TOP, bottom=_BOTTOM)
    points = [size for size in sizes if is_number(size["mtti_low_s"]) and size["mtti_low_s"] > 0]
    expected = [size for size in sizes if is_number(size["expected_mtti_s"])]
    values = [float(size["expected_mtti_s"]) for size in expected]
    for size in points:
        ends = (size["mtti_low_s"], size["mtti_s"], size["mtti_high_s"])
        values += [float(end) for end in ends if is_number(end)]
    if not values:
        axes.axis("off")
        note(axes, "no job ran that could be stopped", shape)
        return figure
    _scales(axes, [int(size["gpus"]) for size in [*points, *expected]], values, shape)
    axes.annotate(
        "mean time to interruption", (0, 1), (-58, 34), xycoords="axes fraction",
        textcoords="offset points", fontsize=shape.font, fontweight="bold", va="bottom",
        annotation_clip=False,
    )  # fmt: skip
    if expected:
        axes.plot(
            [size["gpus"] for size in expected],
            [size["expected_mtti_s"] for size in expected],
            color=MUTED, linewidth=1.6, linestyle=(0, (5, 3)), marker="_", markersize=12,
            label="expected from the rates",
        )  # fmt: skip
    for index, size in enumerate(points):
        _seen(axes, size, "seen, 95\N{NO-BREAK SPACE}% interval" if not index else "", shape)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-58 / axes.bbox.width, 1 + 10 / axes.bbox.height),
            ncols=2, fontsize=shape.font, columnspacing=1.2, handletextpad=0.5, handlelength=2.0,
            labelcolor=INK,
        )  # fmt: skip
    return figure


def _seen(axes: Axes, size: Mapping[str, Any], label: str, shape: Shape) -> None:
    """A size's interval with its mean, or an arrow upwards if nothing stopped its jobs."""
    x, low = size["gpus"], size["mtti_low_s"]
    style: dict[str, Any] = {"color": SERIES, "linewidth": 2.0, "solid_capstyle": "butt"}
    if not is_number(size["mtti_s"]):
        axes.annotate(
            "", (x, low), (0, 34), textcoords="offset points", annotation_clip=False,
            arrowprops={"arrowstyle": "<-", "color": SERIES, "linewidth": 2.0, "shrinkB": 0},
        )  # fmt: skip
        axes.plot([x], [low], marker="_", markersize=11, markeredgewidth=2.0, color=SERIES)
        text, at_s, up = "none seen", low, -16.0
    else:
        high = size["mtti_high_s"] if is_number(size["mtti_high_s"]) else size["mtti_s"]
        axes.plot([x, x], [low, high], marker="_", markersize=9, **style)
        axes.plot(
            [x], [size["mtti_s"]], marker="o", markersize=8, linestyle="none", color=SERIES,
            label=label or None,
        )  # fmt: skip
        # On the side where the line of what is expected does not run.
        expected_s = size["expected_mtti_s"]
        below = is_number(expected_s) and expected_s > size["mtti_s"]
        text, at_s, up = duration(size["mtti_s"]), (low if below else high), (-18 if below else 8)
    axes.annotate(
        text, (x, at_s), (0, up), textcoords="offset points", ha="center", va="baseline",
        fontsize=shape.font - 1, color=SERIES, annotation_clip=False,
    )  # fmt: skip


def _scales(axes: Axes, gpus: Sequence[int], values_s: Sequence[float], shape: Shape) -> None:
    """Logarithmic axes: sizes as they are, durations at ticks that people know."""
    low, high = min(gpus), max(gpus)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low / 1.6, high * 2.2)
    axes.set_ylim(min(values_s) / 1.8, max(values_s) * 2.0)
    ticks: list[int] = []
    apart = 1.0 + 60.0 / max(axes.bbox.width, 1.0) * math.log(3.5 * high / low)
    for size in sorted(set(gpus), reverse=True):
        if not ticks or ticks[-1] / size > apart:
            ticks.append(size)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([count(t) for t in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    bottom, top = axes.get_ylim()
    shown = [t for t in _TICKS if bottom <= t <= top]
    if len(shown) < 2:
        unit = next((u for u in (_DAY_S, 3600.0, 60.0) if u <= top), 1.0)
        every = [n * unit * 10.0**e for e in range(5) for n in (1, 2, 3, 5)]
        shown = [t for t in every if bottom <= t <= top]
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_major_formatter(FixedFormatter([in_words(t) for t in shown]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("GPUs of the job (logarithmic)", fontsize=shape.font, labelpad=4)
