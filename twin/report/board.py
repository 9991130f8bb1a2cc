"""The tables of schedulers: a row a run, best figures marked, differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Literal

from twin.metrics.paired import PairedMean
from twin.report import numbers
from twin.report.intervals import Intervals, is_narrow
from twin.report.schedulers import wait_column
from twin.report.settings import settings
from twin.report.source import share_of_bought
from twin.report.theme import Stroke, run_letter
from twin.results.store import Results
from twin.tables import HEADLINES, Headline, look_up

Verdict = Literal["better", "worse", "cannot tell", ""]

_STRANDED = Headline("stranded_share", "stranded", "", "less")
_COUNTED = ("preemptions", "migrations")  # columns of jobs, there where a summary is silent
_SHARED = (
    Headline("scheduling.jain", "Jain index of tenants", "", "more"),
    Headline("scheduling.share_error", "error of shares", "", "less"),
    Headline("scheduling.rho_mean", "mean finish-time fairness", "", "less"),
    *(Headline(f"scheduling.{name}", name, "", "less") for name in _COUNTED),
)
_FELT = (
    *("wait_s.mean", "wait_s.p50", "wait_s.p99", "jct_s.mean", "jct_s.p99"),
    "bounded_slowdown.mean",
)
_DONE = ("makespan_s", "utilisation")
_BESIDE = ("scheduling.fragmentation", "jobs.completed", "power.mean_w", "cost.usd", "cost.kgco2")
_LED = {
    "wait_s.mean": "lowest mean wait",
    "jct_s.mean": "lowest mean completion time",
    "wait_s.p99": "lowest P99 wait",
    "makespan_s": "shortest makespan",
    "utilisation": "highest utilisation",
}
_SHORT = {
    "jct_s.mean": "mean JCT",
    "bounded_slowdown.mean": "mean bounded slowdown",
}


@dataclass(frozen=True)
class Cell:
    """A figure of a run; its difference from the first run's, with an interval where it has one."""

    value: str
    best: bool = False
    change: str = ""
    interval: str = ""
    verdict: Verdict = ""
    more: bool = False
    narrow: bool = False  # the interval, because neighbouring blocks of arrivals are alike


