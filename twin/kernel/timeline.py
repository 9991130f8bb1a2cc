"""Time series for tables and plots: exact time-weighted means per bin, made from the changes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.units import format_duration

Array = NDArray[np.float64]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_WIDTHS_S = (
    *(1.0, 2.0, 5.0, 10.0, 30.0),
    *(_MINUTE * m for m in (1, 2, 5, 10, 20, 30)),
    *(_HOUR * h for h in (1, 2, 3, 6, 12)),
    *(_DAY * d for d in (1, 2, 7, 14, 28)),
)
_USUAL_BINS = 800
MOST_BINS = 1_000_000


def bin_width_s(horizon_s: float) -> float:
    """The narrowest width that a reader can name which gives at most 800 bins. [s]"""
    for width_s in _WIDTHS_S:
        if horizon_s <= width_s * _USUAL_BINS:
            return width_s
    return float(np.ceil(horizon_s / _USUAL_BINS / _DAY)) * _DAY


def bin_starts(horizon_s: float, width_s: float) -> Array:
    """Starts of the bins that cover [0, horizon). [s] One bin at 0 if nothing lasted at all.

    Raises
    ------
    InputError
        If there were more than `MOST_BINS`.
    """
    if horizon_s > width_s * MOST_BINS:
        raise InputError(
            f"output.timeline_bin: {format_duration(width_s)} cuts {format_duration(horizon_s)} "
            f"into more than {MOST_BINS:,} bins; give a wider one"
        )
    starts_s = np.arange(max(math.ceil(horizon_s / width_s), 1), dtype=float) * width_s
    # The quotient may be rounded up to one bin too many, which would begin at the horizon.
    return starts_s[:-1] if len(starts_s) > 1 and starts_s[-1] >= horizon_s else starts_s


def bin_means(
    time_s: Array, values: Mapping[str, Array], horizon_s: float, starts_s: Array
) -> dict[str, Array]:
    """Time-weighted means of piecewise constant quantities.

    Parameters
    ----------
    time_s : (n_change,) array
        Ascending times of change, the first at 0; where several are the same, the last counts. [s]
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
    Changes and edges of bins together cut time into pieces in which all is constant, and each bin
    is a sum over its own pieces: nothing is sampled, and a bin of zeros is zero to the last bit.
    """
    if horizon_s <= 0:
        return {name: value[-1:].astype(float) for name, value in values.items()}
    cuts_s = np.union1d(time_s, starts_s)
    cuts_s = cuts_s[cuts_s < horizon_s]
    lasted_s = np.diff(cuts_s, append=horizon_s)
    change = np.searchsorted(time_s, cuts_s, side="right") - 1
    first = np.searchsorted(cuts_s, starts_s)
    width_s = np.diff(starts_s, append=horizon_s)
    return {
        name: np.add.reduceat(value[change] * lasted_s, first) / width_s
        for name, value in values.items()
    }
