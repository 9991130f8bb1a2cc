"""Power and speed of a GPU against its clock and its cap: which work slows, and by how much.

A `GpuPower` is one type of GPU. A `Profile` is one kind of work: the phases of a step, each with
the use that it makes of cores, memory and links, and with the part of its time that the clock
stretches. `operating_curve` puts the two together: power and speed at every cap.

``clock`` is a fraction of the highest clock. A cap limits each phase by itself, as firmware does
where phases last longer than its control loop (tens of ms), so the mean of a step lies below the
cap as soon as one of its phases is light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from twin.errors import DomainError
from twin.physics.domain import Array, finite, fraction

_HALVINGS = 60  # of the interval of clocks: to the last bit


@dataclass(frozen=True, kw_only=True)
class GpuPower:
    """One type of GPU, as far as its power goes.

    Attributes
    ----------
    idle_w, tdp_w : float
        Power of an idle GPU that is on, and the highest cap. [W]
    min_cap_w : float
        Least cap that the GPU takes. [W]
    exponent, knee_clock : float
        Above ``knee_clock`` the power of the cores follows ``clock^exponent``, since the voltage
        follows the clock; below, the voltage is at its least and power is linear in the clock.
    min_clock : float
        Least clock, in (0, 1].
    compute_w, memory_w, communication_w : float
        Power above idle of cores, memory and links in full use at full clock. [W] Together they
        may exceed ``tdp_w - idle_w``: work that uses all at once runs below full clock.

    Raises
    ------
    DomainError
        If the figures are out of order.
    """

    idle_w: float
    tdp_w: float
    min_cap_w: float
    compute_w: float
    memory_w: float
    communication_w: float
    exponent: float
    knee_clock: float
    min_clock: float

    def __post_init__(self) -> None:
        finite(idle_w=self.idle_w, compute_w=self.compute_w, memory_w=self.memory_w)
        finite(communication_w=self.communication_w, exponent=self.exponent, tdp_w=self.tdp_w)
        fraction(knee_clock=self.knee_clock, min_clock=self.min_clock)
        if not self.idle_w < self.tdp_w:
            raise DomainError(
                f"idle_w: must be below tdp_w ({self.tdp_w:g} W), found {self.idle_w:g}"
            )
        if not self.idle_w <= self.min_cap_w <= self.tdp_w:
            raise DomainError(
                f"min_cap_w: must lie from idle_w ({self.idle_w:g} W) to tdp_w "
                f"({self.tdp_w:g} W), found {self.min_cap_w:g}"
            )
        if self.exponent < 1:
            raise DomainError(f"exponent: must be 1 or above, found {self.exponent:g}")
        if self.min_clock == 0:
            raise DomainError("min_clock: must be above 0, found 0")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One part of a step, in which the load is steady.

    Attributes
    ----------
    share : float
        Of the step's time at full clock, in (0, 1].
    compute, memory, communication : float
        Use of cores, memory and links while it lasts, at full clock. [0..1]
    clocked : float
        Fraction of its time that stretches as the clock falls; the rest waits for memory, links or
        the host. [0..1]
    """

    name: str
    share: float = 1.0
    compute: float = 0.0
    memory: float = 0.0
    communication: float = 0.0
    clocked: float = 0.0

    def __post_init__(self) -> None:
        fraction(share=self.share, compute=self.compute, memory=self.memory)
        fraction(communication=self.communication, clocked=self.clocked)
        if self.share == 0:
            raise DomainError(f"phase {self.name!r}: share must be above 0; leave the phase out")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of work: its phases, in the order in which they follow each other.

    Attributes
    ----------
    synchronous : bool
        Whether the GPUs of a job go through the phases together, so that their swings add up.
    """

    name: str
    phases: tuple[Phase, ...]
    synchronous: bool = False

    def __post_init__(self) -> None:
        total = sum(phase.share for phase in self.phases)
        if abs(total - 1) > 1e-9:
            raise DomainError(
                f"profile {self.name!r}: the shares of its phases must sum to 1, not {total:g}"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class OperatingCurve:
    """One kind of work on one type of GPU at every cap; rows ascend, the last one is uncapped.

    Attributes
    ----------
    cap_w : (n,) array
        From ``min_cap_w`` to ``tdp_w``. [W]
    power_w : (n,) array
        Mean over a step. [W] Above the cap only where the least clock needs more.
    rate : (n,) array
        Steps per time over that of the last row. [0..1]
    peak_w, trough_w : (n,) arrays
        Power of the phase that draws most, and of the one that draws least. [W]
    clock : (n,) array
        Mean over the time of a step. [0..1]
    """

    cap_w: Array
    power_w: Array
    rate: Array
    peak_w: Array
    trough_w: Array
    clock: Array


def phase_slowdown(phase: Phase, clock: ArrayLike) -> Array:
    """Time that a phase takes, over its time at full clock.

    Parameters
    ----------
    clock : array_like
        Above 0, up to 1.

    Returns
    -------
    array
        ``clocked / clock + (1 - clocked)``, at least 1. [-]

    Raises
    ------
    DomainError
        If a clock is out of range.

    Notes
    -----
    Memory and links keep their speed: their clocks are not those of the cores. Too kind to
    memory-bound work at very low clocks, where the cores no longer ask for data fast enough.

    Sources
    -------
    [hsu2005] for the form.
    """
    return _slowdown(phase, _clock(clock))


def phase_power_w(gpu: GpuPower, phase: Phase, clock: ArrayLike) -> Array:
    """Power of a GPU in a phase at a clock, whatever the cap.

    Parameters
    ----------
    clock : array_like
        Above 0, up to 1.

    Returns
    -------
    array
        ``idle + compute x compute_w x v(clock) + (memory x memory_w + communication x
        communication_w) / slowdown``. [W]

    Raises
    ------
    DomainError
        If a clock is out of range.

    Notes
    -----
    ``v = clock^g`` above the knee and ``knee^(g-1) x clock`` below: capacitance times voltage
    squared times clock, with a voltage that follows the clock down to its least. A step moves the
    same bytes however long it takes, so the power of memory and links falls as it slows. With that
    no energy of a step above idle grows as the clock falls, whence mean power never falls when a
    cap rises. Leakage is part of ``idle_w``, and does not grow with temperature.

    Sources
    -------
    [chandrakasan1992] for the power of CMOS; the form is fitted in calibration/power.
    """
    return _power_w(gpu, phase, _clock(clock))


def clock_at_cap(gpu: GpuPower, phase: Phase, cap_w: ArrayLike) -> Array:
    """Highest clock at which a phase stays within a cap.

    Parameters
    ----------
    cap_w : array_like
        [W]

    Returns
    -------
    array
        From ``min_clock``, which is kept even if it draws more than the cap, to 1.

    Raises
    ------
    DomainError
        If a cap is negative or not finite.
    """
    (cap,) = finite(cap_w=cap_w)
    # Power rises with the clock, so halving finds it; the lower end never draws more than the cap.
    low, high = np.full(cap.shape, gpu.min_clock), np.ones(cap.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        within = _power_w(gpu, phase, middle) <= cap
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    free = _power_w(gpu, phase, np.ones(())) <= cap
    return np.asarray(np.where(free, 1.0, low), float)


def operating_curve(gpu: GpuPower, profile: Profile, n: int = 64) -> OperatingCurve:
    """Power, speed and swing of one kind of work at ``n`` caps, evenly from the least to TDP.

    Parameters
    ----------
    n : int
        Number of caps, 2 or more.

    Returns
    -------
    OperatingCurve
        All its columns ascend, or stay.

    Raises
    ------
    DomainError
        If ``n`` is below 2.

    Notes
    -----
    As `operating_points`.
    """
    if n < 2:
        raise DomainError(f"n: must be 2 or more, found {n}")
    return operating_points(gpu, profile, np.linspace(gpu.min_cap_w, gpu.tdp_w, n))


def operating_points(gpu: GpuPower, profile: Profile, cap_w: ArrayLike) -> OperatingCurve:
    """Power, speed and swing of one kind of work at given caps.

    Parameters
    ----------
    cap_w : (n,) array_like
        Ascending, up to TDP. [W]

    Returns
    -------
    OperatingCurve
        One row a cap; ``rate`` is relative to the speed at TDP, whether or not that is a row.

    Raises
    ------
    DomainError
        If the caps do not ascend, or lie outside of what the GPU has.

    Notes
    -----
    Each phase has the cap for itself. A phase that would draw more than TDP at full clock runs
    below it even where there is no other cap: speeds are relative to that.
    """
    (cap,) = finite(cap_w=cap_w)
    if cap.ndim != 1 or cap.size == 0 or np.any(np.diff(cap) < 0) or cap[-1] > gpu.tdp_w:
        raise DomainError(f"cap_w: must be a list that ascends to tdp_w ({gpu.tdp_w:g} W) at most")
    caps = np.append(cap, gpu.tdp_w)
    clocks = np.stack([clock_at_cap(gpu, phase, caps) for phase in profile.phases])
    pairs = list(zip(profile.phases, clocks, strict=True))
    # Where rounding has lost an ulp it is given back, so that no column falls by one.
    power = _rising(np.stack([_power_w(gpu, phase, clock) for phase, clock in pairs]))
    time = np.stack([phase.share * _slowdown(phase, clock) for phase, clock in pairs])
    step = time.sum(axis=0)
    peak, trough = power.max(axis=0), power.min(axis=0)
    mean = _rising((time * power).sum(axis=0) / step)
    clock = _rising((time * clocks).sum(axis=0) / step)
    return OperatingCurve(
        cap_w=cap,
        power_w=np.clip(mean, trough, peak)[:-1],
        rate=(step[-1] / step)[:-1],
        peak_w=peak[:-1],
        trough_w=trough[:-1],
        clock=np.minimum(clock, 1.0)[:-1],
    )


def _clock(clock: ArrayLike) -> Array:
    (clocks,) = fraction(clock=clock)
    if np.any(clocks == 0):
        raise DomainError("clock: must be above 0, found 0")
    return clocks


def _slowdown(phase: Phase, clock: Array) -> Array:
    return phase.clocked / clock + (1 - phase.clocked)


def _power_w(gpu: GpuPower, phase: Phase, clock: Array) -> Array:
    linear = gpu.knee_clock ** (gpu.exponent - 1) * clock
    cores = np.where(clock >= gpu.knee_clock, clock**gpu.exponent, linear)
    moved = phase.memory * gpu.memory_w + phase.communication * gpu.communication_w
    above_idle = phase.compute * gpu.compute_w * cores + moved / _slowdown(phase, clock)
    return np.asarray(gpu.idle_w + above_idle, float)


def _rising(values: Array) -> Array:
    return np.asarray(np.maximum.accumulate(values, axis=-1), float)
