"""Who held which node when: shares of nodes held, or the group that held most, in bins of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.report.batch import holders
from twin.report.settings import settings
from twin.report.source import installed_gpus
from twin.results.store import Results
from twin.tables import look_up

Array = NDArray[np.float64]

FREE = -1  # holder of a cell that is free for the most part
_MOST_NODES = 128  # rows of a strip
_MOST_GROUPS = 8


@dataclass(frozen=True)
class Occupancy:
    """Nodes over time.

    Attributes
    ----------
    nodes : (n_row,) int array
        Ids of the nodes that are shown, ascending.
    n_nodes : int
        Nodes that there are.
    end_s : float
        The bins are as wide as each other and end here. [s]
    held : (n_row, n_bin) array
        Mean share of the node's GPUs that jobs held, 0..1.
    holder : (n_row, n_bin) int array or None
        The group that held most of the node, an index of ``groups``, or `FREE` where more of it was
        free than any group held; None if jobs are not told apart.
    groups : tuple of str
    """

    nodes: NDArray[np.int64]
    n_nodes: int
    end_s: float
    held: Array
    holder: NDArray[np.int64] | None = None
    groups: tuple[str, ...] = ()


def occupancy(
    run: Results, end_s: float, n_bins: int, groups: Sequence[str] = ()
) -> Occupancy | None:
    """The nodes of a run over time; None if the run does not say who was where.

    Parameters
    ----------
    end_s : float
        Where the last bin ends; runs that are compared have one clock. [s]
    n_bins : int
        Bins of time.
    groups : sequence of str
        Groups to tell apart; none to tell held from free only.

    Notes
    -----
    GPUs of one job count as it holds them: a share of a GPU where it asked for one. Of more than
    128 nodes, 128 are shown, evenly spaced.
    """
    spells = getattr(run, "allocations", None)
    if spells is None or not len(spells) or not end_s > 0:
        return None
    sizes = node_sizes(run, int(spells["node"].max()) + 1)
    shown = np.arange(min(len(sizes), _MOST_NODES)) * len(sizes) // min(len(sizes), _MOST_NODES)
    row_of = np.full(len(sizes), -1)
    row_of[shown] = np.arange(len(shown))
    row = row_of[spells["node"].to_numpy()]
    mine = row >= 0
    spells, row = spells[mine], row[mine]
    job = spells["job"].to_numpy()
    # Of a signed number the bits of its magnitude would be counted: 64 GPUs are -1.
    gpus = np.bitwise_count(spells["gpu_mask"].to_numpy().astype(np.uint64)).astype(float)
    if "gpu_fraction" in run.jobs:
        gpus *= run.jobs["gpu_fraction"].to_numpy(float)[job]
    begin = np.clip(spells["start_s"].to_numpy(float) / end_s * n_bins, 0, n_bins)
    until = np.clip(spells["end_s"].to_numpy(float) / end_s * n_bins, 0, n_bins)
    held = means(row, begin, until, gpus, len(shown), n_bins) / sizes[shown, None]
    held = np.clip(held, 0, 1)
    if not groups:
        return Occupancy(shown, len(sizes), end_s, held)
    code = pd.Index(groups).get_indexer(pd.Index(holders(run.jobs)))[job]
    told = code >= 0
    line = code[told] * len(shown) + row[told]
    spell = begin[told], until[told], gpus[told]
    parts = means(line, *spell, len(shown) * len(groups), n_bins)
    parts = parts.reshape(len(groups), len(shown), n_bins) / sizes[shown, None]
    most = parts.max(axis=0)
    holder = np.where(most >= np.maximum(1 - held, 1e-9), parts.argmax(axis=0), FREE)
    return Occupancy(shown, len(sizes), end_s, held, holder, tuple(groups))


def means(
    row: NDArray[np.integer], begin: Array, until: Array, weight: Array, n_rows: int, n_bins: int
) -> Array:
    """Time-weighted means of what spells hold, by row and bin of width one.

    Parameters
    ----------
    row, begin, until, weight : (n_spell,) arrays
        Where, from and to (within 0..n_bins), and how much.

    Returns
    -------
    (n_row, n_bin) array
    """
    size = n_rows * (n_bins + 1)
    total = np.zeros(size)
    # Each end of a spell: a step for all later bins, less what of its own bin lies before it.
    for at, sign in ((begin, 1.0), (until, -1.0)):
        bin_ = np.minimum(at.astype(np.intp), n_bins)
        part = sign * weight * (at - bin_)
        cell = row * (n_bins + 1) + bin_
        total += np.bincount(cell, weights=sign * weight - part, minlength=size)
        inside = bin_ < n_bins
        total += np.bincount(cell[inside] + 1, weights=part[inside], minlength=size)
    sums: Array = np.cumsum(total.reshape(n_rows, n_bins + 1), axis=1)[:, :n_bins]
    return sums


def node_sizes(run: Results, at_least: int = 0) -> Array:
    """GPUs of each node by id: those of its pool, spread evenly over the pool's nodes.

    Parameters
    ----------
    at_least : int
        Ids that are known to exist, if the run says too little of its site.
    """
    asked = settings(run.scenario_yaml)
    sizes: list[Array] = []
    for index, gpus in enumerate((look_up(run.summary, "site.pools") or {}).values()):
        nodes = asked.get(f"site.pools[{index}].nodes", "")
        if nodes.isdecimal() and int(nodes) > 0:
            sizes.append(np.full(int(nodes), float(gpus) / int(nodes)))
    made = np.concatenate(sizes) if sizes else np.empty(0)
    n_nodes = int(look_up(run.summary, "site.nodes") or 0)
    if len(made) == max(n_nodes, at_least):
        return made
    n_nodes = max(n_nodes, at_least, 1)
    return np.full(n_nodes, max(installed_gpus(run) / n_nodes, 1.0))


def few_groups(runs: Sequence[Results]) -> tuple[str, ...]:
    """Groups of jobs, and services, of all runs, most GPU-time first; none if 1 or more than 8."""
    held: dict[str, float] = {}
    for run in runs:
        jobs = run.jobs
        gpu_s = (jobs["gpus"] * jobs["run_s"]).groupby(holders(jobs)).sum()
        for name, value in gpu_s.items():
            held[str(name)] = held.get(str(name), 0.0) + float(value)
    if not 2 <= len(held) <= _MOST_GROUPS:
        return ()
    return tuple(sorted(held, key=lambda name: (-held[name], name)))
