"""GPU-time of jobs under failures: exact, settled when something changes."""

from __future__ import annotations

from math import inf

from twin.kernel.incidents import Incidents
from twin.kernel.life import (
    CHECKPOINT,
    EXPOSED_COMM,
    IDLED,
    LOST,
    RESTART,
    RESTARTING,
    RUNNING,
    SAVING,
    SPARE,
    STARTING,
    STARTUP,
    STRAGGLING,
    STRANDED,
    USEFUL,
    Life,
)


class Accounts:
    """Where the GPU-time of each job went, what of it each incident cost, and the hall's counters.

    Attributes
    ----------
    busy_gpus, surplus_gpus, standby_gpus : int
        GPUs held that were asked for, that were not, and that stand by warm.
    working_gpus : float
        GPUs that compute, at their speed.
    """

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self.busy_gpus = self.surplus_gpus = self.standby_gpus = 0
        self.working_gpus = 0.0

    def settle(self, life: Life, now_s: float) -> None:
        """Account for the GPU-time of a job up to now."""
        if now_s > life.since_s:
            computed_s = life.progress.advance(now_s) if life.phase == RUNNING else 0.0
            self._spend(life, now_s, computed_s)

    def finish(self, life: Life, now_s: float) -> None:
        """The same at its end: all that was left to do is done, and the rest were stalls."""
        progress = life.progress
        computed_s = now_s - life.since_s
        if progress.levels:
            computed_s = min((progress.total_s - progress.work_s) / progress.rate, computed_s)
        progress.work_s = progress.total_s
        self._spend(life, now_s, computed_s)

    def _spend(self, life: Life, now_s: float, computed_s: float) -> None:
        dt_s = now_s - life.since_s
        life.since_s = now_s
        spent, busy, phase = life.spent, life.busy_gpus, life.phase
        if life.surplus_gpus:
            spent[STRANDED] += dt_s * life.surplus_gpus
        if life.standby_gpus:
            spent[SPARE] += dt_s * life.standby_gpus
        if phase == RUNNING:
            life.ran_s += dt_s
            self._compute(life, dt_s, computed_s)
        elif phase == STARTING:
            spent[STARTUP] += dt_s * busy
        elif phase == SAVING:
            spent[CHECKPOINT] += dt_s * busy
        elif phase == IDLED:
            spent[RESTART] += dt_s * busy
            self._incidents.idled_gpu_s[life.incident] += dt_s * busy
        elif phase == RESTARTING:
            spent[RESTART] += dt_s * busy
            self._incidents.restart_gpu_s[life.incident] += dt_s * busy

    def _compute(self, life: Life, dt_s: float, computed_s: float) -> None:
        spent, busy = life.spent, life.busy_gpus
        spent[CHECKPOINT] += (dt_s - computed_s) * busy
        active_gpu_s = computed_s * life.scale * life.job.gpus
        if life.scale != 1.0:  # healthy GPUs of broken replicas, and those that join again
            idled_gpu_s = computed_s * busy - active_gpu_s
            spent[RESTART] += idled_gpu_s
            self._incidents.idled_gpu_s[life.incident] += idled_gpu_s
        if life.speed == 1.0 and life.comm == 1.0:
            spent[USEFUL] += active_gpu_s
            return
        straggling_gpu_s = active_gpu_s * (1 - life.speed)
        exposed_gpu_s = active_gpu_s * life.speed * (1 - life.comm)
        spent[STRAGGLING] += straggling_gpu_s
        spent[EXPOSED_COMM] += exposed_gpu_s
        spent[USEFUL] += active_gpu_s - straggling_gpu_s - exposed_gpu_s
        if straggling_gpu_s:
            self._incidents.slowed_gpu_s[life.slow_incident] += straggling_gpu_s
        if exposed_gpu_s:
            self._incidents.slowed_gpu_s[life.link_incident] += exposed_gpu_s

    def count(self, life: Life, held_gpus: int) -> None:
        """A job holds so many GPUs from now on."""
        self.busy_gpus -= life.busy_gpus
        self.surplus_gpus -= life.surplus_gpus
        self.standby_gpus -= life.standby_gpus
        life.count(held_gpus)
        self.busy_gpus += life.busy_gpus
        self.surplus_gpus += life.surplus_gpus
        self.standby_gpus += life.standby_gpus

    def begin_work(self, life: Life) -> None:
        """A job computes from now on, at its scale and speed."""
        self.working_gpus += life.pace * life.job.gpus

    def stop_work(self, life: Life) -> None:
        """It stands still, or is about to change its pace."""
        self.working_gpus -= life.pace * life.job.gpus

    def roll_back(self, life: Life, now_s: float) -> int:
        """Lose what was not saved; the level that the job begins again from, -1 for none.

        A service keeps no work.
        """
        if life.job.job_kind == "serving":
            return -1
        progress = life.progress
        safe_s, level = progress.safe_s(life.hit, now_s)
        lost_gpu_s = progress.roll_back(safe_s, life.hit) * life.job.gpus
        if progress.work_s <= life.clean_s:
            life.clean_s = inf  # what was corrupt is lost
        life.spent[USEFUL] -= lost_gpu_s
        life.spent[LOST] += lost_gpu_s
        self._incidents.lost_gpu_s[life.incident] += lost_gpu_s
        return level
