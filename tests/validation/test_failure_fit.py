"""The calibration of failures: its laws against references, its kept numbers against the records.

The records are not part of the repository; what needs them is skipped where they are absent.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from scipy import stats

FOLDER = Path(__file__).parents[2] / "calibration/failures"
MODULES = ("faults", "laws", "rates", "recurrence", "dated", "held_out", "tables", "fit")


@pytest.fixture(scope="module")
def cal() -> Iterator[SimpleNamespace]:
    """The scripts of the calibration, imported as they import each other."""
    sys.path.insert(0, str(FOLDER))
    for name in MODULES:  # other calibrations may have scripts of the same names
        sys.modules.pop(name, None)
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def fresh(cal: SimpleNamespace) -> dict[str, Any]:
    """The fit made anew."""
    if not cal.faults.DATA.is_file():
        pytest.skip(f"the fault records are not here: {cal.faults.DATA.name} under ../shared/data")
    found: dict[str, Any] = cal.fit.everything()
    return found


# --- what is kept, and what is told of it ---------------------------------------------------------


def test_kept_parameters_and_errors_are_those_of_the_records(
    cal: SimpleNamespace, fresh: dict[str, Any]
) -> None:
    assert cal.fit.moved(fresh, cal.fit.kept()) == []


def test_the_readme_tells_what_is_kept(cal: SimpleNamespace) -> None:
    assert cal.tables.moved(cal.fit.kept()) == []


def test_the_table_for_use_tells_what_is_kept(cal: SimpleNamespace) -> None:
    text = cal.tables.README.read_text(encoding="utf-8")
    for name, cls in cal.fit.kept()["days_0_210"]["classes"].items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        lives = [float(cell.replace(",", "")) for cell in row.split("|")[2:4]]
        assert lives == approx([cls["life_d"], cls["own_life_d"]], rel=1e-3), name
        if repair := cls.get("repair"):
            told = row.split("|")[4].replace("(", "").replace(":", ",").split(",")
            assert float(told[0]) == approx(repair["scale_d"], abs=0.051), name
            assert float(told[1].split()[0]) == approx(repair["shape"], abs=0.0051), name


def test_a_moved_number_is_told(cal: SimpleNamespace) -> None:
    kept = cal.fit.kept()
    other = cal.fit.kept()
    other["days_0_210"]["lemons"]["shape"] *= 1.1
    assert [line.split(":")[0] for line in cal.fit.moved(other, kept)] == [
        ".days_0_210.lemons.shape"
    ]


def test_choices_of_the_model_stand_on_the_kept_numbers(cal: SimpleNamespace) -> None:
    kept = cal.fit.kept()
    for days in ("days_0_210", "days_0_140"):
        repair, again = kept[days]["repair"], kept[days]["recurrence"]
        assert repair["weibull"]["aic"] < repair["pipeline"]["aic"] < repair["lognormal"]["aic"]
        assert again["aic"]["unmended"] + 100 < again["aic"]["lemons"] < again["aic"]["alike"]
    counts, times = kept["held_out"]["counts"], kept["held_out"]["times"]
    assert counts["lemons"]["log_score_per_node"] < counts["alike"]["log_score_per_node"]
    assert times["gain"]["lemons"] < 0 < times["gain"]["unmended"]
    low, high = counts["alike"]["interval"]
    assert low < counts["observed"] < high


def test_records_are_paired_and_none_is_lost(cal: SimpleNamespace, fresh: dict[str, Any]) -> None:
    records = cal.faults.read_records()
    assert len(records) == 349
    assert np.isinf(records.end_d).sum() == 7
    assert (records.end_d >= records.start_d).all()
    assert records.cls.notna().all() and records.group.notna().all()
    assert records.node.nunique() == 175
    at_140 = cal.faults.seen_by(records, 140)
    assert at_140.start_d.max() < 140
    assert (at_140.start_d + at_140.lasts_d <= 140 + 1e-9).all()
    # A node out of service has no other fault: the pairing would break otherwise.
    ordered = records.sort_values(["node", "start_d"])
    assert not (ordered.start_d < ordered.groupby("node").end_d.shift()).any()


# --- laws against references ----------------------------------------------------------------------


def repairs(lasts_d: np.ndarray, open_: np.ndarray) -> pd.DataFrame:
    """Repairs that begin far apart."""
    start_d = np.arange(len(lasts_d)) * 1000.0
    end_d = np.where(open_, np.inf, start_d + lasts_d)
    return pd.DataFrame({"start_d": start_d, "end_d": end_d, "lasts_d": lasts_d, "open": open_})


def test_censored_weibull_fit_is_that_of_scipy(cal: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    drawn, cut = 3 * rng.weibull(0.5, 400), rng.uniform(0, 30, 400)
    open_ = drawn > cut
    lasts_d = np.minimum(drawn, cut)
    found = cal.laws.fit(cal.laws.Weibull, repairs(lasts_d, open_))
    data = stats.CensoredData(lasts_d[~open_], right=lasts_d[open_])
    shape, _, scale = stats.weibull_min.fit(data, floc=0)
    assert found.law.shape == approx(shape, rel=1e-3)
    assert found.law.scale_d == approx(scale, rel=1e-3)
    # Without faults that go together the sandwich is the usual error: 0.78 shape / sqrt(n).
    low, high = found.intervals()[1]
    assert np.log(high / low) / 3.92 == approx(0.78 / np.sqrt((~open_).sum()), rel=0.2)


def test_pipeline_is_the_sum_of_its_stages(cal: SimpleNamespace) -> None:
    law = cal.laws.Pipeline(0.5, 0.2, 2.4, 3.0, 1.5)
    rng = np.random.default_rng(2)
    n = 400_000
    total = 0.2 * np.exp(2.4 * rng.standard_normal(n))
    total += (rng.random(n) < 0.5) * 3.0 * np.exp(1.5 * rng.standard_normal(n))
    t = np.geomspace(0.01, 100, 9)
    empirical = np.searchsorted(np.sort(total), t) / n
    assert np.exp(law.log_cdf(t)) == approx(empirical, abs=5 * 0.5 / np.sqrt(n))
    slope = (np.exp(law.log_cdf(1.001 * t)) - np.exp(law.log_cdf(0.999 * t))) / (0.002 * t)
    assert np.exp(law.log_density(t)) == approx(slope, rel=1e-3)


def test_negative_binomial_is_that_of_scipy(cal: SimpleNamespace) -> None:
    n, mean, shape = np.arange(12), 1.3, 0.6
    expected = stats.nbinom.logpmf(n, shape, shape / (shape + mean))
    assert cal.rates.log_negative_binomial(n, mean, shape) == approx(expected)


def test_nodes_out_come_to_rate_times_mean_repair(cal: SimpleNamespace) -> None:
    law = cal.laws.Weibull(2.0, 0.8)
    out = cal.dated.expected_out(law, np.full(400, 1.7), np.array([399.5]))
    assert out[0] == approx(1.7 * law.mean_d, rel=0.01)


# --- lemons and unmended repairs can be told apart ------------------------------------------------


def made_up(seed: int, shape: float, unmended: float) -> pd.DataFrame:
    """Faults of 400 nodes over 210 days, each mended in a day or, by chance, not at all."""
    rng = np.random.default_rng(seed)
    rows = []
    for node, factor in enumerate(rng.gamma(shape, 1 / shape, 400)):
        now_d, returns = 0.0, np.inf
        while True:
            now_d += min(rng.exponential(1 / (0.003 * factor)), returns)
            if now_d >= 210:
                break
            rows.append((node, now_d, min(now_d + 1, np.inf)))
            now_d += 1
            returns = 0.3 * np.exp(2 * rng.standard_normal()) if rng.random() < unmended else np.inf
    faults = pd.DataFrame(rows, columns=["node", "start_d", "end_d"])
    faults["open"] = faults.end_d >= 210
    faults["end_d"] = faults.end_d.where(~faults.open, np.inf)
    faults["lasts_d"] = np.minimum(faults.end_d, 210) - faults.start_d
    return faults.assign(cls="gpu", group="hardware")


def test_unmended_repairs_are_not_taken_for_lemons(cal: SimpleNamespace) -> None:
    likelihood = cal.recurrence.Likelihood(made_up(3, shape=1e4, unmended=0.4), 210)
    form = cal.recurrence.Form
    unmended, lemons = likelihood.fit(form()), likelihood.fit(form(recurs=False, lemons=True))
    assert unmended.aic + 50 < lemons.aic
    assert lemons.model.shape < 2  # counts alone would tell of lemons
    low, high = likelihood.intervals(unmended)
    assert low.unmended["all"] < 0.4 < high.unmended["all"]
    assert low.median_d < 0.3 < high.median_d
    assert low.rates_per_d[0] < 0.003 < high.rates_per_d[0]


def test_lemons_are_not_taken_for_unmended_repairs(cal: SimpleNamespace) -> None:
    likelihood = cal.recurrence.Likelihood(made_up(4, shape=0.5, unmended=0.0), 210)
    form = cal.recurrence.Form
    unmended, lemons = likelihood.fit(form()), likelihood.fit(form(recurs=False, lemons=True))
    assert lemons.aic + 20 < unmended.aic
    assert 0.3 < lemons.model.shape < 0.8
