"""Every scenario of the gallery holds and runs, and its ledger sums to what was bought."""

from pathlib import Path

import pytest

from twin import load, run
from twin.sweep import plan
from twin.tables import GPU_TIME_SHARES

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "scenarios"
TRACE = ROOT.parent / "shared" / "data" / "sia" / "philly.csv.gz"
SWEEPS = sorted((GALLERY / "sweeps").glob("*.yaml"))
SCENARIOS = sorted(path for path in GALLERY.rglob("*.yaml") if path not in SWEEPS)

# What the gallery promises by name, and what outside checks look for.
PROMISED = {"first.yaml", *(f"philly/{p}-{n}.yaml" for p in ("fifo", "easy") for n in (96, 64))}


def name(path):
    return str(path.relative_to(GALLERY))


def test_the_promised_names_are_there():
    assert {name(path) for path in SCENARIOS} >= PROMISED


@pytest.mark.parametrize("path", SCENARIOS, ids=name)
def test_scenario_runs_and_its_ledger_sums(path, tmp_path, monkeypatch):
    if "philly" in path.parts and not TRACE.exists():
        pytest.skip("needs ../shared/data/sia/philly.csv.gz")
    monkeypatch.chdir(ROOT)  # paths of traces are relative to the repository
    scenario = load(path)
    assert scenario.description
    results = run(scenario, tmp_path, report=path.name in ("first.yaml", "easy-64.yaml"))
    ledger = results.summary["ledgers"]["gpu_time"]
    assert list(ledger["shares"]) == [share.name for share in GPU_TIME_SHARES]
    assert sum(ledger["shares"].values()) == pytest.approx(ledger["total"], rel=1e-9)
    jobs = results.summary["jobs"]
    states = ("completed", "failed", "rejected", "running", "queued")
    assert jobs["submitted"] == sum(jobs[state] for state in states) == len(results.jobs)
    if "philly" in path.parts:
        assert jobs == {"submitted": 82_247, "completed": 82_247} | dict.fromkeys(states[1:], 0)


@pytest.mark.parametrize("path", SWEEPS, ids=name)
def test_every_point_of_a_sweep_is_a_scenario(path):
    asked, points = plan(path)
    assert asked.name == path.stem
    assert len(points) > 1
