"""Steps over GPUs, the worth of large batches, and the best of them: closed forms and limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from twin.errors import DomainError
from twin.physics.scaling import (
    ScalingLaw,
    best_goodput,
    compute_s,
    efficiency,
    exchange_s,
    step_s,
    throughput_per_s,
)

LAW = ScalingLaw(
    step_s=0.05,
    sample_s=0.001,
    node_s=0.02,
    node_gpu_s=0.001,
    cluster_s=0.1,
    cluster_gpu_s=0.002,
    overlap=2.0,
)
FREE = ScalingLaw(step_s=0.0, sample_s=0.001)

times = st.floats(1e-4, 10.0)
laws = st.builds(
    ScalingLaw,
    step_s=times,
    sample_s=times,
    node_s=times,
    node_gpu_s=times,
    cluster_s=times,
    cluster_gpu_s=times,
    overlap=st.floats(1.0, 50.0),
)


def test_a_step_by_hand() -> None:
    """16 GPUs on 2 nodes, 100 samples each: 0.15 s and an exchange of 0.1 + 14 x 0.002 s."""
    assert float(compute_s(LAW, 100)) == approx(0.15)
    assert float(exchange_s(LAW, 16, 2)) == approx(0.128)
    assert float(step_s(LAW, 16, 2, 100)) == approx(np.hypot(0.15, 0.128))
    assert float(step_s(LAW, 16, 2, 100, passes=3)) == approx(0.3 + np.hypot(0.15, 0.128))
    assert exchange_s(LAW, [1, 2, 8], [1, 1, 1]) == approx([0, 0.02, 0.026])


def test_without_exchange_speed_is_linear() -> None:
    gpus = np.array([1, 2, 8, 64])
    speed = throughput_per_s(FREE, gpus, np.ones(4), 6400, 1e9)
    assert speed / speed[0] == approx(gpus)


@given(laws, st.integers(2, 64), st.integers(1, 4), st.floats(1, 1000))
def test_overlap_runs_from_the_sum_to_the_longer_of_both(
    law: ScalingLaw, gpus: int, nodes: int, batch: float
) -> None:
    nodes = min(nodes, gpus)
    parts = float(compute_s(law, batch)), float(exchange_s(law, gpus, nodes))
    one = float(step_s(replace(law, overlap=1.0), gpus, nodes, batch))
    many = float(step_s(replace(law, overlap=500.0), gpus, nodes, batch))
    own = float(step_s(law, gpus, nodes, batch))
    assert one == approx(sum(parts))
    assert many == approx(max(parts), rel=2e-3)
    assert many * (1 - 1e-12) <= own <= one * (1 + 1e-12)


@given(laws, st.integers(2, 63), st.floats(1, 1000))
def test_a_step_grows_with_gpus_and_samples(law: ScalingLaw, gpus: int, batch: float) -> None:
    steps = step_s(law, [gpus, gpus + 1], [2, 2], batch)
    assert steps[1] >= steps[0]
    grown = step_s(law, gpus, 2, [batch, batch + 1])
    assert grown[1] >= grown[0]


def test_a_huge_overlap_does_not_overflow() -> None:
    law = replace(LAW, overlap=1e6, cluster_s=1e300)
    assert float(step_s(law, 16, 2, 100)) == approx(1e300)


def test_a_share_that_does_not_fit_takes_passes() -> None:
    """800 samples on 2 GPUs that hold 100: four passes of 100, one exchange."""
    asked = float(throughput_per_s(LAW, 2, 1, 800, 100))
    assert asked == approx(800 / (3 * 0.15 + np.hypot(0.15, 0.02)))
    assert float(throughput_per_s(LAW, 2, 1, 200, 100)) == approx(200 / np.hypot(0.15, 0.02))


@given(st.floats(1, 1e4), st.floats(0, 1e6), st.floats(1, 100), st.floats(1, 100))
def test_efficiency_falls_from_one(nominal: float, noise: float, more: float, yet: float) -> None:
    worth = efficiency([nominal, nominal * more, nominal * more * yet], nominal, noise)
    assert worth[0] == approx(1)
    assert np.all(np.diff(worth) <= 0)
    assert np.all(worth * [1, more, more * yet] >= 1 - 1e-9), "a step is worth at least one step"


@pytest.mark.parametrize(("gpus", "nodes"), [(1, 1), (4, 1), (8, 1), (16, 2)])
def test_the_best_batch_in_closed_form(gpus: int, nodes: int) -> None:
    """Of M / (A + B M) (noise + nominal) / (noise + M) the best M is sqrt(noise A / B)."""
    law, noise = replace(LAW, overlap=1.0), 2000.0
    fixed, each = law.step_s + float(exchange_s(law, gpus, nodes)), law.sample_s / gpus
    batch = np.sqrt(noise * fixed / each)
    value = batch / (fixed + each * batch) * (noise + 32) / (noise + batch)
    best = best_goodput(
        law, gpus, nodes, nominal_batch=32, noise=noise, local_limit=1e9, most_batch=1e6
    )
    assert best.goodput_per_s[0] == approx(value, rel=1e-3)
    assert best.goodput_per_s[0] <= value * (1 + 1e-12)
    assert best.batch[0] == approx(batch, rel=0.03)


@settings(max_examples=40)
@given(laws, st.integers(1, 16), st.floats(10, 1e5), st.integers(4, 64))
def test_the_best_batch_against_brute_force(
    law: ScalingLaw, gpus: int, noise: float, limit: int
) -> None:
    nodes = -(-gpus // 8)
    best = best_goodput(
        law, gpus, nodes, nominal_batch=32, noise=noise, local_limit=limit, most_batch=2000
    )
    every = np.arange(32, 2001)
    value = throughput_per_s(law, gpus, nodes, every, limit) * efficiency(every, 32, noise)
    assert best.goodput_per_s[0] >= value.max() * (1 - 2e-3)
    assert best.batch[0] <= 2000


def test_many_places_at_once_are_those_one_by_one() -> None:
    gpus, nodes = np.array([1, 3, 8, 16]), np.array([1, 1, 1, 2])
    asked = {"nominal_batch": 32.0, "noise": 500.0, "local_limit": 40.0, "most_batch": 4000.0}
    together = best_goodput(LAW, gpus, nodes, **asked)
    alone = [best_goodput(LAW, g, n, **asked) for g, n in zip(gpus, nodes, strict=True)]
    assert together.goodput_per_s == approx([each.goodput_per_s[0] for each in alone], rel=0)


def test_where_it_does_not_hold() -> None:
    with pytest.raises(DomainError, match=r"overlap: must be 1 or above, found 0\.5"):
        replace(LAW, overlap=0.5)
    with pytest.raises(DomainError, match="sample_s"):
        replace(LAW, sample_s=0.0)
    with pytest.raises(DomainError, match="nodes: must be 1 or above, and no more than the GPUs"):
        step_s(LAW, 2, 3, 10)
    with pytest.raises(DomainError, match="passes"):
        step_s(LAW, 2, 1, 10, passes=0)
    with pytest.raises(DomainError, match="batch: must be nominal_batch or above"):
        efficiency(10, 20, 100)
    with pytest.raises(DomainError, match="most_batch"):
        best_goodput(LAW, 1, 1, nominal_batch=32, noise=1, local_limit=1, most_batch=16)
