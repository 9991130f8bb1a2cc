"""A run with power written by hand: six racks in two rows over ten days, for tests of the report.

Rack ``k`` draws ``10 + 2 k`` kW, all day and every day, under a cap of 20 kW from rack 3 on and of
none below; the site draws 100 kW, and 130 kW on day 4, under a cap of 120 kW that a call brings to
90 kW on day 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from report_failures import incident
from report_fixture import DAY_S, FakeRun, assemble, jobs_table

from twin.tables import DOMAINS, ENERGY_SHARES, INCIDENTS, POWER

DAYS, BINS, GPUS = 10, 400, 192
KW = 1e3


@dataclass
class PoweredRun(FakeRun):
    """A run directory with the tables that only power needs."""

    incidents: pd.DataFrame = field(default_factory=pd.DataFrame)
    domains: pd.DataFrame = field(default_factory=pd.DataFrame)
    power: pd.DataFrame | None = None


def domain(level: str, unit: int, name: str, mean_w: float, **columns: Any) -> dict[str, Any]:
    """A row of `tables.POWER`; without a cap, and never above it, if nothing is said."""
    made: dict[str, Any] = dict.fromkeys(POWER.names(), 0.0)
    made |= {"level": level, "unit": unit, "domain": name, "gpus": 32, "nameplate_w": 40 * KW}
    made |= {"cap_w": np.inf, "least_cap_w": np.inf, "mean_w": mean_w, "peak_w": mean_w}
    return made | {"p99_w": mean_w, "energy_j": mean_w * DAYS * DAY_S} | columns


def power_table(racks: int = 6, per_row: int = 3, site: str = "lab") -> pd.DataFrame:
    """`tables.POWER` of a site, its rows and its racks."""
    capped = {"cap_w": 20 * KW, "least_cap_w": 20 * KW}
    rows = [
        domain(
            "rack", k, f"rack {k}", (10 + 2 * k) * KW, dark_gpu_s=(k == 5) * 16 * DAYS * DAY_S,
            throttled_gpu_s=k * 0.1 * DAYS * DAY_S, **(capped if k >= racks // 2 else {}),
        )
        for k in range(racks)
    ]  # fmt: skip
    for k in range(-(-racks // per_row)):
        gpus = 32 * min(per_row, racks - k * per_row)
        rows.append(domain("row", k, f"row {k}", 40 * KW, gpus=gpus))
    rows.append(
        domain(
            "site", 0, site, 103 * KW, gpus=32 * racks, nameplate_w=240 * KW, cap_w=117 * KW,
            least_cap_w=90 * KW, peak_w=130 * KW, violation_s=2 * DAY_S,
            longest_violation_s=DAY_S, swing_w=5 * KW,
        )
    )  # fmt: skip
    return pd.DataFrame(rows, columns=POWER.names())


def domains_table(quantities: dict[tuple[str, str], np.ndarray], time_s: np.ndarray) -> Any:
    """`tables.DOMAINS` from values by domain and quantity."""
    parts = [
        pd.DataFrame({"time_s": time_s, "domain": name, "quantity": quantity, "value": values})
        for (name, quantity), values in quantities.items()
    ]
    joined = pd.concat(parts) if parts else pd.DataFrame(columns=DOMAINS.names())
    return joined.astype({"domain": "category", "quantity": "category"})


def powered_run(
    *, name: str = "powered", site: str = "lab", why: str = "demand response", dark: bool = True,
    rates: bool = True,
) -> PoweredRun:  # fmt: skip
    """The run; with prices and carbon intensity, and with dark and slowed GPUs, unless told not."""
    jobs = jobs_table(
        submit_s=[0.0] * 2, gpus=[96, 32], run_s=[DAYS * DAY_S, 5 * DAY_S], start_s=[0.0] * 2
    )
    fake = assemble(jobs, name=name, gpus=GPUS, bins=BINS)
    timeline = fake.timeline
    time_s = timeline["time_s"].to_numpy()
    day = time_s / DAY_S
    site_w = np.where((day >= 4) & (day < 5), 130 * KW, 100 * KW)
    timeline["facility_power_w"], timeline["it_power_w"] = site_w, site_w / 1.25
    timeline["pue"] = 1.25
    n = len(time_s)
    quantities: dict[tuple[str, str], np.ndarray] = {
        (f"site {site}", "power_w"): site_w,
        (f"site {site}", "cap_w"): np.where((day >= 6) & (day < 7), 90 * KW, 120 * KW),
    }
    for k in range(6):
        quantities[f"rack {k}", "power_w"] = np.full(n, (10 + 2 * k) * KW)
        if k >= 3:
            quantities[f"rack {k}", "cap_w"] = np.full(n, 20 * KW)
    if dark:
        asleep = np.where(day >= 5, 16.0, 0.0)
        quantities["site", "power_dark_gpus"] = 0.75 * asleep
        quantities["site", "demand_dark_gpus"] = 0.25 * asleep
        quantities["site", "throttled_gpus"] = np.where((day >= 6) & (day < 7), 24.0, 0.0)
        timeline["dark_gpus"] = asleep
        timeline["idle_gpus"] -= asleep
        timeline["working_gpus"] = timeline["busy_gpus"]
    if rates:
        quantities["site", "price_usd_per_j"] = np.where(day % 1 >= 0.75, 90, 30) / 3.6e9
        quantities["site", "carbon_kg_per_j"] = (400 - 100 * np.cos(2 * np.pi * day)) / 3.6e9
    calls = [
        incident(6, why, site, kind="cap", recovered_s=7 * DAY_S),
        incident(8, why, site, kind="cap", recovered_s=np.nan),
    ]
    incidents = pd.DataFrame(calls, columns=INCIDENTS.names())
    table = power_table(site=site)
    fake.summary["power"] = summary(fake.summary, table, dark=dark)
    energy_j = dict.fromkeys((share.name for share in ENERGY_SHARES), 0.0)
    total_j = 103 * KW * DAYS * DAY_S
    parts = {"useful": 0.4, "host": 0.25, "conversion": 0.1, "cooling": 0.15, "idle": 0.1}
    energy_j |= {share: part * total_j for share, part in parts.items()}
    fake.summary["ledgers"]["energy"] = {"unit": "J", "total": total_j, "shares": energy_j}
    if rates:
        fake.summary["cost"] = {
            "usd": 1500.0, "usd_energy": 1200.0, "usd_demand": 300.0,
            "usd_per_useful_gpu_hour": 0.05, "kgco2": 9900.0, "water_l": 40_000.0,
        }  # fmt: skip
    return PoweredRun(
        **vars(fake), incidents=incidents, domains=domains_table(quantities, time_s), power=table
    )


def summary(found: dict[str, Any], table: pd.DataFrame, *, dark: bool) -> dict[str, Any]:
    """The section ``power`` of a summary, as far as it follows from the table."""
    installed_gpu_s = GPUS * DAYS * DAY_S
    reasons = dict.fromkeys(("power", "heat", "demand", "stranded", "failure"), 0.0)
    reasons |= {"power": 60 * DAY_S, "demand": 20 * DAY_S} if dark else {}
    useful = found["ledgers"]["gpu_time"]["shares"]["useful"] / (DAYS * DAY_S)
    site = table[table["level"] == "site"].iloc[0]
    levels = {}
    for level, rows in table.groupby("level", sort=False):
        capped = rows[np.isfinite(rows["cap_w"])]
        some = len(capped) > 0
        levels[level] = {
            "domains": len(rows),
            "peak_w": float(rows["peak_w"].max()),
            "mean_w": float(rows["mean_w"].mean()),
            "p99_w": float(rows["p99_w"].max()),
            "cap_w": float(capped["cap_w"].min()) if some else None,
            "oversubscription": float((capped["nameplate_w"] / capped["cap_w"]).max())
            if some
            else None,
            "headroom": float(1 - (capped["peak_w"] / capped["cap_w"]).max()) if some else None,
            "violation_s": float(rows["violation_s"].sum()),
            "swing_w": float(rows["swing_w"].max()),
        }
    return {
        "it_energy_j": site["energy_j"] / 1.25,
        "facility_energy_j": float(site["energy_j"]),
        "peak_w": float(site["peak_w"]),
        "mean_w": float(site["mean_w"]),
        "p99_w": float(site["p99_w"]),
        "pue": 1.25,
        "cap_violation_s": float(table["violation_s"].sum()),
        "longest_violation_s": float(table["longest_violation_s"].max()),
        "powered_fraction": 1 - sum(reasons.values()) / installed_gpu_s,
        "dark_gpu_s": reasons,
        "throttled_fraction": 0.004 if dark else 0.0,
        "dim_fraction": 0.02 if dark else 0.0,
        "useful_gpus": useful,
        "useful_gpus_per_mw": useful / (site["mean_w"] / 1e6),
        "useful_gpus_per_mw_of_cap": useful / (site["cap_w"] / 1e6),
        "energy_per_useful_gpu_hour_j": 3.6e6,
        "swing_w": 5 * KW,
        "clock": {"p1": 0.8, "p5": 0.9, "p50": 1.0} if dark else {"p1": 1.0, "p5": 1.0, "p50": 1.0},
        "decisions": 7,
        "levels": levels,
    }
