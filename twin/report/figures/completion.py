"""Completion times (JCT) by size of job, beside the work itself: the gap is wait and overhead."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.report.figures.time_axis import log_durations
from twin.report.numbers import duration
from twin.report.sizes import SIZE_CLASSES, SizeClass
from twin.report.theme import BOUGHT, MUTED, SERIES, WASH, Shape, baseline, note

_ROW = 50.0  # [px]
_AT = (0.05, 0.25, 0.5, 0.75, 0.95)


def completion(jobs: pd.DataFrame, shape: Shape) -> Figure:
    """Ranges of JCT and of run time, a pair a size class.

    Parameters
    ----------
    jobs : DataFrame
        The run's `twin.tables.JOBS`; only jobs that ended count.
    """
    gpus, jct_s = jobs["gpus"].to_numpy(), jobs["jct_s"].to_numpy(float)
    run_s = jobs["run_s"].to_numpy(float)
    rows: list[tuple[SizeClass, np.ndarray, np.ndarray]] = []
    for size in SIZE_CLASSES:
        mine = size.of(gpus) & np.isfinite(jct_s)
        if mine.any():
            rows.append((size, np.quantile(jct_s[mine], _AT), np.quantile(run_s[mine], _AT)))
    figure = shape.figure(_ROW * max(len(rows), 2) + 54)
    axes = shape.axes(figure, left=98, right=20, top=6, bottom=48)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if not rows:
        axes.axis("off")
        note(axes, "no job ended", shape)
        return figure
    log_durations(axes, max(float(jct[-1]) for _, jct, _ in rows), shape)
    axes.set_xlabel("from submit to end", fontsize=shape.font, labelpad=4)
    axes.grid(axis="x")
    for y, (size, jct, run) in enumerate(rows):
        _range(axes, y - 0.1, jct, WASH, SERIES)
        _range(axes, y + 0.3, run, BOUGHT, MUTED, height=0.08)
        axes.annotate(
            size.name, (0, y), xycoords=("axes fraction", "data"), textcoords="offset points",
            xytext=(-10, baseline(shape.font) + 3), ha="right", va="baseline", fontsize=shape.font,
            annotation_clip=False,
        )  # fmt: skip
        axes.annotate(
            duration(float(jct[2])), (max(float(jct[2]), 1.0), y - 0.1), xytext=(0, 11),
            textcoords="offset points", ha="center", va="bottom", fontsize=shape.font - 1,
        )  # fmt: skip
    return figure


def _range(
    axes: Axes, y: float, at: np.ndarray, light: str, dark: str, *, height: float = 0.3
) -> None:
    """P5 to P95 as a line, the middle half as a bar, the median as a stroke; below 1 s at 1 s."""
    p5, p25, p50, p75, p95 = np.maximum(at, 1.0)
    axes.plot([p5, p95], [y, y], color=dark, linewidth=1.2)
    axes.barh(
        y, max(p75 - p25, 1e-9), left=p25, height=height, color=light, edgecolor=dark, linewidth=0.8
    )
    axes.plot([p50, p50], [y - height / 2, y + height / 2], color=dark, linewidth=2.4)
