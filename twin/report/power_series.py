"""Power over time as the pictures need it: fullest domains with their caps, reasons, prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.report.facts import shortened
from twin.report.source import length_s
from twin.results.store import Results

Array = NDArray[np.float64]

_LEVELS = ("hall", "ups", "row", "rack")
_MOST_REASONS = 4
_J_PER_MWH = 3.6e9  # and g/kWh are kg/MWh


@dataclass(frozen=True)
class Drawn:
    """Power of one domain over time.

    Attributes
    ----------
    title : str
        What it is, for the head of its panel.
    power_w, cap_w : (n_bin,) arrays
        What it drew and what it might; NaN where it had no cap. [W]
    """

    title: str
    power_w: Array
    cap_w: Array


@dataclass(frozen=True)
class Rate:
    """A price or a carbon intensity over time.

    Attributes
    ----------
    name, title : str
        What it is; the same with its unit.
    edges_s : (n_bin + 1,) array
        Ends of the bins. [s]
    values : (n_bin,) array
    """

    name: str
    title: str
    edges_s: Array
    values: Array


@dataclass(frozen=True)
class Reason:
    """Why caps changed: in words, and when such changes held. [s]"""

    text: str
    spans_s: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class PowerSeries:
    """All that is drawn over time.

    Attributes
    ----------
    edges_s : (n_bin + 1,) array
        Ends of the bins. [s]
    domains : list of Drawn
        The site first, then the fullest domain of each level below that has caps.
    rates : list of Rate
        Price and carbon intensity, where the run knows them.
    reasons : list of Reason
    """

    edges_s: Array
    domains: list[Drawn]
    rates: list[Rate]
    reasons: list[Reason]


def power_series(run: Results) -> PowerSeries | None:
    """Power of a run over time; None where it has none, or where no time passed."""
    of_site = site_power(run)
    if of_site is None:
        return None
    edges_s, site_w = of_site
    n = len(site_w)
    table = run.power
    domains = []
    if table is not None:
        level = table["level"].astype(str)
        for row in table[level == "site"].itertuples():
            cap_w = series(run.domains, f"site {row.domain}", "cap_w", n)
            domains.append(Drawn("Site, at the meter", site_w, _finite(cap_w, n)))
        for name in _LEVELS:
            found = _fullest(run.domains, table[level == name], name, n)
            domains += [found] if found is not None else []
    if not domains:
        domains = [Drawn("Site, at the meter", site_w, np.full(n, np.nan))]
    return PowerSeries(edges_s, domains, rates(run, edges_s), _reasons(run.incidents, edges_s[-1]))


def site_power(run: Results) -> tuple[Array, Array] | None:
    """Ends of bins [s] and power at the meter [W]; None where there is none, or no time passed."""
    site_w = run.timeline["facility_power_w"].to_numpy(float)
    if not len(site_w) or not length_s(run) > 0 or not np.isfinite(site_w).all():
        return None
    return np.append(run.timeline["time_s"].to_numpy(float), length_s(run)), site_w


def series(domains: pd.DataFrame, domain: str, quantity: str, n: int) -> Array | None:
    """(n_bin,) values of a quantity of a domain; None if the run has no such series."""
    mine = (domains["domain"] == domain) & (domains["quantity"] == quantity)
    values = domains["value"].to_numpy(float)[mine.to_numpy()]
    return values if len(values) == n else None


def rates(run: Results, edges_s: Array) -> list[Rate]:
    """Price and carbon intensity over bins; those that never change are left out."""
    found = []
    for quantity, name, unit in (
        ("price_usd_per_j", "price of electricity", "USD/MWh"),
        ("carbon_kg_per_j", "carbon intensity", "g/kWh"),
    ):
        values = series(run.domains, "site", quantity, len(run.timeline))
        if values is not None and np.isfinite(values).all() and np.ptp(values) > 0:
            found.append(Rate(name, f"{name.capitalize()}, {unit}", edges_s, values * _J_PER_MWH))
    return found


def _fullest(domains: pd.DataFrame, rows: pd.DataFrame, level: str, n: int) -> Drawn | None:
    """Of a level's domains that have a cap all along, the one that came nearest to it."""
    capped = rows[np.isfinite(rows["cap_w"].to_numpy(float))]
    if capped.empty:
        return None
    fullness = (capped["p99_w"] / capped["cap_w"]).to_numpy()
    row = capped.iloc[int(np.argmax(fullness))]
    name = str(row["domain"])
    key = f"{level} {name}" if level == "hall" else name
    power_w, cap_w = series(domains, key, "power_w", n), series(domains, key, "cap_w", n)
    if power_w is None:  # too many domains for a series of each
        return None
    fullest = f"{key}, the fullest of {len(rows):,}" if len(rows) > 1 else key
    return Drawn(fullest[0].upper() + fullest[1:], power_w, _finite(cap_w, n))


def _finite(cap_w: Array | None, n: int) -> Array:
    return np.full(n, np.nan) if cap_w is None else np.where(np.isfinite(cap_w), cap_w, np.nan)


def _reasons(incidents: pd.DataFrame, end_s: float) -> list[Reason]:
    """Changes of caps by their reason, the one that came first at the front."""
    caps = incidents[(incidents["kind"].astype(str) == "cap").to_numpy()]
    caps = caps.sort_values("time_s", kind="stable")
    found = []
    for name, mine in caps.groupby(caps["component"].astype(str), sort=False):
        over_s = mine["recovered_s"].to_numpy(float)
        over_s = np.where(np.isfinite(over_s), over_s, end_s)
        spans_s = sorted(set(zip(mine["time_s"].tolist(), over_s.tolist(), strict=True)))
        found.append(Reason(_reason(str(name), len(spans_s)), tuple(spans_s)))
    return found[:_MOST_REASONS]


def _reason(name: str, times: int) -> str:
    return shortened(name) if times == 1 else f"{shortened(name)}, {times:,} times"
