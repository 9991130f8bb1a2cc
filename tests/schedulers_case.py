"""What the tests of schedulers share: small halls, jobs by hand, and what became of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.failures.model import FailureModel, Incident
from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.hazards import Reliability
from twin.kernel.recorder import Record
from twin.kernel.simulation import Simulation
from twin.policies.base import Scheduler
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.placements.best_fit import BestFit
from twin.registry import SCHEDULERS, make_policy
from twin.site.layout import Pool, Site, lay_out
from twin.workload.jobs import job_table

# Of schedulers that cannot do without any.
OPTIONS: dict[str, dict[str, Any]] = {"quotas": {"gpus": {"a": 2, "b": 1}}}


def hall(nodes: int, gpus: int = 1, *more: tuple[int, int]) -> Site:
    """Pools of so many nodes of so many GPUs."""
    sizes = [(nodes, gpus), *more]
    return lay_out([Pool(f"p{p}", "node", "", g, n) for p, (n, g) in enumerate(sizes)])


def work(*rows: tuple[float, float, int], **columns: Any) -> pd.DataFrame:
    """Jobs by (submit, work, GPUs)."""
    submit_s, run_s, gpus = zip(*rows, strict=True)
    return job_table({"submit_s": submit_s, "run_s": run_s, "gpus": gpus} | columns)


def made(name: str, **options: Any) -> Scheduler:
    """A scheduler by its name."""
    scheduler = make_policy("schedulers", name, OPTIONS.get(name, {}) | options)
    assert isinstance(scheduler, Scheduler)
    return scheduler


def preempting() -> list[str]:
    """Names of the schedulers that may preempt."""
    return [name for name in SCHEDULERS.names() if made(name).preempts]


def costly(
    write_s: float = 60.0,
    restart_s: float = 30.0,
    every_s: float = 1e9,
    incidents: tuple[Incident, ...] = (),
    **more: Any,
) -> Reliability:
    """Saving takes so long, beginning again so long; nothing fails but what is told."""
    levels = (SaveLevel("storage", 1, write_s=write_s),)
    return Reliability(
        FailureModel(incidents=incidents),
        RestartModel(**({"restart_s": restart_s, "levels": levels} | more)),
        make_policy("recoveries", "requeue", {}),
        Fixed(every_s=every_s),
        make_policy("retirements", "never", {}),
        0,
    )


def play(
    site: Site,
    jobs: pd.DataFrame,
    scheduler: Scheduler | str,
    horizon_s: float | None = None,
    **more: Any,
) -> Record:
    """One run."""  # fmt: skip
    policy = made(scheduler) if isinstance(scheduler, str) else scheduler
    return Simulation(site, jobs, policy, BestFit(), **more).run(horizon_s)


def spells(record: Record, job: int) -> list[tuple[float, float]]:
    """From when until when a job held GPUs, one of its nodes for all."""
    held = record.allocations
    mine = np.flatnonzero(held["job"] == job)
    return sorted({(float(held["start_s"][at]), float(held["end_s"][at])) for at in mine})
