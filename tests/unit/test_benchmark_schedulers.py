"""The benchmark of schedulers runs, at a tiny size: its tables have the rows that they claim."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from twin.registry import PLACEMENTS, SCHEDULERS

_FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "schedulers.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_of_schedulers", _FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_busy_cluster_is_full_and_its_queue_waits(bench: ModuleType) -> None:
    jobs = bench.busy(waiting=30, nodes=16, sizes=bench.FEW, steps=10)
    first, queue = jobs[jobs["submit_s"] == 0.0], jobs[jobs["submit_s"] == 1.0]
    # The job that would have been next was larger than what is left.
    assert 16 * 8 - 32 < first["gpus"].sum() <= 16 * 8
    assert len(queue) == 30 and len(jobs) == len(first) + 40
    assert (first["run_s"] < 1.0 + 20.0 * 11).sum() == min(10, len(first))


def test_every_scheduler_is_timed_while_jobs_wait(bench: ModuleType) -> None:
    rows = bench.scheduler_rows([(30, 16)], repeats=1, steps=10)
    assert {row[0] for row in rows} == set(SCHEDULERS.names())
    for row in rows:
        mean, p50, p99, most = map(float, row[4:8])
        assert 0 < p50 <= p99 <= most and 0 < mean <= most, row
    assert next(row for row in rows if row[0] == "fifo")[8] == "1.0"


def test_estimates_may_be_too_short(bench: ModuleType) -> None:
    rows = bench.short_rows([(30, 16)], repeats=1, steps=10)
    assert [row[0] for row in rows] == ["fifo", "conservative-backfill"]


def test_every_placement_is_timed(bench: ModuleType) -> None:
    rows = bench.placement_rows([16], repeats=1, steps=10)
    assert {row[0] for row in rows} == set(PLACEMENTS.names())
    assert all(0 < float(row[2]) <= float(row[5]) for row in rows)


def test_a_timed_scheduler_decides_as_it_does_untimed(bench: ModuleType) -> None:
    from twin.kernel.simulation import Simulation
    from twin.registry import make_policy
    from twin.site.layout import Pool, lay_out

    jobs = bench.busy(waiting=30, nodes=8, sizes=bench.FEW, steps=10)
    site, best_fit = (
        lay_out([Pool("p", "node", "", 8, 8)]),
        make_policy("placements", "best-fit", {}),
    )
    took_s: list[tuple[float, float]] = []
    easy = make_policy("schedulers", "easy-backfill", {})
    plain = Simulation(site, jobs, easy, best_fit).run()
    timed = Simulation(site, jobs, bench.timed_scheduler(easy, took_s), best_fit).run()
    np.testing.assert_array_equal(plain.start_s, timed.start_s)
    assert took_s and all(took >= 0 for _, took in took_s)


def test_whole_runs_are_measured_without_report_and_with(bench: ModuleType) -> None:
    first = _FILE.parents[1] / "scenarios" / "first.yaml"
    rows = bench.run_rows([first], repeats=1)
    assert [row[:2] for row in rows] == [("first", "results"), ("first", "report")]
    assert all(float(row[3]) > 0 for row in rows)
