"""The benchmark of services runs, at a tiny size: its table has the rows that it claims."""

import importlib.util
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
_TINY = """
name: tiny
horizon: 6 h
site: {pools: [{name: p, node: {gpus: 8}, nodes: 3}]}
workload:
  services: [{name: chat, gpus: 8, replicas: {steps: [[0 h, 0], [1 h, 2], [3 h, 1]]}}]
  jobs: [{name: fill, gpus: 4, run: 2 h, count: 18, every: 10 min}]
recovery: {restart: 3 min, checkpoint: {write: 2 min, read: 1 min}}
"""


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("benchmark_of_services", _FOLDER / "services.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_jobs_give_way_in_one_run_and_not_in_the_other(bench, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(_TINY)
    rows = bench.service_rows(path, repeats=1)
    assert [row[:3] for row in rows] == [
        (scheduler, case, "2") for scheduler in ("fifo", "easy-backfill") for case in bench.CASES
    ]
    for *_, gave_way, events, ours_s, plain_s, ratio in rows:
        assert int(gave_way) > 0
        assert int(events) > 20
        assert min(map(float, (ours_s, plain_s, ratio))) >= 0


def test_what_is_measured_is_in_the_scenario_beside_it(bench):
    scenario = bench.load(_FOLDER / "services-1000.yaml")
    (service,) = scenario.workload.services
    assert service.replicas.daily.most == 600
    assert scenario.site.pools[0].nodes == 1000
