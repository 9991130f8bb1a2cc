"""What failures cost, whom they hit and how often: from the tables of a run alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from twin.results.outcome import Outcome

_COSTS = ("down", "idled", "lost", "restart", "slowed")
_MOST_USERS = 20


def reliability(
    outcome: Outcome, n_gpus: float, expected_mtti_s: Callable[[str, int], float]
) -> dict[str, Any]:
    """The section ``reliability`` of the summary.

    Parameters
    ----------
    outcome : Outcome
    n_gpus : float
        GPUs installed; in the mean, where nodes are rented.
    expected_mtti_s : callable
        Mean time to interruption of a job in a pool (name) of so many GPUs by the nominal rates of
        all that it needs. [s]

    Notes
    -----
    MTTI is the time for which jobs ran over the interruptions that they met. ETTR is useful
    GPU-time over the GPU-time that jobs would have had if they had held their GPUs from first
    start to end, waiting for a new gang included. Goodput is useful over held GPU-time. Nodes that
    a cloud takes back are no failures: neither the incidents nor the interruptions count them.
    """
    jobs, incidents = outcome.jobs, outcome.incidents
    failures = incidents[(incidents["kind"] != "reclaim").to_numpy()]
    started = jobs[jobs["start_s"].notna().to_numpy()]
    users = failures["users_hit"].to_numpy()
    down_gpu_s = outcome.gpu_time["down"]
    total_gpu_s = n_gpus * outcome.horizon_s
    repaired_s = (failures["recovered_s"] - failures["time_s"]).dropna().to_numpy()
    return {
        "incidents": len(failures),
        "caps": int((incidents["kind"] == "cap").sum()),
        "interruptions": int(started["interruptions"].sum()),
        **_shares(started, outcome.horizon_s),
        "availability": 1 - down_gpu_s / total_gpu_s if total_gpu_s else 1.0,
        "users_hit_mean": float(users.mean()) if len(users) else 0.0,
        "users_hit_p99": float(np.percentile(users, 99)) if len(users) else 0.0,
        "recovery_s": {
            "mean": float(repaired_s.mean()) if len(repaired_s) else None,
            "p50": float(np.median(repaired_s)) if len(repaired_s) else None,
        },
        "by_size": _by_size(started, outcome.horizon_s, expected_mtti_s),
        "by_component": _by_component(failures),
        "by_kind": _by_kind(started),
        "worst_incident": _worst(failures),
        "availability_by_user": _by_user(started, outcome.horizon_s),
    }


def _spans_s(jobs: pd.DataFrame, horizon_s: float) -> np.ndarray[Any, Any]:
    """(n_job,) from first start to end or horizon. [s]"""
    end_s = jobs["end_s"].fillna(horizon_s).to_numpy()
    spans: np.ndarray[Any, Any] = end_s - jobs["start_s"].to_numpy()
    return spans


def _shares(jobs: pd.DataFrame, horizon_s: float) -> dict[str, Any]:
    """MTTI, ETTR and goodput over some jobs; None where nothing can be said."""
    span_s = _spans_s(jobs, horizon_s)
    ran_s = float((span_s - jobs["interrupted_s"].to_numpy()).sum())
    interruptions = int(jobs["interruptions"].sum())
    useful_gpu_s = float(jobs["useful_gpu_s"].sum())
    span_gpu_s = float(span_s @ jobs["gpus"].to_numpy())
    held = [name for name in jobs.columns if name.endswith("_gpu_s")]
    held_gpu_s = float(jobs[held].to_numpy().sum())
    return {
        "mtti_s": ran_s / interruptions if interruptions else None,
        "ettr": useful_gpu_s / span_gpu_s if span_gpu_s else None,
        "goodput": useful_gpu_s / held_gpu_s if held_gpu_s else None,
    }


def _by_size(
    jobs: pd.DataFrame, horizon_s: float, expected_mtti_s: Callable[[str, int], float]
) -> list[dict[str, Any]]:
    """One entry for each size of jobs, in powers of two: MTTI with its 95 % interval, ETTR."""
    if jobs.empty:
        return []
    found = []
    power = np.ceil(np.log2(np.maximum(jobs["gpus"].to_numpy(), 1))).astype(int)
    for size in np.unique(power).tolist():
        here = jobs[power == size]
        ran_s = float((_spans_s(here, horizon_s) - here["interrupted_s"].to_numpy()).sum())
        n = int(here["interruptions"].sum())
        low, high = poisson_interval(n)
        gpus = int(here["gpus"].max())
        found.append(
            {
                "gpus": gpus,
                "jobs": len(here),
                "ran_s": ran_s,
                "interruptions": n,
                **_shares(here, horizon_s),
                "mtti_low_s": ran_s / high,
                "mtti_high_s": ran_s / low if low else None,
                "expected_mtti_s": expected_mtti_s(str(here["pool"].iloc[0]), gpus),
            }
        )
    return found


def poisson_interval(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson law of which ``n`` was seen [garwood1936]."""
    from scipy.special import gammaincinv

    tail = (1 - confidence) / 2
    low = float(gammaincinv(n, tail)) if n else 0.0
    return low, float(gammaincinv(n + 1, 1 - tail))


