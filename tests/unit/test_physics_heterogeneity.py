"""Speed by type of GPU: worked by hand, its limits, and what must always hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from twin.errors import DomainError
from twin.physics.heterogeneity import (
    GpuSpeed,
    WorkPerSample,
    busy_share,
    gpu_s,
    relative_speed,
    step_s,
)

SLOW = GpuSpeed(flop_per_s=10e12, bytes_per_s=500e9)
FAST = GpuSpeed(flop_per_s=40e12, bytes_per_s=1000e9)

rates = st.floats(1e9, 1e15)
works = st.builds(
    WorkPerSample, host_s=st.floats(0, 1), flop=st.floats(1e6, 1e13), bytes=st.floats(1e3, 1e12)
)


def test_a_step_by_hand() -> None:
    """10 samples of 20 GFLOP and 1 GB: 20 ms and 20 ms, and 10 ms of the host."""
    work = WorkPerSample(host_s=0.010, flop=20e9, bytes=1e9)
    assert float(gpu_s(work, SLOW, 10)) == approx(0.040)
    assert float(step_s(work, SLOW, 10)) == approx(0.050)
    assert float(busy_share(work, SLOW, 10)) == approx(0.8)
    assert float(step_s(work, FAST, 10)) == approx(0.010 + 0.005 + 0.010)
    assert float(relative_speed(work, FAST, SLOW, 10)) == approx(2)


@pytest.mark.parametrize(
    ("work", "faster"),
    [
        (WorkPerSample(host_s=0, flop=1e9, bytes=0), 4.0),
        (WorkPerSample(host_s=0, flop=0, bytes=1e9), 2.0),
        (WorkPerSample(host_s=1e9, flop=1e9, bytes=1e9), 1.0),
    ],
)
def test_limits(work: WorkPerSample, faster: float) -> None:
    """Bound by cores, by memory, by the host."""
    assert float(relative_speed(work, FAST, SLOW, 8)) == approx(faster)


@given(works, rates, rates, rates, rates, st.floats(1, 1000))
def test_speed_lies_between_the_ratios_of_the_data_sheet(
    work: WorkPerSample, f: float, b: float, ff: float, bb: float, batch: float
) -> None:
    one, two = GpuSpeed(flop_per_s=f, bytes_per_s=b), GpuSpeed(flop_per_s=ff, bytes_per_s=bb)
    speed = float(relative_speed(work, two, one, batch))
    ratios = (1.0, ff / f, bb / b)
    assert min(ratios) * (1 - 1e-9) <= speed <= max(ratios) * (1 + 1e-9)
    assert float(relative_speed(work, one, two, batch)) == approx(1 / speed)
    assert 0 < float(busy_share(work, one, batch)) <= 1


@given(works, st.floats(0.1, 1), st.floats(0.1, 1))
def test_a_type_that_reaches_more_is_faster(work: WorkPerSample, low: float, more: float) -> None:
    one = GpuSpeed(flop_per_s=1e13, bytes_per_s=1e12, achieved=low)
    two = GpuSpeed(flop_per_s=1e13, bytes_per_s=1e12, achieved=low + more)
    assert float(step_s(work, two, 8)) <= float(step_s(work, one, 8))


def test_where_it_does_not_hold() -> None:
    with pytest.raises(DomainError, match="flop, bytes: one of them must be above zero"):
        WorkPerSample(host_s=1, flop=0, bytes=0)
    with pytest.raises(DomainError, match="host_s"):
        WorkPerSample(host_s=-1, flop=1, bytes=1)
    with pytest.raises(DomainError, match="achieved"):
        GpuSpeed(flop_per_s=1, bytes_per_s=1, achieved=0)
