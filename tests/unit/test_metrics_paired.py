"""Intervals of paired differences: closed forms, coverage, and what they do with odd input."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from scipy.stats import t

from twin.metrics.paired import block_length_s, paired_means

DAY_S = 86400.0


def arrivals(rng: np.random.Generator, jobs: int, days: float) -> np.ndarray:
    return np.sort(rng.random(jobs)) * days * DAY_S


def autoregressive(rng: np.random.Generator, rows: int, hours: int, memory_h: float) -> np.ndarray:
    """Stationary AR(1) with mean 0 and variance 1, a value an hour."""
    rho = np.exp(-1 / memory_h)
    noise = rng.standard_normal((rows, hours)) * np.sqrt(1 - rho**2)
    noise[:, 0] /= np.sqrt(1 - rho**2)
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0]
    for hour in range(1, hours):
        values[:, hour] = rho * values[:, hour - 1] + noise[:, hour]
    return values


def test_mean_is_the_mean_over_known_pairs() -> None:
    found = paired_means([0.0, DAY_S, 9 * DAY_S, 20 * DAY_S], [[1.0, np.nan, 3.0, 8.0]])[0]
    assert (found.jobs, found.mean, found.block_s, found.blocks) == (3, 4.0, DAY_S, 20)


def test_independent_differences_have_the_interval_of_student() -> None:
    """Blocks of independent jobs: mean +- t sqrt(k / (k - 1)) s / sqrt(n), the textbook's."""
    rng = np.random.default_rng(3)
    n, days = 40_000, 30
    difference = 5 + 2 * rng.standard_normal(n)
    found = paired_means(arrivals(rng, n, days), [difference], draws=20_000)[0]
    half = t.ppf(0.975, days - 1) * np.sqrt(days / (days - 1)) * 2 / np.sqrt(n)
    # The spread of 30 block means is itself known to 1 / sqrt(58) only: three times that.
    assert found.high - found.low == pytest.approx(2 * half, rel=0.39)
    assert found.low < found.mean < found.high


def test_width_falls_with_the_root_of_jobs() -> None:
    rng = np.random.default_rng(4)
    widths = []
    for n in (2000, 32_000):
        each = [
            paired_means(arrivals(rng, n, 40), [rng.standard_normal(n)], draws=1000)[0]
            for _ in range(20)
        ]
        widths.append(np.mean([found.high - found.low for found in each]))
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("memory_h", "lowest"), [(0.01, 0.92), (4.0, 0.90)])
def test_coverage_on_jobs_that_share_a_queue(memory_h: float, lowest: float) -> None:
    """Differences that are alike for hours: days as blocks cover about as often as they say."""
    rng = np.random.default_rng(7)
    rows, days, jobs = 300, 40, 3000
    submit_s = arrivals(rng, jobs, days)
    hourly = autoregressive(rng, rows, 24 * days, memory_h)
    differences = hourly[:, (submit_s // 3600).astype(int)] + 0.3 * rng.standard_normal(
        (rows, jobs)
    )
    found = paired_means(submit_s, differences, draws=1500)
    covered = np.mean([each.low <= 0 <= each.high for each in found])
    assert lowest <= covered <= 0.985
    if memory_h > 1:  # jobs taken for independent would cover far too seldom
        half = 1.96 * differences.std(axis=1) / np.sqrt(jobs)
        assert np.mean(np.abs(differences.mean(axis=1)) <= half) < 0.8


def test_correlation_tells_of_a_queue_that_outlasts_a_block() -> None:
    rng = np.random.default_rng(8)
    submit_s = arrivals(rng, 5000, 40)
    hour = (submit_s // 3600).astype(int)
    short, long = (
        paired_means(submit_s, autoregressive(rng, 20, 24 * 40, memory_h)[:, hour], draws=10)
        for memory_h in (1.0, 120.0)
    )
    assert np.mean([each.correlation for each in short]) < 0.2
    assert np.mean([each.correlation for each in long]) > 0.4


def test_no_difference_is_no_difference() -> None:
    rng = np.random.default_rng(5)
    same, shifted = paired_means(arrivals(rng, 500, 12), [np.zeros(500), np.full(500, -3.0)])
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    assert (shifted.low, shifted.high) == (pytest.approx(-3), pytest.approx(-3))
    assert np.isnan(same.correlation)
    assert np.isnan(shifted.correlation)


def test_order_of_jobs_and_a_shift_of_the_clock_change_nothing() -> None:
    rng = np.random.default_rng(6)
    submit_s, difference = arrivals(rng, 400, 20), rng.standard_normal(400)
    found = paired_means(submit_s, [difference])[0]
    order = rng.permutation(400)
    again = paired_means(submit_s[order] + 2.0**20, [difference[order]])[0]
    assert (again.low, again.high) == pytest.approx((found.low, found.high), abs=1e-12)
    assert paired_means(submit_s, [difference])[0] == found
    assert paired_means(submit_s, [difference], seed=1)[0].low != found.low


def test_too_little_has_no_interval() -> None:
    at_once = paired_means([5.0, 5.0], [[1.0, 3.0]])[0]
    assert at_once.mean == 2
    assert np.isnan([at_once.low, at_once.high]).all()
    assert paired_means([], np.empty((2, 0)))[1].jobs == 0
    unknown = paired_means(np.arange(10.0), [np.full(10, np.nan)])[0]
    assert unknown.jobs == 0
    assert np.isnan([unknown.mean, unknown.low]).all()


def test_blocks_are_weeks_days_or_eighths() -> None:
    assert block_length_s(56 * DAY_S) == 7 * DAY_S
    assert block_length_s(55 * DAY_S) == DAY_S
    assert block_length_s(7 * DAY_S) == pytest.approx(7 / 8 * DAY_S)


def test_ten_runs_of_a_large_trace_take_less_than_a_second() -> None:
    rng = np.random.default_rng(9)
    submit_s = arrivals(rng, 82_000, 109)
    differences = rng.standard_normal((27, 82_000))
    began_s = perf_counter()
    paired_means(submit_s, differences)
    assert perf_counter() - began_s < 1.0
