"""The job table: what is to be done, in one form, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from twin.tables import WORKLOAD

# What a column holds where its maker says nothing. submit_s, run_s and gpus have no default.
DEFAULTS: dict[str, Any] = {
    "nodes": 0,
    "cpus": np.nan,
    "memory_bytes": np.nan,
    "gpu_fraction": 1.0,
    "user": "",
    "group": "",
    "priority": 0,
    "estimate_s": np.nan,
    "kind": "training",
    "model": "",
    "pool": "",
    "deadline_s": np.nan,
    "qos": "",
    "min_gpus": 0,
    "max_gpus": 0,
    "gpu_types": "",
    "until_s": np.nan,
    "data_bytes": np.nan,
}


@dataclass(frozen=True)
class Intake:
    """What happened on the way from file or generator to job table; it reaches the summary."""

    source: str = ""  # file name or generator
    format: str = ""
    rows_read: int = 0
    skipped: tuple[str, ...] = ()  # one line a bad row, the first MAX_LISTED of them
    skipped_rows: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # transform -> jobs it took out
    notes: tuple[str, ...] = ()  # assumptions made, for the report

    MAX_LISTED = 100


@dataclass(frozen=True)
class Workload:
    """A job table and how it came about.

    Parameters
    ----------
    jobs : DataFrame
        The columns of `twin.tables.WORKLOAD` in queue order: submit time, ties in input order.
    intake : Intake
        Rows skipped and dropped, assumptions made.
    epoch : datetime or None
        Calendar time of second 0, if the source has one (naive: the source's own zone).
    """

    jobs: pd.DataFrame
    intake: Intake = field(default_factory=Intake)
    epoch: datetime | None = None

    def with_jobs(self, jobs: pd.DataFrame, **dropped: int) -> Workload:
        """The same workload with other jobs, and counts of what was dropped added."""
        counts = dict(self.intake.dropped)
        for name, count in dropped.items():
            counts[name] = counts.get(name, 0) + count
        return replace(self, jobs=jobs, intake=replace(self.intake, dropped=counts))


def job_table(columns: dict[str, Any]) -> pd.DataFrame:
    """A job table from the columns given; the others get their defaults; sorted into queue order.

    Parameters
    ----------
    columns : dict
        At least ``submit_s``, ``run_s`` and ``gpus``, each of shape (n_job,).

    Returns
    -------
    DataFrame
        (n_job, n_column) with the columns and dtypes of `twin.tables.WORKLOAD`.
    """
    n = len(columns["submit_s"])
    submit_s = np.asarray(columns["submit_s"], float)
    in_order = bool(np.all(submit_s[1:] >= submit_s[:-1]))
    # mergesort is stable: ties keep the input's order, as the queue order asks.
    order = None if in_order else np.argsort(submit_s, kind="mergesort")
    made: dict[str, Any] = {}
    for column in WORKLOAD.columns:
        given = columns.get(column.name)
        if column.name == "job_id" and given is None:
            given = np.arange(1, n + 1).astype(str)
        if given is None:
            made[column.name] = _constant(DEFAULTS[column.name], n, column.dtype)
            continue
        series = pd.Series(given).reset_index(drop=True)
        if order is not None:
            series = series.iloc[order].reset_index(drop=True)
        if column.dtype == "string":
            series = series.astype("str")
        elif column.dtype == "category":
            series = series.astype("category")
        else:
            series = series.astype(column.dtype)
        made[column.name] = series
    return pd.DataFrame(made)


def _constant(value: Any, n: int, dtype: str) -> pd.Series[Any]:
    if dtype == "category":
        return pd.Series(
            pd.Categorical.from_codes(np.zeros(n, np.int8), categories=pd.Index([value]))
        )
    return pd.Series(np.full(n, value), dtype=dtype)
