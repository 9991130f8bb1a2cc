"""The sweeps of power limits by Zeus: jobs, with speed and power at each limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

FOLDER = Path(__file__).parents[2] / "../shared/data/zeus"
GPUS = {"v100": 250.0, "rtx6000": 260.0}  # highest limit, in W


@dataclass(frozen=True)
class Sweep:
    """One training job at every limit, ascending; the last limit is the GPU's TDP."""

    network: str
    name: str
    cap_w: Array
    power_w: Array  # mean over an epoch
    rate: Array  # epochs per time over those at the highest limit

    @property
    def bound(self) -> bool:
        """Whether the limits do anything: it draws more, without one, than the least of them."""
        return bool(self.power_w[-1] > self.cap_w[0])


def read_sweeps(gpu: str) -> list[Sweep]:
    """Every configuration measured at all limits: 68 on the V100, 51 on the RTX 6000."""
    rows = pd.read_csv(FOLDER / f"summary_power_{gpu}.csv").sort_values("power_limit")
    limits = rows.power_limit.nunique()
    keys = ["dataset", "network", "batch_size", "optimizer"]
    found = []
    for (dataset, network, batch, optimizer), one in rows.groupby(keys):
        if len(one) == limits:
            time_s = one.time_per_epoch.to_numpy(float)
            found.append(
                Sweep(
                    network=str(network),
                    name=f"{dataset} {network} {batch} {optimizer}",
                    cap_w=one.power_limit.to_numpy(float),
                    power_w=one.average_power.to_numpy(float),
                    rate=time_s[-1] / time_s,
                )
            )
    return found


def read_second_campaign() -> list[Sweep]:
    """Six short sweeps on the V100 that were made apart from the others, on one or two GPUs."""
    found = []
    for path in sorted((FOLDER / "power_limit_sweeps").glob("V100_*.csv")):
        rows = pd.read_csv(path)
        rows["cap_w"] = [float(re.findall(r"\d+$", name)[0]) for name in rows.window_name]
        rows = rows.sort_values("cap_w")
        time_s = rows.elapsed_time.to_numpy(float)
        caps_w, power_w = rows.cap_w.to_numpy(float), rows.filter(regex="_energy$").mean(axis=1)
        found.append(
            Sweep(
                network=path.stem.split("_")[1],
                name=path.stem,
                cap_w=caps_w,
                power_w=power_w.to_numpy(float) / time_s,
                rate=time_s[-1] / time_s,
            )
        )
    return found
