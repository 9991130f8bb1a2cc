"""The spells for which jobs held nodes, and what changed from one to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def migrations(job: Array, node: Array, start_s: Array, end_s: Array, n_jobs: int) -> Array:
    """Times that each job left nodes and went on on others.

    Parameters
    ----------
    job, node, start_s, end_s : (n_held,) arrays
        The columns of `twin.tables.ALLOCATIONS`: who held what, from when to when. [s]
    n_jobs : int

    Returns
    -------
    (n_jobs,) array

    Notes
    -----
    Whenever a job takes nodes, the set that it then holds is compared with the one that it held
    after the taking before. It is a migration if each has a node that the other has not, whatever
    the reason: a preemption, a fault, a move. To grow or to shrink on the same nodes is none, nor
    is to come back to the same nodes on fewer or more of them.
    """
    counts = np.zeros(n_jobs, np.int64)
    first_s = np.full(n_jobs, np.inf)
    np.minimum.at(first_s, job, start_s)
    again = np.zeros(n_jobs, bool)
    again[job[start_s > first_s[job]]] = True
    row = np.flatnonzero(again[job] & (end_s > start_s))
    if not len(row):
        return counts
    job, node, start_s, end_s = job[row], node[row], start_s[row], end_s[row]
    order = np.lexsort((start_s, job))
    job, node, start_s, end_s = job[order], node[order], start_s[order], end_s[order]
    # A taking: all rows of one job that begin at one time; numbered in order.
    new = np.concatenate([[True], (np.diff(job) != 0) | (np.diff(start_s) != 0)])
    taking = np.cumsum(new) - 1
    of_job, at_s = job[new], start_s[new]
    first = np.concatenate([[True], np.diff(of_job) != 0])  # of its job
    taken = np.bincount(taking)
    held = _held(job, end_s, of_job, at_s, taken)
    # A node taken was held before if its last row of this job outlasted the taking before.
    before_s = np.where(first, np.inf, np.concatenate([[0.0], at_s[:-1]]))
    by_node = np.lexsort((start_s, node, job))
    same = (np.diff(job[by_node]) == 0) & (np.diff(node[by_node]) == 0)
    kept = np.zeros(len(job), bool)
    kept[by_node[1:]] = same & (end_s[by_node[:-1]] > before_s[taking[by_node[1:]]])
    kept_taken = np.bincount(taking, kept, len(taken)).astype(np.int64)
    gained = taken - kept_taken
    lost = np.concatenate([[0], held[:-1]]) - (held - gained)
    moved = ~first & (gained > 0) & (lost > 0)
    np.add.at(counts, of_job[moved], 1)
    return counts


def waiting(
    submit_s: Array, leave_s: Array, job: Array, start_s: Array, end_s: Array
) -> tuple[Array, Array, Array]:
    """The spells for which jobs held nothing, between their submit and their leaving.

    Parameters
    ----------
    submit_s, leave_s : (n_job,) arrays
        From when to when each was there; one that leaves as it comes never waits. [s]
    job, start_s, end_s : (n_held,) arrays
        Columns of `twin.tables.ALLOCATIONS`. [s]

    Returns
    -------
    job, from_s, to_s : (n_spell,) arrays
        In no particular order, none empty. [s]
    """
    held = end_s > start_s
    job, start_s, end_s = job[held], start_s[held], end_s[held]
    n = len(submit_s)
    first_s, last_s = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first_s, job, start_s)
    np.maximum.at(last_s, job, end_s)
    every = np.arange(n)
    # Most jobs hold all their nodes from first to last; only the others have gaps to look for.
    odd = np.zeros(n, bool)
    odd[job[(start_s > first_s[job]) | (end_s < last_s[job])]] = True
    row = odd[job]
    gap_job, gap_from_s, gap_to_s = _gaps(job[row], start_s[row], end_s[row])
    whose = np.concatenate([every, every, gap_job])
    from_s = np.concatenate([submit_s, np.where(last_s > -np.inf, last_s, np.inf), gap_from_s])
    to_s = np.concatenate([np.minimum(first_s, leave_s), leave_s, gap_to_s])
    real = to_s > from_s
    return whose[real], from_s[real], to_s[real]


def _gaps(job: Array, start_s: Array, end_s: Array) -> tuple[Array, Array, Array]:
    """Between the first and the last that each job held, the spells without any."""
    rows, times_s = np.concatenate([job, job]), np.concatenate([start_s, end_s])
    change = np.repeat([1, -1], len(job))
    order = np.lexsort((-change, times_s, rows))
    rows, times_s, held = rows[order], times_s[order], np.cumsum(change[order])
    at = np.flatnonzero((held[:-1] == 0) & (rows[1:] == rows[:-1]))
    return rows[at], times_s[at], times_s[at + 1]


def _held(job: Array, end_s: Array, of_job: Array, at_s: Array, taken: Array) -> Array:
    """Nodes that the job holds just after each taking: those taken so far less those left."""
    rows = np.concatenate([of_job, job])
    times_s = np.concatenate([at_s, end_s])
    change = np.concatenate([taken, np.full(len(job), -1)])
    # At one time what is left goes first: a node given back and taken again is held once.
    order = np.lexsort((change > 0, times_s, rows))
    held = np.cumsum(change[order])  # each job ends with nothing, so the sum runs on over jobs
    after = np.empty(len(rows), np.int64)
    after[order] = held
    return after[: len(of_job)]
