"""The same scenario, seed and version give the same bytes, wherever and however often it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twin import load, run

FIRST = Path(__file__).parents[2] / "scenarios" / "first.yaml"
SMALL = ["horizon=2 days", "workload.synthetic.duration=3 days", "site.pools[h100].nodes=6"]
NOISE = ["workload.estimates={exact_times: {lognormal: {median: 1, sigma: 0.5}}}"]


def tables(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return run(load(FIRST, SMALL + NOISE), tmp_path_factory.mktemp("once"))


def test_the_same_bytes_again(once, tmp_path):
    again = run(load(FIRST, SMALL + NOISE), tmp_path)
    assert len(tables(once.path)) == 5
    assert tables(again.path) == tables(once.path)
    assert again.summary["ledgers"] == once.summary["ledgers"]
    # The page names time and memory taken; all else is the same.
    wall = once.path / "report.html", again.path / "report.html"
    assert abs(wall[0].stat().st_size - wall[1].stat().st_size) < 50


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_same_bytes_under_another_hash_seed(once, tmp_path, hash_seed):
    code = (
        "import sys; from twin import load, run\n"
        "run(load(sys.argv[1], sys.argv[3:]), sys.argv[2], report=False)"
    )
    command = [sys.executable, "-c", code, str(FIRST), str(tmp_path), *SMALL, *NOISE]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    assert tables(tmp_path / "first") == tables(once.path)


def test_the_resolved_scenario_gives_the_same_bytes(once, tmp_path):
    again = run(once.path / "scenario.yaml", tmp_path, report=False)
    assert tables(again.path) == tables(once.path)
    assert again.scenario_yaml == once.scenario_yaml


def test_another_seed_gives_other_jobs(once, tmp_path):
    other = run(load(FIRST, [*SMALL, *NOISE, "seed=2"]), tmp_path, report=False)
    assert tables(other.path)["jobs.parquet"] != tables(once.path)["jobs.parquet"]


def test_rival_policies_meet_the_same_jobs_and_the_same_luck(once, tmp_path):
    """Common random numbers: arrivals, work and estimates do not depend on the scheduler."""
    fifo = run(load(FIRST, [*SMALL, *NOISE, "policies.scheduler=fifo"]), tmp_path, report=False)
    for column in ("job_id", "submit_s", "gpus", "run_s", "user"):
        assert fifo.jobs[column].tolist() == once.jobs[column].tolist()
