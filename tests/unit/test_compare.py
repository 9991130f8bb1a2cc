"""Runs side by side: what is run, what is taken as it is, what is refused."""

import pytest

from twin import compare, load, run
from twin.console import comparison_lines
from twin.errors import InputError


def test_scenarios_are_run_and_results_taken_as_they_are(small, tmp_path):
    fifo = run(small(name="fifo"), tmp_path / "earlier", report=False)
    stamp = (fifo.path / "jobs.parquet").stat().st_mtime_ns
    easy = small(name="easy", scheduler="easy-backfill")
    out = tmp_path / "out"
    comparison = compare([fifo.path, easy], out)
    assert comparison.labels == ("fifo", "easy")
    assert (fifo.path / "jobs.parquet").stat().st_mtime_ns == stamp
    assert comparison.report == out / "report.html"
    assert (out / "easy" / "summary.json").is_file()
    page = comparison.report.read_text()
    assert "fifo" in page and "easy-backfill" in page
    lines = comparison_lines(comparison.runs, comparison.labels)
    assert ["mean", "wait", "7", "s", "4.5", "s", "-35.7", "%"] in [line.split() for line in lines]


def test_two_of_one_name_are_refused_before_anything_runs(small, tmp_path):
    path = small()
    with pytest.raises(InputError, match="two of the scenarios are named 'small'"):
        compare([path, load(path)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_is_no_comparison(small):
    with pytest.raises(InputError, match="two or more"):
        compare([small()])


def test_results_of_one_name_are_told_apart_by_folder(small, tmp_path):
    runs = [run(small(scheduler=s), tmp_path / s, report=False) for s in ("fifo", "easy-backfill")]
    comparison = compare(runs)
    assert len(set(comparison.labels)) == 2
    assert comparison.report is None
