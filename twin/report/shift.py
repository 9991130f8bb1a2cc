"""Whether work moved to cheap or clean hours: power of compared runs over the price they met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.report.figures.power_runs import Metered, power_runs
from twin.report.picture import Picture, picture
from twin.report.power_series import Rate, rates, site_power
from twin.report.theme import Stroke
from twin.results.store import Results


@dataclass(frozen=True)
class Shift:
    """Power of the runs over time, and what the shaded hours have much of; empty if none are."""

    picture: Picture
    shaded: str


def shift(runs: Sequence[Results], strokes: Sequence[Stroke]) -> Shift | None:
    """Power of all runs that have it, over the price or carbon intensity; None if none has it.

    The rates are those of the first run that knows any: compared runs are of one site.
    """
    metered: list[Metered] = []
    met: list[Rate] = []
    for index, run in enumerate(runs):
        found = site_power(run)
        if found is not None:
            metered.append(Metered(index, *found, strokes[index]))
            met = met or rates(run, found[0])
    if not metered:
        return None
    drawn = picture(
        "power-runs",
        lambda shape: power_runs(metered, met, shape),
        text="Power of each run over time, with price or carbon intensity where known.",
    )
    return Shift(drawn, met[0].name if met else "")
