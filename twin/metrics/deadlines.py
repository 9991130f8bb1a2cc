"""Jobs that should have ended by a time: how many did not, and how late they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.metrics.jobs import quantiles


def deadlines(jobs: pd.DataFrame, horizon_s: float) -> dict[str, Any]:
    """Deadlines that came up, those missed, and the tardiness of jobs; empty without any.

    Parameters
    ----------
    jobs : DataFrame
        `twin.tables.JOBS`.
    horizon_s : float
        Simulated time. [s]

    Returns
    -------
    dict
        ``deadlines`` (decided ones), ``deadline_misses``, ``deadline_miss_share``, and
        ``tardiness_s`` over the decided jobs, the punctual ones with 0.

    Notes
    -----
    Tardiness is ``max(0, end - deadline)``; a job that is not done counts to the horizon, which is
    the least that it can be. A deadline beyond the horizon of a job that is not done is not decided
    and counts nowhere. A job that failed or was rejected missed its deadline, and has no tardiness.
    """
    deadline_s = jobs["deadline_s"].to_numpy()
    state = jobs["state"].to_numpy()
    lost = np.isin(state, ["failed", "rejected"])
    open_ = np.isin(state, ["running", "queued"])
    decided = ~np.isnan(deadline_s) & ~(open_ & (deadline_s >= horizon_s))
    if not decided.any():
        return {}
    end_s = np.where(open_, horizon_s, jobs["end_s"].to_numpy())
    # Submits and deadlines are sums of their own; a difference of their last bits is no delay.
    with np.errstate(invalid="ignore"):
        late_s = end_s - deadline_s
        late = late_s > 1e-9 * np.maximum(np.abs(deadline_s), 1.0)
    missed = decided & (lost | late)
    tardiness_s = np.where(late, late_s, 0.0)[decided & ~lost]
    return {
        "deadlines": int(decided.sum()),
        "deadline_misses": int(missed.sum()),
        "deadline_miss_share": float(missed.sum() / decided.sum()),
        "tardiness_s": quantiles(tardiness_s),
    }
