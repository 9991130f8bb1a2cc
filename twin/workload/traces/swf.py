"""The Standard Workload Format of the Parallel Workloads Archive: ``.swf``, ``.swf.gz``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twin.errors import TraceError
from twin.registry import reader
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.convert import Array
from twin.workload.traces.delimited import delimited_rows
from twin.workload.traces.files import read_text
from twin.workload.traces.rows import Rows

FIELDS = (
    *("job", "submit", "wait", "run", "allocated", "cpu_time", "used_memory", "requested"),
    *("requested_time", "requested_memory", "status", "user", "group", "executable", "queue"),
    *("partition", "preceding", "think_time"),
)
_WANTED = (
    *("job", "submit", "run", "allocated", "requested", "requested_time", "requested_memory"),
    *("status", "user", "group", "queue"),
)
_CANCELLED = 5
_PARTIAL = (2, 3, 4)  # pieces of a job that was swapped out; the whole has a line of its own
_HEADER = re.compile(r";\s*([A-Za-z][\w ]*?)\s*:\s*(.*?)\s*$")
_QUOTED_KEYS = ("Computer", "Installation", "Note", "Notes")
_LONGEST_NOTE = 200
_BLANKS = bytes.maketrans(b"\t\f\v", b"   ")
_BLOCK_BYTES = 2**18  # small enough to stay in the cache


@reader("swf")
def read(source: Source) -> Workload:
    """Jobs of a parallel computer; each processor is taken for a GPU.

    Notes
    -----
    Processors are those requested, or those allocated where no request is known. -1 is missing. A
    job that was cancelled before it ran, or has no run time, is dropped as ``never_ran``; lines for
    pieces of a job (status 2 to 4) as ``partial``. ``estimate_s`` is the requested time, group the
    group number, or the queue's where no group is known.

    Sources
    -------
    [swf]
    """
    text = read_text(source.path)
    bare, header = _without_comments(text)
    body = _single_spaced(bare)
    if not body.strip():
        raise TraceError(f"{source.path}: has a header and no rows")
    rows = delimited_rows(
        source.path,
        body,
        skip_bad=source.skip_bad,
        names=FIELDS,
        wanted=_WANTED,
        delimiter=" ",
        quote=None,
    )
    run_s, status = rows.numbers("run"), rows.numbers("status")
    rows.drop(np.isin(status, _PARTIAL), "partial")
    rows.drop((run_s == -1) | ((status == _CANCELLED) & (run_s <= 0)), "never_ran")
    requested, allocated = rows.numbers("requested"), rows.numbers("allocated")
    processors = np.where(requested > 0, requested, allocated)
    processors[processors == -1] = np.nan
    group = _known(rows.text("group"))
    if pc.all(pc.equal(group, "")).as_py():
        group = _known(rows.text("queue"))
    rows.note("Each processor of the trace is taken for a GPU.")
    return rows.workload(
        "swf",
        {
            "job_id": rows.text("job"),
            "submit_s": _or_nan(rows.numbers("submit")),
            "run_s": run_s,
            "gpus": processors,
            "estimate_s": _or_nan(rows.numbers("requested_time")),
            "memory_bytes": _or_nan(rows.numbers("requested_memory")) * 1024 * processors,
            "user": _known(rows.text("user")),
            "group": group,
        },
        shown={
            "submit_s": "submit",
            "run_s": "run",
            "gpus": "requested, allocated",
            "estimate_s": "requested_time",
            "memory_bytes": "requested_memory",
        },
        epoch=_epoch(header, rows),
    )


def _without_comments(text: bytearray) -> tuple[bytearray, dict[str, list[str]]]:
    """The text with its comment lines emptied, and those of the form ``; Key: value``, in order."""
    header: dict[str, list[str]] = {}
    pieces, taken = [], 0
    at = text.find(b";")
    while at >= 0:
        start = text.rfind(b"\n", 0, at) + 1
        end = text.find(b"\n", at)
        end = end if end >= 0 else len(text)
        if not text[start:at].strip():
            pieces.append(text[taken:start])
            taken = end
            match = _HEADER.match(text[at:end].decode())
            if match:
                header.setdefault(match[1], []).append(match[2])
        at = text.find(b";", end)
    return bytearray().join([*pieces, text[taken:]]), header


def _single_spaced(text: bytearray) -> bytearray:
    """One blank between fields and none at the ends of lines; lines stay lines."""
    spaced, start = bytearray(), 0
    while start < len(text):
        end = text.find(b"\n", start + _BLOCK_BYTES) + 1 or len(text)
        block = text[start:end].translate(_BLANKS)
        view = np.frombuffer(block + b"\n", np.uint8)
        blank, line_end = view == ord(" "), view == ord("\n")
        # The last blank of a run stays, unless the line ends there.
        keep = ~(blank[:-1] & (blank[1:] | line_end[1:]))
        spaced += view[:-1][keep].tobytes().replace(b"\n ", b"\n").lstrip(b" ")
        start = end
    return spaced


def _epoch(header: dict[str, list[str]], rows: Rows) -> datetime | None:
    """Calendar time of second 0 by ``UnixStartTime`` and ``TimeZoneString``; notes the rest."""
    for key in ("MaxNodes", "MaxProcs"):
        if header.get(key):
            rows.note(f"The trace's machine: {key} {header[key][0]}.")
    for key in _QUOTED_KEYS:
        for value in header.get(key, [])[:3]:
            rows.note(f"{key} in the trace's header: {value[:_LONGEST_NOTE]}")
    try:
        start = datetime.fromtimestamp(int(header["UnixStartTime"][0]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    zone = header.get("TimeZoneString", [""])[0]
    try:
        return start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        rows.note(f"Calendar times are UTC: the trace's zone {zone!r} is not known here.")
        return start.replace(tzinfo=None)


def _or_nan(values: Array) -> Array:
    values[values == -1] = np.nan
    return values


def _known(text: Any) -> Any:
    return pc.if_else(pc.equal(text, "-1"), pa.scalar(""), text)
