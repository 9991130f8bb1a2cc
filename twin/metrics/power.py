"""What power was drawn, what it did, and why GPUs were dark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.results.outcome import Outcome
from twin.site.layout import Site

Array = NDArray[np.float64]

_DIM_BELOW = 0.95  # of the highest clock: [power.md] section 6
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def power(outcome: Outcome, site: Site) -> dict[str, Any]:
    """The section ``power`` of the summary.

    Notes
    -----
    ``powered_fraction`` is energised over installed GPU-time, and the rest is said by reason in
    ``dark_gpu_s``, failures among them. ``dim_fraction`` is energised GPU-time at work below 95 %
    of the highest clock, over all energised. ``effective_compute`` is work at the speed of
    uncapped GPUs over installed GPU-time. Quantiles of power are over time.
    """
    seen, gpu_time = outcome.power_seen, outcome.gpu_time
    assert seen is not None and outcome.power is not None and outcome.energy is not None
    horizon_s, installed_gpu_s = outcome.horizon_s, site.n_gpus * outcome.horizon_s
    meter_w, it_w = seen.meter_w, seen.it_w
    lasted_s = np.diff(seen.time_s, append=horizon_s)
    facility_j, it_j = float(lasted_s @ meter_w), float(lasted_s @ it_w)
    site_row = outcome.power[outcome.power["level"] == "site"].iloc[0]
    dark = seen.dark_gpu_s | {"failure": gpu_time["down"]}
    powered_gpu_s = installed_gpu_s - sum(dark.values())
    useful_gpus = gpu_time["useful"] / horizon_s if horizon_s else 0.0
    mean_w = facility_j / horizon_s if horizon_s else float(meter_w[-1])
    nameplate_w = float(site_row["nameplate_w"])
    cap_w = float(site_row["cap_w"])
    busy_gpu_s = float(outcome.jobs["gpus"].to_numpy() @ _held_s(outcome))
    return {
        "it_energy_j": it_j,
        "facility_energy_j": facility_j,
        "peak_w": float(site_row["peak_w"]),
        "mean_w": mean_w,
        "p99_w": float(site_row["p99_w"]),
        "pue": facility_j / it_j if it_j else None,
        "cap_violation_s": float(outcome.power["violation_s"].sum()),
        "longest_violation_s": float(outcome.power["longest_violation_s"].max()),
        "powered_fraction": _share(powered_gpu_s, installed_gpu_s),
        "dark_gpu_s": dark,
        "throttled_fraction": _share(gpu_time["throttled"], installed_gpu_s),
        "dim_fraction": _share(seen.dim_gpu_s(_DIM_BELOW), powered_gpu_s),
        "active_fraction": _share(busy_gpu_s, installed_gpu_s),
        "effective_compute": _share(gpu_time["useful"], installed_gpu_s),
        "nameplate_coverage": cap_w / nameplate_w if np.isfinite(cap_w) and nameplate_w else None,
        "useful_gpus": useful_gpus,
        "useful_gpus_per_mw": useful_gpus / (mean_w / 1e6) if mean_w else None,
        "useful_gpus_per_mw_of_cap": useful_gpus / (cap_w / 1e6)
        if np.isfinite(cap_w) and cap_w
        else None,
        "energy_per_useful_gpu_hour_j": facility_j / (gpu_time["useful"] / 3600)
        if gpu_time["useful"]
        else None,
        "swing_w": float(site_row["swing_w"]),
        "clock": seen.clock_quantiles(_QUANTILES),
        "decisions": seen.decisions,
        "levels": _levels(outcome),
    }


def _held_s(outcome: Outcome) -> Array:
    """(n_job,) GPU-seconds held over GPUs asked for, from the shares of each job. [s]"""
    jobs = outcome.jobs
    held = [name for name in jobs.columns if name.endswith("_gpu_s")]
    spare = ("stranded_gpu_s", "spare_gpu_s")
    total: Array = jobs[[name for name in held if name not in spare]].to_numpy().sum(axis=1)
    each: Array = total / jobs["gpus"].to_numpy()
    return each


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _levels(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Of each level: how full its domains were, and how often above their caps."""
    assert outcome.power is not None
    found = {}
    for level, rows in outcome.power.groupby("level", observed=True, sort=False):
        cap_w = rows["cap_w"].to_numpy()
        capped = np.isfinite(cap_w)
        found[str(level)] = {
            "domains": len(rows),
            "peak_w": float(rows["peak_w"].max()),
            "mean_w": float(rows["mean_w"].mean()),
            "p99_w": float(rows["p99_w"].max()),
            "cap_w": float(cap_w[capped].min()) if capped.any() else None,
            "oversubscription": float(
                (rows["nameplate_w"].to_numpy() / np.maximum(cap_w, 1e-9))[capped].max()
            )
            if capped.any()
            else None,
            "headroom": float(1 - rows["peak_load"].max())
            if np.isfinite(rows["least_cap_w"]).any()
            else None,
            "violation_s": float(rows["violation_s"].sum()),
            "swing_w": float(rows["swing_w"].max()),
        }
    return found
