"""What became of reservations: the node-time asked for, used, idle, still others', and missing."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.kernel.recorder import Record
from twin.kernel.reservation import Reservation, ReservedRecord
from twin.site.layout import Site

Array = NDArray[np.float64]


def reservations(record: Record, jobs: pd.DataFrame, site: Site) -> pd.DataFrame | None:
    """One row per reservation; None where there are none.

    Returns
    -------
    DataFrame
        ``name``, ``pool``, ``nodes``, ``start_s``, ``end_s`` as asked for; ``complete_s``, when all
        nodes were first there for it, NaN if they never were [s]; of the time from start
        to end within the run: ``reserved_node_s``, the nodes asked for times that time, and what
        became of it: ``used_node_s`` by jobs that it is for, ``idle_node_s``, ``others_node_s``
        held by jobs of others that saved or could not be stopped, and ``short_node_s``, nodes that
        could not be had. GPU-time counts as node-time by the GPUs of a node. ``jobs_preempted``,
        and ``drained_gpu_s``: GPU-time that stood idle on closed nodes before the start. [GPU s]
    """
    if record.reserved is None:
        return None
    rows = [
        _row(record, record.reserved, at, one, jobs, site)
        for at, one in enumerate(record.reserved.asked)
    ]
    return pd.DataFrame(rows)


def _row(
    record: Record,
    told: ReservedRecord,
    at: int,
    asked: Reservation,
    jobs: pd.DataFrame,
    site: Site,
) -> dict[str, Any]:
    pool = site.pools[asked.pool]
    size, horizon_s = pool.gpus_per_node, record.horizon_s
    admits = asked.admits(jobs)
    held = record.allocations
    times_s = [np.asarray(held[name], float) for name in ("start_s", "end_s")]
    near = (times_s[0] < asked.end_s) & (times_s[1] > asked.closes_s)
    node, job = held["node"][near], held["job"][near].astype(np.int64)
    gpus = np.bitwise_count(held["gpu_mask"][near].astype(np.uint64)).astype(float)
    from_s, to_s = (each[near] for each in times_s)
    spells = told.spells
    mine = spells["reservation"] == at
    had: list[tuple[float, float]] = []  # from when to when each node was there for it
    had_s = used_gpu_s = others_gpu_s = drained_gpu_s = 0.0
    for where, since_s, until_s in zip(
        *(spells[name][mine].tolist() for name in ("node", "start_s", "end_s")), strict=True
    ):
        here = node == where
        opens_s = min(max(since_s, asked.start_s), until_s)

        def held_gpu_s(
            of: NDArray[np.bool_], first_s: float, last_s: float, here: NDArray[np.bool_] = here
        ) -> float:
            which = here & of
            lasts_s = np.minimum(to_s[which], last_s) - np.maximum(from_s[which], first_s)
            return float((np.maximum(lasts_s, 0.0) * gpus[which]).sum())

        own = admits[job]
        drained_gpu_s += (opens_s - since_s) * size - held_gpu_s(
            np.ones_like(own), since_s, opens_s
        )
        had.append((opens_s, until_s))
        had_s += until_s - opens_s
        used_gpu_s += held_gpu_s(own, opens_s, until_s)
        others_gpu_s += held_gpu_s(~own, opens_s, until_s)
    window_s = max(min(asked.end_s, horizon_s) - asked.start_s, 0.0)
    reserved_node_s = asked.nodes * window_s
    return {
        "name": asked.name,
        "pool": pool.name,
        "nodes": asked.nodes,
        "start_s": asked.start_s,
        "end_s": asked.end_s,
        "complete_s": _complete_s(had, asked.nodes),
        "reserved_node_s": reserved_node_s,
        "used_node_s": used_gpu_s / size,
        "idle_node_s": had_s - (used_gpu_s + others_gpu_s) / size,
        "others_node_s": others_gpu_s / size,
        "short_node_s": reserved_node_s - had_s,
        "jobs_preempted": told.jobs_preempted[at],
        "drained_gpu_s": drained_gpu_s,
    }


def _complete_s(had: list[tuple[float, float]], nodes: int) -> float:
    """When so many nodes were had at a time for the first time; NaN if never. [s]"""
    for at_s in sorted({since_s for since_s, _ in had}):
        if sum(since_s <= at_s < until_s for since_s, until_s in had) >= nodes:
            return at_s
    return nan
