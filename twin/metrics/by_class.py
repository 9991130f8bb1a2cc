"""Waits, completion times and slowdowns by class of job: size, kind, group, class of service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.metrics.jobs import SLOWDOWN_BOUND_S
from twin.metrics.tenants import largest

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

# GPUs of the largest job of each class of size; the last has no bound. Jobs without a GPU are
# there only where CPUs and memory are limits too.
SIZE_BOUNDS = (0, 1, 8, 64, 512)
MOST_GROUPS = 20

_PERCENTILES = (50, 90, 99)


def by_class(jobs: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """``by_size``, ``by_kind``, ``by_group`` and ``by_qos``; those with one class are left out.

    Parameters
    ----------
    jobs : DataFrame
        `twin.tables.JOBS`.

    Returns
    -------
    dict of lists
        An entry a class: its name and bounds, ``jobs``, ``completed``, ``useful_gpu_s``, and mean,
        P50, P90 and P99 of ``wait_s`` (jobs that started), ``jct_s`` (jobs that ended) and
        ``bounded_slowdown`` (completed jobs), where it has any.

    Notes
    -----
    Sizes are 0, 1, 2-8, 9-64, 65-512 and more than 512 GPUs. Of the groups, the `MOST_GROUPS`
    largest by GPU-time asked for have an entry; the rest have one together, which counts them.
    """
    measures = _Measures(jobs)
    made = {"by_size": _sizes(jobs, measures)}
    for name in ("kind", "qos"):
        code, found = pd.factorize(jobs[name], sort=True)
        made[f"by_{name}"] = measures.table(code, [{name: str(each)} for each in found])
    groups = largest(jobs, "group", MOST_GROUPS)
    heads: list[dict[str, Any]] = [{"group": name} for name in groups.names]
    if groups.others:
        heads[-1]["groups"] = groups.others
    made["by_group"] = measures.table(groups.of_job, heads)
    return {name: entries for name, entries in made.items() if len(entries) > 1}


def size_class(gpus: NDArray[Any]) -> Codes:
    """(n_job,) class of size of each job: its place in `size_names`."""
    return np.searchsorted(SIZE_BOUNDS, gpus)


def size_names() -> list[str]:
    """Names of the classes of size, in GPUs."""
    least = [0, *(bound + 1 for bound in SIZE_BOUNDS)]
    pairs = zip(least, SIZE_BOUNDS, strict=False)
    names = [f"{a}" if a == b else f"{a}-{b}" for a, b in pairs]
    return [*names, f">{SIZE_BOUNDS[-1]}"]


def _sizes(jobs: pd.DataFrame, measures: _Measures) -> list[dict[str, Any]]:
    names = size_names()
    entries = measures.table(size_class(jobs["gpus"].to_numpy()), [{"gpus": n} for n in names])
    return [entry for entry in entries if entry["jobs"]]


class _Measures:
    """What jobs felt, each measure sorted once and then taken apart by class."""

    def __init__(self, jobs: pd.DataFrame) -> None:
        self._done = (jobs["state"] == "completed").to_numpy()
        self._useful_gpu_s = jobs["useful_gpu_s"].to_numpy()
        jct_s = jobs["jct_s"].to_numpy()
        work_s = np.maximum(jobs["run_s"].to_numpy(), SLOWDOWN_BOUND_S)
        slowdown = np.where(self._done, np.maximum(1.0, jct_s / work_s), np.nan)
        self._sorted: dict[str, tuple[NDArray[np.int64], Array]] = {}
        named = {"wait_s": jobs["wait_s"].to_numpy(), "jct_s": jct_s, "bounded_slowdown": slowdown}
        for name, values in named.items():
            row = np.argsort(values, kind="stable")
            row = row[: len(row) - int(np.isnan(values).sum())]  # NaN sorts last
            self._sorted[name] = row, values[row]

    def table(self, code: Codes, heads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """An entry for each class, in the order of ``heads``; ``code`` is the class of each job."""
        n = len(heads)
        if n < 2:
            return []
        counted = np.bincount(code, minlength=n)
        completed = np.bincount(code[self._done], minlength=n)
        useful_gpu_s = np.bincount(code, self._useful_gpu_s, n)
        entries = [
            {
                **head,
                "jobs": int(counted[at]),
                "completed": int(completed[at]),
                "useful_gpu_s": float(useful_gpu_s[at]),
            }
            for at, head in enumerate(heads)
        ]
        for name, (row, values) in self._sorted.items():
            of_row = code[row].astype(np.int16)
            order = np.argsort(of_row, kind="stable")  # by class, ascending within each
            ends = np.cumsum(np.bincount(of_row, minlength=n))
            for entry, part in zip(entries, np.split(values[order], ends[:-1]), strict=True):
                entry[name] = _spread(part)
        return entries


def _spread(ascending: Array) -> dict[str, float]:
    """Mean and percentiles, linear between neighbours; empty if there are no values."""
    if not len(ascending):
        return {}
    places = np.arange(len(ascending))
    at = [p / 100 * (len(ascending) - 1) for p in _PERCENTILES]
    values = np.interp(at, places, ascending).tolist()
    return {"mean": float(ascending.mean())} | {
        f"p{p}": value for p, value in zip(_PERCENTILES, values, strict=True)
    }
