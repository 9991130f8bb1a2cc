"""The section of a run's page on power: figures, sentences, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twin.report import numbers, watts
from twin.report.facts import Card
from twin.report.figures.energy_waterfall import energy_waterfall
from twin.report.picture import Picture, picture
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
    pictures: dict[str, Picture]


def power(run: Results) -> Power | None:
    """The section on power; None where power was not computed, and the page has no such section."""
    found = look_up(run.summary, "power.levels") and run.summary["power"]
    if not found or run.power is None:
        return None
    ledger = look_up(run.summary, "ledgers.energy")
    return Power(
        sentences=watts.sentences(run, found),
        cards=watts.cards(run, found),
        levels=watts.level_rows(run, found),
        energy=watts.energy_rows(ledger) if ledger else [],
        total=numbers.energy(ledger["total"]) if ledger else "",
        pictures=_pictures(run, ledger),
    )


def _pictures(run: Results, ledger: Mapping[str, Any] | None) -> dict[str, Picture]:
    drawn = {}
    if ledger:
        drawn["energy"] = picture(
            "energy",
            lambda shape: energy_waterfall(ledger, shape),
            text="Waterfall of energy from the meter to useful; the table below has every share.",
        )
    return drawn
