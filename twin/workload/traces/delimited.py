"""Text in columns (CSV, ``|``, single blanks) read into `Rows`, knowing the line of each row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from twin.errors import TraceError
from twin.workload.traces.files import read_text
from twin.workload.traces.rows import Rows

Lines = NDArray[np.int64]


def read_delimited(path: Path, **options: Any) -> Rows:
    """The rows of a text file; options as `delimited_rows` takes them."""
    return delimited_rows(path, read_text(path), **options)


def delimited_rows(
    path: Path,
    text: bytearray,
    *,
    skip_bad: bool,
    wanted: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    delimiter: str = ",",
    quote: str | None = '"',
) -> Rows:
    """The rows of a text, every column as text.

    Parameters
    ----------
    path : Path
        Where it comes from, for messages.
    text : bytearray
        UTF-8, as `read_text` gives it; blank lines do not count as rows.
    skip_bad : bool
        Leave out rows with the wrong number of fields, rather than stop at the first.
    wanted : sequence of str, optional
        Read these columns only, those of them that are there; all by default.
    names : sequence of str, optional
        The columns of a file without a header; by default the first line names them.
    delimiter, quote : str
        One character each; ``quote=None`` takes quotes literally.

    Raises
    ------
    TraceError
        If it has no rows, or is not made of columns.
    """
    header = list(names) if names else _header(path, text, delimiter)
    misshapen: dict[int, str] = {}

    def leave_out(row: Any) -> str:
        misshapen[row.number] = f"{row.actual_columns} fields where {row.expected_columns} belong"
        return "skip"

    def parse(handler: Callable[[Any], str] | None) -> Any:
        return pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(text)),
            # Rows are numbered only when one thread reads.
            read_options=pa_csv.ReadOptions(
                column_names=header, skip_rows=0, use_threads=handler is None, block_size=4 * 2**20
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, quote_char=quote or False, invalid_row_handler=handler
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                include_columns=[n for n in header if n in wanted] if wanted else header,
                strings_can_be_null=False,
            ),
        )

    try:
        table = parse(None)
    except pa.ArrowInvalid:
        try:
            table = parse(leave_out)
        except pa.ArrowInvalid as error:
            raise TraceError(f"{path}: not a table of text: {str(error)[:200]}") from None
    if not names:
        table = table.slice(1)
    if not table.num_rows and not misshapen:
        raise TraceError(f"{path}: has a header and no rows")

    def place(rows: Lines) -> Lines:
        physical = np.arange(1, table.num_rows + len(misshapen) + (1 if names else 2))
        good = physical[~np.isin(physical, list(misshapen))] if misshapen else physical
        return np.asarray(_filled_lines(text)[good[rows if names else rows + 1] - 1])

    at_line = {}
    if misshapen:
        lines = _filled_lines(text)
        at_line = {int(lines[number - 1]): what for number, what in misshapen.items()}
    return Rows(path, table, skip_bad, place, "line", at_line, header)


def _header(path: Path, text: bytearray, delimiter: str) -> list[str]:
    """Column names of the first line that is not blank."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = end if end >= 0 else len(text)
        line = text[start:end]
        start = end + 1
        if line.strip():
            fields = next(csv.reader([line.decode()], delimiter=delimiter))
            names = [name.strip() for name in fields]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise TraceError(f"{path}: column {twice[0]!r} stands twice in the header")
            return names
    raise TraceError(f"{path}: is empty")


def _filled_lines(text: bytearray) -> Lines:
    """Numbers, counted from 1, of the lines that hold anything."""
    view = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(view == ord("\n"))
    if not len(ends) or ends[-1] != len(view) - 1:
        ends = np.append(ends, len(view))
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.flatnonzero(ends > starts).astype(np.int64) + 1
