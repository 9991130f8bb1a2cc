"""Free GPUs that a typical job cannot use, and why GPUs are stranded while work waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.metrics.stay import stay
from twin.metrics.steps import piece_starts, stacked
from twin.results.spells import waiting
from twin.site.layout import Site

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Levels:
    """Free GPUs of every node over time: one entry for each spell at one level.

    Attributes
    ----------
    node : (n_spell,) array
    free : (n_spell,) array
        GPUs that nobody holds any part of.
    from_s, to_s : (n_spell,) arrays
        [s]
    """

    node: Ints
    free: Ints
    from_s: Array
    to_s: Array


def levels(jobs: pd.DataFrame, allocations: pd.DataFrame, site: Site, horizon_s: float) -> Levels:
    """Free GPUs of every node from 0 to the horizon, exact."""
    node, time_s, change = _changes(jobs, allocations)
    order = np.lexsort((time_s, node))
    node, time_s, change = node[order], time_s[order], change[order]
    per_node = site.node_gpus.astype(np.int64)
    # All that is taken on a node is given back, so the sum runs on from node to node.
    free = per_node[node] - np.cumsum(change)
    to_s = np.append(time_s[1:], horizon_s)
    last = np.append(node[1:] != node[:-1], True)[: len(node)]
    to_s = np.where(last, horizon_s, to_s[: len(node)])
    before_s = np.full(site.n_nodes, horizon_s)
    first = np.append(True, node[1:] != node[:-1])[: len(node)]
    before_s[node[first]] = time_s[first]
    every = np.arange(site.n_nodes)
    made = Levels(
        np.concatenate([every, node]),
        np.concatenate([per_node, free]),
        np.concatenate([np.zeros(site.n_nodes), time_s]),
        np.concatenate([before_s, to_s]),
    )
    real = made.to_s > made.from_s
    return Levels(made.node[real], made.free[real], made.from_s[real], made.to_s[real])


def unusable_share(jobs: pd.DataFrame, found: Levels, site: Site) -> float | None:
    """Free GPU-time that a typical job could not use, over all free GPU-time; None if none is free.

    Notes
    -----
    The expected share, over the sizes of the workload's jobs by their frequency, of free GPUs on
    nodes that cannot host the job: FGD's measure F in whole GPUs, as a ratio of integrals over
    time. A job of up to a node's GPUs needs so many free on one node; a larger one needs wholly
    free nodes, as many as hold it in one pool, or it can use none. A part of a GPU counts as one.

    Sources
    -------
    [weng2023] for F on one node; what a job of several nodes needs is this program's rule.
    """
    free_gpu_s = found.free * (found.to_s - found.from_s)
    total = float(free_gpu_s.sum())
    if not total > 0:
        return None
    asked = jobs["gpus"].to_numpy()
    sizes = np.sort(asked[(jobs["state"] != "rejected").to_numpy() & (asked > 0)])
    per_node = site.node_gpus[found.node]
    partly = found.free < per_node
    # On a node that is not wholly free: all jobs that ask for more than is free there.
    larger = 1 - np.searchsorted(sizes, found.free[partly], side="right") / max(len(sizes), 1)
    unusable = float(free_gpu_s[partly] @ larger)
    for p, pool in enumerate(site.pools):
        whole = ~partly & (site.node_pool[found.node] == p)
        nodes, lasted_s = _count(found.from_s[whole], found.to_s[whole])
        gpus = nodes * pool.gpus_per_node
        # On wholly free nodes: those that ask for more than all of them together.
        larger = 1 - np.searchsorted(sizes, gpus, side="right") / max(len(sizes), 1)
        unusable += float((gpus * lasted_s) @ larger)
    return unusable / total


def stranded(
    jobs: pd.DataFrame, allocations: pd.DataFrame, found: Levels, site: Site, horizon_s: float
) -> dict[str, float]:
    """Free GPU-time while work waits, by the reason why the smallest waiting job does not start.

    Returns
    -------
    dict
        ``too_few``: fewer are free than it asks for. ``fragmented``: enough are free, and not where
        it could use them. ``blocked``: it would fit, and the policy holds it back: an order, a
        reservation, a quota. [GPU s]

    Notes
    -----
    If the smallest waiting job does not fit, no other does. It fits as `unusable_share` says, on a
    site of one pool. What a placement asks beyond that (a rack, a cell) counts as ``blocked``, and
    so does a job that could start with fewer GPUs than it asks for as one that could not.
    """
    job, from_s, to_s = waiting(
        *stay(jobs, horizon_s),
        *(allocations[name].to_numpy() for name in ("job", "start_s", "end_s")),
    )
    sizes, size = np.unique(jobs["gpus"].to_numpy()[job], return_inverse=True)
    per_node = site.pools[0].gpus_per_node
    n = len(sizes)
    starts_s = piece_starts([from_s, to_s, found.from_s, found.to_s], horizon_s, n + per_node + 1)
    row = np.concatenate([size, n + found.free])
    begin_s, end_s = np.concatenate([from_s, found.from_s]), np.concatenate([to_s, found.to_s])
    counts = stacked(
        starts_s,
        np.concatenate([row, row]),
        np.concatenate([begin_s, end_s]),
        np.repeat([1.0, -1.0], len(row)),
        n + per_node + 1,
    )
    lasted_s = np.diff(starts_s, append=horizon_s)
    queued, nodes = counts[:n] > 0, counts[n:]
    free = np.arange(per_node + 1) @ nodes
    works = queued.any(axis=0)
    smallest = sizes[queued.argmax(axis=0)] if n else np.zeros(len(starts_s), np.int64)
    widest = per_node - (nodes[::-1] > 0).argmax(axis=0)
    fits = np.where(
        smallest <= per_node, smallest <= widest, smallest <= nodes[per_node] * per_node
    )
    free_gpu_s = np.where(works, free * lasted_s, 0.0)
    return {
        "too_few": float(free_gpu_s[free < smallest].sum()),
        "fragmented": float(free_gpu_s[(free >= smallest) & ~fits].sum()),
        "blocked": float(free_gpu_s[(free >= smallest) & fits].sum()),
    }


def fragmentation(
    jobs: pd.DataFrame,
    allocations: pd.DataFrame,
    site: Site,
    horizon_s: float,
    gpu_time: dict[str, float],
) -> dict[str, Any]:
    """What `unusable_share` and `stranded` say, as far as the tables of a run tell it exactly.

    Notes
    -----
    Allocations say who holds a node, not whether it is up. Where GPU-time is down, dark or spare,
    none of it is said but ``not_asked_for``: what jobs held beyond what they asked for. The
    reasons are given for sites of one pool and jobs of whole GPUs.
    """
    not_asked_for = float(jobs["stranded_gpu_s"].sum())
    made: dict[str, Any] = {}
    reasons = {"not_asked_for": not_asked_for} if not_asked_for else {}
    if horizon_s > 0 and not any(gpu_time[share] for share in ("down", "dark", "spare")):
        found = levels(jobs, allocations, site, horizon_s)
        share = unusable_share(jobs, found, site)
        if share is not None:
            made["fragmentation"] = share
        if len(site.pools) == 1 and not (jobs["gpu_fraction"].to_numpy() < 1).any():
            split = stranded(jobs, allocations, found, site, horizon_s)
            reasons = {"not_asked_for": not_asked_for, **split}
    if any(reasons.values()):
        made["stranded_gpu_s"] = reasons
    return made


def _changes(jobs: pd.DataFrame, allocations: pd.DataFrame) -> tuple[Ints, Array, Ints]:
    """GPUs taken (above 0) and given back on each node, and when; each GPU is taken once."""
    node, mask = allocations["node"].to_numpy().astype(np.int64), allocations["gpu_mask"].to_numpy()
    start_s, end_s = allocations["start_s"].to_numpy(), allocations["end_s"].to_numpy()
    if not (jobs["gpu_fraction"].to_numpy() < 1).any():
        gpus = np.bitwise_count(mask.astype(np.uint64)).astype(np.int64)
        return (
            np.concatenate([node, node]),
            np.concatenate([start_s, end_s]),
            np.concatenate([gpus, -gpus]),
        )
    # Several may hold parts of one GPU: it is taken by the first and free after the last.
    row, bit = np.nonzero((mask[:, None] >> np.arange(63)) & 1)
    gpu = np.concatenate([node[row] * 63 + bit] * 2)
    times_s = np.concatenate([start_s[row], end_s[row]])
    change = np.repeat([1, -1], len(row))
    order = np.lexsort((-change, times_s, gpu))
    holders = np.cumsum(change[order])
    taken = (change[order] > 0) & (holders == 1)
    moved = taken | (holders == 0)
    at = order[moved]
    return gpu[at] // 63, times_s[at], np.where(taken[moved], 1, -1)


def _count(from_s: Array, to_s: Array) -> tuple[Ints, Array]:
    """How many of some spells there are at a time, and for how long each number stands. [s]"""
    times_s = np.concatenate([from_s, to_s])
    order = np.argsort(times_s, kind="stable")
    number = np.cumsum(np.repeat([1, -1], len(from_s))[order])
    return number[:-1], np.diff(times_s[order])
