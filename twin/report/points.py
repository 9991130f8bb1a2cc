"""The points of a sweep: runs that differ only in seed taken together, figure by figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose

import pandas as pd

from twin.report.numbers import NOTHING, is_number
from twin.tables import HEADLINES, Headline

# What the figures of a sweep over sizes of a site are seen against.
INSTALLED = Headline("site.gpus", "GPUs installed", "", "neither")
# The figure that leads a page, if the sweep has it: what was bought for, then what users felt.
_LEADS = ("power.useful_gpus", "wait_s.mean")


@dataclass(frozen=True)
class Point:
    """One combination of axis values.

    Parameters
    ----------
    key : tuple of str
        A value an axis, as text.
    numeric : tuple of float
        The same as numbers, NaN where it is none.
    seeds : int
        Runs that gave figures.
    figures : dict
        Headline -> the finite values of its runs, one a seed; empty if there are none.
    """

    key: tuple[str, ...]
    numeric: tuple[float, ...]
    seeds: int
    figures: dict[Headline, tuple[float, ...]]

    def mean(self, entry: Headline) -> float:
        """Mean over the seeds; NaN where no run has the figure."""
        found = self.figures[entry]
        return sum(found) / len(found) if found else float("nan")


def headlines(frame: pd.DataFrame) -> list[Headline]:
    """The headline figures that a sweep's table has numbers for; those of power lead."""
    found = [entry for entry in HEADLINES if _known(frame, entry)]
    return sorted(found, key=lambda entry: not entry.key.startswith(("power.", "cost.")))


def lead(found: Sequence[Point], entries: Sequence[Headline]) -> Headline | None:
    """The figure that a page begins with: the first of those that differ between points."""
    keyed = {entry.key: entry for entry in entries if best(found, entry)}
    return next((keyed[key] for key in (*_LEADS, *keyed) if key in keyed), None)


def _known(frame: pd.DataFrame, entry: Headline) -> bool:
    if entry.key not in frame.columns:
        return False
    return bool(pd.to_numeric(frame[entry.key], errors="coerce").notna().any())


def points(frame: pd.DataFrame, axes: Sequence[str]) -> list[Point]:
    """The points in the table's order.

    Parameters
    ----------
    frame : DataFrame
        One row a run: the axes, ``seed``, ``status``, dotted headline keys.
    axes : sequence of str
        Names of the axes' columns.
    """
    entries = headlines(frame) + ([INSTALLED] if _known(frame, INSTALLED) else [])
    numbers = {e: pd.to_numeric(frame[e.key], errors="coerce").to_numpy(float) for e in entries}
    where: dict[tuple[str, ...], list[int]] = {}
    raw: dict[tuple[str, ...], tuple[float, ...]] = {}
    for row, values in enumerate(zip(*(frame[axis].tolist() for axis in axes), strict=True)):
        key = tuple(axis_text(value) for value in values)
        where.setdefault(key, []).append(row)
        raw[key] = tuple(float(v) if is_number(v) else float("nan") for v in values)
    found = []
    for key, rows in where.items():
        figures = {
            entry: tuple(float(each[row]) for row in rows if is_number(float(each[row])))
            for entry, each in numbers.items()
        }
        seeds = max((len(values) for values in figures.values()), default=0)
        found.append(Point(key, raw[key], seeds, figures))
    return found


def axis_text(value: object) -> str:
    """A value of an axis as text."""
    if value is None or value != value:
        return NOTHING
    if is_number(value):
        return f"{value:,.10g}"
    return str(value)


def best(found: Sequence[Point], entry: Headline) -> set[tuple[str, ...]]:
    """Points with the best mean of a figure; none where they all tie or neither way is better."""
    means = {point.key: point.mean(entry) for point in found}
    known = [mean for mean in means.values() if is_number(mean)]
    if entry.better == "neither" or len(set(known)) < 2:
        return set()
    top = min(known) if entry.better == "less" else max(known)
    # Means over different numbers of seeds may differ by a rounding.
    return {values for values, mean in means.items() if isclose(mean, top, rel_tol=1e-12)}


def varies(found: Sequence[Point], entry: Headline) -> bool:
    """Whether a figure differs between any points or seeds, or is missing somewhere."""
    every = [point.figures[entry] for point in found]
    return not all(every) or len({value for values in every for value in values}) > 1


def plot_axis(found: Sequence[Point], axes: Sequence[str]) -> int:
    """Where to plot along: the axis that sets how many GPUs are installed, if there is one.

    Else the first numeric axis with several values, else the first with some.
    """
    sizes = [k for k in range(len(axes)) if _resizes(found, k)]
    if sizes:
        return sizes[0]
    varied = [k for k in range(len(axes)) if len({point.key[k] for point in found}) > 1]
    numeric = [k for k in varied if all(is_number(point.numeric[k]) for point in found)]
    return (numeric or varied or [0])[0]


def _resizes(found: Sequence[Point], k: int) -> bool:
    """Whether points that differ along one numeric axis alone have different numbers of GPUs."""
    sizes: dict[tuple[str, ...], float] = {}
    for point in found:
        if point.figures.get(INSTALLED) and is_number(point.numeric[k]):
            others = point.key[:k] + point.key[k + 1 :]
            size = point.mean(INSTALLED)
            if sizes.setdefault(others, size) != size:
                return True
    return False


def series_axes(found: Sequence[Point], axes: Sequence[str], along: int) -> list[int]:
    """The axes that make lines: those that vary, and not just together with ``along``."""
    kept = []
    for k in range(len(axes)):
        together = len({(point.key[along], point.key[k]) for point in found})
        varies = len({point.key[k] for point in found}) > 1
        if k != along and varies and together > len({point.key[along] for point in found}):
            kept.append(k)
    return kept
