"""What users felt: waits, completion times and slowdowns, from the job table alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.tables import GPU_TIME_SHARES, JOB_STATES

SLOWDOWN_BOUND_S = 10.0
_NOT_ASKED_FOR = ("stranded", "spare")  # shares of a job that it holds beside what it asked for


def quantiles(values: np.ndarray[Any, Any]) -> dict[str, float]:
    """Mean, percentiles (linear between neighbours) and maximum; empty if there are no values."""
    if not len(values):
        return {}
    p50, p90, p95, p99 = np.percentile(values, [50, 90, 95, 99]).tolist()
    return {
        "mean": float(values.mean()),
        "p50": p50,
        "p90": p90,
        "p95": p95,
        "p99": p99,
        "max": float(values.max()),
    }


def bounded_slowdown(jobs: pd.DataFrame) -> np.ndarray[Any, Any]:
    """JCT over work, at least 1, with work under 10 s counted as 10 s [feitelson1997].

    Returns
    -------
    (n_completed,) array
    """
    done = jobs[(jobs["state"] == "completed").to_numpy()]
    work_s = np.maximum(done["run_s"].to_numpy(), SLOWDOWN_BOUND_S)
    slowdown: np.ndarray[Any, Any] = np.maximum(1.0, done["jct_s"].to_numpy() / work_s)
    return slowdown


def counts(jobs: pd.DataFrame) -> dict[str, int]:
    """Jobs submitted, and in each state."""
    by_state = jobs["state"].value_counts()
    return {"submitted": len(jobs)} | {state: int(by_state.get(state, 0)) for state in JOB_STATES}


def makespan_s(jobs: pd.DataFrame, horizon_s: float) -> float:
    """Last end less first submit; jobs still running count to the horizon. [s]"""
    if not len(jobs):
        return 0.0
    last_s = horizon_s if (jobs["state"] == "running").any() else jobs["end_s"].max()
    first_s = float(jobs["submit_s"].iloc[0])
    return float(last_s) - first_s if last_s == last_s else 0.0


def utilisation(jobs: pd.DataFrame, n_gpus: float, horizon_s: float) -> float:
    """GPU-time that jobs asked for and held, over all installed GPU-time of the makespan.

    ``n_gpus`` is the mean of that time where nodes are rented.

    What a job lacks after a fault, and its time back in the queue, is not held.
    """
    span_s = makespan_s(jobs, horizon_s)
    if span_s <= 0:
        return 0.0
    held = [f"{share.name}_gpu_s" for share in GPU_TIME_SHARES if share.name not in _NOT_ASKED_FOR]
    return float(jobs[held].to_numpy().sum()) / (n_gpus * span_s)
