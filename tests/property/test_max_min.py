"""Max-min fair shares against progressive filling, and the properties that define them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.metrics.max_min import max_min


def column(values):
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("demand", "weight", "capacity", "given_"),
    [
        ([2, 2.6, 4, 5], [1, 1, 1, 1], 10, [2, 2.6, 2.7, 2.7]),  # the example of the textbooks
        ([3, 4], [1, 1], 10, [3, 4]),
        ([10, 10], [1, 1], 8, [4, 4]),
        ([10, 10], [1, 3], 8, [2, 6]),
        ([1, 10, 10], [1, 1, 2], 10, [1, 3, 6]),
        ([0, 10], [5, 1], 8, [0, 8]),
        ([0, 0], [1, 1], 8, [0, 0]),
    ],
)
def test_by_hand(demand, weight, capacity, given_):
    found = max_min(column(demand), column(weight), capacity)
    assert found[:, 0].tolist() == pytest.approx(given_)


def filled(demand, weight, capacity):
    """One small step of the level after another."""
    low, high = 0.0, capacity + 1.0
    for _ in range(200):
        level = (low + high) / 2
        given_ = [min(d, level * w) for d, w in zip(demand, weight, strict=True)]
        low, high = (level, high) if sum(given_) < capacity else (low, level)
    return given_


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_against_bisection_of_the_level(data):
    n, pieces = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    whole = st.integers(0, 40)
    demand = np.array([[data.draw(whole) for _ in range(pieces)] for _ in range(n)], float)
    weight = np.array([[data.draw(st.integers(1, 4)) for _ in range(pieces)] for _ in range(n)])
    capacity = data.draw(st.integers(1, 60))
    found = max_min(demand, weight.astype(float), capacity)
    for p in range(pieces):
        if demand[:, p].sum() <= capacity:
            assert found[:, p].tolist() == demand[:, p].tolist()
        else:
            expected = filled(demand[:, p], weight[:, p], capacity)
            assert found[:, p] == pytest.approx(expected, abs=1e-6)
            assert found[:, p].sum() == pytest.approx(capacity)
