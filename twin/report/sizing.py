"""How much to buy: useful work against GPUs installed, and where each policy has the most of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.report import numbers
from twin.report.figures.optimum import Sized, optimum
from twin.report.figures.sweep import Line
from twin.report.picture import Picture, picture
from twin.report.points import INSTALLED, Point
from twin.report.theme import Stroke, run_letter
from twin.tables import Headline


@dataclass(frozen=True)
class Entry:
    """A line of the pictures: its letter, the values that it stands for, its stroke."""

    letter: str
    name: str
    short: str  # the values alone
    stroke: Stroke


@dataclass(frozen=True)
class Best:
    """Where a line has the most of a figure, written out."""

    letter: str
    name: str
    at: str
    value: str
    per_mw: str
    remark: str


@dataclass(frozen=True)
class Sizing:
    """The figure that is drawn against size, its picture, and the best size of each line."""

    of: Headline
    picture: Picture
    rows: list[Best]


def sizing(
    found: Sequence[Point],
    entries: Sequence[Headline],
    lines: Sequence[Line],
    names: Sequence[Entry],
) -> Sizing | None:
    """Useful work against GPUs installed; None where sizes or power do not differ in a sweep."""
    by_key = {entry.key: entry for entry in entries}
    useful, per_mw = by_key.get("power.useful_gpus"), by_key.get("power.useful_gpus_per_mw")
    sizes = {point.mean(INSTALLED) for point in found if point.figures.get(INSTALLED)}
    if useful is None or len(sizes) < 2:
        return None
    curves, rows = [], []
    for line in lines:
        known = [p for p in line.points if p.figures[useful] and p.figures.get(INSTALLED)]
        if not known:
            continue
        known.sort(key=lambda point: point.mean(INSTALLED))
        curve = _sized(line.stroke, names[line.stroke].short, useful, known)
        point, last = known[curve.best], len(known) > 1 and curve.best == len(known) - 1
        curves.append(curve)
        rows.append(
            Best(
                letter=run_letter(line.stroke),
                name=curve.name,
                at=numbers.count(point.mean(INSTALLED)),
                value=numbers.count(point.mean(useful)),
                per_mw=numbers.count(point.mean(per_mw)) if per_mw else numbers.NOTHING,
                remark="the largest size tried: more may be better" if last else "",
            )
        )
    drawn = picture(
        "sizing",
        lambda shape: optimum(curves, shape),
        text="Useful GPUs against GPUs installed, a line a policy; the table has the best of each.",
    )
    return Sizing(useful, drawn, rows)


def _sized(stroke: int, name: str, useful: Headline, known: Sequence[Point]) -> Sized:
    return Sized(
        stroke=stroke,
        name=name,
        installed=[point.mean(INSTALLED) for point in known],
        useful=[point.mean(useful) for point in known],
        seeds=[point.figures[useful] for point in known],
    )
