"""Curves of power and speed for random GPUs and random work: what must hold for all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.physics.power import (
    GpuPower,
    OperatingCurve,
    Phase,
    Profile,
    clock_at_cap,
    operating_curve,
    phase_power_w,
    phase_slowdown,
)

unit = st.floats(0, 1)


@st.composite
def gpus(draw: st.DrawFn) -> GpuPower:
    tdp = draw(st.floats(50, 2000))
    idle = tdp * draw(st.floats(0, 0.5))
    weight = st.floats(0, 1.5).map(lambda share: share * (tdp - idle))
    return GpuPower(
        idle_w=idle,
        tdp_w=tdp,
        min_cap_w=idle + draw(unit) * (tdp - idle),
        compute_w=draw(weight),
        memory_w=draw(weight),
        communication_w=draw(weight),
        exponent=draw(st.floats(1, 4)),
        knee_clock=draw(unit),
        min_clock=draw(st.floats(0.01, 1)),
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    parts = draw(st.lists(st.floats(0.01, 1), min_size=1, max_size=4))
    phases = [
        Phase(
            name=str(number),
            share=part / sum(parts),
            compute=draw(unit),
            memory=draw(unit),
            communication=draw(unit),
            clocked=draw(unit),
        )
        for number, part in enumerate(parts)
    ]
    return Profile(name="any", phases=tuple(phases))


def columns(curve: OperatingCurve) -> list[np.ndarray]:
    return [curve.cap_w, curve.power_w, curve.rate, curve.peak_w, curve.trough_w, curve.clock]


@given(gpus(), profiles(), st.integers(2, 40))
def test_no_column_falls_and_the_last_row_is_uncapped(
    gpu: GpuPower, profile: Profile, n: int
) -> None:
    curve = operating_curve(gpu, profile, n)
    for column in columns(curve):
        assert column.shape == (n,)
        assert np.all(np.diff(column) >= 0)
    assert curve.rate[-1] == 1
    assert np.all(curve.rate > 0)
    assert (curve.cap_w[0], curve.cap_w[-1]) == (gpu.min_cap_w, gpu.tdp_w)
    assert np.all((curve.clock >= gpu.min_clock - 1e-12) & (curve.clock <= 1))


@given(gpus(), profiles())
def test_power_keeps_to_the_cap_wherever_the_least_clock_does(
    gpu: GpuPower, profile: Profile
) -> None:
    curve = operating_curve(gpu, profile, 17)
    floor = max(float(phase_power_w(gpu, phase, gpu.min_clock)) for phase in profile.phases)
    within = curve.cap_w >= floor
    assert np.all(curve.peak_w[within] <= curve.cap_w[within])
    assert np.all(curve.trough_w >= gpu.idle_w)
    assert np.all((curve.trough_w <= curve.power_w) & (curve.power_w <= curve.peak_w))


@given(gpus(), profiles())
def test_a_step_under_a_cap_never_costs_more_energy_above_idle(
    gpu: GpuPower, profile: Profile
) -> None:
    """Why mean power never falls when a cap rises."""
    curve = operating_curve(gpu, profile, 17)
    per_step = (curve.power_w - gpu.idle_w) / curve.rate
    assert np.all(np.diff(per_step) >= -1e-9 * gpu.tdp_w / curve.rate[0])


@given(gpus(), profiles(), unit)
def test_the_clock_at_a_cap_is_the_highest_that_keeps_it(
    gpu: GpuPower, profile: Profile, at: float
) -> None:
    cap = gpu.idle_w + at * (gpu.tdp_w - gpu.idle_w)
    for phase in profile.phases:
        clock = float(clock_at_cap(gpu, phase, cap))
        assert gpu.min_clock <= clock <= 1
        if clock > gpu.min_clock:
            assert phase_power_w(gpu, phase, clock) <= cap
        if clock < 1:
            above = min(1.0, clock * (1 + 1e-9))
            assert phase_power_w(gpu, phase, above) >= cap * (1 - 1e-12)


@given(gpus(), unit, unit, unit, unit)
def test_work_that_the_clock_stretches_slows_more(
    gpu: GpuPower, compute: float, memory: float, one: float, other: float
) -> None:
    """The same load but for the part of the time that waits for memory, at the same clock."""
    less, more = sorted([one, other])
    clocks = np.linspace(0.1, 1, 10)
    stiff = Phase(name="memory-bound", compute=compute, memory=memory, clocked=less)
    soft = Phase(name="compute-bound", compute=compute, memory=memory, clocked=more)
    assert np.all(phase_slowdown(stiff, clocks) <= phase_slowdown(soft, clocks))


@given(gpus(), unit, unit, unit)
def test_under_a_cap_compute_bound_work_slows_more(
    gpu: GpuPower, compute: float, one: float, other: float
) -> None:
    less, more = sorted([one, other])
    rates = [
        operating_curve(
            gpu, Profile(name="any", phases=(Phase(name="any", compute=compute, clocked=c),)), 9
        ).rate
        for c in (less, more)
    ]
    assert np.all(rates[0] >= rates[1] * (1 - 1e-12))


@given(gpus(), profiles(), st.floats(0.1, 10))
def test_scale_does_not_matter(gpu: GpuPower, profile: Profile, factor: float) -> None:
    """A GPU with every watt multiplied does the same at caps that are multiplied alike."""
    scaled = GpuPower(
        **{
            name: value * factor if name.endswith("_w") else value
            for name, value in vars(gpu).items()
        }
    )
    one, other = operating_curve(gpu, profile, 9), operating_curve(scaled, profile, 9)
    # Where a cap just meets what the work draws, rounding decides between full and least clock.
    same = np.isclose(other.clock, one.clock, rtol=1e-6)
    assert other.power_w[same] == pytest.approx(one.power_w[same] * factor, rel=1e-6)
    if same[-1]:
        assert other.rate[same] == pytest.approx(one.rate[same], rel=1e-6)


@given(gpus(), st.floats(0.01, 1), st.floats(0, 1.2))
def test_the_clock_of_work_without_memory_is_that_of_the_closed_form(
    gpu: GpuPower, compute: float, at: float
) -> None:
    """Power above idle is A v(clock); v is inverted by a root above the knee, by division below."""
    cap = gpu.idle_w + at * (gpu.tdp_w - gpu.idle_w)
    full_w = compute * gpu.compute_w
    if full_w < 1e-3 * gpu.tdp_w:
        return
    above = (cap - gpu.idle_w) / full_w
    at_knee = gpu.knee_clock**gpu.exponent
    if above >= at_knee:
        clock = above ** (1 / gpu.exponent)
    else:
        clock = above / gpu.knee_clock ** (gpu.exponent - 1)
    found = clock_at_cap(gpu, Phase(name="cores", compute=compute, clocked=1.0), cap)
    assert found == pytest.approx(min(1.0, max(gpu.min_clock, clock)), rel=1e-9)
