"""What numbers and pictures of a workload share: GPUs over time, and classes of size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def printable(text: str) -> str:
    """Text from a file without the characters that would steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def peak_gpus(submit_s: Array, run_s: Array, gpus: Array) -> int:
    """The most GPUs busy at any time if no job ever waited; ends come before starts."""
    times = np.concatenate([submit_s + run_s, submit_s])
    change = np.concatenate([-gpus, gpus])
    order = np.argsort(times, kind="stable")
    return int(np.cumsum(change[order]).max(initial=0.0))


def busy_gpus(submit_s: Array, run_s: Array, gpus: Array, edges_s: Array) -> Array:
    """Mean GPUs busy in each bin if no job ever waited: (n_bin,), exact."""
    times = np.concatenate([submit_s, submit_s + run_s])
    change = np.concatenate([gpus, -gpus])
    order = np.argsort(times, kind="stable")
    times, busy = times[order], np.cumsum(change[order])
    worked = np.concatenate([[0.0], np.cumsum(busy[:-1] * np.diff(times))])
    return np.asarray(np.diff(np.interp(edges_s, times, worked)) / np.diff(edges_s), float)


def size_classes(gpus: Array) -> tuple[list[str], NDArray[np.int64]]:
    """Labels of the size classes (1, 2, 3-4, 5-8, ...) that occur, and each job's class."""
    power = np.ceil(np.log2(np.maximum(gpus, 1))).astype(np.int64)
    present, which = np.unique(power, return_inverse=True)
    labels = [f"{2**p // 2 + 1}-{2**p}" if p > 1 else str(2**p) for p in present.tolist()]
    return labels, which
