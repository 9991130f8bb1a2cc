"""The job table and what became of each job so far, as columns by row."""

from __future__ import annotations

from array import array
from math import inf
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.workload.jobs import DEFAULTS

Array = NDArray[np.float64]


class Columns:
    """Columns of the job table, looked up when somebody asks, and those that a run writes.

    Attributes
    ----------
    left_s : array of float
        Expected duration of what a job has left to do when it starts next. [s]
    served_gpu_s : array of float
        GPU-time that it held before it was last put back. [GPU s]
    since_s : array of float
        When it last began to wait; once it runs, when it last started. [s]
    began_s : array of float
        When it last began to compute, where jobs can be preempted; ``inf`` until it does. [s]
    waiting : bytearray
        1 while it waits.
    """

    def __init__(self, jobs: pd.DataFrame, estimate_s: Array | None = None) -> None:
        self._jobs = jobs
        self._lists: dict[str, list[Any]] = {}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._codes: dict[str, tuple[NDArray[np.int32], list[str]]] = {}
        n_jobs = len(jobs)
        self.left_s = array("d", np.zeros(n_jobs) if estimate_s is None else estimate_s)
        self.served_gpu_s = array("d", bytes(8 * n_jobs))
        self.since_s = array("d", bytes(8 * n_jobs))
        self.began_s = array("d", [inf]) * n_jobs
        self.waiting = bytearray(n_jobs)

    def get(self, column: str, row: int) -> Any:
        """One cell."""
        values = self._lists.get(column)
        if values is None:
            values = self._lists[column] = self._column(column).tolist()
        return values[row]

    def array(self, column: str) -> NDArray[Any]:
        """(n_job,) a column of numbers."""
        values = self._arrays.get(column)
        if values is None:
            values = self._arrays[column] = np.asarray(self._column(column))
        return values

    def codes(self, column: str) -> tuple[NDArray[np.int32], list[str]]:
        """(n_job,) numbers of the distinct texts of a column, and these texts."""
        found = self._codes.get(column)
        if found is None:
            texts = self._column(column).astype("category")
            names = [str(name) for name in texts.cat.categories]
            codes = np.asarray(texts.cat.codes, np.int32)
            found = self._codes[column] = codes, names
        return found

    def _column(self, column: str) -> pd.Series[Any]:
        if column in self._jobs:
            return self._jobs[column]
        return pd.Series([DEFAULTS[column]] * len(self._jobs))


class Jobs:
    """Some jobs of a workload as columns: what schedulers that compare many of them look at.

    Attributes
    ----------
    rows : (n,) array
        Their rows in the workload.
    now_s : float
    left_s : (n,) array
        Expected duration of the work left, by estimate. [s]
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        columns: Columns,
        shape_of: NDArray[np.int32],
        now_s: float,
        left_s: Array | None = None,
        held_gpus: NDArray[np.int64] | None = None,
    ) -> None:
        self.rows = rows
        self.now_s = now_s
        self._run = left_s is not None
        self.left_s: Array = np.frombuffer(columns.left_s)[rows] if left_s is None else left_s
        self._held_gpus = held_gpus
        self._columns = columns
        self._shape_of = shape_of

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def running(self) -> NDArray[np.bool_]:
        """(n,) whether they run."""
        return np.full(len(self.rows), self._run)

    def column(self, name: str) -> NDArray[Any]:
        """(n,) any column of numbers of the job table."""
        found: NDArray[Any] = self._columns.array(name)[self.rows]
        return found

    def codes(self, name: str) -> tuple[NDArray[np.int32], list[str]]:
        """(n,) numbers of the distinct texts of a column of the job table, and these texts."""
        codes, names = self._columns.codes(name)
        return codes[self.rows], names

    @property
    def submit_s(self) -> Array:
        """(n,) when they were submitted. [s]"""
        return self.column("submit_s")

    @property
    def gpus(self) -> NDArray[np.int64]:
        """(n,) GPUs asked for."""
        return self.column("gpus")

    @property
    def held_gpus(self) -> NDArray[np.int64]:
        """(n,) GPUs held."""
        return np.zeros(len(self), np.int64) if self._held_gpus is None else self._held_gpus

    @property
    def shape_index(self) -> NDArray[np.int32]:
        """(n,) index of the shape that they ask for."""
        found: NDArray[np.int32] = self._shape_of[self.rows]
        return found

    @property
    def since_s(self) -> Array:
        """(n,) when they last began to wait or, if they run, to run. [s]"""
        found: Array = np.frombuffer(self._columns.since_s)[self.rows]
        return found

    @property
    def began_s(self) -> Array:
        """(n,) when running ones began to compute; ``inf`` while they start. [s]"""
        found: Array = np.frombuffer(self._columns.began_s)[self.rows]
        return found

    @property
    def spell_s(self) -> Array:
        """(n,) how long they have waited or run since then. [s]"""
        return self.now_s - self.since_s

    @property
    def attained_gpu_s(self) -> Array:
        """(n,) GPU-time held so far. [GPU s]"""
        held: Array = np.frombuffer(self._columns.served_gpu_s)[self.rows]
        return held + self.held_gpus * self.spell_s
