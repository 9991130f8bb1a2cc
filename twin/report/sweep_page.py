"""The page of a sweep: its points in one table, and a small picture for each headline figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from twin.report import numbers
from twin.report.figures.sweep import Line, sweep
from twin.report.html import render, save
from twin.report.picture import Picture, picture
from twin.report.points import Point, best, headlines, lead, plot_axis, points, series_axes, varies
from twin.report.sizing import Entry, sizing
from twin.report.theme import SMALL, run_letter, run_stroke
from twin.tables import Headline

_MOST_LINES = 8  # more lines than colours: the page then says which are left out


@dataclass(frozen=True)
class Figure:
    """A figure of a point: its mean, its range over seeds, whether it is the best."""

    mean: str
    spread: str
    best: bool


def write_sweep(
    frame: pd.DataFrame, axes: Sequence[str], path: Path, failures: Sequence[tuple[str, str]] = ()
) -> None:
    """Write the page of a sweep.

    Parameters
    ----------
    frame : DataFrame
        One row a run: a column an axis, ``seed``, ``status``, headline figures by dotted key.
    axes : sequence of str
        Names of the axes' columns.
    path : Path
        The HTML file to write.
    failures : sequence of (str, str)
        Each point that failed: which, and why.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    save(path, sweep_html(frame, axes, failures))


def sweep_html(
    frame: pd.DataFrame, axes: Sequence[str], failures: Sequence[tuple[str, str]] = ()
) -> str:
    """The page as text; the same table gives the same bytes."""
    found = points(frame, axes)
    entries = _without_twins(found, headlines(frame))
    along = plot_axis(found, axes)
    lines, names = _lines(found, axes, along)
    sized = sizing(found, entries, lines[:_MOST_LINES], names)
    shown = sized.of if sized else None  # in a larger picture
    flat = [entry for entry in entries if not varies(found, entry) or _one_mean(found, entry)]
    small = [entry for entry in entries if entry not in flat and entry is not shown]
    return render(
        "sweep.html",
        axes=list(axes),
        answer=_answer(found, axes, entries),
        remark=_remark(found),
        runs=len(frame),
        failures=failures,
        entries=entries,
        rows=[(point, _figures(point, found, entries)) for point in found],
        pictures=_pictures(small, lines[:_MOST_LINES], axes, along),
        flat=[(entry.label, numbers.headline(entry, found[0].mean(entry))) for entry in flat],
        key=names[:_MOST_LINES] if len(names) > 1 else [],
        sized=sized,
        left_out=max(0, len(names) - _MOST_LINES),
    )


def _without_twins(found: Sequence[Point], entries: Sequence[Headline]) -> list[Headline]:
    """Figures but those of the queue, all waits, where each is that of the wait to the start."""
    of = {entry.key: entry for entry in entries}

    def told_by(entry: Headline) -> Headline | None:
        return (
            of.get(entry.key.replace("queued_s.", "wait_s.")) if "queued_s." in entry.key else None
        )

    return [
        entry
        for entry in entries
        if (first := told_by(entry)) is None
        or any(point.figures[entry] != point.figures[first] for point in found)
    ]


def _one_mean(found: Sequence[Point], entry: Headline) -> bool:
    """Whether the means of all points are written alike, so that only seeds differ."""
    return len({numbers.headline(entry, point.mean(entry)) for point in found}) == 1


def _pictures(
    entries: Sequence[Headline], lines: Sequence[Line], axes: Sequence[str], along: int
) -> list[Picture]:
    drawn = []
    for entry in entries:
        if not any(point.figures[entry] for line in lines for point in line.points):
            continue
        draw = partial(sweep, entry, lines, axes[along], along)
        text = f"{entry.label} by {axes[along]}; the table has the numbers."
        drawn.append(picture(f"sweep-{entry.key}", draw, text=text, shapes=(SMALL,)))
    return drawn


def _lines(
    found: Sequence[Point], axes: Sequence[str], along: int
) -> tuple[list[Line], list[Entry]]:
    """The points by the values of the axes that make lines, and what each line stands for."""
    others = series_axes(found, axes, along)
    grouped: dict[tuple[str, ...], list[Point]] = {}
    for point in found:
        grouped.setdefault(tuple(point.key[k] for k in others), []).append(point)
    lines, names = [], []
    for index, (values, members) in enumerate(grouped.items()):
        named = ", ".join(f"{axes[k]} = {value}" for k, value in zip(others, values, strict=True))
        lines.append(Line(index, tuple(members)))
        names.append(Entry(run_letter(index), named, ", ".join(values), run_stroke(index)))
    return lines, names


def _figures(point: Point, found: Sequence[Point], entries: Sequence[Headline]) -> list[Figure]:
    made = []
    for entry in entries:
        values = point.figures[entry]
        spread = ""
        if len(values) > 1 and min(values) != max(values):
            low, high = numbers.headline(entry, min(values)), numbers.headline(entry, max(values))
            spread = f"{low} to {high}"
        top = point.key in best(found, entry)
        made.append(Figure(numbers.headline(entry, point.mean(entry)), spread, top))
    return made


def _answer(found: Sequence[Point], axes: Sequence[str], entries: Sequence[Headline]) -> str:
    """Where the leading figure is best."""
    entry = lead(found, entries)
    if entry is None:
        return "No point is better than another in any headline figure."
    top = best(found, entry)
    point = next(point for point in found if point.key in top)
    place = ", ".join(f"{axis} = {v}" for axis, v in zip(axes, point.key, strict=True))
    ties = f" and {len(top) - 1} more points" if len(top) > 1 else ""
    value = numbers.headline(entry, point.mean(entry))
    what = f"number of {entry.label}" if entry.label.startswith("useful GPUs") else entry.label
    return f"The best {what}, {value}, is at {place}{ties}."


def _remark(found: Sequence[Point]) -> str:
    seeds = {point.seeds for point in found if point.seeds}
    if not seeds:
        return "No point finished, so there is nothing to compare."
    if seeds == {1}:
        return (
            "One run a point: no interval. How much of a difference is luck, one seed cannot say."
        )
    return (
        "Figures are means over the seeds of a point, with the lowest and highest run below; "
        "that range is not a confidence interval."
    )