@dataclass(frozen=True)
class Row:
    """A run: what chose in it, and its figures in the order of the heads."""

    letter: str
    name: str
    policies: str
    stroke: Stroke
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Board:
    """A table of runs."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def boards(
    runs: Sequence[Results], labels: Sequence[str], strokes: Sequence[Stroke], sure: Intervals
) -> list[Board]:
    """What users felt, what the cluster did, and how it was shared.

    Figures that no run has are left out, and so is a table without any.

    Parameters
    ----------
    sure : Intervals
        From `twin.report.intervals`.
    """
    entries = {entry.key: entry for entry in HEADLINES}
    waits = wait_column(runs)
    felt = [entries[_of(key, waits)] for key in _FELT if _of(key, waits) in entries]
    done = [entries[key] for key in _DONE] + [_STRANDED]
    done += [entries[key] for key in _BESIDE if key in entries]
    shared = {entry.key: entry for entry in _SHARED}
    shared |= {key: entry for key, entry in entries.items() if key.startswith("scheduling.")}
    how = [entry for key, entry in shared.items() if key not in _BESIDE]
    made = [("What users felt", felt), ("What the cluster did", done), ("How it was shared", how)]
    found = [_board(caption, wanted, runs, labels, strokes, sure) for caption, wanted in made]
    return [each for each in found if each.heads]


def leaders(runs: Sequence[Results], labels: Sequence[str]) -> list[str]:
    """Which runs have the best of what matters most, a sentence a run; ties name none."""
    entries = {entry.key: entry for entry in HEADLINES}
    led: dict[int, list[str]] = {}
    for first_key, words in _LED.items():
        key = _of(first_key, wait_column(runs))
        values = [_value(run, entries[key]) for run in runs]
        known = [value for value in values if value is not None]
        if not known or isclose(min(known), max(known), rel_tol=1e-9):
            continue
        best = max(known) if entries[key].better == "more" else min(known)
        if sum(isclose(value, best, rel_tol=1e-6) for value in known) > 1:
            continue
        index = values.index(best)
        words = words if key == first_key else words.replace("wait", "time queued")
        figure = numbers.headline(entries[key], best)
        against = numbers.headline(entries[key], values[0])
        if index > 0 and figure == against:
            continue  # ahead by nothing that can be seen
        led.setdefault(index, []).append(
            f"the {words} ({figure})" if index == 0 else f"the {words} ({figure}; A {against})"
        )
    return [
        f"Of {len(runs)} runs, {run_letter(index)} ({labels[index]}) has {_listed(what)}."
        if number == 0
        else f"{run_letter(index)} ({labels[index]}) has {_listed(what)}."
        for number, (index, what) in enumerate(led.items())
    ]


def _of(key: str, waits: str) -> str:
    """The figure of the wait that is compared here, for that of the first wait."""
    return key.replace("wait_s", waits)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]


def policies(run: Results) -> str:
    """Scheduler and placement of a run, with the options that its scenario names."""
    asked = settings(run.scenario_yaml)
    return " · ".join(filter(None, (_policy(asked, kind) for kind in ("scheduler", "placement"))))


def _policy(asked: Mapping[str, str], kind: str) -> str:
    path = f"policies.{kind}"
    if path in asked:
        return asked[path]
    options = [
        (key.removeprefix(path + "."), value)
        for key, value in asked.items()
        if key.startswith(path + ".")
    ]
    if not options:
        return ""
    name = options[0][0].partition(".")[0]
    words = ", ".join(f"{key.partition('.')[2]} {value}" for key, value in options)
    return f"{name} ({words})"


def _board(
    caption: str, entries: Sequence[Headline], runs: Sequence[Results], labels: Sequence[str],
    strokes: Sequence[Stroke], sure: Intervals,
) -> Board:  # fmt: skip
    columns: list[tuple[Headline, list[Cell]]] = []
    waits = wait_column(runs)
    for entry in entries:
        values = [_value(run, entry) for run in runs]
        if entry.key == "jobs.completed" and len(set(values)) == 1:
            continue  # as in most comparisons: nothing to see
        always = (*(_of(key, waits) for key in _FELT), *_DONE)
        if any(values) or (entry.key in always and values != [None] * len(runs)):
            paired = [sure.of.get((index, entry.key)) for index in range(len(runs))]
            columns.append((entry, _cells(entry, values, paired)))
    rows = [
        Row(
            run_letter(index), labels[index], policies(run), strokes[index],
            tuple(cells[index] for _, cells in columns),
        )
        for index, run in enumerate(runs)
    ]  # fmt: skip
    heads = tuple(_SHORT.get(entry.key, entry.label) for entry, _ in columns)
    return Board(caption, heads, tuple(rows))


def _value(run: Results, entry: Headline) -> float | None:
    if entry is _STRANDED:
        value: object = share_of_bought(run, "stranded")
    elif (name := entry.key.rpartition(".")[2]) in _COUNTED and name in run.jobs:
        value = float(run.jobs[name].sum())
    else:
        value = look_up(run.summary, entry.key)
    return float(value) if isinstance(value, int | float) and numbers.is_number(value) else None


def _cells(
    entry: Headline, values: Sequence[float | None], paired: Sequence[PairedMean | None]
) -> list[Cell]:
    known = [value for value in values if value is not None]
    best = None
    if entry.better != "neither" and known and not isclose(min(known), max(known), rel_tol=1e-9):
        best = max(known) if entry.better == "more" else min(known)
    return [
        _cell(entry, values[0], value, each, best)
        for value, each in zip(values, paired, strict=True)
    ]


def _cell(
    entry: Headline, first: float | None, value: float | None, paired: PairedMean | None,
    best: float | None,
) -> Cell:  # fmt: skip
    text = numbers.headline(entry, value)
    marked = best is not None and value is not None and isclose(value, best, rel_tol=1e-9)
    if first is None or value is None or isclose(value, first, rel_tol=1e-9):
        return Cell(text, marked)
    change = value - first
    words = numbers.difference(entry, change)
    if first and not numbers.is_fraction(entry):
        words += f" ({numbers.relative(change / abs(first))})"
    verdict: Verdict = ""
    if entry.better != "neither":
        verdict = "better" if (change > 0) == (entry.better == "more") else "worse"
    interval = ""
    # Of other jobs, as where some started in one run only, it would be another difference's.
    if paired and paired.low == paired.low and isclose(paired.mean, change, rel_tol=1e-6):
        ends = numbers.difference(entry, paired.low), numbers.difference(entry, paired.high)
        interval = f"{ends[0]} to {ends[1]}"
        if paired.low <= 0 <= paired.high:
            verdict = "cannot tell"
    narrow = bool(interval) and paired is not None and is_narrow(paired)
    return Cell(text, marked, words, interval, verdict, change > 0, narrow)
