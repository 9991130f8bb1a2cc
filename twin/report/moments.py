"""Who held which node just before, just after and once an incident was over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.report import numbers
from twin.report.facts import shortened
from twin.report.theme import JOB_COLOURS
from twin.results.store import Results
from twin.site.layout import Pool, Site, lay_out

_CAP = 1024  # nodes that are shown
_STOPPED = ("fail_stop", "silent")  # kinds after which the whole gang stands still

FREE, OTHER, OTHER_TOO = -1, -2, -3  # no job; jobs that were not hit, in two tints


@dataclass(frozen=True)
class Moment:
    """The nodes at one time.

    Attributes
    ----------
    title : str
    holder : (n_node,) int array
        What colour each node has: an index of `Moments.jobs`, or one of the constants above.
    down, marked, idled : (n_node,) bool arrays
        Nodes that the incident took out of service; those that it hit and left in service; nodes
        whose job stands still because of it.
    """

    title: str
    holder: NDArray[np.int64]
    down: NDArray[np.bool_]
    marked: NDArray[np.bool_]
    idled: NDArray[np.bool_]


@dataclass(frozen=True)
class Rack:
    """A rack that is shown: its row, and its nodes."""

    row: int
    nodes: range


@dataclass(frozen=True)
class Moments:
    """What the map of an incident shows.

    Attributes
    ----------
    jobs : list of str
        Names of the jobs that were hit, the largest first; the last may stand for several.
    hit : (n_node,) bool array
        Nodes of the incident.
    racks : list of Rack
        Racks shown, ascending.
    where : str
        How much of the site that is, in words.
    takes : str
        What the incident did to its nodes: ``down`` or ``hit``; empty for software.
    """

    jobs: list[str]
    hit: NDArray[np.bool_]
    racks: list[Rack]
    panels: list[Moment]
    where: str
    takes: str


def moments(run: Results, found: Mapping[str, Any]) -> Moments | None:
    """The map of the worst incident; None where the run does not say where its nodes stand.

    Parameters
    ----------
    run : Results
    found : mapping
        The section ``reliability`` of its summary.
    """
    worst = found["worst_incident"]
    if not worst or "nodes" not in worst or not found.get("layout"):
        return None
    site, incident = _site(found["layout"]), run.incidents.iloc[worst["row"]]
    held = run.allocations
    held = held[(held["node"] < site.n_nodes).to_numpy()]
    hit = np.zeros(site.n_nodes, bool)
    for first, last in worst["nodes"]:
        hit[first : last + 1] = True
    kind, time_s = str(incident["kind"]), float(incident["time_s"])
    recovered_s = float(incident["recovered_s"])
    end_s = float(run.summary["horizon_s"])
    over_s = recovered_s if np.isfinite(recovered_s) else end_s
    if not hit.any():
        hit_jobs = _software(run.jobs, held, str(incident["domain"]), time_s)
    else:
        hit_jobs = _residents(held, hit, time_s)
    if not hit.any() and not hit_jobs.size:
        return None
    took = bool(hit.any() and incident["gpus_down"])
    after_s = _left_s(held, hit, hit_jobs, time_s, over_s) if took else time_s
    gpus = run.jobs["gpus"].to_numpy()
    hit_jobs = hit_jobs[np.argsort(-gpus[hit_jobs], kind="stable")]

    def panel(title: str, at_s: float, *, before: bool, during: bool) -> Moment:
        job = _holders(held, hit_jobs, site.n_nodes, at_s, before=before)
        victim = np.isin(job, hit_jobs)
        down = hit & (during and took)
        idled = victim & ~down & (during and kind in _STOPPED)
        marked = hit & (during and not took)
        return Moment(title, _colours(job, hit_jobs), down, marked, idled)

    day = numbers.instant(time_s)
    later = numbers.duration(after_s - time_s)
    panels = [
        panel(f"just before, {day}", time_s, before=True, during=False),
        panel("just after" if after_s == time_s else f"out of service, {later} later", after_s,
              before=False, during=True),
        panel(
            f"well again, {numbers.duration(over_s - time_s)} later"
            if np.isfinite(recovered_s)
            else "not well yet when the run ended",
            over_s, before=over_s >= end_s, during=not np.isfinite(recovered_s),
        ),
    ]  # fmt: skip
    racks, where = _shown(site, hit, panels)
    takes = "" if not hit.any() else "down" if took else "hit"
    return Moments(_names(run.jobs, hit_jobs), hit, racks, panels, where, takes)


def _site(layout: Sequence[Mapping[str, Any]]) -> Site:
    return lay_out(
        [
            Pool(
                name=pool["pool"],
                node_type="",
                gpu_type="",
                gpus_per_node=pool["gpus_per_node"],
                nodes=pool["nodes"],
                halls=tuple(pool["halls"]),
                nodes_per_rack=pool["nodes_per_rack"],
                racks_per_row=pool["racks_per_row"],
            )
            for pool in layout
        ]
    )


def _residents(held: pd.DataFrame, hit: NDArray[np.bool_], time_s: float) -> NDArray[np.int64]:
    """Rows of the jobs that held any of the nodes when it happened."""
    start_s, end_s = held["start_s"].to_numpy(), held["end_s"].to_numpy()
    there = (start_s < time_s) & (end_s >= time_s) & hit[held["node"].to_numpy()]
    return np.unique(held["job"].to_numpy()[there]).astype(np.int64)


def _software(
    jobs: pd.DataFrame, held: pd.DataFrame, domain: str, time_s: float
) -> NDArray[np.int64]:
    """Row of the job that a software failure is named for."""
    named = np.flatnonzero("job " + jobs["job_id"].astype(str).to_numpy(object) == domain)
    start_s, end_s = held["start_s"].to_numpy(), held["end_s"].to_numpy()
    there = (start_s < time_s) & (end_s >= time_s)
    return np.intersect1d(named, held["job"].to_numpy()[there]).astype(np.int64)


def _left_s(
    held: pd.DataFrame, hit: NDArray[np.bool_], jobs: NDArray[np.int64], time_s: float, by_s: float
) -> float:
    """When the last of the jobs had left the nodes: at once, or when a fault was found. [s]"""
    mine = np.isin(held["job"].to_numpy(), jobs) & hit[held["node"].to_numpy()]
    start_s, end_s = held["start_s"].to_numpy()[mine], held["end_s"].to_numpy()[mine]
    left_s = end_s[(start_s < time_s) & (end_s >= time_s) & (end_s < by_s)]
    return float(left_s.max(initial=time_s))


def _holders(
    held: pd.DataFrame, hit_jobs: NDArray[np.int64], n_nodes: int, at_s: float, *, before: bool
) -> NDArray[np.int64]:
    """(n_node,) row of the job on each node, -1 for none; of several a hit one, or the largest."""
    start_s, end_s = held["start_s"].to_numpy(), held["end_s"].to_numpy()
    there = (start_s < at_s) & (end_s >= at_s) if before else (start_s <= at_s) & (end_s > at_s)
    now = held[there]
    job, node = now["job"].to_numpy(np.int64), now["node"].to_numpy()
    size = np.bitwise_count(now["gpu_mask"].to_numpy().astype(np.uint64)).astype(np.int64)
    # The last one written stays.
    order = np.lexsort((-job, size, np.isin(job, hit_jobs)))
    found = np.full(n_nodes, -1, np.int64)
    found[node[order]] = job[order]
    return found


def _colours(job: NDArray[np.int64], hit_jobs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the colour of the job on each node."""
    colour = np.where(job < 0, FREE, np.where(job % 2, OTHER, OTHER_TOO))
    for index, row in enumerate(hit_jobs.tolist()):
        colour[job == row] = min(index, len(JOB_COLOURS) - 1)
    return colour


