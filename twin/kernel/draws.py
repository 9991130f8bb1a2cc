"""What running jobs draw: one operating point a job, because a gang is as fast as its slowest."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from twin.facility.model import PowerModel, Work
from twin.kernel.clock import Moment
from twin.kernel.job import Job
from twin.kernel.power_tree import PowerTree

IDLE, STARTING, RESTARTING, SAVING, WORKING = range(5)


DRAW_COLUMNS = ("time_s", "row", "gpus", "power_w", "rate", "swing_w", "clock")


class Curves:
    """A curve of power and speed as lists, for one question at a time."""

    def __init__(self, work: Work, idle_w: float, tdp_w: float) -> None:
        curve = work.curve
        self.work = work
        self.idle_w, self.tdp_w = idle_w, tdp_w
        self.power_w: list[float] = curve.power_w.tolist()
        self.rates: list[float] = curve.rate.tolist()
        swings = (curve.peak_w - curve.trough_w) * work.synchronous
        self.swings_w: list[float] = swings.tolist()
        self.clocks: list[float] = curve.clock.tolist()
        self.floor_w, self.top_w = self.power_w[0], self.power_w[-1]
        self.full = self.rates[-1], self.swings_w[-1], self.clocks[-1]
        self.phase_w = (
            *(work.waiting_w, work.startup_w, work.restart_w, work.checkpoint_w, self.top_w),
        )

    def at(self, power_w: float) -> tuple[float, float, float]:
        """Speed, swing and clock of a GPU that may draw so much; a paused one has none."""
        if power_w >= self.top_w:
            return self.full
        if power_w < self.floor_w:
            return 0.0, 0.0, 0.0
        powers = self.power_w
        high = min(bisect_right(powers, power_w), len(powers) - 1)
        low = high - 1
        step_w = powers[high] - powers[low]
        part = (power_w - powers[low]) / step_w if step_w > 0 else 1.0
        rate, swing_w, clock = (
            of[low] + part * (of[high] - of[low]) for of in (self.rates, self.swings_w, self.clocks)
        )
        return rate, swing_w, clock


class Draw:
    """The power of one running job.

    Attributes
    ----------
    job : Job
    curves : Curves
    places : list of (node, GPUs)
        Those that it computes with; parts as such where it shares their time with others.
    gpus : float
        Their number.
    phase : int
        `IDLE`, `STARTING`, `RESTARTING`, `SAVING` or `WORKING`.
    limit_w : float
        What each GPU may draw while it works, by the policy's word. [W]
    power_w : float
        What each of its GPUs draws. [W]
    rate : float
        Speed under that limit.
    """

    __slots__ = (
        "_array",
        "curves",
        "event",
        "gpus",
        "job",
        "left_s",
        "limit_w",
        "phase",
        "places",
        "power_w",
        "rate",
        "since_s",
    )

    def __init__(self, job: Job, curves: Curves) -> None:
        self.job = job
        self.curves = curves
        self.places: list[tuple[int, float]] = []
        self._array: NDArray[np.float64] | None = None
        self.gpus: float = 0
        self.phase = IDLE
        self.limit_w = curves.top_w
        self.power_w = curves.idle_w
        self.rate = 1.0
        # Of jobs that cannot fail: work left at full speed, up to when, and the pending event.
        self.left_s = self.since_s = 0.0
        self.event: Moment | None = None

    @property
    def place_array(self) -> NDArray[np.float64]:
        """(2, n) nodes, and the GPUs on each."""
        if self._array is None or self._array.shape[1] != len(self.places):
            self._array = np.array(self.places, float).reshape(-1, 2).T
        return self._array

    def forget_places(self) -> None:
        """The places are others now."""
        self._array = None


class Draws:
    """All running jobs as draws, and what they add to the tree.

    Attributes
    ----------
    busy_w : float
        What the GPUs draw that jobs asked for and hold. [W]
    throttled, throttled_gpus : dict of int to int, int
        Jobs, by row, that may draw less than they could, with their GPUs; and all those.
    paused : set of int
        Those of them, by row, that stand still.
    quiet : dict of int to Draw
        Jobs, by row, that do something else than work, and may draw more once they do.
    changes : int
        How often a job has begun, ended, or has changed its nodes, its phase or its power.
    is_held_back : bool
        Whether the tree is not told of changes of phase: whoever says so tells it of all at once.
    log : array of float
        `DRAW_COLUMNS`, of one GPU, from each change on.
    """

    def __init__(self, model: PowerModel, tree: PowerTree, profiles: Sequence[str]) -> None:
        self._tree = tree
        self._profiles = profiles
        self._curves = {
            (pool, profile): Curves(work, model.nodes[pool].gpu_idle_w, model.nodes[pool].tdp_w)
            for (pool, profile), work in model.work.items()
        }
        self.by_row: dict[int, Draw] = {}
        self.throttled: dict[int, float] = {}
        self.paused: set[int] = set()
        self.quiet: dict[int, Draw] = {}
        self.throttled_gpus: float = 0
        self.busy_w = 0.0
        self.changes = 0
        self.is_held_back = False
        self.log = array("d")

    def begin(self, job: Job) -> Draw:
        """A job runs from now on; it draws as at rest until it is told to work."""
        pool = self._tree.pool_of[next(iter(job.held))]
        draw = Draw(job, self._curves[pool, self._profiles[job.row]])
        self.by_row[job.row] = draw
        return draw

    def work(self, job: Job, places: list[tuple[int, float]], now_s: float) -> Draw:
        """A job works at full speed from now on: `begin`, `place` and `set_phase` in one."""
        row, gpus, tree = job.row, job.gpus, self._tree
        curves = self._curves[tree.pool_of[places[0][0]], self._profiles[row]]
        draw = Draw(job, curves)
        self.by_row[row] = draw
        power_w = draw.power_w = curves.top_w
        draw.places, draw.gpus, draw.phase, draw.since_s = places, gpus, WORKING, now_s
        draw.rate = curves.full[0]
        self.changes += 1
        self.busy_w += power_w * gpus
        step_w = power_w - curves.idle_w
        for node, here in places:
            tree.add(node, step_w * here)
        self.log.extend((now_s, row, gpus, power_w, *curves.full))
        return draw

    def place(self, draw: Draw, places: Iterable[tuple[int, float]]) -> None:
        """It computes with these GPUs from now on."""
        self.changes += 1
        self._contribute(draw, -1)
        draw.places = list(places)
        draw.forget_places()
        draw.gpus = sum(gpus for _, gpus in draw.places)
        self._contribute(draw, 1)

    def set_phase(self, draw: Draw, phase: int, now_s: float, mean_w: float = 0.0) -> None:
        """It does something else from now on; ``mean_w`` if that draws otherwise than usual."""
        before = draw.phase
        draw.phase = phase
        power_w = mean_w
        rate = swing_w = clock = 0.0
        if phase == WORKING:
            self.quiet.pop(draw.job.row, None)
            rate, swing_w, clock = draw.curves.at(draw.limit_w)
            draw.rate = rate
            if not mean_w:
                power_w = draw.limit_w if draw.rate else draw.curves.idle_w
        else:
            self.quiet[draw.job.row] = draw
            power_w = mean_w or draw.curves.phase_w[phase]
        self.changes += phase != before or power_w != draw.power_w
        if power_w != draw.power_w:
            step_w = power_w - draw.power_w
            draw.power_w = power_w
            self.busy_w += step_w * draw.gpus
            if not self.is_held_back:
                add = self._tree.add
                for node, gpus in draw.places:
                    add(node, step_w * gpus)
        self.log.extend((now_s, draw.job.row, draw.gpus, power_w, rate, swing_w, clock))

    def limit(self, draw: Draw, limit_w: float) -> None:
        """It may draw so much from now on."""
        draw.limit_w = limit_w
        self._let_go(draw)
        if limit_w < draw.curves.top_w:
            self.throttled[draw.job.row] = draw.gpus
            self.throttled_gpus += draw.gpus
            if limit_w < draw.curves.floor_w:
                self.paused.add(draw.job.row)

    def _let_go(self, draw: Draw) -> None:
        self.throttled_gpus -= self.throttled.pop(draw.job.row, 0)
        self.paused.discard(draw.job.row)

    def held_back(self) -> list[tuple[int, float]]:
        """What all jobs that draw less than they may come to draw would draw more: node, W."""
        return [
            (node, gpus * (draw.curves.top_w - draw.power_w))
            for draw in [self.by_row[row] for row in {**self.quiet, **self.throttled}]
            for node, gpus in draw.places
            if draw.power_w < draw.curves.top_w
        ]

    def most_w(self, pool: int) -> float:
        """What a GPU of a pool draws at most, whatever job it has. [W]"""
        tops_w: list[float] = [max(c.phase_w) for (p, _), c in self._curves.items() if p == pool]
        return max(tops_w)

    def swing_left(self) -> NDArray[np.float64]:
        """(n_job, 2) what smoothing leaves of the swing of each job's work."""
        left = {
            profile: (curves.work.swing_below, curves.work.swing_above)
            for (_, profile), curves in self._curves.items()
        }
        return np.array([left[profile] for profile in self._profiles])

    def end(self, draw: Draw, now_s: float) -> None:
        """It runs no longer."""
        self.changes += 1
        row, power_w, idle_w = draw.job.row, draw.power_w, draw.curves.idle_w
        self.busy_w -= power_w * draw.gpus
        if power_w != idle_w:
            add = self._tree.add
            for node, gpus in draw.places:
                add(node, (idle_w - power_w) * gpus)
        self.log.extend((now_s, row, 0, 0.0, 0.0, 0.0, 0.0))
        draw.places = []
        draw.gpus = 0
        del self.by_row[row]
        if self.quiet:
            self.quiet.pop(row, None)
        if self.throttled:
            self._let_go(draw)
        if not self.by_row:
            self.busy_w = 0.0

    def _contribute(self, draw: Draw, sign: int) -> None:
        above_w = (draw.power_w - draw.curves.idle_w) * sign
        self.busy_w += sign * draw.power_w * draw.gpus
        if above_w:
            add = self._tree.add
            for node, gpus in draw.places:
                add(node, above_w * gpus)


def asked_places(job: Job) -> list[tuple[int, float]]:
    """Nodes of a job with the GPUs on each that it asked for; the rest of the last is surplus."""
    places: list[tuple[int, float]] = []
    left = job.gpus
    for node, mask in job.held.items():
        gpus = min(mask.bit_count(), left)
        if gpus:
            places.append((node, gpus))
        left -= gpus
    return places
