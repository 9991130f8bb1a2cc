"""Comparisons: what is run and what is taken as it is, names, and what is refused before a run."""

import re
from pathlib import Path

import pytest

from twin.compare import compare
from twin.errors import InputError, ResultError, StorageError
from twin.results.store import Results
from twin.run import load, run


@pytest.fixture
def two(small):
    """The worked example under both schedulers."""
    return small(), small(name="easy", scheduler="easy-backfill")


def waits_s(comparison):
    return [results.summary["wait_s"]["mean"] for results in comparison.runs]


def test_scenario_files_are_run_into_the_folder(two, tmp_path):
    comparison = compare(two, tmp_path / "out")
    assert comparison.labels == ("small", "easy")
    assert waits_s(comparison) == [7.0, 4.5]
    assert comparison.report == tmp_path / "out" / "report.html"
    assert "easy" in comparison.report.read_text("utf-8")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"small", "easy", "report.html"}


def test_sources_may_be_scenarios_results_and_paths_of_either(two, tmp_path):
    finished = run(two[1], tmp_path / "before", report=False)
    written = finished.path.stat().st_mtime_ns
    sources = [load(two[0]), finished, str(finished.path), finished.path / "summary.json"]
    comparison = compare(sources, tmp_path / "out")
    assert waits_s(comparison) == [7.0, 4.5, 4.5, 4.5]
    assert comparison.labels == ("small (1)", "easy (2)", "easy (3)", "easy (4)")
    assert finished.path.stat().st_mtime_ns == written  # not run again


def test_runs_of_one_name_are_told_apart_by_folder(two, tmp_path):
    runs = [run(two[0], tmp_path / folder, report=False) for folder in "ab"]
    assert compare(runs).labels == (str(tmp_path / "a/small"), str(tmp_path / "b/small"))


def test_without_a_folder_nothing_is_left(two, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    comparison = compare(two)
    assert comparison.report is None
    assert len(comparison.runs[0].jobs) == 6
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_go_to_every_scenario_file(two, tmp_path):
    comparison = compare(two, tmp_path / "out", overrides=["site.pools[main].nodes=100"])
    assert waits_s(comparison) == [0.0, 0.0]


def test_the_same_run_twice_does_not_differ(two, tmp_path):
    run(two[0], tmp_path, report=False)
    comparison = compare([tmp_path / "small"] * 2, tmp_path / "out")
    assert comparison.labels == ("small (1)", "small (2)")
    assert "mean wait unchanged" in comparison.report.read_text("utf-8")


def test_one_is_no_comparison(two):
    for sources in ([], two[:1]):
        with pytest.raises(InputError, match="two or more"):
            compare(sources)


@pytest.mark.parametrize("bad", ["nowhere.yaml", "small.csv", "."])
def test_all_are_read_before_the_first_is_run(two, tmp_path, bad):
    with pytest.raises(InputError):
        compare([*two, tmp_path / bad], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scenarios_of_one_name_would_share_a_folder(two, tmp_path):
    with pytest.raises(InputError, match="two of the scenarios are named 'small'"):
        compare([two[0], two[0]], tmp_path / "out")


def test_a_run_that_is_compared_is_not_replaced(two, tmp_path):
    before = run(two[0], tmp_path / "out", report=False)
    said = re.escape(f"{before.path} would be replaced by the run that it is to be compared with")
    with pytest.raises(InputError, match=said):
        compare([before.path, two[0]], tmp_path / "out", overrides=["seed=2"])
    assert Results(before.path).summary["seed"] == 1


def test_settings_that_nobody_heeds_are_refused(two, tmp_path):
    runs = [run(path, tmp_path / "out", report=False).path for path in two]
    with pytest.raises(InputError, match="these runs are finished"):
        compare(runs, overrides=["seed=2"])


def test_a_run_that_is_broken_is_refused(two, tmp_path):
    runs = [run(path, tmp_path / "out", report=False).path for path in two]
    (runs[1] / "jobs.parquet").write_bytes(b"broken")
    with pytest.raises(ResultError, match=r"jobs\.parquet cannot be read"):
        compare(runs, tmp_path / "compared")
    assert not (tmp_path / "compared" / "report.html").exists()


def test_a_folder_that_cannot_be_made_is_refused(two, tmp_path):
    runs = [run(path, tmp_path / "out", report=False).path for path in two]
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file is a file"):
        compare(runs, Path(tmp_path / "file" / "x"))
