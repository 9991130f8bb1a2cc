"""How sure the differences of means are, where runs were given the same jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.metrics.jobs import SLOWDOWN_BOUND_S
from twin.metrics.paired import PairedMean, paired_means
from twin.report import numbers
from twin.report.batch import batch_jobs
from twin.report.pairs import same_jobs
from twin.results.store import Results

Array = NDArray[np.float64]

_ALIKE = 0.3  # correlation of neighbouring blocks from which an interval is said to be narrow


@dataclass(frozen=True)
class Intervals:
    """Paired differences of the later runs against the first.

    Attributes
    ----------
    of : mapping
        From index of the run and key of the figure.
    block : str
        How long a block of arrivals is; empty where nothing has an interval.
    blocks : int
        Of them the arrivals make.
    """

    of: Mapping[tuple[int, str], PairedMean]
    block: str = ""
    blocks: int = 0


def intervals(runs: Sequence[Results]) -> Intervals:
    """Means of differences of waits, completion times and slowdowns, job by job, with intervals.

    A run that was given other jobs than the first has none.
    """
    jobs = [batch_jobs(run) for run in runs]
    first = per_job(jobs[0])
    keys: list[tuple[int, str]] = []
    differences: list[Array] = []
    for index, mine in enumerate(jobs[1:], start=1):
        if same_jobs(jobs[0], mine):
            for key, values in per_job(mine).items():
                keys.append((index, key))
                differences.append(values - first[key])
    if not keys:
        return Intervals({})
    found = paired_means(jobs[0]["submit_s"].to_numpy(float), np.array(differences))
    of = dict(zip(keys, found, strict=True))
    cut = next((each for each in found if each.blocks), None)
    if cut is None:
        return Intervals(of)
    length = numbers.duration(cut.block_s).replace(".0\N{NO-BREAK SPACE}", "\N{NO-BREAK SPACE}")
    return Intervals(of, length, cut.blocks)


def is_narrow(found: PairedMean) -> bool:
    """Whether neighbouring blocks are alike, so that the interval is too narrow."""
    return found.correlation > _ALIKE


def per_job(jobs: pd.DataFrame) -> dict[str, Array]:
    """Waits, completion times and bounded slowdowns; NaN for a job that has none.

    Returns
    -------
    dict
        From the key of the mean in a summary to an (n_job,) array.
    """
    jct_s = jobs["jct_s"].to_numpy(float)
    slowdown = np.maximum(1.0, jct_s / np.maximum(jobs["run_s"].to_numpy(float), SLOWDOWN_BOUND_S))
    completed = (jobs["state"] == "completed").to_numpy(bool)
    return {
        "wait_s.mean": jobs["wait_s"].to_numpy(float),
        "queued_s.mean": jobs["queued_s"].where(jobs["wait_s"].notna()).to_numpy(float),
        "jct_s.mean": jct_s,
        "bounded_slowdown.mean": np.where(completed, slowdown, np.nan),
    }
