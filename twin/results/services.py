"""What became of services: the replicas wanted and served, as spells and as series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.kernel.recorder import Record
from twin.kernel.timeline import bin_means

Array = NDArray[np.float64]


def service_of(jobs: pd.DataFrame) -> NDArray[Any]:
    """(n_job,) the service that each row is a replica of; empty for jobs."""
    names = jobs["job_id"].astype("str").str.partition("/")[0]
    found: NDArray[Any] = names.where(jobs["until_s"].notna(), "").to_numpy(object)
    return found


def wanted_s(jobs: pd.DataFrame, horizon_s: float) -> Array:
    """(n_job,) for how long each replica was wanted; NaN for jobs. [s]"""
    until_s = np.minimum(jobs["until_s"].to_numpy(float), horizon_s)
    wanted: Array = until_s - jobs["submit_s"].to_numpy(float)
    return wanted


def replicas(record: Record) -> pd.DataFrame | None:
    """What the run took down of each replica; None where there are no services.

    Returns
    -------
    DataFrame
        (n_job,) rows as in the job table: ``served_s``, for how long it worked; ``running_s``,
        when it first did (NaN if never); ``displaced_jobs`` and ``lost_gpu_s``, jobs that gave way
        to it, and what they spent on saving or had not saved; ``lent_gpu_s``, the time of its GPUs
        that it left to guests, whether there were any or not.
    """
    if record.served is None or record.displaced is None:
        return None
    n_jobs = len(record.start_s)
    row = record.served["job"].astype(np.int64)
    start_s, end_s = record.served["start_s"], record.served["end_s"]
    running_s = np.full(n_jobs, np.inf)
    np.minimum.at(running_s, row, start_s)
    running_s[running_s == np.inf] = np.nan
    return pd.DataFrame(
        {
            "served_s": np.bincount(row, weights=end_s - start_s, minlength=n_jobs),
            "running_s": running_s,
            "displaced_jobs": record.displaced["jobs"].astype(np.int64),
            "lost_gpu_s": record.displaced["lost_gpu_s"],
            "lent_gpu_s": np.zeros(n_jobs) if record.lives is None else lent(record.lives),
        }
    )


def lent(lives: dict[str, Array]) -> Array:
    """(n_job,) GPU-time that each job left to others. [GPU s]"""
    return np.maximum(lives["lent_gpu_s"], 0.0)


def guest_series(record: Record, starts_s: Array) -> list[pd.DataFrame]:
    """GPUs on which a guest is, of the whole site, in the long form of `twin.tables.DOMAINS`."""
    if record.stays is None:
        return []
    stays = record.stays
    gpus = np.bitwise_count(stays["gpu_mask"].astype(np.uint64)).astype(float)
    from_s, to_s = (stays[name].astype(float) for name in ("start_s", "end_s"))
    value = _counted(from_s, to_s, record.horizon_s, starts_s, gpus)
    told = {"time_s": starts_s, "domain": "site", "quantity": "guest_gpus", "value": value}
    return [pd.DataFrame(told)]


def service_series(record: Record, jobs: pd.DataFrame, starts_s: Array) -> list[pd.DataFrame]:
    """Replicas wanted and served by each service, in the long form of `twin.tables.DOMAINS`."""
    if record.served is None:
        return []
    horizon_s = record.horizon_s
    service, row = service_of(jobs), record.served["job"].astype(np.int64)
    until_s = np.minimum(jobs["until_s"].to_numpy(float), horizon_s)
    submit_s = jobs["submit_s"].to_numpy(float)
    parts = []
    for name in sorted(set(service) - {""}):
        mine, served = service == name, service[row] == name
        for quantity, from_s, to_s in (
            ("wanted_replicas", submit_s[mine], until_s[mine]),
            ("served_replicas", record.served["start_s"][served], record.served["end_s"][served]),
        ):
            value = _counted(from_s, to_s, horizon_s, starts_s)
            parts.append(
                pd.DataFrame(
                    {"time_s": starts_s, "domain": name, "quantity": quantity, "value": value}
                )
            )
    return parts


def _counted(
    from_s: Array, to_s: Array, horizon_s: float, starts_s: Array, each: Array | float = 1.0
) -> Array:
    """Mean number of spells that are going on, in each bin; each counts as so many."""
    counts = np.broadcast_to(np.asarray(each, float), from_s.shape)
    time_s = np.concatenate([[0.0], from_s, to_s])
    change = np.concatenate([[0.0], counts, -counts])
    order = np.argsort(time_s, kind="stable")
    counted = {"spells": np.cumsum(change[order])}
    return bin_means(time_s[order], counted, horizon_s, starts_s)["spells"]
