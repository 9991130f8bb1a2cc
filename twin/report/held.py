"""Who held how many GPUs over time: exact time-weighted means in bins that people can name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.metrics.fairness import held_gpus
from twin.metrics.stay import stay
from twin.report.batch import is_replica
from twin.report.occupancy import means
from twin.report.settings import settings
from twin.report.source import installed_gpus, length_s
from twin.results.spells import waiting
from twin.results.store import Results
from twin.tables import look_up

Array = NDArray[np.float64]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_WIDTHS_S = (
    *(_MINUTE * m for m in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * h for h in (1, 2, 3, 4, 6)),
)


def bin_edges(end_s: float, most: int) -> Array:
    """Edges of bins that cover a run: a width that divides a day, or whole days. [s]

    Parameters
    ----------
    end_s : float
        End of the run, above 0; the last bin may be shorter than the others. [s]
    most : int
        Bins at most.

    Notes
    -----
    Bins of 7 or of 18 hours would beat against the tide of days, and show waves that are not there.
    """
    least_s = end_s / most
    width_s = next((width_s for width_s in _WIDTHS_S if width_s >= least_s), None)
    if least_s <= _WIDTHS_S[0] / 2:
        width_s = least_s  # a run of minutes has no days
    width_s = width_s or math.ceil(least_s / _DAY) * _DAY
    return np.append(np.arange(max(math.ceil(end_s / width_s - 1e-9), 1)) * width_s, end_s)


def in_bins(
    row: NDArray[np.integer], from_s: Array, to_s: Array, weight: Array, n_rows: int, edges_s: Array
) -> Array:
    """(n_row, n_bin) exact means of what spells hold; bins as `bin_edges` makes them.

    Parameters
    ----------
    row, from_s, to_s, weight : (n_spell,) arrays
        Which quantity, from when to when [s], and how much of it.
    """
    width_s, n = edges_s[1] - edges_s[0], len(edges_s) - 1
    if not width_s > 0:
        return np.zeros((n_rows, n))
    begin, until = (np.clip(each, 0.0, edges_s[-1]) / width_s for each in (from_s, to_s))
    found: Array = means(row, begin, until, weight, n_rows, n) / (np.diff(edges_s) / width_s)
    return found


@dataclass(frozen=True)
class Held:
    """GPUs of a pool, or of the whole site, by who held them.

    Attributes
    ----------
    pool : str
        Its name; empty for the site.
    gpus : int
        Installed there.
    parts : (n_holder, n_bin) array
        Means over the bins, in the order of the holders that were asked for.
    guests : (n_bin,) array
        Of the GPUs held, those on which a job is a guest of a service.
    cloud : bool
        Whether its nodes are there only while they are rented.
    """

    pool: str
    gpus: int
    parts: Array
    guests: Array
    cloud: bool = False


def held_by(
    run: Results, holder: NDArray[np.integer], n_holders: int, edges_s: Array, *, pools: bool
) -> list[Held]:
    """GPUs that holders held over time, pool by pool if asked; none if the run does not say.

    Parameters
    ----------
    holder : (n_row,) int array
        Of each row of the job table.
    pools : bool
        Whether pools are told apart, where the run says which node is of which.
    """
    spells = getattr(run, "allocations", None)
    if spells is None or not len(spells):
        return []
    of_node = node_pools(run) if pools else None
    names = {"": installed_gpus(run)} if of_node is None else look_up(run.summary, "site.pools")
    pool = _pool(spells, of_node)
    jobs = run.jobs if "gpu_fraction" in run.jobs else run.jobs.assign(gpu_fraction=1.0)
    row = pool * n_holders + holder[spells["job"].to_numpy()]
    from_s, to_s = (spells[name].to_numpy(float) for name in ("start_s", "end_s"))
    n_rows = len(names) * n_holders
    found = in_bins(row, from_s, to_s, held_gpus(jobs, spells), n_rows, edges_s)
    found = found.reshape(len(names), n_holders, -1)
    guests = np.zeros((len(names), len(edges_s) - 1))
    stays = getattr(run, "stays", None)
    if stays is not None and len(stays):
        from_s, to_s = (stays[name].to_numpy(float) for name in ("start_s", "end_s"))
        gpus = np.bitwise_count(stays["gpu_mask"].to_numpy().astype(np.uint64)).astype(float)
        guests = in_bins(_pool(stays, of_node), from_s, to_s, gpus, len(names), edges_s)
    asked = settings(run.scenario_yaml)
    clouds = [
        of_node is not None and f"site.pools[{index}].cloud.price" in asked
        for index in range(len(names))
    ]
    return [
        Held(str(name), int(gpus), parts, lodged, cloud)
        for (name, gpus), parts, lodged, cloud in zip(
            names.items(), found, guests, clouds, strict=True
        )
    ]


def _pool(spells: pd.DataFrame, of_node: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """(n_spell,) the pool of each; all are of one where nodes are not told apart."""
    if of_node is None:
        return np.zeros(len(spells), np.intp)
    found: NDArray[np.intp] = of_node[spells["node"].to_numpy()]
    return found


def node_pools(run: Results) -> NDArray[np.intp] | None:
    """(n_node,) the pool of each node by its place in ``site.pools``; None if it cannot be told."""
    asked = settings(run.scenario_yaml)
    pools = look_up(run.summary, "site.pools") or {}
    sizes = [asked.get(f"site.pools[{index}].nodes", "") for index in range(len(pools))]
    if not pools or not all(size.isdecimal() for size in sizes):
        return None
    made = np.repeat(np.arange(len(sizes)), [int(size) for size in sizes])
    return made if len(made) == look_up(run.summary, "site.nodes") else None


def batch_timeline(run: Results) -> pd.DataFrame:
    """The timeline with jobs alone in what waits; replicas that wait for GPUs are taken out.

    Notes
    -----
    A replica waits while it is wanted and holds nothing, so its part of each bin is exact. Without
    a table of who held what, the timeline is left as it is.
    """
    replica, spells = is_replica(run.jobs), getattr(run, "allocations", None)
    table, end_s = run.timeline, length_s(run)
    if not replica.any() or spells is None or not len(table) or not end_s > 0:
        return table
    held = (spells[name].to_numpy() for name in ("job", "start_s", "end_s"))
    job, from_s, to_s = waiting(*stay(run.jobs, end_s), *held)
    mine = replica[job]
    job, from_s, to_s = job[mine], from_s[mine], to_s[mine]
    gpus = run.jobs["gpus"].to_numpy(float)[job]
    edges_s, none = np.append(table["time_s"].to_numpy(float), end_s), np.zeros(len(job), np.intp)
    columns: dict[str, Any] = {}
    for name, weight in (("queued_jobs", np.ones(len(job))), ("queued_gpus", gpus)):
        rest = table[name].to_numpy(float) - in_bins(none, from_s, to_s, weight, 1, edges_s)[0]
        columns[name] = np.where(rest > 1e-6, rest, 0.0)  # both are sums of many terms
    return table.assign(**columns)
