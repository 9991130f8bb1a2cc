"""When jobs are let in: by hand, and against quantiles of the hours ahead."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import PolicyError
from twin.registry import make_policy

BATCH = SimpleNamespace(job_kind="batch")


class Hours:
    """One value an hour for the price, its double for carbon, its opposite for the wet bulb."""

    def __init__(self, values):
        self.values = values

    def price_usd_per_j(self, at_s):
        return self.values[int(at_s // 3600)]

    def carbon_kg_per_j(self, at_s):
        return 2 * self.price_usd_per_j(at_s)

    def wet_bulb_degc(self, at_s):
        return -self.price_usd_per_j(at_s)

    def changes_s(self, what, from_s, to_s):
        assert what in ("price", "carbon", "wet_bulb")
        return [3600.0 * h for h in range(len(self.values)) if from_s < 3600.0 * h <= to_s]


def release_h(values, at_h=0.0, job=BATCH, **options):
    made = make_policy("admission", "cheap", options)
    return made.release_s(job, 3600.0 * at_h, Hours(values)) / 3600.0


def test_the_first_of_the_best_hours():
    day = [5.0, 4.0, 3.0, 1.0, 2.0, 6.0, 7.0, 8.0, 0.0]
    assert release_h(day, patience="8 h", below=0.25) == 3.0  # 1 and 2 are the best two of eight
    assert release_h(day, patience="8 h", below=0.5) == 1.0
    assert release_h(day, patience="8 h", below=0.0) == 3.0
    assert release_h(day, patience="8 h", below=1.0) == 0.0
    assert release_h(day, patience="9 h", below=0.0) == 8.0
    assert release_h(day, patience="0 s") == 0.0
    assert release_h(day, at_h=2.5, patience="1 h", below=0.5) == 3.0
    assert release_h(day, at_h=4.5, patience="3 h", below=0.2) == 4.5  # half an hour of 2 is enough


def test_by_what_and_for_whom():
    day = [2.0, 1.0, 3.0, 2.0]
    assert release_h(day, patience="4 h", by="carbon") == 1.0
    assert release_h(day, patience="4 h", by="wet-bulb") == 2.0
    assert release_h(day, patience="4 h", job=SimpleNamespace(job_kind="serving")) == 0.0
    assert release_h(day, patience="4 h", kinds=["training"]) == 0.0


def test_negative_prices_are_the_best():
    assert release_h([0.0, -3.0, -1.0], patience="3 h") == 1.0


@given(
    values=st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=48),
    below=st.integers(1, 16).map(lambda n: n / 16),
)
def test_equals_the_quantile_of_the_hours_ahead(values, below):
    hour = int(release_h(values, patience=f"{len(values)} h", below=below))
    good = np.quantile(values, below, method="inverted_cdf")
    assert hour == next(h for h, value in enumerate(values) if value <= good)


@given(
    values=st.lists(st.floats(-1, 1), min_size=30, max_size=30),
    at_h=st.floats(0, 5),
    patience_h=st.floats(0, 24),
    below=st.floats(0, 1),
)
def test_within_patience_and_never_worse_than_now(values, at_h, patience_h, below):
    found = release_h(values, at_h, patience=f"{patience_h} h", below=below)
    assert at_h * (1 - 1e-12) <= found <= at_h + patience_h + 1e-9
    assert values[int(found + 1e-9)] <= values[int(at_h)] or found == pytest.approx(at_h)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"below": 1.5}, r"cheap\.below: must lie from 0 to 1, found 1.5"),
        ({"patience": "-1 h"}, r"cheap\.patience: must be 0 s or above"),
        ({"by": "gas"}, r"cheap\.by: .*'price', 'carbon' or 'wet-bulb'"),
        ({"kinds": ["games"]}, r"cheap\.kinds: .*'training'"),
    ],
)
def test_options_out_of_range(options, words):
    with pytest.raises(PolicyError, match=words):
        make_policy("admission", "cheap", options)


def test_powered_only_asks_for_power():
    assert make_policy("admission", "powered", {}).needs_power
    assert not make_policy("admission", "all-jobs", {}).needs_power
