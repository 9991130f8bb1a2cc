"""The one way out of the kernel: columns appended to, tables at the end."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.kernel.job import Job

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
        GPUs held (asked for or not) and nodes of the last start.
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
    """Takes down starts, ends and changes of state while the simulation runs."""

    def __init__(self, n_jobs: int) -> None:
        self._log = array("d")
        self._start_s = array("d", [np.nan]) * n_jobs
        self._end_s = array("d", [np.nan]) * n_jobs
        self._held_gpus = array("q", [0]) * n_jobs
        self._nodes = array("i", [0]) * n_jobs
        self._state = array("b", [NOT_SUBMITTED]) * n_jobs
        self._alloc_job = array("i")
        self._alloc_node = array("i")
        self._alloc_mask = array("q")

    def change(
        self,
        now_s: float,
        busy_gpus: int,
        idle_gpus: int,
        stranded_gpus: int,
        queued_jobs: int,
        queued_gpus: int,
        running_jobs: int,
    ) -> None:
        """The state from now on."""
        self._log.extend(
            (now_s, busy_gpus, idle_gpus, stranded_gpus, queued_jobs, queued_gpus, running_jobs)
        )

    def submitted(self, row: int) -> None:
        """A job arrived and waits."""
        self._state[row] = QUEUED

    def rejected(self, row: int) -> None:
        """A job arrived that no pool could ever hold."""
        self._state[row] = REJECTED

    def started(self, job: Job) -> None:
        """A job began to run on the GPUs that it now holds."""
        row = job.row
        self._state[row] = RUNNING
        self._start_s[row] = job.start_s
        self._held_gpus[row] = job.gpus + job.surplus_gpus
        self._nodes[row] = len(job.held)
        for node, mask in job.held:
            self._alloc_job.append(row)
            self._alloc_node.append(node)
            self._alloc_mask.append(mask)

    def completed(self, job: Job, now_s: float) -> None:
        """A job did all its work."""
        self._state[job.row] = COMPLETED
        self._end_s[job.row] = now_s

    def record(self, horizon_s: float, events: int) -> Record:
        """Everything taken down, as arrays."""
        log = np.frombuffer(self._log, float).reshape(-1, len(LOG_COLUMNS))
        start_s = np.frombuffer(self._start_s, float)
        end_s = np.frombuffer(self._end_s, float)
        job = np.frombuffer(self._alloc_job, np.int32)
        until_s = np.where(np.isnan(end_s), horizon_s, end_s)
        return Record(
            horizon_s=horizon_s,
            log={name: log[:, i] for i, name in enumerate(LOG_COLUMNS)},
            start_s=start_s,
            end_s=end_s,
            held_gpus=np.frombuffer(self._held_gpus, np.int64),
            nodes=np.frombuffer(self._nodes, np.int32),
            state=np.frombuffer(self._state, np.int8),
            allocations={
                "job": job,
                "node": np.frombuffer(self._alloc_node, np.int32),
                "gpu_mask": np.frombuffer(self._alloc_mask, np.int64),
                "start_s": start_s[job],
                "end_s": until_s[job],
            },
            events=events,
        )
