"""Jobs that lost their GPUs on the way: preemptions, migrations, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.metrics.stay import stay
from twin.results.spells import waiting


def moves(jobs: pd.DataFrame, allocations: pd.DataFrame, horizon_s: float) -> dict[str, Any]:
    """Preemptions and migrations, where there are any.

    Parameters
    ----------
    jobs, allocations : DataFrame
        Tables of a run.
    horizon_s : float
        Simulated time. [s]

    Returns
    -------
    dict
        ``preemptions``, ``jobs_preempted``, ``most_preemptions`` of one job,
        ``preempted_checkpoint_gpu_s`` and ``preempted_restart_gpu_s`` (of the jobs preempted),
        ``waited_again_s`` (mean of theirs, from first start to end, without any GPU);
        ``migrations`` and ``jobs_migrated``. Empty where nothing of the kind happened.

    Notes
    -----
    The GPU-time of checkpoints and restarts is all that the preempted jobs spent on them. A
    checkpoint that was due anyway, or a restart after a fault, is in it as well: the tables do not
    tell why a job saved.
    """
    made: dict[str, Any] = {}
    times = jobs["preemptions"].to_numpy()
    if times.any():
        hit = times > 0
        made |= {
            "preemptions": int(times.sum()),
            "jobs_preempted": int(hit.sum()),
            "most_preemptions": int(times.max()),
            "preempted_checkpoint_gpu_s": float(jobs["checkpoint_gpu_s"].to_numpy()[hit].sum()),
            "preempted_restart_gpu_s": float(jobs["restart_gpu_s"].to_numpy()[hit].sum()),
            "waited_again_s": float(_waited_again_s(jobs, allocations, horizon_s)[hit].mean()),
        }
    moved = jobs["migrations"].to_numpy()
    if moved.any():
        made |= {"migrations": int(moved.sum()), "jobs_migrated": int((moved > 0).sum())}
    return made


def _waited_again_s(
    jobs: pd.DataFrame, allocations: pd.DataFrame, horizon_s: float
) -> np.ndarray[Any, Any]:
    """(n_job,) time without any GPU after the first start. [s]"""
    held = (allocations[name].to_numpy() for name in ("job", "start_s", "end_s"))
    job, from_s, to_s = waiting(*stay(jobs, horizon_s), *held)
    again = from_s >= jobs["start_s"].to_numpy()[job]
    return np.bincount(job[again], (to_s - from_s)[again], len(jobs))
