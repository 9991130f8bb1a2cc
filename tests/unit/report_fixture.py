"""Run directories that never ran: plausible tables in the contract's form, for tests of reports.

A pool of GPUs without nodes serves seeded jobs first come, first served, so waits, queue and ledger
hang together; nothing here is the kernel's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import numpy as np
import pandas as pd

from twin.tables import GPU_TIME_SHARES, JOBS, JOBS_SINCE, TIMELINE

DAY_S = 86400.0


@dataclass
class FakeRun:
    """What `twin.results.store.Results` shows of a run directory."""

    name: str
    summary: dict[str, Any]
    jobs: pd.DataFrame
    timeline: pd.DataFrame
    scenario_yaml: str = "name: fake\nseed: 1\n"
    provenance: dict[str, Any] = field(default_factory=dict)


def fake_run(
    n_jobs: int = 2000,
    *,
    name: str = "fake",
    gpus: int = 128,
    days: float = 20.0,
    seed: int = 1,
    scheduler: str = "fifo",
    load: float = 0.8,
) -> FakeRun:
    """A drained run of ``n_jobs`` jobs over about ``days`` at an offered load."""
    rng = np.random.default_rng(seed)
    submit_s = np.sort(rng.random(n_jobs)) * days * DAY_S
    sizes = rng.choice([1, 2, 4, 8, 16, 32, 64, 128, 256, 576], n_jobs, p=_SIZE_WEIGHTS)
    sizes = np.minimum(sizes, gpus).astype(np.int32)
    run_s = np.exp(rng.normal(7.5, 2.0, n_jobs)) if n_jobs else np.empty(0)
    if n_jobs:
        run_s *= load * gpus * days * DAY_S / float((run_s * sizes).sum())
        run_s = np.maximum(np.round(run_s), 1.0)
    start_s = _first_come(submit_s, sizes, run_s, gpus)
    users = pd.Categorical([f"user-{k:02d}" for k in rng.integers(0, 40, n_jobs)])
    groups = pd.Categorical([f"vc-{k}" for k in rng.integers(0, 7, n_jobs)])
    jobs = jobs_table(
        submit_s=submit_s, gpus=sizes, run_s=run_s, start_s=start_s, user=users, group=groups
    )
    return assemble(jobs, name=name, gpus=gpus, seed=seed, scheduler=scheduler)


_SIZE_WEIGHTS = (0.62, 0.1, 0.1, 0.12, 0.03, 0.015, 0.008, 0.004, 0.002, 0.001)


def _first_come(
    submit_s: np.ndarray, gpus: np.ndarray, run_s: np.ndarray, installed: int
) -> np.ndarray:
    free, now_s, running = installed, 0.0, []  # type: int, float, list[tuple[float, int]]
    start_s = np.empty(len(submit_s))
    for job, (submit, size, run) in enumerate(
        zip(submit_s.tolist(), gpus.tolist(), run_s.tolist(), strict=True)
    ):
        now_s = max(now_s, submit)
        while running and (running[0][0] <= now_s or free < size):
            end_s, back = heappop(running)
            free += back
            now_s = max(now_s, end_s)
        free -= size
        start_s[job] = now_s
        heappush(running, (now_s + run, size))
    return start_s


def jobs_table(**columns: Any) -> pd.DataFrame:
    """`tables.JOBS` from submit_s, gpus, run_s, start_s and what else is given."""
    n = len(columns["submit_s"])
    submit_s, start_s = (
        np.asarray(columns["submit_s"], float),
        np.asarray(columns["start_s"], float),
    )
    run_s, gpus = np.asarray(columns["run_s"], float), np.asarray(columns["gpus"])
    end_s = start_s + run_s
    state = np.where(np.isnan(start_s), "queued", "completed")
    made: dict[str, Any] = {
        **JOBS_SINCE,
        "job_id": [f"job-{k}" for k in range(n)],
        "end_s": end_s,
        "nodes": np.where(np.isnan(start_s), 0, -(-gpus // 8)),
        "wait_s": start_s - submit_s,
        "queued_s": start_s - submit_s,
        "jct_s": end_s - submit_s,
        "user": pd.Categorical([""] * n),
        "group": pd.Categorical([""] * n),
        "kind": pd.Categorical(["training"] * n),
        "pool": pd.Categorical(["main"] * n),
        "state": pd.Categorical(state),
        "restarts": 0,
        "preemptions": 0,
        "energy_j": np.nan,
        "interruptions": 0,
        "interrupted_s": 0.0,
        "migrations": 0,
        "gpu_fraction": 1.0,
        "deadline_s": np.nan,
        "until_s": np.nan,
        "qos": pd.Categorical([""] * n),
        "model": pd.Categorical([""] * n),
        **{f"{share.name}_gpu_s": 0.0 for share in GPU_TIME_SHARES},
        "useful_gpu_s": np.where(np.isnan(start_s), 0.0, run_s * gpus),
        **columns,
    }
    frame = pd.DataFrame({name: made[name] for name in JOBS.names()}, index=range(n))
    numeric = {c.name: c.dtype for c in JOBS.columns if c.dtype not in ("string", "category")}
    return frame.astype(numeric)


def assemble(
    jobs: pd.DataFrame, *, name: str = "fake", gpus: int = 128, seed: int = 1,
    scheduler: str = "fifo", bins: int = 400,
) -> FakeRun:  # fmt: skip
    """Summary and timeline that fit the jobs."""
    ended = jobs["end_s"].dropna()
    horizon_s = float(ended.max()) if len(ended) else (DAY_S if len(jobs) else 0.0)
    timeline = _timeline(jobs, horizon_s, gpus, bins)
    step_s = horizon_s / bins
    stranded = float((timeline["stranded_gpus"] * step_s).sum())
    total, useful = gpus * horizon_s, float(jobs["useful_gpu_s"].sum())
    shares = {share.name: 0.0 for share in GPU_TIME_SHARES}
    shares |= {"stranded": stranded, "useful": useful, "idle": total - useful - stranded}
    states = ("completed", "failed", "rejected", "running", "queued")
    counted = jobs["state"].value_counts()
    summary: dict[str, Any] = {
        "scenario": name,
        "seed": seed,
        "version": "0.0.0",
        "horizon_s": horizon_s,
        "jobs": {"submitted": len(jobs), **{state: int(counted.get(state, 0)) for state in states}},
        "ledgers": {"gpu_time": {"unit": "gpu_s", "total": total, "shares": shares}},
        "engine": {"events": 2 * len(jobs), "wall_s": 1.5, "peak_rss_bytes": 3e8},
        "site": {"gpus": gpus, "nodes": gpus // 8, "pools": {"main": gpus}},
        "assumptions": ["A GPU is either whole or broken; partial faults are not drawn."],
        "workload": {
            "source": "philly.csv.gz", "format": "philly", "rows_read": len(jobs) + 3,
            "skipped_rows": 3,
            "skipped": ["row 17: negative duration", "row 40: zero GPUs", "row 91: no submit time"],
            "dropped": {"max_gpus": 4},
            "notes": ["Jobs of zero seconds take one second."],
        },
    }  # fmt: skip
    if len(ended):
        first_s = float(jobs["submit_s"].min())
        slowdown = np.maximum(1.0, jobs["jct_s"].dropna() / np.maximum(10.0, jobs["run_s"]))
        summary |= {
            "wait_s": _statistics(jobs["wait_s"]),
            "queued_s": _statistics(jobs["wait_s"]),
            "jct_s": _statistics(jobs["jct_s"]),
            "bounded_slowdown": _statistics(slowdown),
            "makespan_s": horizon_s - first_s,
            "utilisation": useful / max(gpus * (horizon_s - first_s), 1.0),
        }
    provenance = {
        "version": "0.0.0",
        "seed": seed,
        "python": "3.11.9",
        "libraries": {"simpy": "4.1.1", "numpy": "2.4.0", "pandas": "3.0.0"},
        "inputs": [{"path": "philly.csv.gz", "sha256": "9f" * 32}],
        "events": 2 * len(jobs),
        "wall_s": 1.5,
    }
    return FakeRun(
        name,
        summary,
        jobs,
        timeline,
        _SCENARIO.format(name, seed, gpus // 8, scheduler),
        provenance,
    )


def _statistics(values: pd.Series[float]) -> dict[str, float]:
    known = values.dropna().to_numpy(float)
    p50, p90, p95, p99 = (float(v) for v in np.percentile(known, (50, 90, 95, 99)))
    mean, longest = float(known.mean()), float(known.max())
    return {"mean": mean, "p50": p50, "p90": p90, "p95": p95, "p99": p99, "max": longest}


def _timeline(jobs: pd.DataFrame, horizon_s: float, gpus: int, bins: int) -> pd.DataFrame:
    if not horizon_s > 0:
        return pd.DataFrame({name: [] for name in TIMELINE.names()}, dtype=float)
    edges_s = np.linspace(0, horizon_s, bins + 1)
    started = jobs["start_s"].notna().to_numpy()
    submit_s = jobs["submit_s"].to_numpy()
    start_s = jobs["start_s"].fillna(np.inf).to_numpy()
    end_s = jobs["end_s"].fillna(np.inf).to_numpy()
    size = jobs["gpus"].to_numpy(float)

    def held(begin_s: np.ndarray, until_s: np.ndarray, weight: np.ndarray) -> np.ndarray:
        total = _ramp(edges_s, begin_s, weight) - _ramp(edges_s, until_s, weight)
        return np.diff(total) / np.diff(edges_s)

    one = np.ones(len(jobs))
    busy = held(start_s[started], end_s[started], size[started])
    queued = held(submit_s, start_s, one)
    free = gpus - busy
    waiting = queued > 0.05
    made = {
        "time_s": edges_s[:-1],
        "busy_gpus": busy,
        "idle_gpus": np.where(waiting, 0.0, free),
        "stranded_gpus": np.where(waiting, free, 0.0),
        "queued_jobs": queued,
        "queued_gpus": held(submit_s, start_s, size),
        "running_jobs": held(start_s[started], end_s[started], one[started]),
    }
    empty = {"it_power_w": np.nan, "facility_power_w": np.nan, "pue": np.nan}
    return pd.DataFrame({name: made.get(name, empty.get(name, 0.0)) for name in TIMELINE.names()})


def _ramp(at_s: np.ndarray, since_s: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Integral to each time of steps that begin at ``since_s``."""
    order = np.argsort(since_s)
    since, w = since_s[order], weight[order]
    finite = np.isfinite(since)
    since, w = since[finite], w[finite]
    sums = np.concatenate([[0.0], np.cumsum(w)])
    moments = np.concatenate([[0.0], np.cumsum(w * since)])
    index = np.searchsorted(since, at_s, side="right")
    return sums[index] * at_s - moments[index]


_SCENARIO = """\
name: {0}
description: Jobs of a research cluster, first come first served.
seed: {1}
horizon: drained
site:
  name: lab
  pools:
  - name: main
    node: dgx-h100
    nodes: {2}
workload:
  trace:
    path: philly.csv.gz
    format: philly
  estimates: exact
policies:
  scheduler: {3}
  placement: best-fit
output:
  timeline_bin: 1 h
"""
