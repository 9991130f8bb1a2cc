"""A run with failures written by hand: four incidents on twelve nodes, for tests of the report.

Three racks of four nodes with eight GPUs each, two racks a row, ten days. Job ``a`` has nodes 2 to
5, ``b`` 6 and 7, ``c`` node 0. On day 2 rack 1 (nodes 4 to 7) loses power; ``a`` goes on with nodes
8 and 9, ``b`` with 10 and 11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from report_fixture import DAY_S, FakeRun, assemble, jobs_table

from twin.metrics.place import place
from twin.metrics.reliability import reliability
from twin.site.layout import Pool, Site, lay_out
from twin.tables import ALLOCATIONS, INCIDENTS

HOUR_S = 3600.0


@dataclass
class FailingRun(FakeRun):
    """A run directory with the two tables that only failures need."""

    incidents: pd.DataFrame = field(default_factory=pd.DataFrame)
    allocations: pd.DataFrame = field(default_factory=pd.DataFrame)


def site(nodes: int = 12, *, per_rack: int = 4, per_row: int = 2) -> Site:
    """A site of one pool with nodes of eight GPUs."""
    pool = Pool("main", "", "", 8, nodes, nodes_per_rack=per_rack, racks_per_row=per_row)
    return lay_out([pool], name="site")


def incident(day: float, component: str, domain: str, **columns: Any) -> dict[str, Any]:
    """A row of `tables.INCIDENTS`; what is not given is zero, and it is well an hour later."""
    made: dict[str, Any] = dict.fromkeys(INCIDENTS.names(), 0)
    time_s = day * DAY_S
    made |= {"time_s": time_s, "component": component, "domain": domain, "kind": "fail_stop"}
    return made | {"recovered_s": time_s + HOUR_S} | columns


INCIDENT_ROWS = (
    incident(
        2, "pdu", "rack 1", gpus_down=32, gpus_idled=16, nodes_hit=4, jobs_hit=2, users_hit=2,
        down_gpu_s=300 * HOUR_S, idled_gpu_s=20 * HOUR_S, lost_gpu_s=70 * HOUR_S,
        restart_gpu_s=10 * HOUR_S, recovered_s=2.5 * DAY_S,
    ),
    incident(
        5, "gpu", "gpu 3", gpus_down=8, nodes_hit=1, jobs_hit=1, users_hit=1,
        down_gpu_s=90 * HOUR_S, lost_gpu_s=5 * HOUR_S, recovered_s=np.nan,
    ),
    incident(6, "bug", "job a", gpus_idled=32, jobs_hit=1, users_hit=1, lost_gpu_s=HOUR_S),
    incident(7, "tor", "leaf 0", kind="degraded", nodes_hit=12, slowed_gpu_s=HOUR_S),
)  # fmt: skip

# Job, nodes, from and to [days].
HELD = (
    (0, (2, 3), 0, 10),
    (0, (4, 5), 0, 2),
    (0, (8, 9), 2.1, 10),
    (1, (6, 7), 0, 2),
    (1, (10, 11), 2.2, 10),
    (2, (0,), 0, 5),
)


def failing_run(
    rows: tuple[dict[str, Any], ...] = INCIDENT_ROWS,
    *,
    held: tuple[tuple[int, tuple[int, ...], float, float], ...] = HELD,
    built: Site | None = None,
) -> FailingRun:
    """The run, with the section ``reliability`` that the metrics make of its tables."""
    jobs = jobs_table(
        submit_s=[0.0] * 3, gpus=[32, 16, 8], run_s=[10 * DAY_S, 10 * DAY_S, 5 * DAY_S],
        start_s=[0.0] * 3, job_id=["a", "b", "c"], user=pd.Categorical(["ann", "bob", "cy"]),
        interruptions=[2, 1, 1], interrupted_s=[0.1 * DAY_S, 0.2 * DAY_S, 0.0],
    )  # fmt: skip
    built = built or site()
    fake = assemble(jobs, name="failing", gpus=built.n_gpus)
    incidents = pd.DataFrame(list(rows), columns=INCIDENTS.names())
    for name in ("component", "kind"):
        incidents[name] = incidents[name].astype("category")
    allocations = pd.DataFrame(
        [
            (job, node, 255, first * DAY_S, last * DAY_S)
            for job, nodes, first, last in held
            for node in nodes
        ],
        columns=ALLOCATIONS.names(),
    ).astype({column.name: column.dtype for column in ALLOCATIONS.columns})
    outcome: Any = SimpleNamespace(
        jobs=jobs,
        incidents=incidents,
        horizon_s=fake.summary["horizon_s"],
        gpu_time={"down": float(incidents["down_gpu_s"].sum())},
    )
    found = reliability(outcome, built.n_gpus, lambda pool, gpus: 100 * DAY_S / gpus)
    fake.summary["reliability"] = found | place(found["worst_incident"], incidents, built)
    return FailingRun(**vars(fake), incidents=incidents, allocations=allocations)
