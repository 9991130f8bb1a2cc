"""Typical weather of places: dry and wet bulb as harmonics of the year, the day and their product.

``climates.yaml`` is written by ``calibration/weather/fit.py``, with this module's `harmonics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.catalog.figures import Basis, read_document
from twin.errors import CatalogError, did_you_mean

FILE = Path(__file__).with_name("climates.yaml")
HOURS_OF_A_YEAR = 8760
TERMS = 5  # of the year, and of the day: mean, cosine, sine, and both of twice the frequency

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Climate:
    """Typical weather of a place.

    Attributes
    ----------
    dry_degc, wet_degc : (5, 5) array
        Dry and wet bulb: coefficients of the products of `harmonics`, year by day. [degC]
    """

    name: str
    title: str
    notes: str
    basis: Basis
    dry_degc: Array
    wet_degc: Array

    def hours(self) -> tuple[Array, Array]:
        """(8760,) dry and wet bulb of each hour from the first of January on. [degC]

        Notes
        -----
        Local standard time. Each hour has the value of its end, as in the data.
        """
        hour = np.arange(HOURS_OF_A_YEAR)
        year, day = harmonics((hour + 1) / HOURS_OF_A_YEAR), harmonics((hour + 1) / 24)
        dry, wet = (
            np.einsum("hy,yd,hd->h", year, of, day) for of in (self.dry_degc, self.wet_degc)
        )
        return dry, np.minimum(wet, dry)


def harmonics(turns: ArrayLike) -> Array:
    """(n, 5) one, cosine and sine of each number of turns, and of twice it."""
    angle = 2 * np.pi * np.asarray(turns, float)
    of = [np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.stack(of, axis=-1)


def climate(name: str) -> Climate:
    """The climate of that name; raises `CatalogError` with the nearest known name."""
    known = _climates()
    if name not in known:
        raise CatalogError(f"unknown climate {name!r}; {did_you_mean(name, known, most=40)}")
    return known[name]


def climate_names() -> list[str]:
    """All climates, sorted."""
    return sorted(_climates())


@cache
def _climates() -> dict[str, Climate]:
    return read_climates(FILE)


def read_climates(path: Path) -> dict[str, Climate]:
    """Every climate of a file; raises `CatalogError` with file, name and fault."""
    bases, entries = read_document(path)
    climates = {}
    for name, entry in entries.items():
        try:
            climates[name] = Climate(
                name=name,
                title=entry["title"],
                notes=entry.get("notes", ""),
                basis=bases[entry["basis"]],
                dry_degc=_coefficients(entry["dry_degc"]),
                wet_degc=_coefficients(entry["wet_degc"]),
            )
        except KeyError as error:
            raise CatalogError(f"{path.name} {name}: needs the key or basis {error}") from None
        except (TypeError, AttributeError, ValueError) as error:
            raise CatalogError(f"{path.name} {name}: not a climate: {error}") from None
    return climates


def _coefficients(rows: object) -> Array:
    found = np.array(rows, float)
    if found.shape != (TERMS, TERMS) or not np.isfinite(found).all():
        raise ValueError(f"coefficients must be {TERMS} rows of {TERMS} numbers")
    return found
