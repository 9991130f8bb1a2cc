"""Typical years of five cities, as the data folder has them; wet bulbs are computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from twin.physics.humid_air import wet_bulb_degc

FOLDER = Path(__file__).parents[3] / "shared/data/dcrl/weather"
CITIES = {
    "chicago": ("chicago_il", "Chicago, Illinois"),
    "dallas": ("dallas_tx", "Dallas, Texas"),
    "leesburg": ("leesburg_va", "Leesburg, Virginia, near Ashburn"),
    "phoenix": ("phoenix_az", "Phoenix, Arizona"),
    "seattle": ("seattle_wa", "Seattle, Washington"),
}


@dataclass(frozen=True)
class Year:
    """8,760 hours of one place, from the first hour of January on, local standard time."""

    title: str
    dry_degc: np.ndarray
    wet_degc: np.ndarray


def read_all() -> dict[str, Year]:
    """All cities by name; months stand in order, whatever real year each comes from."""
    years = {}
    for name, (stem, title) in CITIES.items():
        rows = pd.read_csv(FOLDER / f"{stem}.csv.gz")
        in_order = rows.sort_values(["month", "day", "hour"], kind="stable")
        if not np.array_equal(in_order.index, rows.index) or len(rows) != 8760:
            raise ValueError(f"{stem}: not 8,760 hours in order")
        dry = rows["dry_bulb_c"].to_numpy(float)
        wet = wet_bulb_degc(dry, rows["rel_humidity_pct"] / 100, rows["pressure_pa"])
        years[name] = Year(title, dry, wet)
    return years
