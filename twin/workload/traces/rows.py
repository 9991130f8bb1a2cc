"""The rows of one trace file, column by column, and the verdict on each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twin.errors import TraceError
from twin.workload.jobs import Intake, Workload, job_table
from twin.workload.traces.convert import (
    Array,
    Mask,
    as_array,
    as_categorical,
    as_numbers,
    as_text,
    as_times_s,
    each_distinct,
    holds_numbers,
    is_blank,
    zone_of,
)

MAX_GPUS = 10_000_000
MAX_RUN_S = 100 * 365.25 * 86400.0
# The years 1001 to 4999. Beyond, a time in ms or us was most likely taken for seconds.
MIN_TIME_S, MAX_TIME_S = -3.06e10, 9.56e10

_TEXT_COLUMNS = ("user", "group", "kind", "model", "pool", "qos", "gpu_types")


@dataclass
class Rows:
    """Rows on their way to a job table: converted by column, each good, bad or left out.

    A row is *bad* if it cannot be true (a negative duration); readers `refuse` it. It is *left out*
    if it is true but no GPU job that ran (a CPU job, a job cancelled in the queue); readers `drop`
    it. What is left out is not examined further.

    Parameters
    ----------
    path : Path
        The file, for messages.
    table : pyarrow.Table
        (n_row,) columns of text, or typed ones where the file has types.
    skip_bad : bool
        Leave bad rows out and list them, rather than stop at the first.
    place : callable
        From row numbers, counted from 0, to where they stand, as a person counts.
    place_word : str
        What `place` counts: ``line``, ``row`` or ``entry``.
    misshapen : dict
        Place -> what is wrong, for rows that did not make it into the table.
    names : sequence of str
        All columns of the file, read or not.
    """

    path: Path
    table: Any
    skip_bad: bool = False
    place: Callable[[NDArray[np.int64]], NDArray[np.int64]] = lambda rows: rows + 1
    place_word: str = "row"
    misshapen: dict[int, str] = field(default_factory=dict)
    names: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    utc_offset: timedelta | None = None  # of the zone that the times are stated in, if any
    may_lack_gpus: bool = False  # whether a job without GPUs is one

    def __post_init__(self) -> None:
        self._reason = np.zeros(len(self), np.int16)  # index into _what; 0 is a good row
        self._what: list[tuple[str, tuple[str, ...]]] = [("", ())]
        self._left_out = np.zeros(len(self), bool)
        self._dropped: dict[str, int] = {}
        self.names = self.names or self.table.column_names
        self.timed = ""  # the first column of times, which says whether there is a zone

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __contains__(self, name: str) -> bool:
        return name in self.table.column_names

    def require(self, *names: str, hint: str = "") -> None:
        """Refuse a file that lacks one of these columns."""
        absent = [name for name in names if name not in self]
        if absent:
            found = ", ".join(self.names[:30])
            advice = f"; {hint}" if hint else ""
            raise TraceError(f"{self.path}: no column {', '.join(absent)}; found {found}{advice}")

    # -- columns ---------------------------------------------------------------------------------

    def text(self, name: str) -> Any:
        """A column as a pyarrow array of strings; blank where the file has nothing."""
        return as_text(self.table.column(name))

    def numbers(self, name: str) -> Array:
        """A column as floats, NaN where it is blank; what is no number, or not finite, is bad."""
        try:
            values, wrong = as_numbers(self._column(name))
            values = values if values.flags.writeable else values.copy()
        except pa.ArrowException:
            raise TraceError(f"{self.path}: column {name} does not hold numbers") from None
        self.refuse(wrong, "not a number", name)
        infinite = np.isinf(values)
        self.refuse(infinite, "not a finite number", name)
        values[infinite] = np.nan
        return values

    def blank(self, name: str) -> Mask:
        """Where a column has nothing, or a word for nothing."""
        return is_blank(self.text(name))

    def holds_numbers(self, name: str) -> bool:
        """Whether a column holds numbers, going by its first value."""
        return holds_numbers(self._column(name))

    def times_s(self, name: str) -> Array:
        """A column of dates and times as seconds since 1970, NaN where it is blank.

        Times without a zone are taken as they stand; times with one are turned into UTC, and
        `utc_offset` remembers the zone of the first.
        """
        column = self._column(name)
        if pa.types.is_timestamp(column.type):
            offset = None if column.type.tz is None else timedelta(0)
        else:
            column = as_text(column)
            offset = zone_of(column)
        self._set_zone(name, offset)
        values, wrong = as_times_s(column, zoned=offset is not None)
        with_or_without = "without" if offset is None else "with"
        self.refuse(wrong, f"no date and time {with_or_without} a zone, as the others are", name)
        return values

    def parsed_each(self, name: str, parse: Callable[[str], float], what: str) -> Array:
        """A column through ``parse``, called once a distinct text; ValueError makes it bad."""
        values, wrong = each_distinct(self.text(name), parse)
        self.refuse(wrong, what, name)
        return values

    def _column(self, name: str) -> Any:
        return as_array(self.table.column(name))

    def _set_zone(self, name: str, offset: timedelta | None) -> None:
        if self.timed and (self.utc_offset is None) != (offset is None):
            raise TraceError(f"{self.path}: only one of {self.timed} and {name} states a time zone")
        if not self.timed:
            self.timed, self.utc_offset = name, offset

    # -- verdicts --------------------------------------------------------------------------------

    def refuse(self, rows: Mask, what: str, *shown: str) -> None:
        """Mark rows as bad, unless something was wrong with them before; show these columns."""
        if rows.any():
            self._what.append((what, shown))
            self._reason[rows & (self._reason == 0)] = len(self._what) - 1

    def drop(self, rows: Mask, cause: str) -> None:
        """Leave rows out and count them under ``cause``, unless they were left out before."""
        fresh = int((rows & ~self._left_out).sum())
        if fresh:
            self._dropped[cause] = self._dropped.get(cause, 0) + fresh
            self.pass_over(rows)

    def pass_over(self, rows: Mask) -> None:
        """Leave rows out that are no jobs at all: not counted, not examined."""
        self._left_out |= rows

    def note(self, text: str) -> None:
        """Record an assumption for the report."""
        self.notes.append(text)

    def workload(
        self,
        format_name: str,
        columns: Mapping[str, Any],
        *,
        shown: Mapping[str, str],
        epoch: datetime | None,
    ) -> Workload:
        """The job table of the rows that are neither bad nor left out.

        Parameters
        ----------
        format_name : str
            For the intake record.
        columns : mapping
            Column of `twin.tables.WORKLOAD` -> (n_row,) floats, or strings as a pyarrow array;
            ``submit_s``, ``run_s`` and ``gpus`` at least.
        shown : mapping
            For those, the file's columns to quote in messages, joined by a comma and a blank.
        epoch : datetime or None
            Calendar time of submit_s = 0 as given here, if there is one.

        Raises
        ------
        TraceError
            At the first bad row unless bad rows are skipped; if no job is left.
        """
        made = dict(columns)
        if "job_id" not in made:
            made["job_id"] = pc.cast(pa.array(np.arange(1, len(self) + 1)), pa.string())
        self._check(made, shown)
        skipped, n_skipped = self.verdict()
        keep = self.kept()
        if not keep.any():
            counts = [f"{n} {cause}" for cause, n in self._dropped.items()]
            counts += [f"{n_skipped} bad"] if n_skipped else []
            why = f" ({', '.join(counts)})" if counts else ""
            raise TraceError(f"{self.path}: no GPU job in {len(self)} rows{why}")
        if not keep.all():
            chosen = pa.array(keep)
            for name, values in made.items():
                made[name] = (
                    values[keep] if isinstance(values, np.ndarray) else values.filter(chosen)
                )
        origin_s = float(made["submit_s"].min())
        for name in ("submit_s", "deadline_s"):
            if name in made:
                made[name] = made[name] - origin_s
        for name in _TEXT_COLUMNS:
            if name in made:
                made[name] = as_categorical(made[name])
        made["job_id"] = made["job_id"].to_pandas()
        intake = Intake(
            source=self.path.name,
            format=format_name,
            rows_read=len(self) + len(self.misshapen),
            skipped=tuple(skipped),
            skipped_rows=n_skipped,
            dropped=dict(self._dropped),
            notes=tuple(self.notes),
        )
        return Workload(job_table(made), intake, epoch and epoch + timedelta(seconds=origin_s))

    def _check(self, made: dict[str, Any], shown: Mapping[str, str]) -> None:
        """What must hold for every job, whatever the format."""
        submit_s, run_s, gpus = made["submit_s"], made["run_s"], made["gpus"]
        submit, run, size = (shown[name].split(", ") for name in ("submit_s", "run_s", "gpus"))
        with np.errstate(invalid="ignore"):
            self.refuse(np.isnan(submit_s), "no submit time", *submit)
            beyond = (submit_s < MIN_TIME_S) | (submit_s > MAX_TIME_S)
            self.refuse(beyond, "a submit time beyond the years 1000 to 5000", *submit)
            self.refuse(np.isnan(run_s), "no duration", *run)
            self.refuse(run_s < 0, "a negative duration", *run)
            self.refuse(run_s > MAX_RUN_S, "a duration of more than 100 years", *run)
            self.refuse(np.isnan(gpus), "no number of GPUs", *size)
            if not self.may_lack_gpus:
                self.refuse(gpus == 0, "zero GPUs", *size)
            self.refuse(gpus < 0, "a negative number of GPUs", *size)
            self.refuse(gpus != np.floor(gpus), "not a whole number of GPUs", *size)
            self.refuse(gpus > MAX_GPUS, f"more than {MAX_GPUS:,} GPUs", *size)
            for name in ("nodes", "priority", "min_gpus", "max_gpus"):
                if name in made:
                    values = made[name] = np.nan_to_num(made[name], nan=0.0, posinf=np.inf)
                    wrong = (values != np.floor(values)) | (np.abs(values) > 2**31 - 1)
                    self.refuse(wrong, f"not a whole number for {name}", shown.get(name, name))
            for name in ("nodes", "cpus", "memory_bytes", "estimate_s", "min_gpus", "max_gpus"):
                if name in made:
                    wrong = (made[name] < 0) | np.isinf(made[name])
                    self.refuse(wrong, f"{name} below zero or too large", shown.get(name, name))
            if "gpu_fraction" in made:
                share = made["gpu_fraction"] = np.nan_to_num(made["gpu_fraction"], nan=1.0)
                seen = shown.get("gpu_fraction", "gpu_fraction")
                self.refuse((share <= 0) | (share > 1), "a share of a GPU outside (0, 1]", seen)
            if "min_gpus" in made:
                wrong = made["min_gpus"] > gpus
                self.refuse(wrong, "fewer GPUs than it needs", *size, shown["min_gpus"])
            if "max_gpus" in made:
                wrong = (made["max_gpus"] > 0) & (made["max_gpus"] < gpus)
                self.refuse(wrong, "more GPUs than it can use", *size, shown["max_gpus"])
            if "deadline_s" in made:
                wrong = (made["deadline_s"] < submit_s) | np.isinf(made["deadline_s"])
                why = "a deadline before its submit or beyond all time"
                self.refuse(wrong, why, *submit, shown["deadline_s"])

    def kept(self) -> Mask:
        """Rows that are neither bad nor left out."""
        good: Mask = ~self._left_out & (self._reason == 0)
        return good

    def verdict(self) -> tuple[list[str], int]:
        """One line for each of the first bad rows, and their number; raises unless skipping."""
        bad = np.flatnonzero((self._reason > 0) & ~self._left_out)
        count = len(bad) + len(self.misshapen)
        if not count:
            return [], 0
        first = bad[: Intake.MAX_LISTED].astype(np.int64)
        places = self.place(first) if len(first) else first
        found = dict(self.misshapen)
        found |= {int(at): self._describe(int(row)) for at, row in zip(places, first, strict=True)}
        listed = sorted(found)[: Intake.MAX_LISTED]
        if not self.skip_bad:
            at = listed[0]
            where = f":{at}" if self.place_word == "line" else f": {self.place_word} {at}"
            others = f" ({count - 1:,} more bad row{'s' * (count > 2)})" if count > 1 else ""
            raise TraceError(
                f"{self.path}{where}: {found[at]}{others}; "
                "mend it, or leave such rows out with on_bad_row: skip"
            )
        return [f"{self.place_word} {at}: {found[at]}" for at in listed], count

    def _describe(self, row: int) -> str:
        what, shown = self._what[self._reason[row]]
        values = {name: self.table.column(name)[row].as_py() for name in shown if name in self}
        quoted = [f"{name} is {_quote(value)}" for name, value in values.items()]
        return f"{what} ({', '.join(quoted)})" if quoted else what


def from_epoch(seconds: float) -> datetime:
    """Calendar time of a number of seconds since 1970, without a zone."""
    return datetime(1970, 1, 1) + timedelta(seconds=seconds)


def local_epoch(rows: Rows) -> datetime:
    """Calendar time of second 0 of `Rows.times_s`: 1970 in the file's own zone."""
    if rows.utc_offset is not None:
        hours = rows.utc_offset.total_seconds() / 3600
        rows.note(f"Calendar times are those of UTC{hours:+g}.")
    return datetime(1970, 1, 1) + (rows.utc_offset or timedelta(0))


def _quote(value: object) -> str:
    text = repr(str(value) if value is not None else "")
    return text if len(text) <= 60 else text[:57] + "..."
