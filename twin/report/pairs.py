"""The same jobs in two runs: which of them started sooner, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.report.sizes import SIZE_CLASSES

_SAME_S = 1e-3  # waits that differ by less are the same [s]


@dataclass(frozen=True)
class Paired:
    """Jobs of one size class, or all, that started in both runs; differences are other less first.

    ``jct_mean_s`` is over those that also ended in both, NaN if there are none.
    """

    label: str
    jobs: int
    less: float  # share of the jobs that wait less in the other run
    same: float
    more: float
    wait_mean_s: float
    wait_median_s: float
    jct_mean_s: float


def same_jobs(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two runs were given the same jobs in the same order, work and size included."""
    if len(first) != len(other) or not len(first):
        return False
    return all(
        np.array_equal(first[name].to_numpy(), other[name].to_numpy())
        for name in ("submit_s", "gpus", "run_s", "job_id")
    )


def paired(first: pd.DataFrame, other: pd.DataFrame) -> list[Paired]:
    """Paired differences over all jobs, then by size class; classes without such jobs are left out.

    Parameters
    ----------
    first, other : DataFrame
        `twin.tables.JOBS` of two runs with `same_jobs`.
    """
    gpus = first["gpus"].to_numpy()
    wait_s = other["wait_s"].to_numpy(float) - first["wait_s"].to_numpy(float)
    jct_s = other["jct_s"].to_numpy(float) - first["jct_s"].to_numpy(float)
    started = np.isfinite(wait_s)
    groups = [("all", started), *((size.label, started & size.of(gpus)) for size in SIZE_CLASSES)]
    return [_paired(label, wait_s[mine], jct_s[mine]) for label, mine in groups if mine.any()]


def _paired(label: str, wait_s: NDArray[np.float64], jct_s: NDArray[np.float64]) -> Paired:
    ended = jct_s[np.isfinite(jct_s)]
    return Paired(
        label=label,
        jobs=wait_s.size,
        less=float((wait_s < -_SAME_S).mean()),
        same=float((np.abs(wait_s) <= _SAME_S).mean()),
        more=float((wait_s > _SAME_S).mean()),
        wait_mean_s=float(wait_s.mean()),
        wait_median_s=float(np.median(wait_s)),
        jct_mean_s=float(ended.mean()) if ended.size else float("nan"),
    )
