"""The power of jobs that may fail: each follows its phase, its gang and its caps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.kernel import life as phases
from twin.kernel.draws import IDLE, RESTARTING, SAVING, STARTING, WORKING, Draw, Draws
from twin.kernel.life import SHARES, Life
from twin.kernel.recorder import Recorder
from twin.kernel.training import Training

Array = NDArray[np.float64]

_PHASE = {
    phases.STARTING: STARTING,
    phases.RUNNING: WORKING,
    phases.SAVING: SAVING,
    phases.IDLED: IDLE,
    phases.RESTARTING: RESTARTING,
}


class LifePower:
    """Brings the draws of jobs up to date, once an instant, for those that something befell."""

    def __init__(self, training: Training, draws: Draws, recorder: Recorder) -> None:
        self._training = training
        self._draws = draws
        self._recorder = recorder

    def repace(self, draw: Draw, limit_w: float, now_s: float) -> None:
        """A running job may draw another power from now on."""
        life = self._training.lives[draw.job.row]
        self._draws.limit(draw, limit_w)
        self._training.throttle(life, draw.curves.at(limit_w)[0], now_s)
        self._update(life, now_s)

    def settle(self, now_s: float) -> None:
        """All jobs that something befell draw what they draw now."""
        touched = self._training.accounts.touched
        for life in touched.values():
            self._update(life, now_s)
        touched.clear()

    def close(self, end_s: float) -> tuple[dict[str, Array], Array]:
        """The lives of jobs are settled by those who keep them; what each cost stands there."""
        lives = self._recorder.lives()
        return {share: lives[f"{share}_j"] for share in SHARES}, lives["throttled"]

    def _update(self, life: Life, now_s: float) -> None:
        draws, draw, job = self._draws, life.draw, life.job
        if not job.held:
            if draw is not None:
                draws.end(draw, now_s)
                life.draw = None
            return
        if draw is None:
            draw = life.draw = draws.begin(job)
            life.idle_w = draw.curves.idle_w
            full = draw.curves.full[0]
            if full < 1.0:  # a limit that always holds
                self._training.throttle(life, full, now_s)
        # A job that has part of its GPUs' time is a part of each of them at full power.
        places: list[tuple[int, float]] = []
        part = life.part
        left = life.busy_gpus if part == 1.0 else round(life.busy_gpus / part) if part else 0
        for node, mask in job.held.items():
            if left and node not in life.standby:
                gpus = min(mask.bit_count(), left)
                places.append((node, gpus if part == 1.0 else gpus * part))
                left -= gpus
        if places != draw.places:
            draws.place(draw, places)
        phase, mean_w = _PHASE[life.phase], 0.0
        life.save_w = 0.0
        if phase == WORKING:
            idle_w = draw.curves.idle_w
            full_w = draw.limit_w if life.throttle else idle_w
            # GPUs of replicas that do not work are at rest.
            gangs = life.scale * job.gpus * part / draw.gpus if draw.gpus else 0.0
            life.work_w = mean_w = idle_w + gangs * (full_w - idle_w)
            stalled = life.progress.stalled_share()
            if stalled:
                # A limit holds for whatever it does.
                life.save_w = min(draw.curves.phase_w[SAVING], draw.limit_w)
                mean_w += stalled * (life.save_w - mean_w)
        draws.set_phase(draw, phase, now_s, mean_w)
        life.power_w = draw.power_w
