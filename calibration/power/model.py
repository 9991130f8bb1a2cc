"""A GPU's curve from five numbers, and what it says of a job of which one row is known.

A job is busy for part of its time and waits for its input for the rest. While busy it is the
compute phase of the catalog's profile `training`; while it waits the GPU draws `light` of its TDP.
How much of the time it is busy follows from its mean power without a limit. So a new job needs
one measured row and nothing fitted.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from scipy.optimize import least_squares
from sweeps import Array, Sweep

from twin.catalog import power as catalog
from twin.physics.power import (
    GpuPower,
    Phase,
    Profile,
    clock_at_cap,
    operating_points,
    phase_power_w,
    phase_slowdown,
)

BUSY = catalog.profile("training").phases[0]
# Of power in full use, as in the default curve: these sweeps cannot tell the two apart.
MEMORY_PER_COMPUTE = 0.375
MIN_CLOCK = 0.1


@dataclass(frozen=True)
class Law:
    """What the jobs on one type of GPU have in common; powers as shares of TDP."""

    idle: float  # drawn by a GPU that has work but does nothing
    knee: float
    exponent: float
    demand: float  # of the busy phase at full clock
    light: float  # while the job waits for its input


BOUNDS = Law(0.0, 0.3, 1.0, 0.9, 0.2), Law(0.35, 0.95, 3.0, 1.0, 0.7)
START = Law(0.15, 0.7, 2.4, 0.97, 0.4)
SCALE = 0.03  # of errors: what is farther off pulls less


def gpu_of(law: Law, tdp_w: float) -> GpuPower:
    """The law for a GPU of some size."""
    compute_w = (law.demand - law.idle) * tdp_w / (BUSY.compute + BUSY.memory * MEMORY_PER_COMPUTE)
    return GpuPower(
        idle_w=law.idle * tdp_w,
        tdp_w=tdp_w,
        min_cap_w=law.idle * tdp_w,
        compute_w=compute_w,
        memory_w=MEMORY_PER_COMPUTE * compute_w,
        communication_w=0.0,
        exponent=law.exponent,
        knee_clock=law.knee,
        min_clock=MIN_CLOCK,
    )


def light_phase(gpu: GpuPower, power_w: float) -> Phase:
    """Waiting for input, at a power; the clock does not matter to its length."""
    use = (power_w - gpu.idle_w) / (gpu.compute_w + BUSY.memory * gpu.memory_w)
    use = min(max(use, 0.0), 1.0)
    return Phase(name="input", compute=use, memory=use * BUSY.memory)


def profile_of(gpu: GpuPower, law: Law, uncapped_w: float) -> Profile:
    """The job that draws this much in the mean without a limit."""
    light = light_phase(gpu, min(uncapped_w, law.light * gpu.tdp_w))
    clock = clock_at_cap(gpu, BUSY, gpu.tdp_w)
    busy_w, light_w = float(phase_power_w(gpu, BUSY, clock)), law.light * gpu.tdp_w
    busy = (min(uncapped_w, busy_w) - light_w) / (busy_w - light_w)  # of the time without a limit
    if busy <= 0:
        return Profile(name="light", phases=(light,))
    if busy >= 1:
        return Profile(name="busy", phases=(BUSY,))
    at_full_clock = busy / float(phase_slowdown(BUSY, clock))
    share = at_full_clock / (at_full_clock + 1 - busy)
    phases = ((BUSY, share), (light, 1 - share))
    return Profile(
        name="job", phases=tuple(Phase(**{**vars(one), "share": part}) for one, part in phases)
    )


def predict(law: Law, tdp_w: float, sweep: Sweep) -> tuple[Array, Array]:
    """Power and rate of a job at its limits, from the last of its rows."""
    gpu = gpu_of(law, tdp_w)
    points = operating_points(gpu, profile_of(gpu, law, float(sweep.power_w[-1])), sweep.cap_w)
    return points.power_w, points.rate


def predict_many(law: Law, tdp_w: float, jobs: list[Sweep]) -> list[tuple[Array, Array]]:
    """As `predict`, for jobs with the same limits: the phases are solved once for all."""
    gpu, cap_w = gpu_of(law, tdp_w), jobs[0].cap_w
    light = light_phase(gpu, law.light * tdp_w)
    clocks = [clock_at_cap(gpu, phase, cap_w) for phase in (BUSY, light)]
    busy_w, light_w = (phase_power_w(gpu, p, c) for p, c in zip((BUSY, light), clocks, strict=True))
    slower = phase_slowdown(BUSY, clocks[0])
    slower = slower / slower[-1]
    found = []
    for job in jobs:
        busy = float(np.clip((job.power_w[-1] - light_w[-1]) / (busy_w[-1] - light_w[-1]), 0, 1))
        if busy == 0:
            found.append((np.minimum(job.power_w[-1], cap_w), np.ones_like(cap_w)))
            continue
        time = busy * slower + 1 - busy
        found.append(((busy * slower * busy_w + (1 - busy) * light_w) / time, 1 / time))
    return found


def residuals(law: Law, tdp_w: float, jobs: list[Sweep]) -> Array:
    """Logarithms of predicted over measured power and rate, at all limits but the highest."""
    pairs = zip(predict_many(law, tdp_w, jobs), jobs, strict=True)
    parts = [
        np.log([power_w[:-1] / job.power_w[:-1], rate[:-1] / job.rate[:-1]])
        for (power_w, rate), job in pairs
    ]
    return np.concatenate([part.ravel() for part in parts])


def fit(jobs: list[Sweep], tdp_w: float) -> Law:
    """The law that is least wrong, far-off rows counting less (soft L1)."""
    low, high = (astuple(law) for law in BOUNDS)

    def wrong(values: Array) -> Array:
        return residuals(Law(*values), tdp_w, jobs)

    best = least_squares(
        wrong,
        astuple(START),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=SCALE,
        x_scale=[0.1, 0.1, 1.0, 0.1, 0.1],
    )
    return Law(*(float(value) for value in best.x))


def default_law() -> Law:
    """The curve of the catalog for GPUs of which no sweep is known, and its jobs that wait."""
    curve, _ = catalog.curve("h100-sxm")
    shares: dict[str, float] = {k: v for k, v in vars(curve).items() if isinstance(v, float)}
    above_idle = 1 - shares["idle"]
    waits = catalog.profile("batch").phases[1]

    def drawn(phase: Phase) -> float:
        used = phase.compute * shares["compute"] + phase.memory * shares["memory"]
        return float(shares["idle"] + above_idle * used)

    return Law(shares["idle"], shares["knee"], shares["exponent"], drawn(BUSY), drawn(waits))


NAMES = [field.name for field in fields(Law)]
