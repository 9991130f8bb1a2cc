"""Jobs where nothing fails and caps may slow them: one pending event each, work left at a rate."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.kernel.clock import COMPLETIONS, Clock
from twin.kernel.cluster import Cluster
from twin.kernel.draws import WORKING, Draw, Draws, asked_places
from twin.kernel.job import Job
from twin.kernel.recorder import Recorder

Array = NDArray[np.float64]


class Paced:
    """Starts, paces and finishes jobs, and keeps the hall's counters over them.

    Attributes
    ----------
    busy_gpus, surplus_gpus : int
        GPUs held that were asked for, and that were not.
    throttled_gpu_s : (n_job,) array
        GPU-time that caps cost each job. [GPU s]
    energy_j, throttled_j, surplus_j : (n_job,) arrays
        Energy of the GPUs that a job asked for and holds, the part of it in that time, and energy
        of the GPUs that it holds besides. [J]
    """

    def __init__(
        self, clock: Clock, cluster: Cluster, recorder: Recorder, draws: Draws, n_jobs: int
    ) -> None:
        self._clock = clock
        self._cluster = cluster
        self._recorder = recorder
        self._draws = draws
        self.busy_gpus = self.surplus_gpus = 0
        self.energy_j = array("d", [0.0]) * n_jobs
        self.surplus_j = array("d", [0.0]) * n_jobs
        self.throttled_j = array("d", [0.0]) * n_jobs
        self.throttled_gpu_s = array("d", [0.0]) * n_jobs

    def start(self, job: Job, now_s: float) -> None:
        """A job was given its GPUs."""
        self.busy_gpus += job.gpus
        self.surplus_gpus += job.surplus_gpus
        self._recorder.start_s[job.row] = now_s
        self._recorder.holds(job.row, job.held)
        places = asked_places(job) if job.surplus_gpus else _places(job)
        draw = self._draws.work(job, places, now_s)
        draw.left_s = job.run_s
        draw.event = self._clock.call_at(
            now_s + job.run_s / draw.rate, COMPLETIONS, self._due, draw
        )
        if draw.rate < 1.0:  # a limit that always holds
            self._cluster.expect_end(job, now_s + job.estimate_s / draw.rate)

    def repace(self, draw: Draw, limit_w: float, now_s: float) -> None:
        """A running job may draw another power from now on."""
        self._settle(draw, now_s)
        self._draws.limit(draw, limit_w)
        self._draws.set_phase(draw, WORKING, now_s)
        job = draw.job
        if not draw.rate:
            return
        end_s = now_s + draw.left_s / draw.rate
        # An event that comes too early asks again; one that came too late would be of no use.
        if draw.event is None or end_s < draw.event.time_s:
            draw.event = self._clock.call_at(end_s, COMPLETIONS, self._due, draw)
        estimate_s = draw.left_s / draw.rate
        if job.run_s > 0:
            estimate_s *= job.estimate_s / job.run_s
        self._cluster.expect_end(job, now_s + estimate_s)

    def _settle(self, draw: Draw, now_s: float) -> None:
        dt_s = now_s - draw.since_s
        if not dt_s:
            return
        row, rate = draw.job.row, draw.rate
        draw.since_s = now_s
        self.energy_j[row] += dt_s * draw.gpus * draw.power_w
        if rate != 1.0:
            lost_gpu_s = dt_s * draw.gpus * (1.0 - rate)
            self.throttled_gpu_s[row] += lost_gpu_s
            self.throttled_j[row] += lost_gpu_s * draw.power_w
        draw.left_s -= dt_s * rate
        if draw.left_s < 0.0:
            draw.left_s = 0.0

    def _due(self, event: Event) -> None:
        draw: Draw = event._value
        if draw.event is not event:
            return
        now_s = self._clock._now
        left_s = draw.left_s - (now_s - draw.since_s) * draw.rate
        if left_s > 1e-9 * draw.job.run_s:
            draw.event = None
            if draw.rate:
                end_s = draw.since_s + draw.left_s / draw.rate
                if end_s > now_s:
                    draw.event = self._clock.call_at(end_s, COMPLETIONS, self._due, draw)
                    return
            else:
                return
        self._finish(draw, now_s)

    def _finish(self, draw: Draw, now_s: float) -> None:
        job = draw.job
        draw.event = None  # else both would wait for the collector of cycles
        self._settle(draw, now_s)
        if job.surplus_gpus:
            held_s = now_s - job.start_s
            self.surplus_j[job.row] = held_s * job.surplus_gpus * draw.curves.idle_w
        self._draws.end(draw, now_s)
        self._cluster.end(job, now_s)
        self.busy_gpus -= job.gpus
        self.surplus_gpus -= job.surplus_gpus
        self._recorder.end_s[job.row] = now_s

    def settle(self, now_s: float) -> None:
        """Draws follow at once: there is nothing to bring up to date."""

    def close(self, end_s: float) -> tuple[dict[str, Array], Array]:
        """Account for all that still runs, up to the horizon.

        Returns
        -------
        dict of (n_job,) arrays
            Energy of the GPUs that each job held, by share of the GPU-time ledger. [J]
        (n_job,) array
            GPU-time that caps cost each job. [GPU s]
        """
        for draw in self._draws.by_row.values():
            self._settle(draw, end_s)
            job = draw.job
            if job.surplus_gpus:
                held_s = end_s - job.start_s
                self.surplus_j[job.row] = held_s * job.surplus_gpus * draw.curves.idle_w
        energy_j, throttled_j = np.frombuffer(self.energy_j), np.frombuffer(self.throttled_j)
        joules = {
            "useful": energy_j - throttled_j,
            "throttled": throttled_j,
            "stranded": np.frombuffer(self.surplus_j),
        }
        return joules, np.frombuffer(self.throttled_gpu_s)


def _places(job: Job) -> list[tuple[int, float]]:
    return [(node, mask.bit_count()) for node, mask in job.held.items()]
