"""PUE over a year of each way of cooling in each city, beside published ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typical_years import Year

from twin.catalog.climates import climate
from twin.catalog.facilities import converter, cooling_type
from twin.physics.cooling import cooling_curve

# Typed again from the reference: typical, and the range of annual PUE. Status: those of direct
# liquid and immersion verified, the others from memory.
PUBLISHED = {
    "air-chillers": ((1.50, 1.50), (1.35, 1.80)),
    "air-economiser": ((1.20, 1.20), (1.12, 1.30)),
    "rear-door": ((1.20, 1.20), (1.12, 1.30)),
    "direct-liquid": ((1.10, 1.16), (1.05, 1.28)),
    "immersion": ((1.05, 1.05), (1.02, 1.10)),
}
# What a scenario has by default, and what loses least; each from the racks up to the hall.
CHAINS = {
    "default": (("busbar-48v", "pdu", "ups-double-conversion"), "transformer"),
    "eco": (("busbar-800v", "ups-eco"), "transformer"),
}
LOAD = 0.8  # of the rated heat and of all ratings


@dataclass(frozen=True)
class Annual:
    """Cooling over a year, as shares of the heat.

    Attributes
    ----------
    mean, peak : float
        Power of cooling over the heat: of the year, and of its worst hour.
    free : float
        Share of the year's heat that no chiller carries.
    water_l_per_kwh : float
        Of heat.
    """

    mean: float
    peak: float
    free: float
    water_l_per_kwh: float


def annual(kind: str, dry_degc: np.ndarray, wet_degc: np.ndarray, load: float = LOAD) -> Annual:
    """Cooling over the hours of a year at a steady load, a share of the rated."""
    of = cooling_type(kind)
    curves = [
        cooling_curve(of, float(d), float(w), 1.0) for d, w in zip(dry_degc, wet_degc, strict=True)
    ]
    share = np.array([curve.power_w(load) for curve in curves]) / load
    return Annual(
        mean=float(share.mean()),
        peak=float(share.max()),
        free=float(np.mean([curve.free for curve in curves])),
        water_l_per_kwh=float(np.mean([curve.water_l_per_j for curve in curves]) * 3.6e6),
    )


def pue(cooling: float, chain: str, load: float = LOAD) -> float:
    """Power at the meter over that of IT, where cooling takes this share of the heat of a hall."""
    below, hall = CHAINS[chain]
    heat = load
    for name in below:
        heat = float(converter(name).input_w(heat))
    return float(converter(hall).input_w(heat * (1 + cooling))) / load


def of_climate(kind: str, place: str) -> Annual:
    """The same with the catalog's climate of a place."""
    return annual(kind, *climate(place).hours())


def markdown(years: dict[str, Year]) -> str:
    """The tables of the docs."""
    head = [
        "cooling",
        "city",
        "cooling over heat",
        "worst hour",
        "with the catalog's climate",
        "heat without chillers",
        "water [l/kWh]",
        "PUE, default losses",
        "PUE, least losses",
        "published",
    ]
    rows = []
    for kind, (typical, span) in PUBLISHED.items():
        for place, year in years.items():
            of, like = annual(kind, year.dry_degc, year.wet_degc), of_climate(kind, place)
            cells = [
                f"{of.mean:.3f}",
                f"{of.peak:.3f}",
                f"{like.mean:.3f}",
                f"{100 * of.free:.0f} %",
                f"{of.water_l_per_kwh:.2f}",
                f"{pue(of.mean, 'default'):.3f}",
                f"{pue(of.mean, 'eco'):.3f}",
            ]
            told = "-".join(f"{each:.2f}" for each in dict.fromkeys(typical))
            rows.append([kind, place, *cells, f"{told} ({span[0]:.2f}-{span[1]:.2f})"])
    year = years["chicago"]
    loads = (1.0, 0.8, 0.5, 0.25)
    by_load = [
        [kind, *(f"{annual(kind, year.dry_degc, year.wet_degc, load).mean:.3f}" for load in loads)]
        for kind in PUBLISHED
    ]
    of_loads = ["cooling over heat in Chicago", *(f"at {100 * load:.0f} %" for load in loads)]
    return _table(head, rows) + "\n" + _table(of_loads, by_load)


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, rule, *rows))
