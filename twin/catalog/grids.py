"""Carbon intensity of electricity by country."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from twin import units
from twin.catalog.figures import Figure, Part, quantity, read_parts
from twin.errors import CatalogError, did_you_mean

GRIDS = Path(__file__).with_name("grids.yaml")


@dataclass(frozen=True, kw_only=True)
class Grid(Part):
    """A country's grid."""

    mean_kg_per_j: float | None = quantity("mean", units.CARBON_PER_ENERGY)


def carbon_kg_per_j(country: str) -> float:
    """Mean carbon intensity of a country's electricity. [kg CO2e/J]

    Raises
    ------
    CatalogError
        If the country, by its ISO 3166 code, is not in the catalog.

    Notes
    -----
    An annual average over the life cycle; what an additional load causes may be more or less.

    Sources
    -------
    [owid-carbon], through [codecarbon].
    """
    grid, _ = figures(country)
    assert grid.mean_kg_per_j is not None  # `_grids` sees to it
    return grid.mean_kg_per_j


def names() -> list[str]:
    """Codes of all countries, sorted."""
    return sorted(_grids())


def figures(country: str) -> tuple[Grid, tuple[Figure, ...]]:
    """A country's grid and its figures with their sources; raises `CatalogError`."""
    known = _grids()
    if country not in known:
        raise CatalogError(f"unknown country {country!r}; {did_you_mean(country, known, most=40)}")
    return known[country]


@cache
def _grids() -> dict[str, tuple[Grid, tuple[Figure, ...]]]:
    read = read_parts(GRIDS, Grid)
    lacking = [name for name, (grid, _) in read.items() if grid.mean_kg_per_j is None]
    if lacking:
        raise CatalogError(f"{GRIDS.name} {', '.join(lacking)}: needs mean")
    return read
