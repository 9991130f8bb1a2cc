"""Time series for tables and plots: exact time-weighted means per bin, made from the changes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_WIDTHS_S = (
    *(1.0, 2.0, 5.0, 10.0, 30.0),
    *(_MINUTE * m for m in (1, 2, 5, 10, 20, 30)),
    *(_HOUR * h for h in (1, 2, 3, 6, 12)),
    *(_DAY * d for d in (1, 2, 7, 14, 28)),
)
_MOST_BINS = 800


def bin_width_s(horizon_s: float) -> float:
    """The narrowest width that a reader can name which gives at most 800 bins. [s]"""
    for width_s in _WIDTHS_S:
        if horizon_s <= width_s * _MOST_BINS:
            return width_s
    return float(np.ceil(horizon_s / _MOST_BINS / _DAY)) * _DAY


def bin_starts(horizon_s: float, width_s: float) -> Array:
    """Starts of the bins that cover [0, horizon). [s] One bin at 0 if nothing lasted at all."""
    return np.arange(max(math.ceil(horizon_s / width_s), 1), dtype=float) * width_s


def bin_means(
    time_s: Array, values: Mapping[str, Array], horizon_s: float, starts_s: Array
) -> dict[str, Array]:
    """Time-weighted means of piecewise constant quantities.

    Parameters
    ----------
    time_s : (n_change,) array
        Ascending times of change, the first at 0. [s]
    values : mapping of (n_change,) arrays
        The value of each quantity from each change to the next, the last to the horizon.
    horizon_s : float
        End of the last bin. [s]
    starts_s : (n_bin,) array
        Starts of the bins. [s]

    Returns
    -------
    dict of (n_bin,) arrays
        The means, in the unit of each quantity.

    Notes
    -----
    The integral from 0 is linear between changes, so interpolating it at the edges of the bins is
    exact; nothing is sampled.
    """
    edges_s = np.append(starts_s, horizon_s)
    width_s = np.diff(edges_s)
    ends_s = np.append(time_s, horizon_s)
    lasted_s = np.diff(ends_s)
    means = {}
    for name, value in values.items():
        if horizon_s <= 0:
            means[name] = value[-1:].astype(float)
            continue
        integral = np.concatenate([[0.0], np.cumsum(lasted_s * value)])
        means[name] = np.diff(np.interp(edges_s, ends_s, integral)) / width_s
    return means
