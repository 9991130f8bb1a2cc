"""Swings of power between the phases of a step, and what smoothing makes of them, for one GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.physics.power import GpuPower, OperatingCurve, Profile, phase_power_w
from twin.physics.swing import Swing, floored, ramped, square, stored
from twin.scenario.power import Smoothing

Array = NDArray[np.float64]


def smoothed(
    curve: OperatingCurve,
    profile: Profile,
    gpu: GpuPower,
    smoothing: Smoothing,
    step_s: float,
    gpus_per_battery: float,
) -> tuple[OperatingCurve, float, float]:
    """What the smoothing of a site makes of one kind of work.

    Parameters
    ----------
    gpus_per_battery : float
        GPUs below one battery.

    Returns
    -------
    OperatingCurve
        The same with the power that filler work, slow ramps and batteries take besides.
    float, float
        What is left of the swing of a GPU below the batteries, and above them, over the swing
        without any smoothing.

    Notes
    -----
    A step is taken as a square wave between its highest and its lowest phase, with the share of
    time at the top that it has at full clock. The GPUs below a battery are taken to swing together.
    """
    raw_w = curve.peak_w - curve.trough_w
    if not profile.synchronous or not raw_w[-1] > 0:
        return curve, 0.0, 0.0
    at_peak = _share_at_peak(profile, gpu)
    before = square(curve.peak_w, curve.trough_w, at_peak)
    after, extra_w = before, np.zeros_like(raw_w)
    if smoothing.floor:
        held = floored(before.peak_w, before.trough_w, at_peak, smoothing.floor * gpu.tdp_w)
        # A cap below the floor holds: filler work is capped like any other.
        top_w = np.minimum(held.peak_w, np.maximum(curve.cap_w, before.peak_w))
        after = square(top_w, np.minimum(held.trough_w, top_w), at_peak)
    if smoothing.ramp_s is not None:
        after = ramped(after.peak_w, after.trough_w, at_peak, step_s, gpu.tdp_w / smoothing.ramp_s)
    extra_w = extra_w + np.maximum(after.mean_w - before.mean_w, 0.0)
    below = _left(after, raw_w)
    above = below
    battery = smoothing.battery
    if battery is not None:
        taken = stored(
            after.amplitude_w,
            step_s,
            energy_j=battery.energy_j / gpus_per_battery,
            power_w=battery.power_w / gpus_per_battery,
            efficiency=battery.efficiency,
            at_peak=at_peak,
        )
        extra_w = extra_w + taken.loss_w
        above = float(taken.amplitude_w[-1] / raw_w[-1])
    power_w = np.maximum.accumulate(curve.power_w + extra_w)
    return replace(curve, power_w=power_w), below, above


def _left(swing: Swing, raw_w: Array) -> float:
    return float(swing.amplitude_w[-1] / raw_w[-1])


def _share_at_peak(profile: Profile, gpu: GpuPower) -> float:
    """Share of a step at full clock in the phases nearer to the highest power than the lowest."""
    powers = [float(phase_power_w(gpu, phase, 1.0)) for phase in profile.phases]
    middle = (max(powers) + min(powers)) / 2
    return sum(p.share for p, w in zip(profile.phases, powers, strict=True) if w >= middle)
