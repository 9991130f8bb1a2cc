"""From a trace file to a job table: tells the format and calls its reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np

from twin.errors import PolicyError, TraceError
from twin.registry import READERS
from twin.workload.jobs import Workload

OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True)
class Source:
    """What a reader is given: the file and how to take it.

    Parameters
    ----------
    path : Path
        A file; a folder only for formats of several files.
    skip_bad : bool
        Leave bad rows out, counted and listed, rather than stop at the first.
    columns : mapping
        Our column -> the file's column, for the format ``generic``.
    asked : bool
        Take all that was asked for: jobs that never ran, with a duration of 0, and jobs without
        GPUs too. Formats that do not tell of them refuse it.
    """

    path: Path
    skip_bad: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    asked: bool = False


def read_trace(
    path: Path | str,
    *,
    format: str = "auto",
    on_bad_row: OnBadRow = "error",
    columns: Mapping[str, str] | None = None,
    include: Literal["ran", "asked"] = "ran",
) -> Workload:
    """The jobs of a trace file, second 0 at the first submit.

    Parameters
    ----------
    path : Path
        The trace, plain or gzip; a folder for ``alibaba-2020``.
    format : str
        One of `formats`, or ``auto`` to tell it by name and header.
    on_bad_row : {"error", "skip"}
        What to do with a row that cannot be true: stop there, or leave it out, counted and listed.
    columns : mapping, optional
        For ``generic``: our column -> the file's column.
    include : {"ran", "asked"}
        GPU jobs that ran; or all that was asked for, see `Source`.

    Returns
    -------
    Workload
        Jobs in queue order, with what was skipped, dropped and assumed in its ``intake``.

    Raises
    ------
    TraceError
        Naming the file, and the row where there is one.
    """
    from twin.workload.traces.sniff import guess_format

    path = Path(path)
    columns = dict(columns or {})
    if format == "auto":
        format = "generic" if columns else guess_format(path)
    if columns and format != "generic":
        raise TraceError(f"{path}: columns can be given for format generic only, not for {format}")
    if include == "asked" and format != "alibaba-2023":
        raise TraceError(f"{path}: include: asked can be given for alibaba-2023 only, not {format}")
    try:
        read = READERS.get(format)
    except PolicyError as error:
        raise TraceError(f"{path}: {error}".replace("reader", "format", 1)) from None
    try:
        # Values beyond reason become inf or NaN on the way, and bad rows at the end.
        with np.errstate(over="ignore", invalid="ignore"):
            source = Source(path, on_bad_row == "skip", columns, include == "asked")
            return cast(Workload, read(source))
    except MemoryError:
        raise TraceError(
            f"{path}: too large for this machine's memory; cut the trace first"
        ) from None


def formats() -> list[str]:
    """The formats that can be read, those of plug-ins included."""
    return READERS.names()
