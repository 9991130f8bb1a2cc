"""``twin export``: format and name, what is refused, and that nothing of a run is ever lost."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from export_case import job, run_folder

from twin.errors import ResultError, StorageError
from twin.export import FORMATS, export
from twin.results.store import Results


@pytest.fixture
def run(tmp_path):
    trace = tmp_path / "trace.swf"
    trace.write_text("mine")
    jobs = [job("1", start_s=0, end_s=1)]
    return run_folder(tmp_path / "out" / "a", jobs, [(0, 0, 1, 0, 1)], inputs=(trace,))


def refused(result):
    assert result.exit_code == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["--format", "swf"], "out/a.swf"),
        (["--format", "evalys"], "out/a_jobs.csv"),
        (["--format", "perfetto"], "out/a.trace.json.gz"),
        (["-o", "b.swf.gz"], "b.swf.gz"),
        (["-o", "new/B.CSV"], "new/B.CSV"),
        (["-o", "b.json"], "b.json"),
        (["--format", "swf", "-o", "b.txt"], "b.txt"),
    ],
)
def test_names(cli, run, arguments, path):
    result = cli("export", "out/a", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].endswith(f": {path}")
    assert Path(path).stat().st_size


def test_beside_the_run_from_within_it(run, monkeypatch):
    monkeypatch.chdir(run.path)
    assert export(".", "swf").path == run.path.with_name("a.swf")


def test_what_is_refused(cli, run, tmp_path):
    assert "no format given; add --format swf, evalys, perfetto" in refused(cli("export", "out/a"))
    said = refused(cli("export", "out/a", "--format", "perfeto"))
    assert said.startswith("unknown format 'perfeto'; did you mean 'perfetto'?")
    said = refused(cli("export", "out/a", "-o", "b.txt"))
    assert said == (
        "b.txt: its name does not tell the format; end it in .swf (swf), .csv (evalys), "
        ".json (perfetto), or add --format"
    )
    assert "is no run directory" in refused(cli("export", "nowhere", "--format", "swf"))
    (tmp_path / "folder.swf").mkdir()
    assert "is a folder; give a file" in refused(cli("export", "out/a", "-o", "folder.swf"))


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("out/a/summary.json", "is part of the run"),
        ("out/a/jobs.parquet", "is part of the run"),
        ("trace.swf", "is what the run was made from"),
    ],
)
def test_neither_the_run_nor_its_trace_is_written_over(cli, run, target, why):
    before = Path(run.path.parents[1], target).read_bytes()
    assert why in refused(cli("export", "out/a", "--format", "swf", "-o", target))
    assert Path(target).read_bytes() == before


def test_a_full_disk_leaves_what_was_there(cli, run, monkeypatch):
    def fills(run, file):
        file.write("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("a.swf").write_text("whole")
    monkeypatch.setitem(FORMATS, "swf", replace(FORMATS["swf"], write=fills))
    result = cli("export", "out/a", "-o", "a.swf")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: cannot write a.swf: No space left on device\n"
    assert Path("a.swf").read_text() == "whole"
    with pytest.raises(StorageError):
        export(run, "swf")
    assert sorted(path.name for path in run.path.parent.iterdir()) == ["a"]


def test_a_run_without_its_layout_is_refused(run):
    text = (run.path / "scenario.yaml").read_text()
    (run.path / "scenario.yaml").write_text(text.replace("nodes: 4", "nodes: 5"))
    with pytest.raises(ResultError, match="add up to 5 nodes and 30 GPUs, its summary says 4 and"):
        export(run.path, "evalys")
    (run.path / "scenario.yaml").write_text("name: [")
    with pytest.raises(ResultError, match="cannot be read"):
        export(run.path, "evalys")
    (run.path / "scenario.yaml").write_text("name: a\nsite: {node_list: {path: nodes.csv}}\n")
    with pytest.raises(ResultError, match="does not say how many nodes each pool has"):
        export(run.path, "perfetto")


@pytest.mark.parametrize("row", [(1, 0, 1, 0, 1), (0, 4, 1, 0, 1), (0, 0, 1, 0, float("nan"))])
@pytest.mark.parametrize("name", FORMATS)
def test_allocations_of_another_run_are_refused(tmp_path, row, name):
    made = run_folder(tmp_path / "run", [job("1", start_s=0, end_s=1)], [(0, 0, 1, 0, 1), row])
    with pytest.raises(ResultError, match=r"allocations\.parquet: row 2 is of a job, a node"):
        export(made, name)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_in_which_nothing_happened(tmp_path, name):
    made = export(run_folder(tmp_path / "run", [], []), name)
    assert made.path.stat().st_size


def test_pools_of_a_node_list_are_told_by_their_names(tmp_path):
    pools = (("V100x8", 3, 8), ("gpux2", 2, 2))
    jobs = [job("1", start_s=0, end_s=1)]
    made = run_folder(tmp_path / "run", jobs, [(0, 4, 0b10, 0, 1)], pools=pools)
    (made.path / "scenario.yaml").write_text("name: a\nsite: {pools: [], node_list: {path: x}}\n")
    row = export(Results(made.path), "evalys").path.read_text().splitlines()[1]
    assert row.split(",")[-2] == "27"
