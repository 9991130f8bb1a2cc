"""Slurm accounting: the output of ``sacct --parsable2``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow.compute as pc

from twin.errors import TraceError
from twin.registry import reader
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.convert import Array
from twin.workload.traces.delimited import read_delimited
from twin.workload.traces.rows import Rows, local_epoch

COMMAND = (
    "sacct --allusers --parsable2 --format=JobID,User,Account,Partition,State,Submit,Start,End,"
    "ElapsedRaw,Timelimit,NNodes,Priority,ReqTRES,AllocTRES"
)
_WANTED = (
    *("JobID", "User", "Account", "Partition", "State", "Submit", "Start", "End", "Elapsed"),
    *("ElapsedRaw", "Timelimit", "TimelimitRaw", "NNodes", "Priority", "ReqTRES", "AllocTRES"),
)
_SPAN = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_BINARY = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40, "P": 2.0**50}
_NOTHING = ("", "unknown", "none", "n/a", "unlimited", "partition_limit", "invalid")
_MOST_PRIORITY = 2**31 - 1


@reader("slurm")
def read(source: Source) -> Workload:
    """Jobs of a Slurm cluster; group is the account, or the partition where accounts are not given.

    Notes
    -----
    Job steps (``123.batch``) are passed over; array elements (``123_4``) are jobs. GPUs are those
    of ``ReqTRES``, or of ``AllocTRES`` where the request names none. The duration is the elapsed
    time, which leaves suspensions out. ``estimate_s`` is the time limit, missing if unlimited.
    Dropped: ``cpu_only``, ``never_ran`` (pending, or cancelled in the queue), ``unfinished``.

    Sources
    -------
    [sacct]
    """
    rows = read_delimited(
        source.path, skip_bad=source.skip_bad, wanted=_WANTED, delimiter="|", quote=None
    )
    rows.require("JobID", "Submit", hint=f"make the file with `{COMMAND}`")
    steps = _mask(pc.match_substring(rows.text("JobID"), "."))
    rows.pass_over(steps)
    if steps.any():
        rows.note(f"{int(steps.sum())} lines of job steps were passed over.")
    gpus, tres = _resources(rows)
    rows.drop(gpus == 0, "cpu_only")
    submit_s, run_s = rows.times_s("Submit"), _elapsed_s(rows)
    _drop_unrun(rows, run_s)
    if "Start" in rows:
        start_s = rows.times_s("Start")
        rows.refuse(start_s < submit_s, "starts before its submit", "Submit", "Start")
        if "End" in rows:
            rows.refuse(rows.times_s("End") < start_s, "ends before it starts", "Start", "End")
    columns: dict[str, Any] = {
        "job_id": rows.text("JobID"),
        "submit_s": submit_s,
        "run_s": run_s,
        "gpus": gpus,
        "cpus": rows.parsed_each(tres, lambda text: _count(text, "cpu"), "no TRES"),
        "memory_bytes": rows.parsed_each(tres, lambda text: _count(text, "mem"), "no TRES"),
        "nodes": rows.parsed_each(tres, lambda text: _count(text, "node"), "no TRES"),
    }
    if "NNodes" in rows:
        columns["nodes"] = rows.numbers("NNodes")
    if "User" in rows:
        columns["user"] = rows.text("User")
    for group in ("Account", "Partition"):
        if group in rows:
            columns["group"] = rows.text(group)
            break
    if "Timelimit" in rows:
        columns["estimate_s"] = rows.parsed_each("Timelimit", _span_s, "no time limit")
    elif "TimelimitRaw" in rows:
        columns["estimate_s"] = rows.parsed_each("TimelimitRaw", _minutes_s, "no time limit")
    if "Priority" in rows:
        columns["priority"] = _priority(rows)
    return rows.workload(
        "slurm",
        columns,
        shown={
            "submit_s": "Submit",
            "run_s": "ElapsedRaw, Elapsed, Start, End",
            "gpus": tres,
            "nodes": "NNodes",
            "priority": "Priority",
            "estimate_s": "Timelimit",
        },
        epoch=local_epoch(rows),
    )


def _resources(rows: Rows) -> tuple[Array, str]:
    """GPUs of each job, and the column that states the other resources."""
    found = [name for name in ("ReqTRES", "AllocTRES") if name in rows]
    if not found:
        raise TraceError(f"{rows.path}: no column ReqTRES or AllocTRES; make it with `{COMMAND}`")
    each = [rows.parsed_each(name, _gpus, "GPUs that cannot be read") for name in found]
    gpus = each[0] if len(each) == 1 else np.where(each[0] > 0, each[0], each[1])
    return gpus, found[0]


def _elapsed_s(rows: Rows) -> Array:
    """How long each job ran. [s]"""
    if "ElapsedRaw" in rows:
        return rows.numbers("ElapsedRaw")
    if "Elapsed" in rows:
        return rows.parsed_each("Elapsed", _span_s, "not a time span")
    rows.require("Start", "End", hint=f"make the file with `{COMMAND}`")
    return rows.times_s("End") - rows.times_s("Start")


def _drop_unrun(rows: Rows, run_s: Array) -> None:
    """Leave out what has not started, or not ended."""
    if "State" in rows:
        state = rows.text("State")
        rows.drop(_mask(pc.starts_with(state, "PENDING")), "never_ran")
        for going in ("RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED", "RESIZING"):
            rows.drop(_mask(pc.starts_with(state, going)), "unfinished")
        rows.drop((run_s == 0) & _mask(pc.starts_with(state, "CANCELLED")), "never_ran")
    if "Start" in rows:
        rows.drop(rows.blank("Start"), "never_ran")
    if "End" in rows:
        rows.drop(rows.blank("End"), "unfinished")


def _priority(rows: Rows) -> Array:
    """Priorities as Slurm has them, moved into 32 bits with sign if need be; the order stays."""
    priority = rows.numbers("Priority")
    known = priority[~np.isnan(priority)]
    if len(known) and known.max() > _MOST_PRIORITY:
        rows.note("Slurm's priorities are given less 2^31, to fit; their order is the same.")
        priority = priority - 2.0**31
    return priority


def _gpus(tres: str) -> float:
    """GPUs in ``cpu=8,gres/gpu=4,gres/gpu:a100=4``: the total, or the sum over models."""
    total, by_model = None, 0.0
    for item in tres.split(","):
        name, _, value = item.partition("=")
        if name == "gres/gpu":
            total = float(value)
        elif name.startswith("gres/gpu:"):
            by_model += float(value)
    return by_model if total is None else total


def _count(tres: str, wanted: str) -> float:
    """The value of one resource, in its base unit; NaN if it is not named."""
    for item in tres.split(","):
        name, _, value = item.partition("=")
        if name == wanted:
            unit = value[-1:].upper() if not value[-1:].isdigit() else ""
            if unit not in _BINARY:
                raise ValueError(value)
            # Memory is in MiB where it has no unit; counts have none.
            size = _BINARY[unit or "M"] if wanted == "mem" else _BINARY[unit]
            return float(value.rstrip("KMGTPkmgtp")) * size
    return np.nan


def _span_s(text: str) -> float:
    """Seconds in ``[days-][hours:]minutes:seconds``; NaN where there is no limit."""
    if text.lower() in _NOTHING:
        return np.nan
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(text)
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _minutes_s(text: str) -> float:
    return np.nan if text.lower() in _NOTHING else float(text) * 60


def _mask(column: Any) -> Any:
    return np.asarray(column.to_numpy(zero_copy_only=False), bool)
