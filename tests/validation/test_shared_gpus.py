"""The experiment of fragmentation gradient descent against the results of its artefact."""

from pathlib import Path

import numpy as np
import pytest

from twin.run import load, run

# Allocated share of GPUs, in per cent, when 130 % have arrived: mean and range over ten seeds of
# the artefact's own results for the default pods [weng2023].
PUBLISHED = {
    "random": (87.47, 87.07, 88.03),
    "dot-product": (90.85, 90.54, 91.28),
    "gpu-clustering": (91.88, 90.81, 92.96),
    "gpu-packing": (92.00, 91.29, 92.79),
    "best-fit": (93.08, 92.87, 93.25),
    "fgd": (95.39, 95.27, 95.49),
}
SEEDS = (1, 2)
ROOT = Path(__file__).resolve().parents[2]


def allocated(name, seed, out):
    """Per cent of the GPUs allocated at the end, and when as many have arrived as there are."""
    scenario = load(f"scenarios/schedulers/alibaba-{name}.yaml", [f"seed={seed}"])
    domains = run(scenario, out, report=False).domains
    site = domains[domains["domain"] == "site"]
    series = site.pivot(index="time_s", columns="quantity", values="value")
    arrived, held = series["arrived_share"].to_numpy(), series["allocated_share"].to_numpy()
    assert arrived[-1] >= 1.3
    return 100 * held[-1], 100 * float(np.interp(1.0, arrived, held))


@pytest.mark.slow
def test_six_placements_stand_as_in_the_study(tmp_path, monkeypatch):
    """Each mean within 1.2 points of the published one, and in its order.

    Seeds differ by up to 2 points under clustering and packing, there and here, because pods are
    drawn at random; means of so few agree to about 0.8.
    """
    if not (ROOT.parent / "shared/data/alibaba_gpu2023").is_dir():
        pytest.skip("needs the measured data: alibaba_gpu2023 is not in ../shared/data")
    monkeypatch.chdir(ROOT)
    ends = {name: [allocated(name, seed, tmp_path) for seed in SEEDS] for name in PUBLISHED}
    mean = {name: float(np.mean([end for end, _ in runs])) for name, runs in ends.items()}
    for name, (published, _, _) in PUBLISHED.items():
        assert mean[name] == pytest.approx(published, abs=1.2), name
        for end, full in ends[name]:
            assert full == pytest.approx(end, abs=2.0 if name == "random" else 0.5)
    assert mean["fgd"] > mean["best-fit"] + 1
    others = [mean[name] for name in ("dot-product", "gpu-clustering", "gpu-packing")]
    assert mean["best-fit"] > max(others) and min(others) > mean["random"] + 2
    # "Unallocated GPUs cut by up to 49 %, 290 of 6,200": from its weakest rival but random.
    cut = 1 - (100 - mean["fgd"]) / (100 - min(others))
    assert 0.35 < cut < 0.6
