"""GPU-time of jobs under failures: exact, settled when something changes."""

from __future__ import annotations

from math import inf

from twin.kernel.incidents import Incidents
from twin.kernel.life import (
    CHECKPOINT,
    EXPOSED_COMM,
    IDLED,
    INTERFERENCE,
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
    THROTTLED,
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
    lent_gpus : dict of int to float
        By pool, GPUs that their jobs leave to others and nobody has.
    touched : dict of int to Life
        Jobs, by row, whose power may have changed; emptied by whoever keeps account of power.
    """

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self.busy_gpus = self.surplus_gpus = self.standby_gpus = 0
        self.working_gpus = 0.0
        self.lent_gpus: dict[int, float] = {}
        self.touched: dict[int, Life] = {}

    def settle(self, life: Life, now_s: float) -> None:
        """Account for the GPU-time and the energy of a job up to now."""
        self.touched[life.job.row] = life
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
        busy, phase = life.busy_gpus, life.phase
        if life.lent_gpus:
            life.lent_gpu_s += dt_s * life.lent_gpus
        if life.surplus_gpus:
            life.book(STRANDED, dt_s * life.surplus_gpus, life.idle_w)
        if life.standby_gpus:
            life.book(SPARE, dt_s * life.standby_gpus, life.idle_w)
        if phase == RUNNING:
            life.ran_s += dt_s
            self._compute(life, dt_s, computed_s)
        elif phase == STARTING:
            life.book(STARTUP, dt_s * busy, life.power_w)
        elif phase == SAVING:
            life.book(CHECKPOINT, dt_s * busy, life.power_w)
        elif phase == IDLED:
            life.book(RESTART, dt_s * busy, life.power_w)
            self._incidents.idled_gpu_s[life.incident] += dt_s * busy
        elif phase == RESTARTING:
            life.book(RESTART, dt_s * busy, life.power_w)
            if life.incident >= 0:  # a job that a scheduler preempted has none
                self._incidents.restart_gpu_s[life.incident] += dt_s * busy

    def _compute(self, life: Life, dt_s: float, computed_s: float) -> None:
        busy = life.busy_gpus
        # Power is that of the mean over a cycle of work and saving; here each gets its part.
        stall_s = dt_s - computed_s
        save_w, work_w = life.power_w, life.power_w
        if life.save_w and stall_s:
            mean_w = (stall_s * life.save_w + computed_s * life.work_w) / dt_s
            save_w = life.save_w * life.power_w / mean_w
            work_w = life.work_w * life.power_w / mean_w
        life.book(CHECKPOINT, stall_s * busy, save_w)
        active_gpu_s = computed_s * life.scale * life.job.gpus * life.part
        if life.scale != 1.0:  # healthy GPUs of broken replicas, and those that join again
            idled_gpu_s = computed_s * busy - active_gpu_s
            life.book(RESTART, idled_gpu_s, work_w)
            self._incidents.idled_gpu_s[life.incident] += idled_gpu_s
        if life.speed == life.comm == life.throttle == life.calm == 1.0:
            life.book(USEFUL, active_gpu_s, work_w)
            return
        straggling_gpu_s = active_gpu_s * (1 - life.speed)
        exposed_gpu_s = active_gpu_s * life.speed * (1 - life.comm)
        joined = life.speed * life.comm
        throttled_gpu_s = active_gpu_s * joined * (1 - life.throttle)
        disturbed_gpu_s = active_gpu_s * joined * life.throttle * (1 - life.calm)
        life.book(STRAGGLING, straggling_gpu_s, work_w)
        life.book(EXPOSED_COMM, exposed_gpu_s, work_w)
        life.book(THROTTLED, throttled_gpu_s, work_w)
        life.book(INTERFERENCE, disturbed_gpu_s, work_w)
        useful_gpu_s = active_gpu_s - straggling_gpu_s - exposed_gpu_s - throttled_gpu_s
        useful_gpu_s -= disturbed_gpu_s
        life.book(USEFUL, useful_gpu_s, work_w)
        if straggling_gpu_s:
            self._incidents.slowed_gpu_s[life.slow_incident] += straggling_gpu_s
        if exposed_gpu_s:
            self._incidents.slowed_gpu_s[life.link_incident] += exposed_gpu_s

    def count(self, life: Life, held_gpus: int) -> None:
        """A job holds so many GPUs from now on."""
        self.touched[life.job.row] = life
        lent_gpus = life.lent_gpus
        self.busy_gpus -= life.busy_gpus
        self.surplus_gpus -= life.surplus_gpus
        self.standby_gpus -= life.standby_gpus
        life.count(held_gpus)
        self.busy_gpus += life.busy_gpus
        self.surplus_gpus += life.surplus_gpus
        self.standby_gpus += life.standby_gpus
        if lent_gpus != life.lent_gpus:
            before = self.lent_gpus.get(life.pool, 0.0)
            self.lent_gpus[life.pool] = before + life.lent_gpus - lent_gpus

    def begin_work(self, life: Life) -> None:
        """A job computes from now on, at its scale and speed."""
        self.working_gpus += life.quality * life.job.gpus
        if life.spells is not None:
            if life.spells and life.spells[-1] == life.since_s:
                life.spells.pop()  # it goes on at another pace
            else:
                life.spells.append(life.since_s)

    def stop_work(self, life: Life) -> None:
        """It stands still, or is about to change its pace."""
        self.working_gpus -= life.quality * life.job.gpus
        if life.spells is not None:
            life.spells.append(life.since_s)

    def roll_back(self, life: Life, now_s: float) -> int:
        """Lose what was not saved; the level that the job begins again from, -1 for none.

        A service keeps no work.
        """
        if life.job.job_kind == "serving":
            return -1
        progress = life.progress
        safe_s, level = progress.safe_s(life.hit, now_s)
        useful_gpu_s = life.spent[USEFUL]
        lost_gpu_s = progress.roll_back(safe_s, life.hit) * life.job.gpus
        if life.may_change:  # of GPUs that are not always as many, or not always as fast
            lost_gpu_s = min(lost_gpu_s / life.rate, useful_gpu_s)
            if safe_s == 0.0:
                lost_gpu_s = useful_gpu_s
        if progress.work_s <= life.clean_s:
            life.clean_s = inf  # what was corrupt is lost
        # Work is lost in the order in which it was done last, at the mean power of all of it.
        lost_w = life.joules[USEFUL] / useful_gpu_s if useful_gpu_s > 0 else 0.0
        life.book(USEFUL, -lost_gpu_s, lost_w)
        life.book(LOST, lost_gpu_s, lost_w)
        if life.incident >= 0:
            self._incidents.lost_gpu_s[life.incident] += lost_gpu_s
        return level