def _by_component(incidents: pd.DataFrame) -> list[dict[str, Any]]:
    """GPU-time that each class of parts cost, the dearest first. [GPU s]"""
    if incidents.empty:
        return []
    costs = [f"{cost}_gpu_s" for cost in _COSTS]
    grouped = incidents.groupby("component", observed=True)
    table = grouped[costs].sum()
    table.insert(0, "incidents", grouped.size())
    table.insert(1, "jobs_hit", grouped["jobs_hit"].sum())
    order = table[costs].sum(axis=1).sort_values(ascending=False, kind="stable").index
    return [
        {"component": str(name)}
        | {str(k): int(v) if k in ("incidents", "jobs_hit") else float(v) for k, v in row.items()}
        for name, row in table.loc[order].to_dict("index").items()
    ]


def _by_kind(jobs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Kind of job -> interruptions, users who lost their GPUs, and how long until it went on."""
    found = {}
    for kind, here in jobs.groupby("kind", observed=True, sort=True):
        hit = here[(here["interruptions"] > 0).to_numpy()]
        n = int(hit["interruptions"].sum())
        found[str(kind)] = {
            "jobs": len(here),
            "interruptions": n,
            "users_hit": int(hit["user"].nunique()),
            "restore_s": float(hit["interrupted_s"].sum()) / n if n else None,
        }
    return found


def _worst(incidents: pd.DataFrame) -> dict[str, Any] | None:
    """The incident that cost most GPU-time."""
    if incidents.empty:
        return None
    cost = incidents[[f"{cost}_gpu_s" for cost in _COSTS]].sum(axis=1)
    at = int(cost.to_numpy().argmax())
    row = incidents.iloc[at]
    return {
        "row": int(incidents.index[at]),
        "time_s": float(row["time_s"]),
        "component": str(row["component"]),
        "domain": str(row["domain"]),
        "gpus_down": int(row["gpus_down"]),
        "jobs_hit": int(row["jobs_hit"]),
        "users_hit": int(row["users_hit"]),
        "gpu_s": float(cost.iloc[at]),
    }


def _by_user(jobs: pd.DataFrame, horizon_s: float) -> dict[str, Any]:
    """Share of the time since their jobs' first starts for which users' GPUs were at work."""
    span_gpu_s = _spans_s(jobs, horizon_s) * jobs["gpus"].to_numpy()
    away_gpu_s = jobs["interrupted_s"].to_numpy() * jobs["gpus"].to_numpy()
    table = (
        pd.DataFrame({"user": jobs["user"].to_numpy(), "span": span_gpu_s, "away": away_gpu_s})
        .groupby("user", sort=True)
        .sum()
    )
    table = table[(table["span"] > 0).to_numpy()]
    if table.empty:
        return {}
    share = (1 - table["away"] / table["span"]).sort_values(kind="stable")
    return {
        "users": len(share),
        "mean": float(share.mean()),
        "min": float(share.min()),
        "p10": float(np.percentile(share, 10)),
        "worst": {str(k): float(v) for k, v in share.head(_MOST_USERS).items()},
    }
