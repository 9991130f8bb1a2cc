"""A trace in one picture: arrivals and load over time, the week, sizes, durations."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from twin.errors import InputError, StorageError
from twin.units import format_duration
from twin.workload.jobs import Workload
from twin.workload.profile import busy_gpus, printable, size_classes
from twin.workload.transforms import HOURS_PER_WEEK, weekly_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

INK, MUTED, RULE = "#1f2933", "#5b6770", "#d8dde2"
# Dark blue and light orange: apart for every common kind of colour blindness, and in grey.
JOBS, WORK = "#0b4f7d", "#e8903a"
_MOST_BINS = 260
_BIN_HOURS = (1 / 60, 1 / 12, 0.25, 1, 3, 6, 12, 24, 7 * 24, 28 * 24, 364 * 24)
_DURATIONS_S = (1.0, 60.0, 3600.0, 86400.0, 30 * 86400.0)
_DURATION_NAMES = ("1 s", "1 min", "1 h", "1 d", "30 d")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STYLE: Any = {
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.major.size": 0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


def save(workload: Workload, path: Path) -> None:
    """Draw a workload into a file; the suffix says in which form.

    Raises
    ------
    InputError
        If matplotlib does not know the suffix.
    StorageError
        If the file cannot be written.
    """
    drawn = BytesIO()
    with mpl.rc_context(_STYLE):
        try:
            portrait(workload).savefig(drawn, dpi=150, format=path.suffix.removeprefix("."))
        except ValueError as error:
            raise InputError(f"{path}: no such kind of picture: {error}") from None
    try:
        path.write_bytes(drawn.getvalue())
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None


def portrait(workload: Workload) -> Figure:
    """Five panels: arrivals and offered load over time; the week, the sizes, the durations.

    Parameters
    ----------
    workload : Workload
        With at least one job.

    Returns
    -------
    Figure
        For a page; colours are told apart by people who do not see all of them.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 8), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
        grid = figure.add_gridspec(3, 3)
        arrivals = figure.add_subplot(grid[0, :])
        load = figure.add_subplot(grid[1, :], sharex=arrivals)
        _over_time(workload, arrivals, load)
        _week(workload, figure.add_subplot(grid[2, 0]))
        _sizes(workload, figure.add_subplot(grid[2, 1]))
        _durations(workload, figure.add_subplot(grid[2, 2]))
        name = printable(workload.intake.source) or "workload"
        figure.suptitle(f"{name}: {len(workload.jobs):,} jobs", x=0.01, ha="left", weight="bold")
        return figure


def _over_time(workload: Workload, arrivals: Axes, load: Axes) -> None:
    """Jobs submitted by the hour, and GPUs busy if no job ever waited, in the same bins."""
    jobs = workload.jobs
    submit_s, run_s = jobs["submit_s"].to_numpy(), jobs["run_s"].to_numpy()
    edges_s, width_h = _bins(float(submit_s[0]), float(submit_s[-1]))
    per_hour = np.histogram(submit_s, edges_s)[0] / np.diff(edges_s) * 3600
    busy = busy_gpus(submit_s, run_s, jobs["gpus"].to_numpy(np.float64), edges_s)
    if workload.epoch is not None:
        x = edges_s / 86400 + float(date2num(workload.epoch))  # type: ignore[no-untyped-call]
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        offsets = ["", "%Y", "%Y", "%Y-%b-%d", "%Y-%b-%d", "%Y-%b-%d %H:%M"]
        load.xaxis.set_major_locator(locator)
        load.xaxis.set_major_formatter(ConciseDateFormatter(locator, offset_formats=offsets))  # type: ignore[no-untyped-call]
    else:
        x = edges_s / 86400
        load.set_xlabel("days since the first submit")
    for axes, values, colour in ((arrivals, per_hour, JOBS), (load, busy, WORK)):
        axes.stairs(values, x, fill=True, color=colour, alpha=0.35, linewidth=0)
        axes.stairs(values, x, color=colour, linewidth=0.9, baseline=None)
        axes.set_xlim(float(x[0]), float(x[-1]))
        axes.set_ylim(0, max(values.max(), 1e-9) * 1.12)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))
    for axes, values in ((arrivals, per_hour), (load, busy)):
        mean = float(np.average(values, weights=np.diff(edges_s)))
        _level(axes, mean, f"mean {mean:,.3g}" if mean < 100 else f"mean {mean:,.0f}")
    arrivals.tick_params(labelbottom=False)
    width = format_duration(width_h * 3600).replace(".0 ", " ")
    arrivals.set_title(f"Jobs submitted per hour, in bins of {width}")
    load.set_title("GPUs busy if no job ever waited")


