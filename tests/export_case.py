"""Runs written by hand: jobs, who held what, and the least of everything else."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from twin.results.store import PROVENANCE, SCENARIO, SUMMARY, Results, write_table
from twin.tables import ALLOCATIONS, DOMAINS, INCIDENTS, JOBS, RUN_TABLES, TIMELINE, Table

_BLANK: dict[str, Any] = {"float64": np.nan, "int32": 0, "int64": 0, "category": "", "string": ""}


def filled(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table with these rows; what they do not say is blank."""
    columns = {
        c.name: pd.Series([row.get(c.name, _BLANK[c.dtype]) for row in rows], dtype=c.dtype)
        for c in table.columns
    }
    return pd.DataFrame(columns)


def job(job_id: str, *, state: str = "completed", **columns: Any) -> dict[str, Any]:
    """A row of jobs.parquet; wait and JCT from the times given."""
    row = {"job_id": job_id, "submit_s": 0.0, "start_s": np.nan, "end_s": np.nan, "gpus": 1}
    row |= {"kind": "training", "state": state, "pool": "main"} | columns
    row |= {"wait_s": row["start_s"] - row["submit_s"], "jct_s": row["end_s"] - row["submit_s"]}
    return row


def run_in_memory(
    jobs: list[dict[str, Any]],
    held: list[tuple[int, int, int, float, float]],
    *,
    pools: tuple[tuple[str, int, int], ...] = (("main", 4, 8),),
    horizon_s: float = 1000.0,
    timeline: list[dict[str, Any]] | None = None,
    incidents: list[dict[str, Any]] | None = None,
    start: str = "null",
) -> Any:
    """What `Results` shows; ``held``: (job, node, mask, start, end), pools: (name, nodes, GPUs)."""
    names = ALLOCATIONS.names()
    site = {
        "gpus": sum(nodes * gpus for _, nodes, gpus in pools),
        "nodes": sum(nodes for _, nodes, _ in pools),
        "pools": {name: nodes * gpus for name, nodes, gpus in pools},
    }
    summary = {"scenario": "by-hand", "seed": 1, "version": "0", "horizon_s": horizon_s}
    summary |= {"jobs": {}, "ledgers": {}, "site": site, "engine": {}}
    asked = "".join(f"  - {{name: {name}, nodes: {nodes}}}\n" for name, nodes, _ in pools)
    allocations = filled(ALLOCATIONS, [dict(zip(names, each, strict=True)) for each in held])
    return SimpleNamespace(
        name="by-hand",
        path=Path("by-hand"),
        summary=summary,
        jobs=filled(JOBS, jobs),
        allocations=allocations,
        spells=allocations,
        stays=None,
        timeline=filled(TIMELINE, timeline or []),
        incidents=filled(INCIDENTS, incidents or []),
        domains=filled(DOMAINS, []),
        scenario_yaml=f"name: by-hand\nstart: {start}\nsite:\n  pools:\n{asked}",
    )


def run_folder(folder: Path, *tables: Any, inputs: tuple[Path, ...] = (), **more: Any) -> Results:
    """The same as a run directory, made from the files ``inputs``."""
    run = run_in_memory(*tables, **more)
    folder.mkdir(parents=True, exist_ok=True)
    for table in RUN_TABLES:
        write_table(getattr(run, table.name), folder / f"{table.name}.parquet")
    (folder / SUMMARY).write_text(json.dumps(run.summary))
    read = [{"path": str(path), "sha256": ""} for path in inputs]
    (folder / PROVENANCE).write_text(json.dumps({"inputs": read}))
    (folder / SCENARIO).write_text(run.scenario_yaml)
    return Results(folder)
