"""The section of a run's page on power: figures, sentences, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twin.report import numbers, watts
from twin.report.facts import Card
from twin.report.figures.dark_silicon import SLOWED, dark_silicon, silicon
from twin.report.figures.energy_waterfall import energy_waterfall
from twin.report.figures.power_over_time import power_over_time
from twin.report.figures.rack_map import rack_map
from twin.report.picture import Picture, picture
from twin.report.power_series import PowerSeries, power_series
from twin.report.racks import Racks, racks
from twin.report.source import installed_gpus
from twin.results.store import Results
from twin.tables import look_up


@dataclass(frozen=True)
class Power:
    """What the section is made of; pictures that a run gives no data for are left out."""

    sentences: list[str]
    cards: list[Card]
    levels: list[dict[str, str]]
    energy: list[watts.EnergyRow]
    total: str
    curbed: bool  # whether changes of caps are told of
    square: str  # what a square of the map is
    pictures: dict[str, Picture]


def power(run: Results) -> Power | None:
    """The section on power; None where power was not computed, and the page has no such section."""
    found = look_up(run.summary, "power.levels") and run.summary["power"]
    if not found or run.power is None:
        return None
    ledger = look_up(run.summary, "ledgers.energy")
    over_time, map_of = power_series(run), racks(run)
    return Power(
        sentences=watts.sentences(run, found),
        cards=watts.cards(run, found),
        levels=watts.level_rows(run, found),
        energy=watts.energy_rows(ledger) if ledger else [],
        total=numbers.energy(ledger["total"]) if ledger else "",
        curbed=bool(over_time and over_time.reasons),
        square=map_of.level if map_of else "",
        pictures=_pictures(run, ledger, over_time, map_of),
    )


def _pictures(
    run: Results,
    ledger: Mapping[str, Any] | None,
    over_time: PowerSeries | None,
    map_of: Racks | None,
) -> dict[str, Picture]:
    """Pictures of what a run has data for."""
    drawn = {}
    if over_time is not None:
        drawn["time"] = picture(
            "power-time",
            lambda shape: power_over_time(over_time, shape),
            text="Power over time against caps: the site, and the fullest domain of each level.",
        )
        layers, gpus = silicon(run.timeline, run.domains), installed_gpus(run)
        if any(name == SLOWED or name.endswith("dark") for name, _, _ in layers):
            drawn["dark"] = picture(
                "dark-silicon",
                lambda shape: dark_silicon(layers, over_time.edges_s, gpus, shape),
                text="GPUs at full speed, slowed by caps, dark by reason, idle, down, over time.",
            )
    if map_of is not None:
        drawn["racks"] = picture(
            "rack-map",
            lambda shape: rack_map(map_of, shape),
            text="Racks in their rows, by power, by how much was dark, by how much was throttled.",
        )
    if ledger:
        drawn["energy"] = picture(
            "energy",
            lambda shape: energy_waterfall(ledger, shape),
            text="Waterfall of energy from the meter to useful; the table below has every share.",
        )
    return drawn
