"""The calibrations of speeds: fits find what they should, kept numbers are those of the data.

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
import yaml
from pytest import approx

from twin.catalog import achieved, models
from twin.physics.scaling import ScalingLaw, step_s

ROOT = Path(__file__).parents[2]
MODULES = ("kept", "models", "heterogeneity.measured", "heterogeneity.model", "heterogeneity.fit",
           "scaling.sweeps", "scaling.fit", "interference.pairs", "interference.model",
           "interference.slices", "interference.fit")  # fmt: skip


@pytest.fixture(scope="module")
def cal() -> Iterator[SimpleNamespace]:
    """The scripts of the calibrations."""
    sys.path.insert(0, str(ROOT))
    try:
        yield SimpleNamespace(
            **{
                name.replace(".", "_"): importlib.import_module(f"calibration.{name}")
                for name in MODULES
            }
        )
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture(scope="module")
def data(cal: SimpleNamespace) -> Path:
    """The folder of the data."""
    folder: Path = cal.heterogeneity_measured.DATA
    if not all((folder / name).is_dir() for name in ("sia", "gavel", "lucid")):
        pytest.skip("the measured speeds are not here: sia, gavel, lucid under ../shared/data")
    return folder


def kept(name: str) -> Any:
    """What a fit found when it was last run."""
    text = (ROOT / f"calibration/{name}/{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


# --- what the fits do -----------------------------------------------------------------------------


def test_a_scaling_fit_finds_the_law_that_steps_were_made_from(cal: SimpleNamespace) -> None:
    law = ScalingLaw(step_s=0.1, sample_s=0.002, node_s=0.05, node_gpu_s=0.004, cluster_s=0.3,
                     cluster_gpu_s=0.01, overlap=2.0)  # fmt: skip
    places = [(1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (12, 3), (16, 2), (32, 4)]
    steps = [
        cal.scaling_sweeps.Step(f"{g} on {n}", g, n, b, float(step_s(law, g, n, b)))
        for g, n in places
        for b in (8, 20, 50, 100, 200)
    ]
    found = cal.scaling_fit.fit(steps)
    for name, value in vars(law).items():
        assert getattr(found, name) == approx(value, rel=0.03), name


def test_a_roofline_fit_finds_the_steps_it_was_made_from(cal: SimpleNamespace) -> None:
    """To 1 % in the median; the priors, which draw models and types together, move some by 5 %."""
    row, data_sheet = cal.heterogeneity_measured.Row, achieved.data_sheet
    reached = {"k80": 0.5, "p100-pcie": 0.9, "v100-32-sxm": 1.0, "t4": 0.7}
    truth = {
        name: models.heterogeneity.WorkPerSample(host_s=host, flop=flop, bytes=byte)
        for name, host, flop, byte in (
            ("a", 0.02, 3e10, 1e8), ("b", 0.03, 1e9, 1e9), ("c", 0.01, 1e10, 5e8),
        )
    }  # fmt: skip
    rows = [
        row(name, gpu, batch,
            float(models.heterogeneity.step_s(work, data_sheet(gpu, reached[gpu]), batch)))
        for name, work in truth.items() for gpu in reached for batch in (8, 16, 32, 64, 128)
    ]  # fmt: skip
    found = cal.heterogeneity_model.fit(rows)
    error = np.abs([found.step_s(r) / r.step_s - 1 for r in rows])
    assert np.median(error) < 0.01
    assert np.max(error) < 0.06


def test_a_sharing_fit_finds_the_demands_that_pairs_were_made_from(cal: SimpleNamespace) -> None:
    pairs, law = cal.interference_pairs, models.interference.shared_rates
    demands = {"a": (0.9, 1.0), "b": (0.5, 2.0), "c": (0.7, 0.5), "d": (0.95, 1.5)}
    made = [
        pairs.Pair((pairs.Job(one, 8), pairs.Job(two, 8)),
                   tuple(law([demands[one][0], demands[two][0]],
                             [demands[one][1], demands[two][1]])))
        for one in demands for two in demands if one <= two
    ]  # fmt: skip
    found = cal.interference_model.fit(made)
    unit = found.job(pairs.Job("a", 8))[1]
    for name, (busy, turn) in demands.items():
        there, its_turn = found.job(pairs.Job(name, 8))
        assert there == approx(busy, abs=0.03), name
        assert its_turn / unit == approx(turn, rel=0.1), name


def test_a_fit_side_by_side_finds_the_speeds_that_it_was_made_from(cal: SimpleNamespace) -> None:
    """Speeds, of pairs held out too; pairs hardly tell busy from fill, and priors move both."""
    pairs, law = cal.interference_pairs, models.interference.shared_rates
    fillings = {"a": (0.9, 0.9), "b": (0.6, 0.7), "c": (0.8, 0.8), "d": (0.95, 0.95)}
    made = []
    for one in fillings:
        for two in fillings:
            busy, fill = zip(fillings[one], fillings[two], strict=True)
            rates = law(busy, fill, sharing="concurrent")
            made.append(pairs.Pair((pairs.Job(one, 8), pairs.Job(two, 8)), tuple(rates)))
    held_out = {6, 9}  # b beside c
    seen = [pair for i, pair in enumerate(made) if i not in held_out]
    found = cal.interference_model.fit(seen, "concurrent")
    assert found.rates(made) == approx(cal.interference_model.rates_of(made), abs=0.02)


# --- what is kept ---------------------------------------------------------------------------------


def test_scaling_laws_are_those_of_the_data(cal: SimpleNamespace, data: Path) -> None:
    """One machine of each model, law and errors on what was held out."""
    asked = {"bert": "dgx-ext", "cifar10": "rtx", "imagenet": "dgx-ext"}
    for model, type_ in asked.items():
        fresh = cal.kept.plain(
            cal.scaling_fit.of_machine(cal.scaling_sweeps.read_sia(model, type_))
        )
        known = kept("scaling")["laws"][model][cal.scaling_fit.SIA_GPUS[type_]]
        assert cal.kept.moved(fresh["errors"], known["errors"], rtol=0.05) == []
        assert fresh["errors"]["placements held out"]["median"] < 0.05


def test_noise_scales_are_those_of_the_data(cal: SimpleNamespace, data: Path) -> None:
    for model, known in kept("scaling")["noise"].items():
        assert cal.kept.moved(cal.kept.plain(cal.scaling_fit.of_noise(model)), known) == []
        assert known["errors"]["batch held out"]["median"] < 0.03


def test_speeds_by_type_are_those_of_the_data(cal: SimpleNamespace, data: Path) -> None:
    """In sample, and ResNet-50 held out."""
    known, fit = kept("heterogeneity"), cal.heterogeneity_fit
    rows = cal.heterogeneity_measured.rows()
    ratios = fit.Ratios(rows)
    fresh = cal.kept.told(*ratios.of(cal.heterogeneity_model.fit(rows), ratios.rows))
    assert cal.kept.moved(cal.kept.plain(fresh), known["errors"]["in sample"]) == []
    some = [row for row in ratios.rows if row.model == "resnet50"]
    held = cal.kept.told(*ratios.of(fit.without_model(rows, "resnet50"), some))
    assert cal.kept.moved(cal.kept.plain(held), known["by_model_held_out"]["resnet50"]) == []


def test_the_roofline_beats_the_data_sheet() -> None:
    errors = kept("heterogeneity")["errors"]
    held = errors["**model held out, measured on the V100 alone**"]["median"]
    for name in ("peak FLOP/s alone", "bandwidth alone", "geometric mean of the other models"):
        assert held < errors[name]["median"]


@pytest.mark.parametrize("which", ["p100", "k80"])
def test_demands_are_those_of_the_data(cal: SimpleNamespace, data: Path, which: str) -> None:
    """Pairs held out: the error that is stated, within 7 % in the median."""
    known = kept("interference")[which]["errors"]["pairs held out"]
    fresh = cal.kept.told(*cal.interference_fit.folds(cal.interference_pairs.read(which)))
    assert cal.kept.moved(cal.kept.plain(fresh), known, rtol=0.05) == []
    assert fresh["median"] < 0.07


def test_fillings_are_those_of_the_data(cal: SimpleNamespace, data: Path) -> None:
    """Side by side, in sample and of another type: the errors that are stated."""
    read, fit = cal.interference_pairs.read, cal.interference_model.fit
    known = kept("interference")["p100"]["side_by_side"]["errors"]
    pairs = read("p100")
    measured = cal.interference_model.rates_of(pairs)
    others = [pair for which in ("k80", "v100") for pair in read(which)]
    for train, name in ((pairs, "in sample"), (others, "GPU type held out: of the other two")):
        fresh = cal.kept.told(fit(train, "concurrent").rates(pairs), measured)
        assert cal.kept.moved(cal.kept.plain(fresh), known[name], rtol=0.05) == []


def test_slices_are_those_of_the_data(cal: SimpleNamespace) -> None:
    """Medians of the logs are kept, so that nothing is skipped; the law is no guess of shares."""
    known = kept("interference")["slices"]
    assert cal.kept.moved(cal.kept.plain(cal.interference_slices.of_slices()), known) == []
    errors = {name: one["median"] for name, one in known["errors"].items()}
    assert errors["**slice held out**"] < 0.08
    assert errors["**slice held out**"] < errors["mean of the other networks in that slice"] / 3
    assert errors["**slice held out**"] < errors["speed in proportion to the slice"] / 3


@pytest.mark.parametrize("which", ["p100", "k80", "v100", "lucid"])
def test_the_tables_look_like_turns(which: str) -> None:
    """What the pages say: turns describe every set better, and both laws beat no slow-down."""
    one = kept("interference")[which]
    turns, beside = one["errors"]["pairs held out"], one["side_by_side"]["errors"]["pairs held out"]
    assert turns["median"] < beside["median"] < one["trivial"]["no slow-down"]["median"]
    assert beside["median"] < one["trivial"]["the mean speed of the other pairs"]["median"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heterogeneity", "scaling", "interference"])
def test_all_that_is_kept_is_that_of_the_data(cal: SimpleNamespace, data: Path, name: str) -> None:
    fresh = getattr(cal, f"{name}_fit").everything()
    assert cal.kept.moved(fresh, kept(name), rtol=0.05) == []


@pytest.mark.parametrize("name", ["heterogeneity", "scaling", "interference"])
def test_the_readme_tells_what_is_kept(cal: SimpleNamespace, name: str) -> None:
    page = (ROOT / f"calibration/{name}/README.md").read_text(encoding="utf-8")
    stands = page.split("<!-- tables -->\n")[1].split("<!-- end of tables -->\n")[0]
    assert stands == getattr(cal, f"{name}_fit").tables(kept(name))


def test_the_catalog_holds_what_the_fits_found(cal: SimpleNamespace) -> None:
    for path, text in cal.models.files().items():
        assert path.read_text(encoding="utf-8") == text, path.name
