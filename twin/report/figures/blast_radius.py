"""Blast radius: how many GPUs an incident stops, down or idled in the gangs that it hit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from twin.report.numbers import count, percent
from twin.report.reliability import named
from twin.report.theme import INK, MUTED, SERIES, Shape, cut, note

_PANEL, _TOP, _BOTTOM = 240.0, 40.0, 50.0  # [px]


def blast_radius(table: pd.DataFrame, shape: Shape) -> Figure:
    """Share of incidents that stop so many GPUs or more, both axes logarithmic.

    Parameters
    ----------
    table : DataFrame
        The run's `twin.tables.INCIDENTS`; the radius is ``gpus_down + gpus_idled``.
    """
    hit = table["gpus_down"].to_numpy() + table["gpus_idled"].to_numpy()
    figure = shape.figure(_TOP + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=58, right=24, top=_TOP, bottom=_BOTTOM)
    stopped = np.sort(hit[hit > 0])
    if not stopped.size:
        axes.axis("off")
        note(axes, "no incident stopped a GPU", shape)
        return figure
    sizes, first = np.unique(stopped, return_index=True)
    share = (stopped.size - first) / hit.size  # at least so many GPUs
    _scales(axes, int(sizes[-1]), float(share[-1]), shape)
    # Level from the size before up to a size, then down: at x, the share of x or more.
    x = np.concatenate([[1.0], np.repeat(sizes.astype(float), 2)])
    y = np.concatenate([np.repeat(share, 2), [axes.get_ylim()[0]]])
    axes.plot(x, y, color=SERIES, linewidth=2, solid_joinstyle="miter")
    axes.annotate(
        "share of incidents that stop so many GPUs or more", (0, 1), (-58, 12),
        xycoords="axes fraction", textcoords="offset points", fontsize=shape.font,
        fontweight="bold", va="bottom", annotation_clip=False,
    )  # fmt: skip
    _quantiles(axes, hit, int(sizes[-1]), shape)
    _largest(axes, table.iloc[int(hit.argmax())], int(sizes[-1]), float(share[-1]), shape)
    if stopped.size < hit.size:
        none = percent(1 - stopped.size / hit.size, 0)
        axes.annotate(
            f"{none} stop none", (0, 0), (6, 7), xycoords="axes fraction",
            textcoords="offset points", fontsize=shape.font - 1, color=MUTED,
        )  # fmt: skip
    return figure


def _quantiles(axes: Axes, hit: np.ndarray, most: int, shape: Shape) -> None:
    """The median and P99, each as a dot that says how many GPUs, unless the largest says it."""
    for at, name in ((0.5, "median"), (0.99, "P99")):
        gpus = int(np.quantile(hit, at, method="inverted_cdf"))
        # The share of the largest is close to that of P99 if there are few.
        if not 0 < gpus < most or (at > 0.5 and hit.size < 300):
            continue
        left = gpus > np.sqrt(axes.get_xlim()[1])
        axes.plot([gpus], [1 - at], marker="o", markersize=7, color=SERIES, clip_on=False)
        axes.annotate(
            f"{name} {count(gpus)}", (gpus, 1 - at), (-9 if left else 9, -15 if left else 5),
            textcoords="offset points", ha="right" if left else "left",
            fontsize=shape.font - 1, color=INK, annotation_clip=False,
        )  # fmt: skip


def _largest(axes: Axes, incident: pd.Series[Any], gpus: int, share: float, shape: Shape) -> None:
    """The incident that stopped most, named at the end of the line."""
    text = f"largest {count(gpus)}: {named(incident['component'], incident['domain'])}"
    axes.plot([gpus], [share], marker="o", markersize=7, color=SERIES, clip_on=False)
    axes.annotate(
        cut(text, shape.letters(axes.bbox.width - 12)), (gpus, share), (-9, -15),
        textcoords="offset points", ha="right", fontsize=shape.font - 1, color=INK,
        annotation_clip=False,
    )  # fmt: skip


def _scales(axes: Axes, most: int, least: float, shape: Shape) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, most * 1.25 if most > 1 else 10)
    axes.set_ylim(min(least / 2.5, 0.4), 1.15)
    every = [1, 8, 64, 512, 4096, 32_768, 262_144]
    ticks = [t for t in every if t <= axes.get_xlim()[1]]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([count(t) for t in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    shares = [s for s in (1, 0.5, 0.1, 0.01, 0.001, 1e-4, 1e-5) if s >= axes.get_ylim()[0]]
    if len(shares) > 3:
        shares.remove(0.5)
    axes.yaxis.set_major_locator(FixedLocator(shares))
    axes.yaxis.set_major_formatter(
        FixedFormatter([f"{100 * s:g}\N{NO-BREAK SPACE}%" for s in shares])
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("GPUs stopped, down or idled (logarithmic)", fontsize=shape.font, labelpad=4)
