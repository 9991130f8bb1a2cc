"""Climates of the catalog: harmonics by hand, plausible places, and broken files."""

import numpy as np
import pytest

from twin.catalog.climates import (
    FILE,
    Climate,
    climate,
    climate_names,
    harmonics,
    read_climates,
)
from twin.errors import CatalogError

# Record lows and highs of the places, rounded outwards: no typical year comes near them.
RECORDS = {
    "chicago": (-33, 41),
    "dallas": (-22, 45),
    "leesburg": (-30, 42),
    "phoenix": (-9, 50),
    "seattle": (-18, 43),
}


def test_the_places():
    assert climate_names() == sorted(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_typical_years_are_plausible(name):
    dry, wet = climate(name).hours()
    low, high = RECORDS[name]
    assert dry.shape == wet.shape == (8760,)
    assert low + 5 < dry.min() < dry.max() < high - 2
    assert np.all(wet <= dry)
    by_month, by_hour = dry.reshape(365, 24).mean(axis=1), dry.reshape(365, 24).mean(axis=0)
    assert 170 < by_month.argmax() < 240 and not 60 < by_month.argmin() < 330
    assert 13 <= by_hour.argmax() <= 17 and 3 <= by_hour.argmin() <= 7


def test_harmonics_by_hand():
    assert harmonics([0.0, 0.25, 0.5]) == pytest.approx(
        np.array([[1, 1, 0, 1, 0], [1, 0, 1, -1, 0], [1, -1, 0, 1, 0]]), abs=1e-12
    )


def test_hours_by_hand():
    """A mean of 10 degC, a year that is coldest at its end, a day that is warmest at noon."""
    dry = np.zeros((5, 5))
    dry[0, 0], dry[1, 0], dry[0, 1] = 10.0, -8.0, -3.0
    of = climate("chicago")
    flat = Climate(name="x", title="", notes="", basis=of.basis, dry_degc=dry, wet_degc=dry + 0)
    hours, wet = flat.hours()
    assert hours[-1] == pytest.approx(10 - 8 - 3)
    assert hours[11] == pytest.approx(10 - 8 * np.cos(2 * np.pi * 12 / 8760) + 3)
    assert hours.mean() == pytest.approx(10) and np.array_equal(hours, wet)


def test_a_wet_bulb_never_exceeds_the_dry_bulb():
    of = climate("chicago")
    swapped = Climate(
        name="x", title="", notes="", basis=of.basis, dry_degc=of.wet_degc, wet_degc=of.dry_degc
    )
    dry, wet = swapped.hours()
    assert np.array_equal(dry, wet)


def test_unknown_places_are_told():
    with pytest.raises(CatalogError, match="unknown climate 'fenix'; did you mean 'phoenix'"):
        climate("fenix")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("    basis: tmy-fit", "    basis: guess", "needs the key or basis 'guess'"),
        ("    wet_degc:", "    wet:", "needs the key or basis 'wet_degc'"),
        ("      - [10.757, ", "      - [", "chicago: not a climate"),
        ("[10.757, ", "[.nan, ", "5 rows of 5 numbers"),
    ],
)
def test_broken_files_are_told(tmp_path, before, after, message):
    text = FILE.read_text()
    assert before in text
    path = tmp_path / "climates.yaml"
    path.write_text(text.replace(before, after))
    with pytest.raises(CatalogError, match=message):
        read_climates(path)
