"""One picture of the fit: trained on eight weeks, against them and the three after."""

from __future__ import annotations

from pathlib import Path

import bursts
import data
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scores import Weeks

from twin.workload.model import SubmissionModel

mpl.use("Agg")

PICTURE = Path(__file__).parent / "fit.png"
SEEN, UNSEEN, MODEL = "#0072b2", "#d55e00", "black"  # Okabe and Ito: safe for colour-blind eyes
TIMES_S = [1, 60, 3600, 86400, 10 * 86400]
TIME_NAMES = ["1 s", "1 min", "1 h", "1 d", "10 d"]


def draw(jobs: pd.DataFrame, trained: SubmissionModel) -> None:
    """Write the picture."""
    old = Weeks(jobs, 0, data.TRAIN_WEEKS)
    new = Weeks(jobs, data.TRAIN_WEEKS, data.WEEKS)
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    week(axes[0, 0], old, new, trained)
    numbers(axes[0, 1], old, new, trained)
    run_times(axes[1, 0], old, new, trained)
    clustering(axes[1, 1], old, new, trained)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(PICTURE, dpi=90)
    plt.close(figure)


def week(axes: Axes, old: Weeks, new: Weeks, trained: SubmissionModel) -> None:
    """Starts of sessions by hour of the day, weekdays and weekends apart."""
    hours = np.arange(24)
    for weeks, colour, name, marker in (
        (old, SEEN, "data, 8 weeks fitted to", "o"),
        (new, UNSEEN, "data, 3 weeks after", "^"),
    ):
        start_h = (weeks.sessions.start_s % data.WEEK_S // 3600).astype(int)
        counts = np.bincount(start_h, minlength=168).reshape(7, 24)
        weekday = counts[:5].sum(axis=0) / (5 * weeks.n_weeks)
        weekend = counts[5:].sum(axis=0) / (2 * weeks.n_weeks)
        axes.plot(hours, weekday, marker, color=colour, ms=4, label=name)
        axes.plot(hours, weekend, marker, color=colour, ms=4, mfc="none")
    rate = np.asarray(trained.week).reshape(7, 24) * trained.sessions_per_s * 3600
    axes.plot(hours, rate[0], color=MODEL, label="model of the 8 weeks")
    axes.plot(hours, rate[6], color=MODEL, ls="--")
    axes.annotate("weekdays: filled, solid", (11, 5.1), fontsize=8)
    axes.annotate("weekends: open, dashed", (11, 0.3), fontsize=8)
    axes.set(xlabel="hour of the day (zone not stated)", ylabel="sessions per hour")
    axes.set(ylim=(0, 5.6), xticks=range(0, 25, 6))


def numbers(axes: Axes, old: Weeks, new: Weeks, trained: SubmissionModel) -> None:
    """Jobs per session, 1 GPU and 8."""
    for gpus, index, place in ((1, 0, (60, 0.13)), (8, 4, (4, 0.003))):
        for weeks, colour, marker in ((old, SEEN, "o"), (new, UNSEEN, "^")):
            n = np.sort(weeks.sessions.n[weeks.sessions.gpus == gpus])
            k = np.unique(n)
            share = 1 - np.searchsorted(n, k, side="left") / len(n)
            axes.loglog(k, share, marker, color=colour, ms=3, mfc=colour if gpus == 1 else "none")
        k = np.unique(np.geomspace(1, 2999, 200).astype(int))
        over = trained.classes[index].session_jobs.survival(k - 1)
        axes.loglog(k, over, color=MODEL, ls="-" if gpus == 1 else "--")
        axes.annotate(f"{gpus} GPU{'s' if gpus > 1 else ''}", place, fontsize=8)
    axes.set(ylim=(2e-4, 1.5), xlabel="jobs in a session", ylabel="share with as many or more")


def run_times(axes: Axes, old: Weeks, new: Weeks, trained: SubmissionModel) -> None:
    """Run times of small and large jobs."""
    x = np.geomspace(5, 3e6, 400)
    for index, style, place in ((0, "-", (150, 0.62)), (4, "--", (1.5e5, 0.35))):
        for weeks, colour in ((old, SEEN), (new, UNSEEN)):
            run_s = np.sort(weeks.run_s(index))
            steps = np.searchsorted(run_s, x, side="right") / len(run_s)
            axes.semilogx(x, steps, color=colour, ls=style, lw=3, alpha=0.55)
        axes.semilogx(x, trained.classes[index].run_s.cdf(x), color=MODEL, ls=style, lw=1)
        axes.annotate(trained.classes[index].name, place, fontsize=8)
    axes.set(xlabel="run time", ylabel="share that run for less", ylim=(0, 1))
    axes.set_xticks(TIMES_S, TIME_NAMES)
    axes.set_xlim(5, 3e6)


def clustering(axes: Axes, old: Weeks, new: Weeks, trained: SubmissionModel) -> None:
    """Dispersion of submits by window."""
    windows_s = np.geomspace(10, 4 * 86400, 15)
    for weeks, colour, marker, hatch in ((old, SEEN, "o", None), (new, UNSEEN, "^", "//")):
        span_s = weeks.n_weeks * data.WEEK_S
        drawn = bursts.runs(trained, weeks.n_weeks)
        runs = [[bursts.dispersion(t, w, span_s) for w in windows_s] for t in drawn]
        low, high = np.quantile(runs, [0.05, 0.95], axis=0)
        axes.fill_between(windows_s, low, high, facecolor=colour, alpha=0.2, hatch=hatch)
        seen = [bursts.dispersion(weeks.submit_s, w, span_s) for w in windows_s]
        axes.loglog(windows_s, seen, marker, color=colour, ms=4)
    axes.annotate("bands: central 90 % of 40 runs of the model", (12, 1500), fontsize=8)
    axes.axhline(1, color=MODEL, lw=0.8, ls=":")
    axes.annotate("Poisson", (1e5, 1.15), fontsize=8)
    axes.set(xlabel="window", ylabel="variance over mean of submits")
    axes.set_xticks(TIMES_S[1:4], TIME_NAMES[1:4])
