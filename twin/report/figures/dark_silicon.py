"""What the installed GPUs did over time: at work, slowed, dark and why, idle, down."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from twin.report.figures.time_axis import run_clock, thinned
from twin.report.figures.timeline import stepped
from twin.report.numbers import count
from twin.report.power_series import Array, series
from twin.report.theme import (
    BUSY,
    DARK_COLOURS,
    INK,
    SHARE_COLOURS,
    WASH,
    Shape,
    legend,
)

SLOWED = "slowed by caps"
_PANEL, _KEY, _BOTTOM = 190.0, 20.0, 46.0  # heights [px]


def silicon(timeline: pd.DataFrame, domains: pd.DataFrame) -> list[tuple[str, str, Array]]:
    """GPUs by what they did, from the ground up; what never happened is left out.

    Parameters
    ----------
    timeline, domains : DataFrame
        `twin.tables.TIMELINE` and `twin.tables.DOMAINS` of a run.

    Returns
    -------
    list of (name, colour, (n_bin,) array)
        They add up to what is installed.
    """
    n = len(timeline)

    def of_site(quantity: str) -> Array:
        found = series(domains, "site", quantity, n)
        return np.zeros(n) if found is None else found

    column = {name: timeline[name].to_numpy(float) for name in timeline.columns}
    busy = column["busy_gpus"]
    slowed = np.minimum(of_site("throttled_gpus"), busy)
    # Where failures are modelled, ``working_gpus`` counts GPUs at their speed: slowed ones for
    # less than one. All that are slowed work, so that a few at most pass for standing still.
    at_work = np.clip(np.maximum(column["working_gpus"], slowed), 0.0, busy)
    dark = {reason: of_site(f"{reason}_dark_gpus") for reason in DARK_COLOURS}
    known = sum(dark.values(), np.zeros(n))
    # Means of bins are rounded: what is left over of that is no dark GPU.
    rest = np.where(column["dark_gpus"] - known > 1e-6, column["dark_gpus"] - known, 0.0)
    layers = [
        ("at full speed", BUSY, at_work - slowed),
        (SLOWED, SHARE_COLOURS["throttled"], slowed),
        ("held, not at work", WASH, busy - at_work),
        ("stranded", SHARE_COLOURS["stranded"], column["stranded_gpus"]),
        ("idle", SHARE_COLOURS["idle"], column["idle_gpus"]),
        ("spare", SHARE_COLOURS["spare"], column["spare_gpus"]),
        *((f"{reason}-dark", colour, dark[reason]) for reason, colour in DARK_COLOURS.items()),
        ("dark", INK, rest),
        ("down", SHARE_COLOURS["down"], column["down_gpus"]),
    ]
    return [layer for layer in layers if np.nanmax(layer[2], initial=0.0) > 1e-9]


def dark_silicon(
    layers: list[tuple[str, str, Array]], edges_s: Array, gpus: int, shape: Shape
) -> Figure:
    """Areas over time that add up to the GPUs installed.

    Parameters
    ----------
    layers : list of (name, colour, (n_bin,) array)
        From `silicon`.
    edges_s : (n_bin + 1,) array
        Ends of the bins. [s]
    """
    columns = len(layers) if shape.width > 500 else 2
    columns = min(columns, 7)
    key = _KEY * -(-len(layers) // columns)
    top = 30 + key
    figure = shape.figure(top + _PANEL + _BOTTOM)
    axes = shape.axes(figure, left=58, right=16, top=top, bottom=_BOTTOM)
    below: Array | float = 0.0
    for _, colour, values in layers:
        at_s, mean, _ = thinned(edges_s, values, shape.bins)
        above = below + stepped(mean)
        axes.fill_between(at_s, below, above, step="post", color=colour, linewidth=0)
        below = above
    axes.set_ylim(0, max(gpus, 1))
    axes.yaxis.set_major_locator(FixedLocator([0, gpus / 2, gpus]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: f"{100 * y / max(gpus, 1):.0f}\N{NO-BREAK SPACE}%")
    )
    run_clock(axes, float(edges_s[-1]), shape)
    axes.annotate(
        f"GPUs, share of {count(gpus)} installed", (0, 1), xycoords="axes fraction",
        xytext=(-58, 11 + key), textcoords="offset points", fontsize=shape.font, fontweight="bold",
        va="bottom", color=INK, annotation_clip=False,
    )  # fmt: skip
    legend(
        axes, shape, [(name, colour) for name, colour, _ in layers], columns=columns, up=9, left=58
    )
    return figure
