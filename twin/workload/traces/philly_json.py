"""Philly's original job log: ``cluster_job_log``, a JSON list of jobs with their attempts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from twin.errors import TraceError
from twin.registry import reader
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.files import read_text
from twin.workload.traces.rows import Rows, local_epoch

MAX_JSON_BYTES = 256 * 2**20  # the original has a quarter of this
_NAMES = ("jobid", "user", "vc", "submitted_time")


@reader("philly-json")
def read(source: Source) -> Workload:
    """Jobs of Microsoft's Philly clusters; group is the virtual cluster.

    Notes
    -----
    The work of a job is the sum of its attempts' durations: what was held, lost progress included.
    GPUs are those of its widest attempt. Attempts without a start or an end are passed over as
    logging errors. Dropped: ``never_ran`` without any other attempt, ``unfinished`` if the last
    attempt has no end (it ran when the log was taken), ``no_gpus`` if no attempt lists GPUs.

    Sources
    -------
    [jeon2019]: the description that accompanies the data, section "cluster_job_log".
    """
    rows = _rows(source, _entries(source))
    rows.drop(rows.numbers("attempts_ended") == 0, "never_ran")
    rows.drop(rows.numbers("open") == 1, "unfinished")
    gpus = rows.numbers("gpus")
    rows.drop(gpus == 0, "no_gpus")
    backwards = rows.numbers("backwards") == 1
    rows.refuse(backwards, "an attempt ends before it starts", "jobid")
    submit_s = rows.times_s("submitted_time")
    incomplete = int(rows.numbers("attempts_passed_over")[rows.kept()].sum())
    if incomplete:
        rows.note(f"{incomplete} attempts without a start or an end were passed over.")
    rows.note(
        "A job's work is the sum of its attempts, progress that was lost between them included."
    )
    return rows.workload(
        "philly-json",
        {
            "job_id": rows.text("jobid"),
            "submit_s": submit_s,
            "run_s": rows.numbers("run_s"),
            "gpus": gpus,
            "nodes": rows.numbers("nodes"),
            "user": rows.text("user"),
            "group": rows.text("vc"),
        },
        shown={"submit_s": "submitted_time", "run_s": "run_s", "gpus": "gpus"},
        epoch=local_epoch(rows),
    )


def _entries(source: Source) -> list[Any]:
    # The file may be a single line, so lines are not limited; its size is.
    text = read_text(source.path, max_bytes=MAX_JSON_BYTES, max_line_bytes=None)
    if text.lstrip()[:1] != b"[":
        raise TraceError(f"{source.path}: not a JSON list of jobs")
    try:
        entries: list[Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise TraceError(f"{source.path}:{error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise TraceError(f"{source.path}: JSON nested deeper than any job log") from None
    except ValueError as error:  # a number of thousands of digits
        raise TraceError(f"{source.path}: not JSON: {str(error)[:100]}") from None
    if not entries:
        raise TraceError(f"{source.path}: an empty list: no jobs")
    return entries


def _rows(source: Source, entries: list[Any]) -> Rows:
    """One row a job, its attempts summed up; entries of another form are misshapen."""
    jobs: list[dict[str, Any]] = []
    at: list[int] = []
    misshapen: dict[int, str] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            jobs.append(_job(entry))
            at.append(number)
        except ValueError as error:
            misshapen[number] = str(error)
    places = np.asarray(at, np.int64)
    columns: dict[str, Any] = {
        name: pa.array([str(job[name] or "") for job in jobs], pa.string()) for name in _NAMES
    }
    for name in ("run_s", "gpus", "nodes", "attempts_ended", "attempts_passed_over"):
        columns[name] = pa.array([job[name] for job in jobs], pa.float64())
    for name in ("open", "backwards"):
        columns[name] = pa.array([float(job[name]) for job in jobs], pa.float64())
    return Rows(
        source.path,
        pa.table(columns),
        source.skip_bad,
        lambda rows: np.asarray(places[rows]),
        "entry",
        misshapen,
    )


def _job(entry: Any) -> dict[str, Any]:
    """One job of the log; ValueError says how it is misshapen."""
    if not isinstance(entry, dict) or not isinstance(entry.get("attempts"), list):
        raise ValueError("not a job with a list of attempts")
    spans, sizes, nodes = [], [0], [0]
    passed_over, still_runs = 0, False
    for attempt in entry["attempts"]:
        if not isinstance(attempt, dict):
            raise ValueError(f"an attempt that is {type(attempt).__name__}, not a mapping")
        start, end = _time(attempt.get("start_time")), _time(attempt.get("end_time"))
        still_runs = start is not None and end is None
        if start is None or end is None:
            passed_over += 1
            continue
        spans.append((end - start).total_seconds())
        detail = attempt.get("detail") or []
        try:
            sizes.append(sum(len(node["gpus"]) for node in detail))
        except (TypeError, KeyError):
            raise ValueError("an attempt whose detail has no lists of gpus") from None
        nodes.append(len(detail))
    return {
        **{name: entry.get(name) for name in _NAMES},
        "run_s": sum(spans),
        "gpus": max(sizes),
        "nodes": nodes[sizes.index(max(sizes))],
        "attempts_ended": len(spans),
        "attempts_passed_over": passed_over,
        "open": still_runs,
        "backwards": min(spans, default=0.0) < 0,
    }


def _time(text: Any) -> datetime | None:
    if text in (None, "", "None"):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except (TypeError, ValueError):
        raise ValueError(f"an attempt at {str(text)[:40]!r}, which is no date and time") from None
