"""The default curve beside what A100 fleets and a B200 node drew. Nothing is fitted here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twin.catalog import parts
from twin.catalog.power import gpu_power, profile
from twin.physics.power import operating_curve

SHARED = Path(__file__).parents[2] / "../shared/data"
QUANTILES = (5, 25, 50, 75, 90, 99)


def of_profile(gpu: str, name: str) -> dict[str, float]:
    """Mean, peak and trough without a cap."""
    curve = operating_curve(gpu_power(gpu), profile(name))
    return {
        "mean_w": float(curve.power_w[-1]),
        "peak_w": float(curve.peak_w[-1]),
        "trough_w": float(curve.trough_w[-1]),
    }


def fleets() -> dict[str, Any]:
    """Quantiles of the power of A100 in two clusters, and what the catalog says of one."""
    found: dict[str, Any] = {}
    for cluster in ("seren", "kalos"):
        table = pd.read_csv(SHARED / f"acme/cdf/gpu_power_{cluster}.csv")
        watts = np.interp(QUANTILES, table.cdf_pct, table.gpu_power_w)
        found[cluster] = {f"p{q}_w": float(w) for q, w in zip(QUANTILES, watts, strict=True)}
    names = ("idle", "interactive", "batch", "training")
    found["catalog"] = {name: of_profile("a100-80-sxm", name) for name in names}
    return found


def node() -> dict[str, Any]:
    """A node of 8 B200 while it trains, at the mains; what is left for the host."""
    rows = pd.read_csv(SHARED / "mlperf/node_power_8xB200.csv.gz")
    rows = rows[(rows.benchmark == "stable_diffusion") & (rows.in_timed_run == 1)]
    gpus_w = 8 * of_profile("b200-sxm", "training")["mean_w"]
    mean_w = float(rows.node_power_w.mean())
    return {
        "mean_w": mean_w,
        "deviation_w": float(rows.node_power_w.std()),
        "gpus_w": gpus_w,
        "rest_w": mean_w - gpus_w,
        "nameplate_w": float(parts.node("dgx-b200").max_power_w or 0),
    }


def everything() -> dict[str, Any]:
    return {"a100": fleets(), "b200_node": node()}
