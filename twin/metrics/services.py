"""Services: the replicas that were wanted, those that ran, and what others gave up for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.metrics.jobs import quantiles
from twin.results.outcome import Outcome
from twin.results.services import service_of, wanted_s


def services(outcome: Outcome) -> dict[str, Any]:
    """The section ``services`` of the summary: of all of them, and of each by name.

    Notes
    -----
    A replica is served while it works: not while it waits, starts, or begins again after a fault.
    ``to_running_s`` counts the spells that came to work at all. What jobs spent on saving when they
    gave way, and work that they had not saved, is ``lost_gpu_s``; what it took them to begin again
    is in the share ``restart`` of the ledger.
    """
    assert outcome.replicas is not None
    jobs = outcome.jobs
    name = service_of(jobs)
    table = outcome.replicas.assign(
        wanted_s=wanted_s(jobs, outcome.horizon_s),
        waited_s=outcome.replicas["running_s"] - jobs["submit_s"],
        gpus=jobs["gpus"],
    )
    found = _told(table[name != ""])
    by_service = {str(one): _told(table[name == one]) for one in sorted(set(name) - {""})}
    return found | {"by_service": by_service}


def _told(rows: pd.DataFrame) -> dict[str, Any]:
    wanted, served = float(rows["wanted_s"].sum()), float(rows["served_s"].sum())
    waited_s = rows["waited_s"].dropna().to_numpy()
    return {
        "spells": len(rows),
        "never_ran": int(rows["running_s"].isna().sum()),
        "wanted_replica_s": wanted,
        "served_replica_s": served,
        "served_share": served / wanted if wanted > 0 else 1.0,
        "wanted_gpu_s": float((rows["wanted_s"] * rows["gpus"]).sum()),
        "served_gpu_s": float((rows["served_s"] * rows["gpus"]).sum()),
        "to_running_s": quantiles(np.asarray(waited_s, float)),
        "jobs_preempted": int(rows["displaced_jobs"].sum()),
        "lost_gpu_s": float(rows["lost_gpu_s"].sum()),
    }
