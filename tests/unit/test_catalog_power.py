"""Power curves and profiles of the catalog: published speeds, sources, and broken files."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from twin.catalog import parts, power
from twin.errors import CatalogError
from twin.physics.power import operating_curve, operating_points

CAPS = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])  # of TDP
# Typed again from the reference: speeds at these caps, all from memory.
SPEEDS = {
    "training": ([0.72, 0.83, 0.90, 0.95, 0.98, 1], 0.015),
    "decode": ([0.93, 0.97, 0.99, 1, 1, 1], 0.005),
    "prefill": ([0.70, 0.81, 0.88, 0.93, 0.96, 1], 0.02),
}
# Of TDP: the bands that the reference states, from memory.
BANDS = [
    ("training", "power_w", 0.85, 0.95),
    ("training", "trough_w", 0.40, 0.60),
    ("training-pipeline", "trough_w", 0.35, 0.50),
    ("checkpoint", "power_w", 0.25, 0.35),
    ("waiting", "power_w", 0.35, 0.50),
    ("decode", "power_w", 0.57, 0.91),  # 400 to 640 W of 700
    ("idle", "power_w", 0.1, 0.1),
]


@pytest.mark.parametrize("name", SPEEDS)
def test_default_curve_meets_the_published_speeds(name: str) -> None:
    gpu = power.gpu_power("h100-sxm")
    speeds, within = SPEEDS[name]
    points = operating_points(gpu, power.profile(name), CAPS * gpu.tdp_w)
    assert points.rate == pytest.approx(speeds, rel=within)


@pytest.mark.parametrize(("name", "column", "low", "high"), BANDS)
def test_default_profiles_lie_in_the_published_bands(
    name: str, column: str, low: float, high: float
) -> None:
    gpu = power.gpu_power("h100-sxm")
    share = getattr(operating_curve(gpu, power.profile(name)), column)[-1] / gpu.tdp_w
    assert low - 1e-9 <= share <= high + 1e-9


@pytest.mark.parametrize("gpu", parts.names("gpus"))
def test_every_gpu_has_a_curve_for_every_kind_of_work(gpu: str) -> None:
    model = power.gpu_power(gpu)
    assert model.tdp_w == parts.gpu(gpu).tdp_w
    assert parts.gpu(gpu).idle_w in (None, model.idle_w)
    for name in power.profile_names():
        curve = operating_curve(model, power.profile(name), 8)
        assert np.all(np.diff(curve.power_w) >= 0)
        assert curve.power_w[-1] <= model.tdp_w


@pytest.mark.parametrize("gpu", parts.names("gpus"))
def test_assumptions_are_told(gpu: str) -> None:
    told = " ".join(power.assumptions(gpu))
    curve, _ = power.curve(gpu)
    assert ("the default curve stands in" in told) == (curve.name == "default")
    idle_guessed = parts.gpu(gpu).idle_w is None and curve.name == "default"
    assert ("idle draw is not known; 10 % of TDP assumed" in told) == idle_guessed
    assert "communication" in told, "the power of links was measured on no GPU"


def test_a_curve_carried_to_another_size_says_so() -> None:
    told = power.assumptions("v100-32-sxm")
    assert "v100-32-sxm: its power curve is that of v100-pcie, scaled to its TDP" in told
    assert power.gpu_power("v100-32-sxm").exponent == power.gpu_power("v100-pcie").exponent
    assert not any("scaled" in line for line in power.assumptions("v100-pcie"))


def test_order_of_what_work_draws() -> None:
    gpu = power.gpu_power("h100-sxm")
    names = ["idle", "interactive", "checkpoint", "waiting", "batch", "serving", "training"]
    drawn = [float(operating_curve(gpu, power.profile(name)).power_w[-1]) for name in names]
    assert drawn == sorted(drawn)


def test_what_is_not_in_step_is_not_synchronous() -> None:
    together = {name for name in power.profile_names() if power.profile(name).synchronous}
    assert together == {"training", "training-pipeline", "checkpoint", "restart", "waiting"}


def test_fitted_curves_are_those_of_the_calibration() -> None:
    kept = Path(power.__file__).parents[2] / "calibration/power/zeus.yaml"
    if not kept.is_file():
        pytest.skip("the calibration is not beside the package")
    fits = yaml.safe_load(kept.read_text(encoding="utf-8"))["gpus"]
    for gpu, name in (("v100-pcie", "v100"), ("rtx-6000", "rtx6000")):
        law, (curve, _) = fits[name]["law"], power.curve(gpu)
        stated = [curve.idle, curve.knee, curve.exponent]
        assert stated == pytest.approx([law["idle"], law["knee"], law["exponent"]], rel=2e-4)
        model = power.gpu_power(gpu)
        busy = power.profile("training").phases[0]
        demand_w = model.idle_w + busy.compute * model.compute_w + busy.memory * model.memory_w
        assert demand_w / model.tdp_w == pytest.approx(law["demand"], rel=5e-4)


@pytest.mark.parametrize("file", ["power.yaml", "profiles.yaml"])
def test_every_basis_is_used(file: str) -> None:
    text = Path(power.__file__).with_name(file).read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    used = set()
    for entry in document["parts"].values():
        used |= set(entry["figures"]) if "figures" in entry else {entry["basis"]}
    assert used == set(document["bases"])


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(CatalogError, match="unknown power profile 'trainig'; did you mean 'train"):
        power.profile("trainig")
    with pytest.raises(CatalogError, match=r"unknown GPU 'h100'; did you mean 'h100-sxm'\?"):
        power.gpu_power("h100")
    with pytest.raises(CatalogError, match="unknown GPU 'h100'"):
        power.assumptions("h100")


def test_a_gpu_without_tdp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "gpu", lambda name: parts.GpuType(name=name))
    with pytest.raises(CatalogError, match="'x': its TDP is not in the catalog; give it one"):
        power.gpu_power("x")


BASES = "bases: {b: {sources: [from-memory], kind: assumed, status: unverified}}\nparts:\n  x: "


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{}", "profiles.yaml x: needs the key 'phases'"),
        (
            "{title: X, basis: c, synchronous: no, phases: [{name: a}]}",
            "x: unknown basis 'c'; Known: b",
        ),
        ("{title: X, basis: b, synchronous: no, phases: [{name: a, clock: 1}]}", "'clock'"),
        ("{title: X, basis: b, synchronous: no, phases: [{name: a, share: 0.5}]}", "sum to 1"),
        ("{title: X, basis: b, synchronous: no, phases: 3}", "not a power profile"),
        ("{title: X, basis: b, synchronous: no, phases: [{name: a, compute: x}]}", "not a power"),
    ],
)
def test_broken_profiles_are_refused(tmp_path: Path, entry: str, message: str) -> None:
    file = tmp_path / "profiles.yaml"
    file.write_text(BASES + entry)
    with pytest.raises(CatalogError, match=re.escape(message)):
        power.read_works(file)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{title: X, figures: {b: {idle: 0.1}}}", "power.yaml x: needs min_cap, min_clock, exp"),
        ("{title: X, figures: {b: {idle: 10 W}}}", "idle: expected a number, found '10 W'"),
        ("{title: X, figures: {b: {idle: true}}}", "idle: expected a number, found True"),
        (
            "{title: X, figures: {b: {idle: 0, min_cap: 0, min_clock: 1, exponent: 2, knee: 1, "
            "compute: 1, memory: 1, communication: 1}}}",
            "power.yaml: needs a part 'default'",
        ),
    ],
)
def test_broken_curves_are_refused(tmp_path: Path, entry: str, message: str) -> None:
    file = tmp_path / "power.yaml"
    file.write_text(BASES + entry)
    with pytest.raises(CatalogError, match=re.escape(message)):
        power.read_curves(file)


@pytest.mark.parametrize("gpu", ["v100-pcie", "rtx-6000"])
@pytest.mark.parametrize("name", ["training", "batch"])
def test_a_step_costs_least_energy_at_about_half_of_tdp(gpu: str, name: str) -> None:
    """As the sweeps have it: the optimum lies at 45 to 60 % of the highest limit."""
    model = power.gpu_power(gpu)
    curve = operating_curve(model, power.profile(name), 512)
    best = curve.cap_w[np.argmin(curve.power_w / curve.rate)] / model.tdp_w
    assert 0.45 <= best <= 0.60
