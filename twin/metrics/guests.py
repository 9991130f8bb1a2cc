"""Guests: the time that services left of their GPUs, and who had it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.results.outcome import Outcome
from twin.results.services import service_of
from twin.tables import GPU_TIME_SHARES


def who_ran(allocations: pd.DataFrame, stays: pd.DataFrame | None) -> pd.DataFrame:
    """Allocations, and beside them the stays of guests, who run and hold no GPU."""
    if stays is None or stays.empty:
        return allocations
    return pd.concat([allocations, stays.assign(gpu_mask=np.int64(0))], ignore_index=True)


def guests(outcome: Outcome) -> dict[str, Any]:
    """The section ``guests`` of the summary.

    Notes
    -----
    What is lent and has no guest is idle, or stranded while work waits. ``harm_gpu_s`` is what
    guests cost their hosts: the share ``interference`` of replicas.
    """
    assert outcome.stays is not None and outcome.replicas is not None
    jobs, stays = outcome.jobs, outcome.stays
    shares = [f"{share.name}_gpu_s" for share in GPU_TIME_SHARES]
    held_gpu_s = jobs[shares].to_numpy(float).sum(axis=1)
    guest_gpu_s = float(held_gpu_s @ jobs["guest_fraction"].to_numpy(float))
    lent_gpu_s = outcome.replicas["lent_gpu_s"].to_numpy(float)
    service = service_of(jobs)
    came = stays[["job", "start_s", "end_s"]].drop_duplicates()
    stayed_s = (came["end_s"] - came["start_s"]).to_numpy(float)
    return {
        "jobs": int(came["job"].nunique()),
        "stays": len(came),
        "mean_stay_s": float(stayed_s.mean()) if len(came) else None,
        "lent_gpu_s": float(lent_gpu_s.sum()),
        "guest_gpu_s": guest_gpu_s,
        "filled_share": guest_gpu_s / lent_gpu_s.sum() if lent_gpu_s.sum() > 0 else None,
        "harm_gpu_s": float(jobs["interference_gpu_s"][service != ""].sum()),
        "lent_by_service_gpu_s": {
            str(name): float(lent_gpu_s[service == name].sum())
            for name in sorted(set(service) - {""})
            if lent_gpu_s[service == name].any()
        },
    }
