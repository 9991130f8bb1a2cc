"""Quantities that are constant between changes, many of them over the same pieces of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_CELLS = 6_000_000


def piece_starts(
    times_s: Sequence[Array], horizon_s: float, n_rows: int, edges_s: Array | None = None
) -> Array:
    """Where to cut time so that all is constant from one cut to the next.

    Parameters
    ----------
    times_s : sequence of arrays
        Times of changes, in any order. [s]
    horizon_s : float
        End of the last piece. [s]
    n_rows : int
        Quantities that will be laid over the pieces.
    edges_s : array, optional
        Further cuts, starts of bins for example, which are all kept. [s]

    Returns
    -------
    (n_piece,) array
        Starts in [0, horizon), ascending, the first at 0. [s]

    Notes
    -----
    Beyond `MOST_CELLS` rows times pieces, every k-th change is kept: the state at each cut then
    stands for what follows until the next, a sample and no longer exact.
    """
    starts_s = np.unique(np.concatenate([[0.0], *times_s]))
    starts_s = starts_s[(starts_s >= 0) & (starts_s < horizon_s)]
    starts_s = starts_s[:: max(1, -(-len(starts_s) * n_rows // MOST_CELLS))]
    return starts_s if edges_s is None else np.union1d(starts_s, edges_s)


def stacked(starts_s: Array, row: NDArray[Any], time_s: Array, change: Array, n_rows: int) -> Array:
    """Values of several quantities over the pieces of time, from their changes.

    Parameters
    ----------
    starts_s : (n_piece,) array
        From `piece_starts`. [s]
    row, time_s, change : (n_change,) arrays
        Which quantity changes, when [s], and by how much; all begin at 0.

    Returns
    -------
    (n_rows, n_piece) array
        In the unit of ``change``.
    """
    n = len(starts_s)
    piece = np.searchsorted(starts_s, time_s)  # the first piece that begins no earlier
    seen = piece < n
    cell = row[seen].astype(np.int64) * n + piece[seen]
    counted = np.bincount(cell, change[seen], n_rows * n)
    changes = np.asarray(counted, np.float64).reshape(n_rows, n)
    return np.cumsum(changes, axis=1, out=changes)
