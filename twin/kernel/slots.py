"""The running jobs as arrays, one slot each, kept up to date as jobs start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from twin.kernel.job import Job

_ROOM = 64


class Slots:
    """Rows, GPUs and expected ends of running jobs, without gaps and in no order.

    Attributes
    ----------
    jobs : list of Job
        By slot.
    row, gpus, end_s : arrays
        The first ``len(jobs)`` places are in use.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.row = np.zeros(_ROOM, np.int64)
        self.gpus = np.zeros(_ROOM, np.int64)
        self.end_s = np.zeros(_ROOM)
        self._slot_of: dict[int, int] = {}

    def add(self, job: Job) -> None:
        """A job starts."""
        at = len(self.jobs)
        if at == len(self.row):
            for name in ("row", "gpus", "end_s"):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        self.jobs.append(job)
        self.row[at], self.gpus[at], self.end_s[at] = job.row, job.gpus, job.expected_end_s
        self._slot_of[job.row] = at

    def remove(self, job: Job) -> None:
        """It ends: the last job moves into its slot."""
        at = self._slot_of.pop(job.row)
        last = self.jobs.pop()
        if last is not job:
            end = len(self.jobs)
            self.jobs[at] = last
            for array in (self.row, self.gpus, self.end_s):
                array[at] = array[end]
            self._slot_of[last.row] = at

    def expect_end(self, job: Job) -> None:
        """It is expected to end at another time."""
        at = self._slot_of.get(job.row)
        if at is not None:
            self.end_s[at] = job.expected_end_s
