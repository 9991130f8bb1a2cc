"""Sets of GPUs as interval sets, and the spells for which jobs held them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Interval = tuple[int, int]  # first and last, both in it


@dataclass(frozen=True)
class Spell:
    """A time for which a job held the same GPUs, as intervals of their ids."""

    start_s: float
    end_s: float
    gpus: tuple[Interval, ...]


def intervals_text(intervals: Iterable[Interval]) -> str:
    """An interval set as text, ``0-3 8``: canonical if the intervals are `joined`."""
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in intervals)


def joined(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same set in ascending intervals that are disjoint and as long as can be."""
    found: list[Interval] = []
    for first, last in sorted(intervals):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


@lru_cache(4096)
def mask_intervals(mask: int) -> tuple[Interval, ...]:
    """The GPUs of a node whose bits are set, GPU 0 the lowest bit."""
    mask &= 2**64 - 1  # the 64th bit is the sign of an int64
    return joined((k, k) for k in range(mask.bit_length()) if mask >> k & 1)


def spells(held: pd.DataFrame, first_gpu: NDArray[np.int64]) -> Iterator[tuple[int, list[Spell]]]:
    """Row of each job that ever held a GPU, ascending, and its spells in order of time.

    Parameters
    ----------
    held : DataFrame
        `twin.tables.ALLOCATIONS`.
    first_gpu : (n_node + 1,) array
        Id of the first GPU of each node.

    Notes
    -----
    A job that stops for a while, loses a node, gets another, grows or shrinks has several spells.
    Rows of no length are left out. Their GPU-time adds up to that of ``held``.
    """
    columns: list[NDArray[Any]] = [
        held[name].to_numpy() for name in ("job", "start_s", "end_s", "node", "gpu_mask")
    ]
    job, start_s, end_s, node, mask = columns
    order = np.lexsort((node, start_s, job))
    order = order[end_s[order] > start_s[order]]
    job, start_s, end_s = job[order], start_s[order], end_s[order]
    first, mask = first_gpu[node[order]], mask[order]
    edges = np.flatnonzero(np.diff(job, prepend=-1, append=-1))
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        gpus = [
            [(at + low, at + high) for low, high in mask_intervals(bits)]
            for at, bits in zip(first[a:b].tolist(), mask[a:b].tolist(), strict=True)
        ]
        starts, ends = start_s[a:b], end_s[a:b]
        if (
            starts[0] == starts[-1] and (ends == ends[0]).all()
        ):  # nearly all jobs of nearly all runs
            whole = joined(interval for each in gpus for interval in each)
            yield int(job[a]), [Spell(float(starts[0]), float(ends[0]), whole)]
        else:
            yield int(job[a]), _swept(starts.tolist(), ends.tolist(), gpus)


def _swept(
    start_s: Sequence[float], end_s: Sequence[float], gpus: Sequence[Sequence[Interval]]
) -> list[Spell]:
    """Spells of one job, by walking the times at which what it held changed."""
    changes = sorted(
        [(at_s, row, False) for row, at_s in enumerate(end_s)]
        + [(at_s, row, True) for row, at_s in enumerate(start_s)]
    )
    found: list[Spell] = []
    holds: set[int] = set()
    since_s = 0.0
    for at_s, row, takes in changes:
        if at_s > since_s and holds:
            now = joined(interval for each in holds for interval in gpus[each])
            last = found[-1] if found else None
            if last and last.end_s == since_s and last.gpus == now:
                found[-1] = Spell(last.start_s, at_s, now)
            else:
                found.append(Spell(since_s, at_s, now))
        since_s = at_s
        (holds.add if takes else holds.discard)(row)
    return found
