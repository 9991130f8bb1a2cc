"""The same scenario, seed and version give the same bytes, whichever process runs it and when."""

import hashlib
import json
from pathlib import Path

import pytest

from twin.run import load, run
from twin.tables import RUN_TABLES

ROOT = Path(__file__).resolve().parents[2]

# All that draws: arrivals, sizes, durations, users, transforms, estimates; and several pools.
RANDOM = """\
name: random
seed: 4
horizon: 6 days
site:
  pools:
    - {name: large, node: {gpus: 8}, nodes: 6}
    - {name: small, node: {gpus: 4}, nodes: 5}
workload:
  synthetic: {model: philly, duration: 5 days, load: 0.9, max_gpus: 32}
  transforms:
    - load_scale: 0.8
    - shuffle
    - {resample_arrivals: {bursty: {cv: 3}}}
  estimates: {exact_times: {lognormal: {median: 1.5, sigma: 1}}}
policies: {scheduler: easy-backfill}
"""

RUN = """
import sys
from twin.run import run
run(sys.argv[1], sys.argv[2], report=False)
"""


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "random.yaml"
    path.write_text(RANDOM)
    return path


def digests(folder: Path) -> dict[str, str]:
    """Every table and the resolved scenario -> the hash of its bytes; the summary without times."""
    names = [*(f"{table.name}.parquet" for table in RUN_TABLES), "scenario.yaml"]
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    events = summary.pop("engine")["events"]
    return found | {"summary.json": json.dumps(summary), "events": str(events)}


def test_a_second_run_gives_the_same_bytes(scenario, tmp_path):
    paths = [run(scenario, tmp_path / folder, report=False).path for folder in "ab"]
    first, second = map(digests, paths)
    assert first == second


def test_hash_seeds_and_processes_do_not_matter(scenario, tmp_path, process):
    """Sets and dictionaries of text are ordered by Python's hash, which differs by process."""
    here = digests(run(scenario, tmp_path / "here", report=False).path)
    seeds = ("0", "4242")
    children = [
        process(scenario, tmp_path / seed, code=RUN, env={"PYTHONHASHSEED": seed}) for seed in seeds
    ]
    for child, seed in zip(children, seeds, strict=True):
        assert child.wait(timeout=60) == 0, child.stderr.read()
        assert digests(tmp_path / seed / "random") == here


def test_another_seed_is_another_run(scenario, tmp_path):
    paths = [
        run(load(scenario, [f"seed={seed}"]), tmp_path / str(seed), report=False).path
        for seed in (4, 5)
    ]
    first, second = map(digests, paths)
    for name in ("jobs.parquet", "allocations.parquet", "timeline.parquet", "scenario.yaml"):
        assert first[name] != second[name], name


def test_a_policy_does_not_change_the_jobs(scenario, tmp_path):
    """Common random numbers: rivals meet the same jobs, and are told the same estimates."""
    runs = [
        run(load(scenario, [f"policies.scheduler={name}", "horizon=drained"]), report=False)
        for name in ("fifo", "easy-backfill")
    ]
    drawn = ["job_id", "submit_s", "run_s", "gpus", "user", "group", "kind"]
    assert runs[0].jobs[drawn].equals(runs[1].jobs[drawn])
    assert not runs[0].jobs["start_s"].equals(runs[1].jobs["start_s"])


def test_the_resolved_scenario_is_the_run(scenario, tmp_path):
    first = run(scenario, tmp_path / "a", report=False)
    again = run(first.path / "scenario.yaml", tmp_path / "b", report=False)
    assert digests(first.path) == digests(again.path)
