"""Runs of several schedulers that never ran: the tables of `report_fixture` and who was where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from report_fixture import FakeRun, fake_run

from twin.tables import ALLOCATIONS

PER_NODE = 8


@dataclass
class ScheduledRun(FakeRun):
    """A run directory with the table that nodes over time need."""

    allocations: pd.DataFrame = field(default_factory=pd.DataFrame)


def allocations(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """`tables.ALLOCATIONS` from its rows."""
    types = {column.name: column.dtype for column in ALLOCATIONS.columns}
    return pd.DataFrame(rows, columns=ALLOCATIONS.names()).astype(types)


def scheduled_run(
    jobs: int = 300, *, name: str = "fifo", gpus: int = 128, groups: int = 7, **kwargs: Any
) -> ScheduledRun:
    """A run whose jobs stand on nodes in turn; nodes may hold more than they have."""
    fake = fake_run(jobs, name=name, gpus=gpus, days=6, **kwargs)
    table = fake.jobs
    table["group"] = pd.Categorical([f"vc-{k % groups}" for k in range(len(table))])
    nodes = gpus // PER_NODE
    rows = []
    for job, (size, start_s, end_s) in enumerate(
        zip(table["gpus"], table["start_s"], table["end_s"], strict=True)
    ):
        if np.isnan(start_s):
            continue
        for part in range(-(-size // PER_NODE)):
            held = min(PER_NODE, size - part * PER_NODE)
            rows.append((job, (job + part) % nodes, (1 << held) - 1, start_s, end_s))
    return ScheduledRun(**vars(fake), allocations=allocations(rows))


def rivals(number: int, jobs: int = 300, **kwargs: Any) -> list[ScheduledRun]:
    """The same jobs under different luck: the first waits as it must, others for less or more."""
    runs = []
    for k in range(number):
        run = scheduled_run(jobs, name=NAMES[k % len(NAMES)], scheduler=NAMES[k], **kwargs)
        wait_s = run.jobs["wait_s"] * (1 if k == 0 else 0.3 + 0.15 * k)
        run.jobs["wait_s"], run.jobs["start_s"] = wait_s, run.jobs["submit_s"] + wait_s
        run.jobs["queued_s"] = wait_s
        run.jobs["jct_s"] = wait_s + run.jobs["run_s"]
        run.jobs["end_s"] = run.jobs["submit_s"] + run.jobs["jct_s"]
        for key in ("wait_s", "queued_s", "jct_s"):
            run.summary[key]["mean"] = float(run.jobs[key].mean())
        runs.append(run)
    return runs


NAMES = (
    *("fifo", "sjf", "srtf", "smallest-first", "easy-backfill", "conservative-backfill", "drf"),
    *("multifactor", "tiresias", "gandiva", "themis", "gavel-max-min-with-a-very-long-name"),
)
