"""Jobs and replicas of services apart: a replica comes and goes with demand, nobody submits it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.results.services import service_of
from twin.results.store import Results


def is_replica(jobs: pd.DataFrame) -> NDArray[np.bool_]:
    """(n_row,) which rows of a job table are replicas of services; none in earlier versions."""
    if "until_s" not in jobs:
        return np.zeros(len(jobs), bool)
    found: NDArray[np.bool_] = jobs["until_s"].notna().to_numpy()
    return found


def batch_jobs(run: Results) -> pd.DataFrame:
    """The rows of the job table that somebody submitted: all but replicas of services."""
    replica = is_replica(run.jobs)
    return run.jobs[~replica] if replica.any() else run.jobs


def holders(jobs: pd.DataFrame) -> NDArray[Any]:
    """(n_row,) who holds what a row holds, in a word: its group, or the service it belongs to.

    Jobs beside services are ``jobs`` where they are all of one group.
    """
    names: NDArray[Any] = jobs["group"].astype(str).to_numpy(object)
    replica = is_replica(jobs)
    if not replica.any():
        return names
    if len(set(names[~replica])) < 2:
        names[~replica] = "jobs"
    names[replica] = service_of(jobs[replica]) + " (service)"
    return names
