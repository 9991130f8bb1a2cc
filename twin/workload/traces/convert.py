"""Columns of text into numbers and times: all at once, value by value only where that fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What tools write where they have nothing to say; compared in lower case.
MISSING = ("", "nan", "null", "none", "na", "n/a", "nat", "unknown")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DATE = r"\d{4}-\d\d-\d\d"
_CLOCK = r"[ T]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?"
_STATED_ZONE = r"(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)"
_LOCAL_TIME = f"^{_DATE}({_CLOCK})?$"
_ZONED_TIME = f"^{_DATE}{_CLOCK}{_STATED_ZONE}$"
_ZONE = re.compile(_STATED_ZONE + "$")


def as_array(column: Any) -> Any:
    """A pyarrow column in one piece; text and dates in one type each."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return pc.cast(column, pa.string())
    if pa.types.is_date(column.type):
        return pc.cast(column, pa.timestamp("s"))
    return column


def as_text(column: Any) -> Any:
    """Any pyarrow column as an array of strings, blank where it has nothing."""
    column = as_array(column)
    if not pa.types.is_string(column.type):
        column = pc.cast(column, pa.string())
    return column if column.null_count == 0 else pc.fill_null(column, "")


def holds_numbers(column: Any) -> bool:
    """Whether a column holds numbers: by its type, or by the first text in it."""
    if not pa.types.is_string(column.type):
        return not pa.types.is_timestamp(column.type)
    first = _first_value(column)
    return re.fullmatch(_NUMBER.strip("^$"), first) is not None


def is_blank(text: Any) -> Mask:
    """Where a text column has nothing, or a word for nothing."""
    low = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    return np.asarray(pc.is_in(low, pa.array(MISSING)).to_numpy(zero_copy_only=False), bool)


def as_numbers(column: Any) -> tuple[Array, Mask]:
    """Floats, NaN where there is nothing; and where there is something that is no number."""
    wrong = np.zeros(len(column), bool)
    if pa.types.is_string(column.type):
        column, wrong = _cast(column, pa.float64(), lambda text: _fits(text, _NUMBER))
    return _floats(pc.cast(column, pa.float64(), safe=False)), wrong


def zone_of(text: Any) -> timedelta | None:
    """The UTC offset stated by the first time in a column; None if it states none."""
    first = _first_value(text)
    match = _ZONE.search(first) if ":" in first else None
    if match is None:
        return None
    if match[1] == "Z":
        return timedelta(0)
    digits = match[1][1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if match[1][0] == "-" else size


def as_times_s(column: Any, *, zoned: bool) -> tuple[Array, Mask]:
    """Seconds since 1970 (UTC if ``zoned``, else as they stand); and where there is no time."""
    wrong = np.zeros(len(column), bool)
    if pa.types.is_string(column.type):
        kind = pa.timestamp("us", "UTC") if zoned else pa.timestamp("us")
        form = _ZONED_TIME if zoned else _LOCAL_TIME
        column, wrong = _cast(column, kind, lambda text: _is_time(text, form))
    micros = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    return _floats(pc.cast(pc.cast(micros, pa.int64()), pa.float64(), safe=False)) / 1e6, wrong


def each_distinct(text: Any, parse: Callable[[str], float]) -> tuple[Array, Mask]:
    """Floats by ``parse``, called once for each distinct text; and where it raised ValueError."""
    coded = text.dictionary_encode()
    values = np.empty(len(coded.dictionary), np.float64)
    wrong = np.zeros(len(values), bool)
    for i, value in enumerate(coded.dictionary.to_pylist()):
        try:
            values[i] = parse(value.strip())
        except (ValueError, OverflowError):
            values[i], wrong[i] = np.nan, True
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return values[codes], wrong[codes]


def as_categorical(text: Any) -> pd.Categorical:
    """Strings as a pandas categorical, categories in alphabetical order."""
    coded = text.dictionary_encode()
    names = np.asarray(coded.dictionary.to_pylist(), object)
    order = np.argsort(names, kind="stable")
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names))
    codes = rank[coded.indices.to_numpy(zero_copy_only=False)]
    return pd.Categorical.from_codes(codes, categories=pd.Index(names[order], dtype="str"))


def _first_value(text: Any) -> str:
    """The first of a thousand texts that says anything."""
    sample = (str(value or "").strip() for value in text.slice(0, 1000).to_pylist())
    return next((value for value in sample if value.lower() not in MISSING), "")


def _cast(text: Any, kind: Any, fits: Callable[[Any], Any]) -> tuple[Any, Mask]:
    """Text cast to ``kind``; if some of it cannot be, ``fits`` says what can."""
    try:
        return pc.cast(text, kind), np.zeros(len(text), bool)
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(text)
    missing = pc.is_in(pc.utf8_lower(text), pa.array(MISSING))
    text = pc.if_else(missing, None, text)
    good = fits(text)
    wrong = ~np.asarray(good.to_numpy(zero_copy_only=False), bool)
    return pc.cast(pc.if_else(good, text, None), kind), wrong


def _fits(text: Any, pattern: str) -> Any:
    return pc.fill_null(pc.match_substring_regex(text, pattern), True)


def _is_time(text: Any, form: str) -> Any:
    """Which values are ISO dates and times that the calendar and the clock have."""
    _, absent = each_distinct(pc.fill_null(pc.utf8_slice_codeunits(text, 0, 10), ""), _ordinal)
    return pc.and_(_fits(text, form), pa.array(~absent | _nulls(text)))


def _ordinal(day: str) -> float:
    return date.fromisoformat(day).toordinal()


def _nulls(column: Any) -> Mask:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)


def _floats(column: Any) -> Array:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
