"""Cooling over typical years against published PUE, and the climates that stand in for such years.

The data are not part of the repository; what needs them is skipped where they are absent.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twin.catalog.climates import climate, climate_names
from twin.catalog.facilities import cooling_names, cooling_type
from twin.facility.cooling import Cooling
from twin.facility.weather import weather_from_file

FOLDER = Path(__file__).parents[2] / "calibration/weather"
MODULES = ("typical_years", "pue", "tables", "fit")
KINDS = ("air-chillers", "air-economiser", "rear-door", "direct-liquid", "immersion")


@pytest.fixture(scope="module")
def cal() -> Iterator[SimpleNamespace]:
    """The scripts of the calibration, imported as they import each other."""
    sys.path.insert(0, str(FOLDER))
    for name in MODULES:  # other calibrations may have scripts of the same names
        sys.modules.pop(name, None)
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def years(cal: SimpleNamespace) -> dict[str, Any]:
    """A typical year of each city."""
    if not cal.typical_years.FOLDER.is_dir():
        pytest.skip("the weather is not here: dcrl under ../shared/data")
    found: dict[str, Any] = cal.typical_years.read_all()
    return found


@pytest.fixture(scope="module")
def annual(cal: SimpleNamespace, years: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Cooling over the year, by kind and city."""
    return {
        kind: {
            city: cal.pue.annual(kind, year.dry_degc, year.wet_degc) for city, year in years.items()
        }
        for kind in KINDS
    }


def test_every_way_of_cooling_is_compared(cal: SimpleNamespace) -> None:
    assert set(KINDS) == set(cooling_names()) == set(cal.pue.PUBLISHED)


@pytest.mark.parametrize("kind", KINDS)
def test_pue_lies_in_the_published_range(
    cal: SimpleNamespace, annual: dict[str, dict[str, Any]], kind: str
) -> None:
    """With the least losses everywhere; with the default ones too, save for immersion."""
    (low, high) = cal.pue.PUBLISHED[kind][1]
    for chain in ("eco",) if kind == "immersion" else ("eco", "default"):
        found = {city: cal.pue.pue(of.mean, chain) for city, of in annual[kind].items()}
        assert low - 0.001 < min(found.values()) and max(found.values()) < high, found


def test_warm_water_needs_chillers_for_few_joules(annual: dict[str, dict[str, Any]]) -> None:
    for kind in ("direct-liquid", "immersion"):
        free = [of.free for of in annual[kind].values()]
        assert min(free) > 0.8 and np.median(free) > 0.95
    assert all(of.free == 0 for of in annual["air-chillers"].values())


def test_water_of_a_tower_and_of_dry_coolers(annual: dict[str, dict[str, Any]]) -> None:
    for of in annual["rear-door"].values():
        assert of.water_l_per_kwh == pytest.approx(1.8, rel=0.08)  # from memory
    assert all(of.water_l_per_kwh == 0 for of in annual["immersion"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_climates_cost_a_year_what_the_data_cost(
    cal: SimpleNamespace, annual: dict[str, dict[str, Any]], kind: str
) -> None:
    for city, of in annual[kind].items():
        like = cal.pue.of_climate(kind, city)
        assert like.mean == pytest.approx(of.mean, abs=0.007)
        assert like.water_l_per_kwh == pytest.approx(of.water_l_per_kwh, abs=0.03)


def test_climates_keep_the_mean_and_leave_what_is_stated(
    cal: SimpleNamespace, years: dict[str, Any]
) -> None:
    assert set(years) == set(climate_names())
    for city, year in years.items():
        for of_year, of_climate in zip(
            (year.dry_degc, year.wet_degc), climate(city).hours(), strict=True
        ):
            left = of_year - of_climate
            stated = cal.fit.errors(of_year)
            assert abs(left.mean()) < 0.01
            assert left.std() == pytest.approx(stated["in_sample"], abs=0.005)
            assert stated["held_out_weeks"] < 1.1 * stated["in_sample"]


def test_a_year_by_the_file_is_the_year_of_the_data(
    cal: SimpleNamespace, years: dict[str, Any]
) -> None:
    """Through the reader of files and the hall's cooling, hour by hour, from change to change."""
    del years  # only so that it skips without them
    path = cal.typical_years.FOLDER / "phoenix_az.csv.gz"
    kind = cooling_type("air-economiser")
    outside = weather_from_file(str(path), datetime(2025, 1, 1))
    rated_w = np.array([2e6])
    cooling = Cooling(
        kind=kind, rated_w=rated_w, spare_share=0.2, weather=outside, most_heat_w=rated_w
    )
    heat_w, energy_j, now_s = 0.8 * 2e6, 0.0, 0.0
    while now_s < 8760 * 3600:
        next_s = min(cooling.next_change_s(now_s), 8760 * 3600)
        energy_j += cooling.curve(0, now_s).power_w(heat_w) * (next_s - now_s)
        now_s = next_s
    year = cal.typical_years.read_all()["phoenix"]
    expected = cal.pue.annual("air-economiser", year.dry_degc, year.wet_degc).mean
    assert energy_j / (heat_w * 8760 * 3600) == pytest.approx(expected, rel=1e-9)


def test_kept_numbers_are_those_of_the_data(
    cal: SimpleNamespace, years: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del years
    monkeypatch.setattr(sys, "argv", ["fit.py", "--check"])
    assert cal.fit.main() == 0