def _names(jobs: pd.DataFrame, hit_jobs: NDArray[np.int64]) -> list[str]:
    """Jobs hit with their sizes; those beyond the colours as one."""
    ids, gpus = jobs["job_id"].to_numpy(object), jobs["gpus"].to_numpy()
    names = [
        f"{shortened(ids[row])} ({numbers.count(int(gpus[row]))} GPUs)" for row in hit_jobs.tolist()
    ]
    if len(names) <= len(JOB_COLOURS):
        return names
    kept = names[: len(JOB_COLOURS) - 1]
    return [*kept, f"{numbers.count(len(names) - len(kept))} more jobs hit"]


def _shown(site: Site, hit: NDArray[np.bool_], panels: Sequence[Moment]) -> tuple[list[Rack], str]:
    """Racks that fit under the cap, around the incident, and how much of the site that is."""
    holders = np.stack([panel.holder for panel in panels])
    moved: NDArray[np.bool_] = (np.ptp(holders, axis=0) > 0) & (np.max(holders, axis=0) >= 0)
    victims: NDArray[np.bool_] = np.max(holders, axis=0) >= 0
    rack_of, n_racks = site.node_rack, len(site.rack_row)
    at = np.flatnonzero(hit if hit.any() else victims)
    centre = rack_of[at[len(at) // 2]] if at.size else 0

    def of_rack(nodes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.bincount(rack_of[nodes], minlength=n_racks) > 0

    # Rows with nodes of the incident first, then those with jobs that moved, then with jobs hit.
    rows, n_rows = site.rack_row, int(site.rack_row.max()) + 1
    without = (
        np.bincount(rows[of_rack(nodes)], minlength=n_rows) == 0 for nodes in (victims, moved, hit)
    )
    keys: list[NDArray[Any]] = [np.abs(np.arange(n_rows) - rows[centre]), *without]
    in_rack = np.bincount(rack_of, minlength=n_racks)
    in_row = np.bincount(rows, weights=in_rack, minlength=n_rows)
    order = np.lexsort(keys)
    fits = np.cumsum(in_row[order]) <= _CAP
    fits &= np.arange(n_rows) < 64
    whole = order[: int(fits.argmin()) if not fits.all() else n_rows]
    if whole.size:
        racks = np.flatnonzero(np.isin(rows, whole))
    else:  # a row is too long: the racks of it around the incident
        near = np.argsort(np.abs(np.arange(n_racks) - centre), kind="stable")
        near = near[rows[near] == rows[centre]]
        most = max(1, int((np.cumsum(in_rack[near]) <= _CAP).sum()))
        racks = np.sort(near[:most])
    first = np.searchsorted(rack_of, np.arange(n_racks + 1))
    found = [Rack(int(rows[r]), range(int(first[r]), int(first[r + 1]))) for r in racks.tolist()]
    seen = sum(len(rack.nodes) for rack in found)
    total = numbers.count(site.n_nodes)
    if seen == site.n_nodes:
        return found, f"All {total} nodes"
    part = "the rows around the incident" if whole.size else "the racks around it in its row"
    return found, f"{numbers.count(seen)} of {total} nodes, {part}"
