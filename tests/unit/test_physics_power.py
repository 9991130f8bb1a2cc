"""Power and speed of a GPU: cases by hand, closed forms, and what is refused."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from twin.errors import DomainError
from twin.physics.power import (
    GpuPower,
    Phase,
    Profile,
    clock_at_cap,
    operating_curve,
    operating_points,
    phase_power_w,
    phase_slowdown,
)

# 100 W idle, 500 W TDP; voltage is least below half of the clock, and power is the square above.
GPU = GpuPower(
    idle_w=100.0,
    tdp_w=500.0,
    min_cap_w=150.0,
    compute_w=320.0,
    memory_w=160.0,
    communication_w=80.0,
    exponent=2.0,
    knee_clock=0.5,
    min_clock=0.125,
)
CORES = Phase(name="cores", compute=1.0, clocked=1.0)
MEMORY = Phase(name="memory", memory=0.5, clocked=0.0)
LINKS = Phase(name="links", communication=1.0, compute=0.25, clocked=0.5)


@pytest.mark.parametrize(
    ("phase", "clock", "power_w"),
    [
        (CORES, 1.0, 420.0),  # 100 + 320
        (CORES, 0.75, 280.0),  # 100 + 320 x 9/16
        (CORES, 0.5, 180.0),  # 100 + 320 / 4, the knee
        (CORES, 0.25, 140.0),  # 100 + 320 / 8: half of the knee, half of its power above idle
        (MEMORY, 1.0, 180.0),  # 100 + 80
        (MEMORY, 0.25, 180.0),  # the same bytes in the same time
        (LINKS, 1.0, 260.0),  # 100 + 80 + 80
        (LINKS, 0.5, 100 + 20 + 80 / 1.5),  # the same bytes in one and a half times the time
        (Phase(name="nothing"), 0.3, 100.0),
    ],
)
def test_power_by_hand(phase: Phase, clock: float, power_w: float) -> None:
    assert phase_power_w(GPU, phase, clock) == pytest.approx(power_w, rel=1e-14)


def test_slowdown_by_hand() -> None:
    clocks = [1.0, 0.5, 0.25]
    assert phase_slowdown(CORES, clocks) == pytest.approx([1, 2, 4])
    assert phase_slowdown(MEMORY, clocks) == pytest.approx([1, 1, 1])
    assert phase_slowdown(LINKS, clocks) == pytest.approx([1, 1.5, 2.5])


@pytest.mark.parametrize(
    ("cap_w", "clock"),
    [
        (500.0, 1.0),
        (420.0, 1.0),
        (280.0, 0.75),
        (260.0, sqrt(0.5)),  # 100 + 320 f^2
        (180.0, 0.5),
        (150.0, 0.3125),  # 100 + 160 f below the knee
        (120.0, 0.125),
        (90.0, 0.125),  # below idle: the least clock, which draws 120 W
    ],
)
def test_clock_at_a_cap_by_its_closed_form(cap_w: float, clock: float) -> None:
    assert clock_at_cap(GPU, CORES, cap_w) == pytest.approx(clock, rel=1e-12)


def test_clock_at_a_cap_where_memory_shares_the_power() -> None:
    """Wholly clocked: bytes per time follow the clock, so power above idle is 320 f^2 + 160 f."""
    phase = Phase(name="both", compute=1.0, memory=1.0, clocked=1.0)
    clock = (-160 + sqrt(160**2 + 4 * 320 * 200)) / 640
    assert clock_at_cap(GPU, phase, 300.0) == pytest.approx(clock, rel=1e-12)


def test_a_step_of_two_phases_by_hand() -> None:
    """Half cores, half memory, at 180 W: cores at half clock take twice their time."""
    half = [replace(phase, share=0.5) for phase in (CORES, MEMORY)]
    step = Profile(name="step", phases=tuple(half))
    points = operating_points(GPU, step, [180.0, 280.0, 500.0])
    assert points.rate == pytest.approx([1 / 1.5, 1 / (0.5 / 0.75 + 0.5), 1])
    assert points.power_w == pytest.approx([180, (280 * 2 / 3 + 180 / 2) / (2 / 3 + 1 / 2), 300])
    assert points.peak_w == pytest.approx([180, 280, 420])
    assert points.trough_w == pytest.approx([180, 180, 180])
    assert points.clock == pytest.approx([(1 * 0.5 + 0.5 * 1) / 1.5, 1 / (2 / 3 + 1 / 2), 1])


def test_a_phase_is_capped_by_itself() -> None:
    """A light phase does not lend its watts to a heavy one: the mean stays below the cap."""
    phases = (replace(CORES, share=0.5), Phase(name="rest", share=0.5))
    curve = operating_points(GPU, Profile(name="half", phases=phases), [280.0])
    assert curve.peak_w[0] == pytest.approx(280)
    assert curve.power_w[0] < 280


def test_speeds_are_relative_to_tdp_where_the_work_wants_more() -> None:
    gpu = replace(GPU, compute_w=800.0)  # 900 W at full clock; 500 W at sqrt(1/2)
    points = operating_points(gpu, Profile(name="all", phases=(CORES,)), [300.0, 500.0])
    assert points.clock == pytest.approx([0.5, sqrt(0.5)])
    assert points.rate == pytest.approx([sqrt(0.5), 1])
    alone = operating_points(gpu, Profile(name="all", phases=(CORES,)), [300.0])
    assert alone.rate == pytest.approx(points.rate[:1])


def test_power_stands_above_a_cap_that_the_least_clock_cannot_meet() -> None:
    points = operating_points(GPU, Profile(name="all", phases=(CORES,)), [110.0, 500.0])
    assert points.power_w[0] == pytest.approx(120)
    assert points.clock[0] == GPU.min_clock


def test_the_curve_is_the_points_at_even_caps() -> None:
    step = Profile(name="step", phases=(replace(CORES, share=0.6), replace(LINKS, share=0.4)))
    curve = operating_curve(GPU, step, n=8)
    assert np.array_equal(curve.cap_w, np.linspace(150, 500, 8))
    points = operating_points(GPU, step, curve.cap_w)
    for name in ("power_w", "rate", "peak_w", "trough_w", "clock"):
        assert np.array_equal(getattr(curve, name), getattr(points, name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"idle_w": 500.0}, r"idle_w: must be below tdp_w \(500 W\), found 500"),
        ({"idle_w": float("nan")}, "idle_w: must be zero or above and finite, found nan"),
        ({"min_cap_w": 50.0}, r"min_cap_w: must lie from idle_w \(100 W\) to tdp_w \(500 W\)"),
        ({"min_cap_w": 501.0}, "min_cap_w: must lie"),
        ({"compute_w": -1.0}, "compute_w: must be zero or above"),
        ({"exponent": 0.9}, "exponent: must be 1 or above, found 0.9"),
        ({"knee_clock": 1.1}, "knee_clock: must be a fraction"),
        ({"min_clock": 0.0}, "min_clock: must be above 0"),
    ],
)
def test_a_gpu_out_of_order_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        replace(GPU, **change)


def test_work_out_of_order_is_refused() -> None:
    with pytest.raises(DomainError, match=r"compute: must be a fraction from 0 to 1, found 1\.2"):
        Phase(name="x", compute=1.2)
    with pytest.raises(DomainError, match="'x': share must be above 0; leave the phase out"):
        Phase(name="x", share=0.0)
    with pytest.raises(DomainError, match=r"'y': the shares of its phases must sum to 1, not 0\.5"):
        Profile(name="y", phases=(Phase(name="x", share=0.5),))
    with pytest.raises(DomainError, match="'y': the shares of its phases must sum to 1, not 0"):
        Profile(name="y", phases=())


def test_clocks_and_caps_out_of_range_are_refused() -> None:
    profile = Profile(name="all", phases=(CORES,))
    for clock in (0.0, -0.1, 1.1, float("nan")):
        with pytest.raises(DomainError, match="clock: must be"):
            phase_power_w(GPU, CORES, clock)
        with pytest.raises(DomainError, match="clock: must be"):
            phase_slowdown(CORES, clock)
    with pytest.raises(DomainError, match="cap_w: must be zero or above and finite"):
        clock_at_cap(GPU, CORES, -1.0)
    with pytest.raises(DomainError, match="n: must be 2 or more, found 1"):
        operating_curve(GPU, profile, 1)
    for caps in ([300.0, 200.0], [501.0], []):
        with pytest.raises(DomainError, match=r"must be a list that ascends to tdp_w \(500 W\)"):
            operating_points(GPU, profile, caps)
