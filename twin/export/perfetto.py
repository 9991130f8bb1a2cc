"""The run as a trace of events, for Perfetto and chrome://tracing."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.export.pools import Pool, pools
from twin.export.resources import intervals_text, mask_intervals
from twin.results.store import Results

# A browser draws about a million slices. Of larger runs the longest spells are drawn: the others
# are thinner than a pixel until one zooms in to a day.
MOST_SLICES = 1_000_000
_BLOCK = 65_536  # rows made into text at a time
_SITE = 1  # process of counters and incidents; pools follow
_COUNTERS = (
    ("queue", "jobs", "queued_jobs"),
    ("queued", "GPUs", "queued_gpus"),
    ("busy", "GPUs", "busy_gpus"),
    ("down", "GPUs", "down_gpus"),
)
_INCIDENT = ("domain", "gpus_down", "gpus_idled", "jobs_hit", "users_hit")

Event = dict[str, Any]
Ints = NDArray[np.int64]


def write(run: Results, file: TextIO, most_slices: int = MOST_SLICES) -> list[str]:
    """Write a process a pool, threads for its nodes, and a slice for each spell of a job on a node.

    Parameters
    ----------
    run : Results
    file : text file
    most_slices : int
        Beyond this only the longest spells are drawn.

    Returns
    -------
    list of str
        What was left out, if anything.

    Notes
    -----
    The thread of a slice is called after the lowest GPU that the job holds on the node: jobs on
    one node at one time hold different GPUs, so that slices of a thread never overlap. Where jobs
    share a GPU, the second and later ones have threads of their own. ``gpus`` x length over all
    slices is the GPU-time held, to the microsecond.

    Events are written as they are made; the tables of the run are all that is held in memory.

    Sources
    -------
    [trace-event]
    """
    held, remarks = _drawn(run.allocations, most_slices)
    if run.stays is not None and len(run.stays):
        remarks.append(f"{len(run.stays):,} stays of guests, on GPUs that replicas hold meanwhile")
    places = pools(run)
    other = json.dumps({"scenario": run.name, "seed": run.summary["seed"], "left_out": remarks})
    file.write(f'{{"displayTimeUnit":"ms","otherData":{other},"traceEvents":[')
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
    comma = "\n"
    for event in _events(run, held, places):
        file.write(comma + encode(event))
        comma = ",\n"
    file.write("\n]}\n")
    return remarks


def _drawn(allocations: pd.DataFrame, most: int) -> tuple[pd.DataFrame, list[str]]:
    """The spells to draw in the order of their threads and times, and what is left out."""
    start_s, end_s = allocations["start_s"].to_numpy(), allocations["end_s"].to_numpy()
    mask = allocations["gpu_mask"].to_numpy().view(np.uint64)
    lowest = np.bitwise_count((mask & (~mask + np.uint64(1))) - np.uint64(1))
    kept, remarks = np.ones(len(allocations), bool), []
    if len(allocations) > most:
        kept[:] = False
        kept[np.argsort(start_s - end_s, kind="stable")[:most]] = True
        gpu_s = (end_s - start_s) * np.bitwise_count(mask)
        share = gpu_s[~kept].sum() / max(gpu_s.sum(), 1e-300)
        longest_s = (end_s - start_s)[~kept].max()
        remarks = [
            f"{np.count_nonzero(~kept):,} of {len(kept):,} spells, the shortest: none longer than "
            f"{longest_s:,.0f} s, {100 * share:.2g} % of the GPU-time held"
        ]
    node = allocations["node"].to_numpy()
    order = np.lexsort((end_s, start_s, lowest, node))
    order = order[kept[order]]
    return allocations.iloc[order].assign(lowest=lowest[order].astype(np.int64)), remarks


def _events(run: Results, held: pd.DataFrame, places: list[Pool]) -> Iterator[Event]:
    yield from _named(_SITE, None, f"site: {run.name}", _SITE)
    for k, pool in enumerate(places, start=_SITE + 1):
        gpus = pool.nodes * pool.gpus_per_node
        yield from _named(k, None, f"pool {pool.name}: {pool.nodes:,} nodes, {gpus:,} GPUs", k)
    yield from _slices(run, held, places)
    yield from _counted(run)
    yield from _incidents(run.incidents)


def _slices(run: Results, held: pd.DataFrame, places: list[Pool]) -> Iterator[Event]:
    columns = ("job_id", "user", "gpus", "kind", "model")
    jobs = [run.jobs[name].to_numpy() for name in columns if name in run.jobs]
    firsts = np.array([pool.first_node for pool in places])
    process = np.searchsorted(firsts, held["node"].to_numpy(), side="right") + _SITE
    # Beginnings and ends are rounded alike, so that what touched still touches. [us]
    begin = np.rint(held["start_s"].to_numpy() * 1e6).astype(np.int64)
    end = np.rint(held["end_s"].to_numpy() * 1e6).astype(np.int64)
    rows = [held[name].to_numpy() for name in ("job", "node", "gpu_mask", "lowest")]
    thread, place = len(places) + _SITE, (-1, -1)
    lanes: list[int] = []  # threads of the place, each free from the time in ``free`` on
    free: list[tuple[int, int]] = []
    for at in range(0, len(held), _BLOCK):
        block = (array[at : at + _BLOCK].tolist() for array in (process, begin, end, *rows))
        for pid, ts, until, row, node, mask, gpu in zip(*block, strict=True):
            if place != (node, gpu):
                place, lanes, free = (node, gpu), [], []
            if free and free[0][0] <= ts:
                _, tid = heapq.heappop(free)
            else:
                thread += 1
                tid = thread
                lanes.append(tid)
                name = f"node {node} GPU {gpu}" + (f" ({len(lanes)})" if len(lanes) > 1 else "")
                yield from _named(pid, tid, name, tid)
            heapq.heappush(free, (until, tid))
            job_id, user, gpus, kind, *model = (column[row] for column in jobs)
            on = mask_intervals(mask)
            args = {
                "job": job_id,
                "user": user,
                "gpus": sum(last - first + 1 for first, last in on),
                "on": intervals_text(on),
                "job_gpus": int(gpus),
            }
            name = f"{job_id} {(model and model[0]) or kind}{_letters(row, job_id)}"
            event = {"ph": "X", "name": name, "cat": kind, "pid": pid, "tid": tid}
            yield event | {"ts": ts, "dur": until - ts, "args": args}


def _letters(row: int, job_id: str) -> str:
    """Two letters after a number: Perfetto colours by name and leaves digits out of it."""
    if not job_id.isdigit():
        return ""
    return f" {chr(ord('a') + row // 26 % 26)}{chr(ord('a') + row % 26)}"


def _counted(run: Results) -> Iterator[Event]:
    """Counters: a value at the beginning of each bin, its mean."""
    time_us = np.rint(run.timeline["time_s"].to_numpy() * 1e6).astype(np.int64).tolist()
    for name, unit, column in _COUNTERS:
        values = run.timeline[column].to_numpy(float)
        if name == "down" and not values.any():
            continue
        for ts, value in zip(time_us, values.tolist(), strict=True):
            if np.isfinite(value):
                args = {unit: round(value, 6)}
                yield {"ph": "C", "name": name, "pid": _SITE, "tid": _SITE, "ts": ts, "args": args}


def _incidents(incidents: pd.DataFrame) -> Iterator[Event]:
    columns = ("time_s", "component", "kind", "recovered_s", *_INCIDENT)
    for time_s, component, kind, recovered_s, *rest in zip(
        *(incidents[name].tolist() for name in columns), strict=True
    ):
        args = dict(zip(_INCIDENT, rest, strict=True))
        args["recovered_s"] = recovered_s if np.isfinite(recovered_s) else None
        event = {"ph": "i", "s": "p", "name": f"{component} {kind}", "cat": "incident"}
        yield event | {"pid": _SITE, "tid": _SITE, "ts": round(time_s * 1e6), "args": args}


def _named(pid: int, tid: int | None, name: str, order: int) -> Iterator[Event]:
    """Name and place of a process, or of a thread of it."""
    what, of = ("process", {}) if tid is None else ("thread", {"tid": tid})
    yield {"ph": "M", "name": f"{what}_name", "pid": pid, **of, "args": {"name": name}}
    args = {"sort_index": order}
    yield {"ph": "M", "name": f"{what}_sort_index", "pid": pid, **of, "args": args}
