"""What changed between runs: headline figures and ledger shares, each against the first run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import Literal

from twin.report import numbers
from twin.report.facts import headline_values
from twin.report.source import share_of_bought
from twin.report.theme import SHARE_COLOURS
from twin.results.store import Results
from twin.tables import GPU_TIME_SHARES, HEADLINES, Headline, look_up

Verdict = Literal["better", "worse", "same", ""]


@dataclass(frozen=True)
class Cell:
    """A value of one run, and its difference from the first run's; the first run's has none.

    ``more`` says whether the value rose; the page draws the arrow from it. ``short`` is the
    difference in one figure: points for a fraction, per cent for the rest.
    """

    value: str
    absolute: str = ""
    relative: str = ""
    short: str = ""
    verdict: Verdict = ""
    more: bool = False


@dataclass(frozen=True)
class Row:
    """One figure of all runs."""

    label: str
    cells: tuple[Cell, ...]
    colour: str = ""


def headline_rows(runs: Sequence[Results]) -> list[Row]:
    """Headline figures side by side; those that no run has are left out."""
    values = [headline_values(run) for run in runs]
    for entry in HEADLINES:  # what tells something of one run is compared in all
        if any(each[entry] is not None for each in values):
            for run, each in zip(runs, values, strict=True):
                value = look_up(run.summary, entry.key)
                each[entry] = value if numbers.is_number(value) else None
    return [
        _row(entry, [each[entry] for each in values])
        for entry in values[0]
        if any(each[entry] is not None for each in values)
    ]


def ledger_rows(runs: Sequence[Results]) -> list[Row]:
    """Shares of the GPU-time that each run bought, useful first; zero in all is left out."""
    rows = []
    for share in reversed(GPU_TIME_SHARES):
        parts = [share_of_bought(run, share.name) for run in runs]
        if share.name == "useful" or any(part > 0 for part in parts):
            better: Literal["more", "neither"] = "more" if share.name == "useful" else "neither"
            entry = Headline("useful_share", share.label, "", better)
            rows.append(_row(entry, parts, SHARE_COLOURS[share.name]))
    return rows


def _row(entry: Headline, values: Sequence[float | None], colour: str = "") -> Row:
    first = values[0]
    cells = (_compared(entry, first, value) for value in values[1:])
    return Row(entry.label, (Cell(numbers.headline(entry, first)), *cells), colour)


def _compared(entry: Headline, first: float | None, value: float | None) -> Cell:
    text = numbers.headline(entry, value)
    if (
        first is None
        or value is None
        or not (numbers.is_number(first) and numbers.is_number(value))
    ):
        return Cell(text)
    # The same sum added up in another order is the same.
    change = 0.0 if isclose(value, first, rel_tol=1e-9) else value - first
    absolute = numbers.difference(entry, change)
    relative = numbers.relative(change / abs(first)) if first else ""
    short = absolute if numbers.is_fraction(entry) or not relative else relative
    verdict: Verdict = ""
    if change == 0:
        verdict = "same"
    elif entry.better != "neither":
        verdict = "better" if (change > 0) == (entry.better == "more") else "worse"
    return Cell(text, absolute, relative, short, verdict, change > 0)


def in_words(rows: Sequence[Row], run: int, keys: Sequence[str]) -> str:
    """The change of some figures in a run against the first, as a clause: ``mean wait −67 %``."""
    parts = []
    for row in rows:
        cell = row.cells[run]
        if row.label in keys and cell.verdict:
            change = "unchanged" if cell.verdict == "same" else cell.short
            word = f" ({cell.verdict})" if cell.verdict in ("better", "worse") else ""
            if "<" in change:  # rounds to nothing: neither better nor worse to speak of
                change, word = "hardly changed", ""
            parts.append(f"{row.label} {change}{word}")
    return ", ".join(parts)
