"""Jobs where nothing fails: at nominal speed from start to end, one event each."""

from __future__ import annotations

from simpy import Event

from twin.kernel.clock import COMPLETIONS, Clock
from twin.kernel.cluster import Cluster
from twin.kernel.job import Job
from twin.kernel.recorder import Recorder


class Nominal:
    """Starts and finishes jobs, and keeps the hall's counters over them.

    Attributes
    ----------
    busy_gpus, surplus_gpus : int
        GPUs held that were asked for, and that were not.
    """

    def __init__(self, clock: Clock, cluster: Cluster, recorder: Recorder) -> None:
        self._clock = clock
        self._cluster = cluster
        self._recorder = recorder
        self.busy_gpus = self.surplus_gpus = 0

    def start(self, job: Job, now_s: float) -> None:
        """A job was given its GPUs."""
        self.busy_gpus += job.gpus
        self.surplus_gpus += job.surplus_gpus
        self._recorder.start_s[job.row] = now_s
        self._recorder.holds(job.row, job.held)
        self._clock.call_at(now_s + job.run_s, COMPLETIONS, self._finish, job)

    def _finish(self, event: Event) -> None:
        job: Job = event._value
        now_s = self._clock._now
        self._cluster.end(job, now_s)
        self.busy_gpus -= job.gpus
        self.surplus_gpus -= job.surplus_gpus
        self._recorder.end_s[job.row] = now_s
