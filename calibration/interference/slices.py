"""Seven networks alone in slices of an A100, and the law of slices fitted to them.

``slices.csv`` holds the median of the last 25 to 40 steps of each log of [miso2022] in whole
sevenths of the GPU; the logs themselves are not kept. A network has two numbers, its busy share
and its fill, which slices of its own tell apart and pairs hardly do.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.kept import told
from twin.physics.interference import slice_rate

FILE = Path(__file__).with_name("slices.csv")
SLICES = 7
Array = NDArray[np.float64]


def read() -> dict[str, dict[int, float]]:
    """Network -> slices -> speed relative to the whole GPU, of those measured in a part."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    whole = {row["model"]: float(row["step_s"]) for row in rows if row["slice"] == str(SLICES)}
    found: dict[str, dict[int, float]] = {name: {} for name in whole}
    for row in rows:
        if row["slice"] != str(SLICES):
            found[row["model"]][int(row["slice"])] = whole[row["model"]] / float(row["step_s"])
    return found


def fit(speeds: dict[int, float]) -> tuple[float, float]:
    """Busy share and fill of one network, by least squares of the logs of its speeds."""
    share, measured = np.array(list(speeds)) / SLICES, np.array(list(speeds.values()))

    def off(asked: Array) -> Array:
        return np.asarray(np.log(slice_rate(asked[0], share, asked[1])) - np.log(measured))

    # The law has a corner at the slice that a network just fills: begun on either side of it.
    starts = ([busy, fill] for busy in (0.2, 0.9) for fill in (0.3, 0.6, 0.95))
    bounds = ([0.0, 0.01], [1.0, 1.0])
    found = [least_squares(off, start, bounds=bounds) for start in starts]
    best = min(found, key=lambda one: float(one.cost))
    return float(best.x[0]), float(best.x[1])


def of_slices() -> dict[str, Any]:
    """What interference.yaml holds of slices."""
    speeds = read()
    measured = np.concatenate([list(one.values()) for one in speeds.values()])
    found = {name: fit(one) for name, one in speeds.items()}
    rate = {
        "in sample": [float(slice_rate(b, k / SLICES, f)) for (b, f), k in _each(found, speeds)],
        "**slice held out**": [
            float(slice_rate(busy, k / SLICES, fill))
            for one in speeds.values()
            for k in one
            for busy, fill in [fit({other: v for other, v in one.items() if other != k})]
        ],
        "speed in proportion to the slice": [k / SLICES for _, k in _each(found, speeds)],
        "mean of the other networks in that slice": [
            float(np.mean([two[k] for other, two in speeds.items() if other != name and k in two]))
            for name, one in speeds.items()
            for k in one
        ],
        "no slow-down": [1.0] * len(measured),
    }
    return {
        "jobs": {name: {"busy": busy, "fill": fill} for name, (busy, fill) in found.items()},
        "errors": {name: told(each, measured) for name, each in rate.items()},
    }


def _each(
    found: dict[str, tuple[float, float]], speeds: dict[str, dict[int, float]]
) -> list[tuple[tuple[float, float], int]]:
    return [(found[name], k) for name, one in speeds.items() for k in one]
