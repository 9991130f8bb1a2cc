"""What the meters saw of a run, as arrays."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.kernel.draws import DRAW_COLUMNS, Draws
from twin.kernel.power_tree import TOTALS, PowerTree

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PowerRecord:
    """All that the meters saw, as arrays.

    Attributes
    ----------
    meter : dict of (n_reading,) arrays
        Sums over the site from each time on: ``gpu_w`` GPUs, ``load_w`` what power supplies
        deliver, ``node_w`` what nodes draw, ``dark_w`` those of them that are off or waking,
        ``cooling_w`` cooling, ``site_w`` the meter.
    levels : tuple of str
        Levels of the tree from below.
    units : dict of str to int
        How many units each has.
    domains : dict of (n_reading,) arrays
        ``time_s, level, unit, power_w``: what a domain draws from then on.
    caps : dict of (n_cap,) arrays
        ``time_s, level, unit, cap_w``: what it may draw from then on.
    draws : dict of (n_draw,) arrays
        ``time_s, row, gpus, power_w, swing_w, rate, clock``: what one GPU of a job draws from then
        on, by how much it swings within a step, its speed and its mean clock; 0 where it does not
        compute.
    network_w : float
        Switches and optics. [W]
    nameplate_w : dict of level to (n_unit,) array
        The most that the nodes below each domain can draw. [W]
    job_energy_j, throttled_gpu_s : (n_job,) arrays
        Energy of the GPUs of each job; GPU-time lost to caps where no failures are modelled.
    joules : dict of (n_job,) arrays
        Energy of the GPUs that each job held, by share of the GPU-time ledger.
    dark_s : (n_node,) array
        For how long each node was dark. [s]
    decisions : int
        Decisions of the power policy.
    swing_left : (n_job, 2) array
        What smoothing leaves of the swing of each job, below batteries and above them.
    battery_level : str or None
        Where these stand.
    """

    meter: dict[str, Array]
    levels: tuple[str, ...]
    units: dict[str, int]
    domains: dict[str, Array]
    caps: dict[str, Array]
    draws: dict[str, Array]
    network_w: float
    nameplate_w: dict[str, Array]
    joules: dict[str, Array]
    throttled_gpu_s: Array
    dark_s: Array
    decisions: int
    swing_left: Array
    battery_level: str | None


def power_record(
    tree: PowerTree,
    draws: Draws,
    caps: array[float],
    joules: dict[str, Array],
    throttled_gpu_s: Array,
    dark_s: Array,
    decisions: int,
    battery_level: str | None,
) -> PowerRecord:
    """Everything seen, as arrays; ``caps`` has ``time_s, level, unit, cap_w`` row by row."""
    readings = tree.readings
    return PowerRecord(
        meter=_columns(readings.totals, TOTALS),
        levels=tuple(level.level for level in tree.levels),
        units={level.level: level.n for level in tree.levels},
        domains=_columns(readings.domains, ("time_s", "level", "unit", "power_w")),
        caps=_columns(caps, ("time_s", "level", "unit", "cap_w")),
        draws=_columns(draws.log, DRAW_COLUMNS),
        network_w=tree.network_w,
        nameplate_w=tree.nameplate_w,
        joules=joules,
        throttled_gpu_s=throttled_gpu_s,
        dark_s=dark_s,
        decisions=decisions,
        swing_left=draws.swing_left(),
        battery_level=battery_level,
    )


def _columns(log: array[float], names: tuple[str, ...]) -> dict[str, Array]:
    rows = np.frombuffer(log, float).reshape(-1, len(names))
    return {name: rows[:, i] for i, name in enumerate(names)}
