"""Means per bin: exact against sums done in fractions; widths that a reader can name."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twin.errors import InputError
from twin.kernel.timeline import MOST_BINS, bin_means, bin_starts, bin_width_s


def exact_mean(time_s, value, horizon_s, start_s, end_s):
    """The mean over one bin, piece by piece, in fractions."""
    ends_s = [*time_s[1:], horizon_s]
    total = Fraction(0)
    for since_s, until_s, height in zip(time_s, ends_s, value, strict=True):
        low, high = max(since_s, start_s), min(until_s, end_s)
        if high > low:
            total += (Fraction(high) - Fraction(low)) * Fraction(height)
    return float(total / (Fraction(end_s) - Fraction(start_s)))


@st.composite
def changes(draw):
    """Times of change from 0, some the same, and a value at each."""
    times = sorted(draw(st.lists(st.floats(0, 1e6), max_size=30)))
    time_s = [0.0, *times]
    value = draw(st.lists(st.integers(0, 10**6), min_size=len(time_s), max_size=len(time_s)))
    horizon_s = draw(st.floats(1e-3, 2e6))
    kept = [(t, v) for t, v in zip(time_s, value, strict=True) if t <= horizon_s]
    width_s = draw(st.floats(horizon_s / 50, horizon_s * 2))
    return [t for t, _ in kept], [v for _, v in kept], horizon_s, width_s


@given(changes())
def test_means_are_those_of_a_sum_by_pieces(drawn):
    time_s, value, horizon_s, width_s = drawn
    starts_s = bin_starts(horizon_s, width_s)
    found = bin_means(np.array(time_s), {"x": np.array(value, float)}, horizon_s, starts_s)["x"]
    edges_s = [*starts_s.tolist(), horizon_s]
    wanted = [exact_mean(time_s, value, horizon_s, *edges) for edges in pairwise(edges_s)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=0)


def test_what_is_zero_in_a_bin_is_zero_however_large_it_was_before():
    time_s = np.array([0.0, 0.1, 0.7])
    value = np.array([1e15, 3e14, 0.0])
    means = bin_means(time_s, {"x": value}, 3.0, np.array([0.0, 1.0, 2.0]))["x"]
    assert means[1:].tolist() == [0.0, 0.0]
    assert means[0] == pytest.approx(0.1 * 1e15 + 0.6 * 3e14)


def test_a_short_last_bin_is_weighted_by_its_own_length():
    means = bin_means(np.array([0.0, 12.0]), {"x": np.array([1.0, 5.0])}, 15.0, bin_starts(15, 10))
    assert means["x"].tolist() == [1.0, (2 * 1 + 3 * 5) / 5]


def test_nothing_lasted_at_all():
    time_s = np.zeros(3)
    means = bin_means(time_s, {"x": np.array([0.0, 4.0, 2.0])}, 0.0, bin_starts(0.0, 60.0))
    assert means["x"].tolist() == [2.0]  # the state at the end of that instant
    assert bin_starts(0.0, 60.0).tolist() == [0.0]


@given(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9))
@example(3 * 0.1, 0.1)  # the quotient is a little above 3
def test_bins_cover_the_run_and_none_is_empty(horizon_s, width_s):
    if horizon_s > width_s * 10_000:
        return
    starts_s = bin_starts(horizon_s, width_s)
    edges_s = np.append(starts_s, horizon_s)
    assert starts_s[0] == 0.0
    assert (np.diff(edges_s) > 0).all()
    assert (np.diff(edges_s) <= width_s * (1 + 1e-9)).all()


def test_more_bins_than_anybody_reads_are_refused():
    with pytest.raises(InputError, match=r"output\.timeline_bin: 0\.001 s cuts 30\.0 d into more"):
        bin_starts(30 * 86400.0, 1e-3)
    assert len(bin_starts(float(MOST_BINS), 1.0)) == MOST_BINS


@given(st.floats(0, 1e12))
def test_the_usual_width_gives_at_most_800_bins(horizon_s):
    width_s = bin_width_s(horizon_s)
    assert len(bin_starts(horizon_s, width_s)) <= 800


def test_usual_widths_are_round():
    days = [30, 109, 365]
    assert [bin_width_s(86400.0 * d) / 3600 for d in days] == [1, 6, 12]
