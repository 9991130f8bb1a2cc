"""The calibration of power: its fit finds what it should, its kept numbers are those of the data.

The data are not part of the repository; what needs them is skipped where they are absent.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytest import approx

FOLDER = Path(__file__).parents[2] / "calibration/power"
MODULES = ("sweeps", "model", "held_out", "serving", "sanity", "tables", "plot", "fit")
STATED = 0.04  # median error of speed and of power on networks held out


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
def sweeps(cal: SimpleNamespace) -> dict[str, list[Any]]:
    """The jobs of each GPU that a limit touches."""
    if not cal.sweeps.FOLDER.is_dir():
        pytest.skip("the sweeps are not here: zeus under ../shared/data")
    return {g: [job for job in cal.sweeps.read_sweeps(g) if job.bound] for g in cal.sweeps.GPUS}


def jobs_of(cal: SimpleNamespace, law: Any, tdp_w: float) -> list[Any]:
    """Jobs that follow a law exactly, busy for 20 to 100 % of their time."""
    cap_w, gpu = np.linspace(0.4, 1, 7) * tdp_w, cal.model.gpu_of(law, tdp_w)
    light_w = law.light * tdp_w
    made = []
    for uncapped_w in np.linspace(light_w + 0.2 * (law.demand * tdp_w - light_w), 0.95 * tdp_w, 8):
        profile = cal.model.profile_of(gpu, law, float(uncapped_w))
        points = cal.model.operating_points(gpu, profile, cap_w)
        made.append(cal.sweeps.Sweep("any", "any", cap_w, points.power_w, points.rate))
    return made


# --- what the fit does ----------------------------------------------------------------------------


def test_the_fit_finds_the_law_that_jobs_were_made_from(cal: SimpleNamespace) -> None:
    law = cal.model.Law(idle=0.15, knee=0.7, exponent=2.5, demand=0.97, light=0.36)
    found = cal.model.fit(jobs_of(cal, law, 250.0), 250.0)
    for name in cal.model.NAMES:
        assert getattr(found, name) == approx(getattr(law, name), rel=1e-3), name


def test_the_quick_prediction_is_that_of_the_package(cal: SimpleNamespace) -> None:
    law = cal.model.Law(idle=0.2, knee=0.6, exponent=2.2, demand=1.0, light=0.35)
    for job in jobs_of(cal, law, 300.0):
        (quick,) = cal.model.predict_many(law, 300.0, [job])
        for one, other in zip(quick, cal.model.predict(law, 300.0, job), strict=True):
            assert one == approx(other, rel=1e-12)


def test_a_prediction_sees_the_uncapped_row_alone(
    cal: SimpleNamespace, sweeps: dict[str, list[Any]]
) -> None:
    law = cal.model.START
    for job in sweeps["v100"][::5]:
        blind = cal.sweeps.Sweep(
            job.network,
            job.name,
            job.cap_w,
            np.r_[np.zeros(job.power_w.size - 1), job.power_w[-1]],
            np.r_[np.zeros(job.rate.size - 1), 1.0],
        )
        pair = cal.model.predict_many(law, 250.0, [job, blind])
        assert np.array_equal(pair[0], pair[1])


def test_a_network_that_is_held_out_is_in_no_fit(
    cal: SimpleNamespace, sweeps: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def spy(jobs: list[Any], tdp_w: float) -> Any:
        seen.append({job.network for job in jobs})
        return cal.model.START

    monkeypatch.setattr(cal.held_out, "fit", spy)
    networks = sorted({job.network for job in sweeps["v100"]})
    cal.held_out.without_network(sweeps["v100"], 250.0)
    assert seen == [set(networks) - {network} for network in networks]


# --- what is kept, and what is told of it ---------------------------------------------------------


@pytest.mark.parametrize("gpu", ["v100", "rtx6000"])
def test_errors_on_networks_held_out_are_as_stated(
    cal: SimpleNamespace, sweeps: dict[str, list[Any]], gpu: str
) -> None:
    tdp_w, kept = cal.sweeps.GPUS[gpu], cal.fit.kept()["zeus"]["gpus"][gpu]
    folds = cal.held_out.without_network(sweeps[gpu], tdp_w)
    fresh = cal.held_out.told(cal.held_out.joined([errors for _, errors in folds.values()]))
    assert cal.fit.moved(cal.fit.plain(fresh), kept["held_out_network"]) == []
    assert fresh["rate"]["median"] < STATED
    assert fresh["power"]["median"] < STATED


def test_the_pages_tell_what_is_kept(cal: SimpleNamespace) -> None:
    assert cal.tables.moved(cal.fit.kept()) == []


def test_a_moved_number_is_told(cal: SimpleNamespace) -> None:
    kept, other = cal.fit.kept(), cal.fit.kept()
    other["zeus"]["gpus"]["v100"]["law"]["knee"] *= 1.1
    assert [line.split(":")[0] for line in cal.fit.moved(other, kept)] == [
        ".zeus.gpus.v100.law.knee"
    ]


@pytest.mark.slow
def test_all_that_is_kept_is_that_of_the_data(
    cal: SimpleNamespace, sweeps: dict[str, list[Any]]
) -> None:
    assert cal.fit.moved(cal.fit.everything(), cal.fit.kept()) == []
