"""Jobs that share a GPU: closed forms, a simulation of their turns, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from twin.errors import DomainError
from twin.physics.interference import shared_rates, slice_rate

shares = st.floats(0.0, 1.0)
turns = st.floats(0.05, 20.0)


@given(shares, shares)
def test_two_jobs_of_equal_turns(one: float, two: float) -> None:
    """Mean-value analysis of one station and two delays: a job finds the other there for `busy`."""
    assert shared_rates([one, two]) == approx(1 / (1 + one * two), abs=1e-6)


@given(st.lists(turns, min_size=1, max_size=5))
def test_jobs_that_are_always_busy_share_by_their_turns(weights: list[float]) -> None:
    rates = shared_rates(np.ones(len(weights)), weights)
    assert rates == approx(np.array(weights) / sum(weights), rel=1e-5)


@given(shares, turns)
def test_a_job_alone_runs_at_full_speed(busy: float, weight: float) -> None:
    assert shared_rates([busy], [weight]) == approx(1, abs=1e-6)


@given(st.lists(st.tuples(shares, turns), min_size=2, max_size=4))
def test_what_always_holds(jobs: list[tuple[float, float]]) -> None:
    busy, weight = np.array(jobs).T
    rates = shared_rates(busy, weight)
    assert np.all((rates > 0) & (rates <= 1))
    assert busy @ rates <= 1 + 1e-6, "no GPU works for more than all of its time"
    fewer = shared_rates(busy[:-1], weight[:-1])
    assert np.all(rates[:-1] <= fewer + 1e-6), "one more job speeds nobody up"
    order = np.arange(len(jobs))[::-1]
    assert shared_rates(busy[order], weight[order]) == approx(rates[order], abs=1e-6)


@given(shares, turns)
def test_a_job_that_is_always_there_leaves_no_gap(busy: float, weight: float) -> None:
    """Work is conserved: beside a job that always wants the GPU it never rests."""
    rates = shared_rates([1.0, busy], [1.0, weight])
    assert rates @ [1.0, busy] == approx(1, abs=1e-5)


def test_a_simulation_of_turns() -> None:
    """Two jobs drawn event by event, turns in proportion 1 to 3; four standard errors apart."""
    busy, weight, rng = np.array([0.7, 0.5]), np.array([1.0, 3.0]), np.random.default_rng(3)
    steps, batches = 4_000, 20
    at, done, means = np.array([False, False]), np.zeros(2), []
    for _ in range(batches):
        time_s, done[:] = 0.0, 0
        for _ in range(steps):
            speed = np.where(at, at * weight / max((at * weight).sum(), 1e-300), 0.0)
            rate = np.where(at, speed / busy, 1 / (1 - busy))
            total = rate.sum()
            time_s += rng.exponential(1 / total)
            who = int(rng.random() * total > rate[0])
            done[who] += at[who]
            at[who] = not at[who]
        means.append(done / time_s)
    error = np.std(means, axis=0, ddof=1) / np.sqrt(batches)
    assert np.all(np.abs(np.mean(means, axis=0) - shared_rates(busy, weight)) < 4 * error)


def test_side_by_side() -> None:
    """Concurrent kernels slow each other only where together they want more than there is."""
    assert shared_rates([1, 1], [0.4, 0.6], sharing="concurrent") == approx(1, abs=1e-6)
    assert shared_rates([1, 1], [1.0, 1.0], sharing="concurrent") == approx(0.5, abs=1e-6)
    assert shared_rates([1, 1], [0.9, 0.6], sharing="concurrent") == approx(1 / 1.5, abs=1e-6)


@given(st.lists(st.tuples(shares, st.floats(0.01, 1.0)), min_size=2, max_size=5))
def test_side_by_side_no_more_is_done_than_the_gpu_holds(jobs: list[tuple[float, float]]) -> None:
    """Who overfills it is slowed, by no more than what all fill, and leaving helps the others."""
    busy, fill = np.array(jobs).T
    rates = shared_rates(busy, fill, sharing="concurrent")
    assert np.sum(rates * busy * fill) <= 1 + 1e-6
    assert np.all(rates >= 1 / max(1.0, fill.sum()) - 1e-6)
    fewer = shared_rates(busy[:-1], fill[:-1], sharing="concurrent")
    assert np.all(fewer >= rates[:-1] - 1e-6)
    if fill.sum() <= 1:
        assert rates == approx(1, abs=1e-6)


@given(shares, shares, st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_two_jobs_side_by_side(one: float, two: float, fill: float, other: float) -> None:
    """Solved by hand: together they are as much slower as they overfill the GPU."""
    slower = max(1.0, fill + other) - 1
    rates = shared_rates([one, two], [fill, other], sharing="concurrent")
    assert rates == approx(1 / (1 + one * two * slower), abs=1e-6)


def test_many_pairs_at_once_are_those_one_by_one() -> None:
    rng = np.random.default_rng(1)
    busy, weight = rng.random((3, 4, 2)), 0.1 + rng.random((3, 4, 2))
    alone = [[shared_rates(b, w) for b, w in zip(bb, ww, strict=True)]
             for bb, ww in zip(busy, weight, strict=True)]  # fmt: skip
    assert shared_rates(busy, weight) == approx(np.array(alone), rel=1e-12)


def test_slices() -> None:
    """Half of a GPU takes twice as long for what fills it, and no longer for what does not."""
    assert slice_rate(1.0, 0.5) == approx(0.5)
    assert slice_rate(0.5, 0.5) == approx(1 / 1.5)
    assert slice_rate(1.0, 0.5, fill=0.4) == approx(1)
    assert slice_rate([0.2, 0.9], 1.0) == approx(1)
    assert np.all(np.diff(slice_rate(0.8, np.arange(1, 8) / 7)) > 0)


def test_where_it_does_not_hold() -> None:
    with pytest.raises(DomainError, match="busy: must be a fraction"):
        shared_rates([0.5, 1.5])
    with pytest.raises(DomainError, match="weight: must be above zero"):
        shared_rates([0.5, 0.5], [1.0, 0.0])
    with pytest.raises(DomainError, match="at most 8 jobs share a GPU, found 9"):
        shared_rates(np.full(9, 0.1))
    with pytest.raises(DomainError, match="share: must be above zero"):
        slice_rate(0.5, 0.0)
