"""Max-min fair shares of a capacity among bounded demands, many instants at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CELLS_AT_ONCE = 100_000  # stays in the cache


def max_min(demand: Array, weight: Array, capacity: float) -> Array:
    """What each is entitled to: the same for all by weight, nobody more than it demands.

    Parameters
    ----------
    demand : (n_tenant, n_piece) array
    weight : (n_tenant, n_piece) or (n_tenant, 1) array
        A tenant of weight 2 counts as two; that of one without demand has no effect.
    capacity : float
        What there is to share, in the unit of ``demand``.

    Returns
    -------
    (n_tenant, n_piece) array
        ``min(demand, level x weight)``, with the level at which all is given away; the demands
        themselves where they fit.

    Notes
    -----
    Water filling [bertsekas1992]: whoever demands less than the level is given all of it, the rest
    is shared, and the level rises; it comes to rest after as many rounds as there are tenants at
    most, mostly after a few.
    """
    given = demand.copy()
    over = np.flatnonzero(demand.sum(axis=0) > capacity * (1 + 1e-12))
    width = max(1, _CELLS_AT_ONCE // max(len(demand), 1))
    for at in range(0, len(over), width):
        here = over[at : at + width]
        weighs = weight if weight.shape[1] == 1 else weight[:, here]
        given[:, here] = _filled(demand[:, here], weighs, capacity)
    return given


def _filled(demand: Array, weight: Array, capacity: float) -> Array:
    weight = np.where(demand > 0, weight, 0.0)
    level = capacity / weight.sum(axis=0)
    for _ in range(len(demand)):
        below = demand <= level * weight
        left = capacity - np.where(below, demand, 0.0).sum(axis=0)
        higher = left / np.where(below, 0.0, weight).sum(axis=0)
        if not (higher > level).any():
            break
        level = np.maximum(level, higher)
    filled: Array = np.minimum(demand, level * weight)
    return filled
