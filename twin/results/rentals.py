"""What was rented from clouds, node by node, and what jobs moved back from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.kernel import recorder
from twin.kernel.recorder import Record
from twin.kernel.timeline import bin_means
from twin.site.layout import Site
from twin.tables import RENTALS

Array = NDArray[np.float64]


def rentals(record: Record, site: Site) -> pd.DataFrame | None:
    """`twin.tables.RENTALS`, in the order of asking; None where there is no cloud."""
    seen = record.rentals
    if seen is None:
        return None
    pool, node = seen["pool"].astype(int), seen["node"].astype(np.int32)
    gpus = np.array([site.pools[p].gpus_per_node for p in pool], np.int32)
    billed_s, usd = np.zeros(len(pool)), np.zeros(len(pool))
    for at, (p, rented_s) in enumerate(
        zip(pool.tolist(), (seen["end_s"] - seen["asked_s"]).tolist(), strict=True)
    ):
        terms = site.pools[p].cloud
        assert terms is not None
        billed_s[at] = terms.billed_s(rented_s)
        usd[at] = billed_s[at] * gpus[at] * terms.price_usd_per_s
    columns: dict[str, Any] = {
        "pool": pd.Categorical([site.pools[p].name for p in pool]),
        "node": node,
        "gpus": gpus,
        "asked_s": seen["asked_s"],
        "ready_s": seen["ready_s"],
        "end_s": seen["end_s"],
        "reclaimed": seen["reclaimed"].astype(np.int32),
        "held_gpu_s": _held_gpu_s(record, node, seen["asked_s"]),
        "billed_s": billed_s,
        "usd": usd,
    }
    return pd.DataFrame({name: columns[name] for name in RENTALS.names()})


def _held_gpu_s(record: Record, node: NDArray[np.int32], asked_s: Array) -> Array:
    """(n_rental,) GPU-time that jobs held on each node while it was rented. [GPU s]"""
    held = record.allocations
    found = np.zeros(len(node))
    gpus = np.bitwise_count(held["gpu_mask"].astype(np.uint64)).astype(float)
    start_s, end_s = np.asarray(held["start_s"], float), np.asarray(held["end_s"], float)
    gpu_s = gpus * (end_s - start_s)
    for each in np.unique(node):
        mine, theirs = np.flatnonzero(node == each), np.flatnonzero(held["node"] == each)
        # The last rental that was asked for before a job came.
        last = np.searchsorted(asked_s[mine], start_s[theirs], side="right") - 1
        np.add.at(found, mine[last], gpu_s[theirs])
    return found


def egress(record: Record, jobs: pd.DataFrame, site: Site) -> dict[str, tuple[float, float]]:
    """Cloud -> what jobs that ended there moved back, and what that cost. [bytes, USD]"""
    held = record.allocations
    pool_of = np.full(len(jobs), -1)
    pool_of[held["job"]] = site.node_pool[held["node"]]  # the last that it held stays
    ended = record.state == recorder.COMPLETED
    found = {}
    for pool in site.cloud_pools:
        built = site.pools[pool]
        terms = built.cloud
        assert terms is not None
        here = np.flatnonzero(ended & (pool_of == pool))
        gpus = jobs["gpus"].to_numpy()[here]
        told = jobs["data_bytes"].to_numpy()[here] if "data_bytes" in jobs else np.nan
        moved = np.where(np.isnan(told), terms.data_bytes * gpus, told)
        found[built.name] = float(moved.sum()), float(moved.sum()) * terms.egress_usd_per_byte
    return found


def rented_series(
    table: pd.DataFrame | None, site: Site, horizon_s: float, starts_s: Array
) -> list[pd.DataFrame]:
    """GPUs rented of each cloud, in bins."""
    if table is None:
        return []
    parts = []
    for pool in site.cloud_pools:
        name = site.pools[pool].name
        here = table[(table["pool"] == name).to_numpy()]
        time_s = np.concatenate([[0.0], here["asked_s"], here["end_s"]])
        change = np.concatenate([[0.0], here["gpus"], -here["gpus"]])
        order = np.argsort(time_s, kind="stable")
        mean = bin_means(
            time_s[order], {"rented_gpus": np.cumsum(change[order])}, horizon_s, starts_s
        )
        parts.append(
            pd.DataFrame(
                {
                    "time_s": starts_s,
                    "domain": name,
                    "quantity": "rented_gpus",
                    "value": mean["rented_gpus"],
                }
            )
        )
    return parts
