"""What a report reads off a run before it draws: the ledger, how long, how many GPUs."""

from __future__ import annotations

from typing import Any

from twin.results.store import Results
from twin.tables import GPU_TIME_SHARES, gpu_time_bought, look_up


def ledger(run: Results) -> dict[str, Any]:
    """The GPU-time ledger of a run, an empty one if its summary has none: total, shares [GPU s]."""
    found = gpu_time_bought(run.summary)
    if found:
        return found
    return {"total": 0.0, "shares": dict.fromkeys((share.name for share in GPU_TIME_SHARES), 0.0)}


def share_of_bought(run: Results, name: str) -> float:
    """A share of the GPU-time ledger over its total; NaN where there is no GPU-time."""
    found = ledger(run)
    total = float(found["total"])
    return float(found["shares"].get(name, 0.0)) / total if total > 0 else float("nan")


def length_s(run: Results) -> float:
    """Simulated time. [s]"""
    return float(run.summary.get("horizon_s") or 0.0)


def installed_gpus(run: Results) -> int:
    """GPUs installed; if the run does not say, from the ledger: its total is GPUs x time."""
    said = look_up(run.summary, "site.gpus")
    if said:
        return int(said)
    span_s = length_s(run)
    return round(float(ledger(run)["total"]) / span_s) if span_s > 0 else 0
