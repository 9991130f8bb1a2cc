"""Any table of jobs, CSV or Parquet: columns named as ours, or mapped onto them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from twin.errors import TraceError, did_you_mean
from twin.registry import reader
from twin.tables import TRACE_COLUMNS, WORKLOAD
from twin.workload.jobs import Workload
from twin.workload.traces.base import Source
from twin.workload.traces.convert import Array
from twin.workload.traces.delimited import read_delimited
from twin.workload.traces.files import MAX_ROWS, MAX_TEXT_BYTES, magic
from twin.workload.traces.rows import Rows, from_epoch, local_epoch

_UNIX_FROM_S = 1e9  # 9 September 2001: larger submit times are seconds since 1970


@reader("generic")
def read(source: Source) -> Workload:
    """Jobs of a table; ``columns`` maps our column to the file's.

    Notes
    -----
    Our columns are those of the job table, plus others that are turned into them: times in other
    units (``submit_us``), and ``start_s`` and ``end_s`` from which the duration follows. A column
    of the file that is named as ours is taken even if it is not mapped. Submit, start, end and
    deadline may be numbers or ISO dates. Numbers from 1e9 s on are taken for Unix time, and the
    calendar for UTC's.
    """
    names = dict(source.columns)
    unknown = sorted(set(names) - set(TRACE_COLUMNS))
    if unknown:
        hint = did_you_mean(unknown[0], TRACE_COLUMNS, most=20)
        raise TraceError(
            f"{source.path}: columns names {unknown[0]!r}, which is none of ours; {hint}"
        )
    wanted = {**{name: name for name in TRACE_COLUMNS}, **names}
    table = _parquet if magic(source.path).startswith(b"PAR1") else _csv
    rows = table(source, sorted(set(wanted.values())))
    for ours, theirs in names.items():
        if theirs not in rows:
            rows.require(theirs, hint=f"columns maps {ours} to it")
    taken = set(names.values())
    present = {
        ours: theirs
        for ours, theirs in wanted.items()
        if theirs in rows and (ours in names or theirs not in taken)
    }
    given: dict[str, Any] = {}
    shown: dict[str, str] = {}
    for ours, theirs in present.items():
        column, factor = TRACE_COLUMNS[ours]
        if column in given:
            raise TraceError(
                f"{source.path}: {shown[column]} and {theirs} both give {column}; keep one"
            )
        given[column] = _column(rows, column, theirs, factor)
        shown[column] = theirs
    _require_jobs(rows, given)
    start_s, end_s = given.pop("start_s", None), given.pop("end_s", None)
    if start_s is not None:
        early = start_s < given["submit_s"]
        rows.refuse(early, "starts before its submit", shown["submit_s"], shown["start_s"])
    if start_s is not None and end_s is not None:
        both = (shown["start_s"], shown["end_s"])
        rows.refuse(end_s < start_s, "ends before it starts", *both)
        if "run_s" not in given:
            given["run_s"], shown["run_s"] = end_s - start_s, ", ".join(both)
    return rows.workload("generic", given, shown=shown, epoch=_epoch(rows, given["submit_s"]))


def _column(rows: Rows, column: str, theirs: str, factor: float) -> Any:
    if column not in WORKLOAD.names() or column in ("submit_s", "deadline_s"):  # of the calendar
        if factor == 1.0 and not rows.holds_numbers(theirs):
            return rows.times_s(theirs)
        return rows.numbers(theirs) * factor
    if WORKLOAD[column].dtype in ("string", "category"):
        return rows.text(theirs)
    return rows.numbers(theirs) * factor


def _require_jobs(rows: Rows, given: dict[str, Any]) -> None:
    """Refuse a table that does not say when a job came, how long it ran, and on how many GPUs."""
    runs = "run_s" in given or {"start_s", "end_s"} <= set(given)
    lacking = [name for name in ("submit_s", "gpus") if name not in given]
    lacking += [] if runs else ["run_s (or start_s and end_s)"]
    if lacking:
        found = ", ".join(rows.names[:30])
        raise TraceError(
            f"{rows.path}: nothing gives {', '.join(lacking)}; say which columns do with columns: "
            f"{{submit_s: <name>, ...}}. Found: {found}"
        )


def _epoch(rows: Rows, submit_s: Array) -> Any:
    if rows.timed:
        return local_epoch(rows)
    known = submit_s[rows.kept() & ~np.isnan(submit_s)]
    if not len(known) or known.min() < _UNIX_FROM_S:
        return None
    rows.note("Submit times are taken for seconds since 1970, and the calendar for UTC's.")
    return from_epoch(0.0)


def _csv(source: Source, wanted: list[str]) -> Rows:
    return read_delimited(source.path, skip_bad=source.skip_bad, wanted=wanted)


def _parquet(source: Source, wanted: list[str]) -> Rows:
    import pyarrow.parquet as pq  # here, because most traces are text

    try:
        with pq.ParquetFile(source.path) as file:
            columns = [name for name in file.schema_arrow.names if name in wanted]
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            size = sum(group.total_byte_size for group in groups)
            if file.metadata.num_rows > MAX_ROWS or size > MAX_TEXT_BYTES:
                raise TraceError(f"{source.path}: {file.metadata.num_rows:,} rows; split the trace")
            table = file.read(columns=columns)
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise TraceError(f"{source.path}: damaged Parquet: {str(error)[:200]}") from None
    if not table.num_rows:
        raise TraceError(f"{source.path}: has a header and no rows")
    return Rows(source.path, table, source.skip_bad, names=names)