def _bins(first_s: float, last_s: float) -> tuple[Array, float]:
    """Edges of bins of a round width, the last cut at the last submit [s]; the width in hours."""
    last_s = max(last_s, first_s + 60.0)
    hours = (last_s - first_s) / 3600
    width_h = next((w for w in _BIN_HOURS if hours / w <= _MOST_BINS), hours / _MOST_BINS)
    edges_s = np.arange(first_s, last_s, width_h * 3600)
    return np.append(edges_s, last_s), width_h


def _level(axes: Axes, value: float, text: str) -> None:
    axes.axhline(value, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        text,
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
    )


def _week(workload: Workload, axes: Axes) -> None:
    """Arrivals by hour of the week over their mean."""
    rate = weekly_rate(workload)
    axes.stairs(rate, np.arange(HOURS_PER_WEEK + 1), color=JOBS, linewidth=1.1, baseline=None)
    axes.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(0, HOURS_PER_WEEK)
    axes.set_ylim(0, rate.max() * 1.08)
    names = _DAYS if workload.epoch is not None else ("1", "2", "3", "4", "5", "6", "7")
    if workload.epoch is None:
        axes.set_xlabel("day of weeks that begin at second 0")
    axes.xaxis.set_major_locator(FixedLocator(list(range(0, HOURS_PER_WEEK + 1, 24))))
    axes.xaxis.set_major_formatter(FixedFormatter([""] * 8))
    axes.xaxis.set_minor_locator(FixedLocator(list(range(12, HOURS_PER_WEEK, 24))))
    axes.xaxis.set_minor_formatter(FixedFormatter(list(names)))
    axes.tick_params(axis="x", which="minor", length=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title("Arrivals by hour of the week, mean = 1")


def _sizes(workload: Workload, axes: Axes) -> None:
    """Shares of jobs and of GPU-time by size class."""
    gpus = workload.jobs["gpus"].to_numpy(np.float64)
    labels, which = size_classes(gpus)
    work = np.bincount(which, gpus * workload.jobs["run_s"].to_numpy())
    at = np.arange(len(labels))
    for shift, colour, counts in ((-0.2, JOBS, np.bincount(which)), (0.2, WORK, work)):
        axes.bar(at + shift, 100 * counts / max(counts.sum(), 1e-9), 0.38, color=colour)
    axes.margins(y=0.3)  # room for the key, but no share beyond the whole
    axes.yaxis.set_major_locator(FixedLocator(list(range(0, 101, 20))))
    axes.set_xticks(at, labels, rotation=0 if len(labels) <= 6 else 45)
    axes.set_xlabel("GPUs of a job")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
    axes.set_title("Share by size")
    _key(axes, right=True)


def _durations(workload: Workload, axes: Axes) -> None:
    """Cumulated shares of jobs and of GPU-time by duration."""
    run_s = workload.jobs["run_s"].to_numpy()
    gpus = workload.jobs["gpus"].to_numpy(np.float64)
    order = np.argsort(run_s)
    ordered = np.maximum(run_s[order], 0.5)
    for colour, weight in ((JOBS, np.ones(len(run_s))), (WORK, gpus * run_s)):
        share = 100 * np.cumsum(weight[order]) / max(weight.sum(), 1e-9)
        by_share = np.searchsorted(share, np.linspace(0, 100, 1000))
        by_rank = np.linspace(0, len(share) - 1, 1000).astype(int)
        seen = np.unique(np.minimum(np.concatenate([by_rank, by_share]), len(share) - 1))
        axes.step(ordered[seen], share[seen], where="post", color=colour, linewidth=1.4)
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(ordered[-1] * 1.3, 5))
    axes.set_ylim(0, 101)
    axes.xaxis.set_major_locator(FixedLocator(list(_DURATIONS_S)))
    axes.xaxis.set_major_formatter(FixedFormatter(list(_DURATION_NAMES)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
    axes.set_xlabel("duration at most")
    axes.set_title("Share by duration")
    _key(axes, right=False)


def _key(axes: Axes, *, right: bool) -> None:
    """Name the two colours inside the panel, where there is room."""
    handles = [Patch(color=JOBS, label="jobs"), Patch(color=WORK, label="GPU-time")]
    axes.legend(
        handles=handles,
        loc="upper right" if right else "upper left",
        frameon=False,
        handlelength=1,
        handleheight=0.9,
        borderaxespad=0.1,
    )
