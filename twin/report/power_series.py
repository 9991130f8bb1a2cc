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
_PER_MWH = 3.6e9  # J in a MWh


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
class Curve:
    """A price or a carbon intensity over time: what it is called with its unit, and its values."""

    title: str
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
    curves : list of Curve
        Price and carbon intensity, where the run knows them.
    reasons : list of Reason
    """

    edges_s: Array
    domains: list[Drawn]
    curves: list[Curve]
    reasons: list[Reason]


def power_series(run: Results) -> PowerSeries | None:
    """Power of a run over time; None where it has none, or where no time passed."""
    timeline = run.timeline
    site_w = timeline["facility_power_w"].to_numpy(float)
    if not len(site_w) or not length_s(run) > 0 or not np.isfinite(site_w).any():
        return None
    n = len(site_w)
    edges_s = np.append(timeline["time_s"].to_numpy(float), length_s(run))
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
    return PowerSeries(edges_s, domains, curves(run), _reasons(run.incidents, edges_s[-1]))


def series(domains: pd.DataFrame, domain: str, quantity: str, n: int) -> Array | None:
    """(n_bin,) values of a quantity of a domain; None if the run has no such series."""
    mine = (domains["domain"] == domain) & (domains["quantity"] == quantity)
    values = domains["value"].to_numpy(float)[mine.to_numpy()]
    return values if len(values) == n else None


def curves(run: Results) -> list[Curve]:
    """Price and carbon intensity over time; those that never change are left out."""
    found = []
    for quantity, title, factor in (
        ("price_usd_per_j", "Price of electricity, USD/MWh", _PER_MWH),
        ("carbon_kg_per_j", "Carbon intensity, g/kWh", 3.6e9),
    ):
        values = series(run.domains, "site", quantity, len(run.timeline))
        if values is not None and np.isfinite(values).all() and np.ptp(values) > 0:
            found.append(Curve(title, values * factor))
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
