"""The one way out of the kernel: columns appended to, tables at the end."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.site.fleet import Held

Array = NDArray[np.float64]

COMPLETED, FAILED, REJECTED, RUNNING, QUEUED, NOT_SUBMITTED = range(6)

# One row of the change log: the state from `time_s` until the next row's time.
LOG_COLUMNS = (
    "time_s",
    "busy_gpus",
    "idle_gpus",
    "stranded_gpus",
    "queued_jobs",
    "queued_gpus",
    "running_jobs",
)


@dataclass(frozen=True)
class Record:
    """All that a simulation saw, as arrays.

    Attributes
    ----------
    horizon_s : float
        Simulated time, from 0.
    log : dict of (n_change,) arrays
        `LOG_COLUMNS`: the state from each change to the next, the last to the horizon.
    start_s, end_s : (n_job,) arrays
        First start and end; NaN where there was none.
    held_gpus, nodes : (n_job,) arrays
        GPUs held (asked for or not) and nodes of the last start; 0 where there was none.
    state : (n_job,) array
        One of the constants of this module.
    allocations : dict of (n_allocation,) arrays
        ``job, node, gpu_mask, start_s, end_s``.
    events : int
        SimPy events fired.
    """

    horizon_s: float
    log: dict[str, Array]
    start_s: Array
    end_s: Array
    held_gpus: NDArray[np.int64]
    nodes: NDArray[np.int32]
    state: NDArray[np.int8]
    allocations: dict[str, NDArray[np.generic]]
    events: int


class Recorder:
    """Takes down arrivals, starts, ends and changes of state while the simulation runs.

    Attributes
    ----------
    log : array of float
        The change log, row after row of `LOG_COLUMNS`.
    start_s, end_s : arrays of float
        By row of the job table; NaN until it happens.
    """

    def __init__(self, n_jobs: int) -> None:
        self.log = array("d")
        self.start_s = array("d", [np.nan]) * n_jobs
        self.end_s = array("d", [np.nan]) * n_jobs
        self._submitted = 0
        self._rejected: list[int] = []
        self._held = array("q")  # job, node, mask of each allocation in turn

    def submitted(self, row: int) -> None:
        """A job arrived; they do so in the order of their rows."""
        self._submitted = row + 1

    def rejected(self, row: int) -> None:
        """A job arrived that no pool could ever hold."""
        self._submitted = row + 1
        self._rejected.append(row)

    def holds(self, row: int, held: Held) -> None:
        """A job was given GPUs."""
        for node, mask in held:
            self._held.extend((row, node, mask))

    def record(self, horizon_s: float, events: int) -> Record:
        """Everything taken down, as arrays."""
        log = np.frombuffer(self.log, float).reshape(-1, len(LOG_COLUMNS))
        start_s = np.frombuffer(self.start_s, float)
        end_s = np.frombuffer(self.end_s, float)
        n_jobs = len(start_s)
        held = np.frombuffer(self._held, np.int64).reshape(-1, 3)
        job = held[:, 0].astype(np.int32)
        gpus = np.bitwise_count(held[:, 2].astype(np.uint64))
        state = np.full(n_jobs, QUEUED, np.int8)
        state[~np.isnan(start_s)] = RUNNING
        state[~np.isnan(end_s)] = COMPLETED
        state[self._rejected] = REJECTED
        state[self._submitted :] = NOT_SUBMITTED
        return Record(
            horizon_s=horizon_s,
            log={name: log[:, i] for i, name in enumerate(LOG_COLUMNS)},
            start_s=start_s,
            end_s=end_s,
            held_gpus=np.bincount(job, weights=gpus, minlength=n_jobs).astype(np.int64),
            nodes=np.bincount(job, minlength=n_jobs).astype(np.int32),
            state=state,
            allocations={
                "job": job,
                "node": held[:, 1].astype(np.int32),
                "gpu_mask": held[:, 2],
                "start_s": start_s[job],
                "end_s": np.where(np.isnan(end_s), horizon_s, end_s)[job],
            },
            events=events,
        )
