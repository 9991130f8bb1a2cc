"""What right of way costs: replicas that others give way to, against the same rows as plain jobs.

CPU time of the simulation alone. As plain jobs the replicas wait for their turn and run for as
long as they were wanted: nobody gives way, and nothing is saved for them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from twin.build import Built, build
from twin.kernel.hazards import nothing_fails
from twin.kernel.recorder import Record
from twin.kernel.simulation import Simulation
from twin.run import load

# Where nobody says what saving takes, jobs that give way are suspended at once.
CASES = {"saves": (), "does not": ("recovery.checkpoint=null",)}


def kernel_s(built: Built, horizon_s: float | None, *, plain: bool) -> tuple[float, Record]:
    """CPU time of the simulation [s], and what it saw."""
    jobs = built.workload.jobs
    simulation = Simulation(
        built.site,
        jobs.assign(until_s=np.nan) if plain else jobs,
        built.scheduler,
        built.placement,
        built.estimate_s,
        built.reliability or nothing_fails(),
    )
    gc.collect()
    started = time.process_time()
    record = simulation.run(horizon_s)
    return time.process_time() - started, record


def service_rows(
    path: Path, schedulers: Sequence[str] = ("fifo", "easy-backfill"), repeats: int = 3
) -> list[tuple[str, ...]]:
    """Each scheduler, with jobs that save and without, in turn with the same rows as plain jobs."""
    rows = []
    for scheduler in schedulers:
        for title, overrides in CASES.items():
            scenario = load(path, [f"policies.scheduler={scheduler}", *overrides])
            built = build(scenario)
            pairs_s = []
            for _ in range(repeats):
                with_s, record = kernel_s(built, scenario.horizon_s, plain=False)
                plain_s, _ = kernel_s(built, scenario.horizon_s, plain=True)
                pairs_s.append((with_s, plain_s))
            displaced = record.displaced
            assert displaced is not None
            with_s, plain_s = (median(times) for times in zip(*pairs_s, strict=True))
            rows.append(
                (
                    *(scheduler, title, f"{int(built.workload.jobs['until_s'].notna().sum()):,}"),
                    *(f"{int(displaced['jobs'].sum()):,}", f"{record.events:,}"),
                    *(f"{with_s:.2f}", f"{plain_s:.2f}"),
                    f"{median(ours / theirs for ours, theirs in pairs_s):.1f}",
                )
            )
    return rows
