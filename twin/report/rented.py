"""Nodes of clouds over time: what was rented and used beside one's own, and what had been paid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin.errors import UnitError
from twin.metrics.fairness import held_gpus
from twin.report.batch import is_replica
from twin.report.held import Array, bin_edges, in_bins
from twin.report.settings import settings
from twin.report.source import installed_gpus, length_s
from twin.results.store import Results
from twin.tables import look_up
from twin.units import MONEY_PER_BYTE, parse_quantity


@dataclass(frozen=True)
class Rented:
    """GPUs there over time, and by whom they were had.

    Attributes
    ----------
    edges_s : (n_bin + 1,) array
        [s]
    own : int
        GPUs of one's own.
    quota : int
        GPUs that could be rented.
    own_held, rented, rented_held : (n_bin,) arrays
        GPUs, means over the bins. ``own_held`` is zero throughout where the run does not say.
    reclaimed_s : (n_reclaim,) array
        When nodes were taken back. [s]
    """

    edges_s: Array
    own: int
    quota: int
    own_held: Array
    rented: Array
    rented_held: Array
    reclaimed_s: Array


@dataclass(frozen=True)
class Spent:
    """Money spent by the edges of bins: a name, and (n_bin + 1,) USD."""

    name: str
    usd: Array


def rented(run: Results, table: pd.DataFrame, most: int) -> Rented:
    """GPUs rented and used over time.

    Parameters
    ----------
    table : DataFrame
        The run's `twin.tables.RENTALS`.
    most : int
        Bins at most.

    Notes
    -----
    A node of a cloud is held only while it is rented, so GPUs held on nodes that were ever rented
    are rented ones.
    """
    edges_s = bin_edges(max(length_s(run), 1.0), most)
    gpus = table["gpus"].to_numpy(float)
    span = table["asked_s"].to_numpy(float), table["end_s"].to_numpy(float)
    none = np.zeros(len(table), np.intp)
    quota = int(look_up(run.summary, "site.rentable_gpus") or 0)
    held = np.zeros((2, len(edges_s) - 1))
    spells = getattr(run, "allocations", None)
    if spells is not None and len(spells):
        row = np.isin(spells["node"].to_numpy(), table["node"].to_numpy()).astype(np.intp)
        from_s, to_s = (spells[name].to_numpy(float) for name in ("start_s", "end_s"))
        held = in_bins(row, from_s, to_s, held_gpus(run.jobs, spells), 2, edges_s)
    return Rented(
        edges_s=edges_s,
        own=installed_gpus(run) - quota,
        quota=quota,
        own_held=held[0],
        rented=in_bins(none, *span, gpus, 1, edges_s)[0],
        rented_held=held[1],
        reclaimed_s=table["end_s"].to_numpy(float)[table["reclaimed"].to_numpy() > 0],
    )


def spent(run: Results, table: pd.DataFrame, edges_s: Array) -> list[Spent]:
    """What had been spent by each edge on one's own GPUs, on rent, and on data moved back.

    Notes
    -----
    One's own cost the same at all times. What a rental is billed is spread evenly over the time
    that the node was rented. Data is paid for when its job ends; the job table does not say how
    much a job moved, so this line is there only where all moved what their cloud says by GPU.
    """
    end_s = float(edges_s[-1])
    found = []
    own_usd = look_up(run.summary, "cost.usd_own")
    if own_usd:
        found.append(Spent("own GPUs", edges_s / end_s * own_usd))
    from_s, to_s = (table[name].to_numpy(float) for name in ("asked_s", "end_s"))
    lasted_s = np.maximum(to_s - from_s, 1e-9)
    none, usd = np.zeros(len(table), np.intp), table["usd"].to_numpy(float)
    per_s = in_bins(none, from_s, np.maximum(to_s, from_s + 1e-9), usd / lasted_s, 1, edges_s)[0]
    found.append(Spent("rent", np.append(0.0, np.cumsum(per_s * np.diff(edges_s)))))
    moved = _moved(run, table)
    if moved is not None and moved[1].any():
        at_s, each_usd = moved
        paid, _ = np.histogram(at_s, edges_s, weights=each_usd)
        found.append(Spent("egress", np.append(0.0, np.cumsum(paid))))
    return found


def _moved(run: Results, table: pd.DataFrame) -> tuple[Array, Array] | None:
    """When jobs that ended in a cloud did so [s], and what their data cost [USD]."""
    asked = settings(run.scenario_yaml)
    names = list(look_up(run.summary, "site.pools") or ())
    jobs = run.jobs[(run.jobs["state"] == "completed").to_numpy() & ~is_replica(run.jobs)]
    pool = jobs["pool"].astype(str).to_numpy()
    usd = np.zeros(len(jobs))
    for name in table["pool"].unique():
        if name not in names:
            return None
        terms = f"site.pools[{names.index(name)}].cloud"
        try:
            price = parse_quantity(asked.get(f"{terms}.egress"), MONEY_PER_BYTE)
            data_bytes = float(asked.get(f"{terms}.data", "").removesuffix(" bytes"))
        except (UnitError, ValueError):
            return None
        mine = pool == name
        usd[mine] = price * data_bytes * jobs["gpus"].to_numpy(float)[mine]
    told = look_up(run.summary, "cloud.egress_usd") or 0.0
    if abs(usd.sum() - told) > 1e-6 * max(told, 1e-6):
        return None
    return jobs["end_s"].to_numpy(float), usd
