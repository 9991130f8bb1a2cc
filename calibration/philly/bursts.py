"""How jobs cluster in time: the data against runs of the model."""

from __future__ import annotations

import data
import numpy as np
import pandas as pd

from twin.distributions import Array
from twin.scenario.workload import Synthetic
from twin.workload.model import SubmissionModel
from twin.workload.synthetic import draw

SEEDS = 40
WINDOWS_S = {"1 min": 60, "10 min": 600, "1 h": 3600, "6 h": 21600, "1 day": 86400}


def dispersion(times_s: Array, window_s: float, span_s: float) -> float:
    """Variance over mean of the counts in successive windows; 1 for a Poisson process."""
    whole = int(span_s // window_s)
    counts = np.bincount((times_s // window_s).astype(int), minlength=whole)[:whole]
    return float(counts.var() / counts.mean())


def runs(model: SubmissionModel, n_weeks: int) -> list[Array]:
    """Submit times of `SEEDS` runs of the model. [s]"""
    spec = Synthetic(duration=f"{7 * n_weeks} days")
    return [draw(model, spec, seed, 1).jobs.submit_s.to_numpy() for seed in range(1, SEEDS + 1)]


def burst_table(jobs: pd.DataFrame, trained: SubmissionModel) -> str:
    """Dispersion of submits: the data, and the central 90 % of the runs.

    Only the rate of the sessions is fitted to counts: the rest comes out of the sessions.
    """
    lines = [
        "| window | data, 8 weeks | model | data, 3 weeks after | model |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    cells: dict[str, list[str]] = {name: [] for name in WINDOWS_S}
    for first, last in ((0, data.TRAIN_WEEKS), (data.TRAIN_WEEKS, data.WEEKS)):
        span_s = (last - first) * data.WEEK_S
        seen_s = data.weeks(jobs, first, last).submit_s.to_numpy() - first * data.WEEK_S
        drawn = runs(trained, last - first)
        for name, window_s in WINDOWS_S.items():
            low, high = np.quantile([dispersion(t, window_s, span_s) for t in drawn], [0.05, 0.95])
            cells[name].append(f"{dispersion(seen_s, window_s, span_s):.0f}")
            cells[name].append(f"{low:.0f} to {high:.0f}")
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, row in cells.items()]
    return "\n".join(lines)
