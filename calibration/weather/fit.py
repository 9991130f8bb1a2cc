"""Fit the climates of the catalog: dry and wet bulb as harmonics of the year and the day.

    python calibration/weather/fit.py            refit; write climates.yaml and the tables
    python calibration/weather/fit.py --check    refit and compare; exit code 1 if anything moved

Run it from the root of the repository, with twin installed: the form that is fitted is twin's own.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache

import numpy as np
import pue
import tables
import typical_years

from twin.catalog.climates import FILE, HOURS_OF_A_YEAR, TERMS, harmonics

HEADER = """\
# Typical weather of places. Made by calibration/weather/fit.py, whose README explains it; do not
# edit by hand. Rows: one, cosine and sine of the year, and of twice its frequency; columns the same
# of the day. Degrees Celsius, local standard time.

bases:
  tmy-fit: {sources: [dcrl, tmyx], kind: fitted, status: derived, place: calibration/weather}

parts:
"""


@cache
def terms() -> np.ndarray:
    """(8760, 25) what the coefficients are multiplied with, for each hour."""
    hour = np.arange(HOURS_OF_A_YEAR) + 1
    year, day = harmonics(hour / HOURS_OF_A_YEAR), harmonics(hour / 24)
    return np.einsum("hy,hd->hyd", year, day).reshape(HOURS_OF_A_YEAR, TERMS**2)


def fitted(values_degc: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(25,) coefficients by least squares on the hours where ``of`` is true."""
    return np.linalg.lstsq(terms()[of], values_degc[of], rcond=None)[0]


def errors(values_degc: np.ndarray) -> dict[str, float]:
    """Root mean squares of what is left: in sample, on days held out, and of days' means."""
    everything = np.ones(HOURS_OF_A_YEAR, bool)
    left = values_degc - terms() @ fitted(values_degc, everything)
    odd_day = np.arange(HOURS_OF_A_YEAR) // 24 % 2 == 0
    week_of_four = np.arange(HOURS_OF_A_YEAR) // 168 % 4
    return {
        "spread": float(values_degc.std()),
        "in_sample": rms(left),
        "held_out_days": rms(held_out(values_degc, [odd_day, ~odd_day])),
        "held_out_weeks": rms(held_out(values_degc, [week_of_four == k for k in range(4)])),
        "days": rms(left.reshape(-1, 24).mean(axis=1)),
    }


def held_out(values_degc: np.ndarray, folds: list[np.ndarray]) -> np.ndarray:
    """What is left in each fold of a fit to all hours outside of it."""
    return np.concatenate(
        [(values_degc - terms() @ fitted(values_degc, ~fold))[fold] for fold in folds]
    )


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def catalog_text(years: dict[str, typical_years.Year]) -> str:
    """The catalog's file."""
    lines = [HEADER]
    for name, year in years.items():
        lines.append(f"  {name}:\n    title: {year.title}\n    basis: tmy-fit\n")
        for key, values in (("dry_degc", year.dry_degc), ("wet_degc", year.wet_degc)):
            rows = fitted(values, np.ones(HOURS_OF_A_YEAR, bool)).reshape(TERMS, TERMS)
            lines.append(f"    {key}:\n")
            lines += [f"      - [{', '.join(f'{each:.3f}' for each in row)}]\n" for row in rows]
    return "".join(lines)


def main() -> int:
    """Fit, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; 1 if anything moved")
    check = parser.parse_args().check
    years = typical_years.read_all()
    found = {
        name: {"dry": errors(year.dry_degc), "wet": errors(year.wet_degc)}
        for name, year in years.items()
    }
    catalog = catalog_text(years)
    if not check and FILE.read_text("utf-8") != catalog:  # before what is computed with it
        FILE.write_text(catalog, encoding="utf-8")
        print(f"written: {FILE.name}")
    wanted = {
        FILE: catalog,
        tables.README: tables.filled(tables.README, tables.of_errors(found)),
        tables.PAGE: tables.filled(tables.PAGE, pue.markdown(years)),
    }
    moved = [path for path, text in wanted.items() if path.read_text("utf-8") != text]
    for path in moved:
        print(f"{'differs' if check else 'written'}: {path.name}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if check and moved else 0


if __name__ == "__main__":
    sys.exit(main())
