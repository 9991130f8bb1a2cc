"""What was rented from clouds, what it was used for, and what it cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from twin.results.outcome import Outcome
from twin.site.layout import Site

_HOUR_S = 3600.0


def gpus_there(outcome: Outcome, site: Site, from_s: float, to_s: float) -> float:
    """GPUs that were there in the mean of a time: one's own, and rented ones while they were."""
    table = outcome.rentals
    if table is None or not to_s > from_s:
        return site.own_gpus
    rented_s = np.clip(table["end_s"], from_s, to_s) - np.clip(table["asked_s"], from_s, to_s)
    return site.own_gpus + float(rented_s @ table["gpus"]) / (to_s - from_s)


def cloud(outcome: Outcome, site: Site) -> dict[str, Any]:
    """The section ``cloud`` of the summary: of all clouds, and of each by name.

    Notes
    -----
    A node is rented from when it is asked for until it is given back or taken, or to the horizon.
    What jobs did not hold of that is wasted: it was provisioned, or idle, or about to be taken.
    Money is for billed time, each rental rounded up to what the cloud bills in.
    """
    table = outcome.rentals
    assert table is not None and outcome.egress is not None
    node, job = (outcome.allocations[name].to_numpy() for name in ("node", "job"))
    pool_of = site.node_pool[node]
    names = [site.pools[pool].name for pool in site.cloud_pools]
    quota = sum(site.pools[pool].gpus for pool in site.cloud_pools)
    found = _told(
        table, job[np.isin(pool_of, site.cloud_pools)], [outcome.egress[name] for name in names]
    )
    found["unrented_gpu_hours"] = quota * outcome.horizon_s / _HOUR_S - found["gpu_hours"]
    if len(names) > 1:
        found["by_pool"] = {
            name: _told(
                table[(table["pool"] == name).to_numpy()],
                job[pool_of == pool],
                [outcome.egress[name]],
            )
            for name, pool in zip(names, site.cloud_pools, strict=True)
        }
    return found


def _told(
    table: pd.DataFrame, jobs: np.ndarray[Any, Any], moved: list[tuple[float, float]]
) -> dict[str, Any]:
    gpus = table["gpus"].to_numpy()
    rented_gpu_s = float((table["end_s"] - table["asked_s"]) @ gpus)
    came_s = table["ready_s"].fillna(table["end_s"]) - table["asked_s"]
    coming_gpu_s, held_gpu_s = float(came_s @ gpus), float(table["held_gpu_s"].sum())
    return {
        "jobs": len(np.unique(jobs)),
        "rentals": len(table),
        "reclaims": int(table["reclaimed"].sum()),
        "peak_gpus": _peak(table),
        "gpu_hours": rented_gpu_s / _HOUR_S,
        "held_gpu_hours": held_gpu_s / _HOUR_S,
        "provisioning_gpu_hours": coming_gpu_s / _HOUR_S,
        "idle_gpu_hours": (rented_gpu_s - held_gpu_s - coming_gpu_s) / _HOUR_S,
        "wasted_gpu_hours": (rented_gpu_s - held_gpu_s) / _HOUR_S,
        "billed_gpu_hours": float(table["billed_s"] @ gpus) / _HOUR_S,
        "usd": float(table["usd"].sum()),
        "egress_bytes": sum(each_bytes for each_bytes, _ in moved),
        "egress_usd": sum(usd for _, usd in moved),
    }


def _peak(table: pd.DataFrame) -> int:
    """The most GPUs that were rented at a time; a node given back is gone before others come."""
    time_s = np.concatenate([table["end_s"], table["asked_s"]])
    change = np.concatenate([-table["gpus"].to_numpy(), table["gpus"].to_numpy()])
    rented = np.cumsum(change[np.argsort(time_s, kind="stable")])
    return int(rented.max()) if len(rented) else 0
