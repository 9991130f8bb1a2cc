"""The run directory: written whole or not at all, whatever happens meanwhile; refused if broken."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twin.errors import InputError, ResultError, StorageError
from twin.results import store
from twin.results.store import Results, clear_partial, whole_file, whole_or_nothing
from twin.run import run


def partials(folder: Path) -> list[str]:
    """Folders and files that a write in progress, or one cut short, has beside its target."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def earlier(target: Path) -> Path:
    """A result that stands there from before."""
    target.mkdir(parents=True)
    (target / "old").write_text("old")
    return target


@pytest.fixture
def results(small, tmp_path):
    return run(small(), tmp_path / "out", report=False)


@pytest.fixture
def dead_pid():
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


# -- written whole


def test_a_run_takes_its_place_at_once(tmp_path):
    target = tmp_path / "new" / "folder" / "run"
    with whole_or_nothing(target) as folder:
        (folder / "file").write_text("new")
        assert folder.parent == target.parent  # a rename needs the same disk
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert partials(target.parent) == []


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path):
    target = earlier(tmp_path / "run")
    with whole_or_nothing(target) as folder:
        (folder / "file").write_text("new")
        assert (target / "old").exists()
    assert [path.name for path in target.iterdir()] == ["file"]
    assert partials(tmp_path) == []


@pytest.mark.parametrize("fault", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_run_that_fails_leaves_the_earlier_result_alone(tmp_path, fault):
    target = earlier(tmp_path / "run")
    with pytest.raises(type(fault)), whole_or_nothing(target) as folder:
        (folder / "file").write_text("half")
        raise fault
    assert [path.name for path in target.iterdir()] == ["old"]
    assert partials(tmp_path) == []


def test_new_folders_obey_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_or_nothing(tmp_path / "run"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o750


def test_an_earlier_result_is_put_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    target, rename = earlier(tmp_path / "run"), Path.rename

    def refuse(self, to):
        if Path(to) == target and not self.name.endswith("-old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    refusal = pytest.raises(StorageError, match=r"cannot write .*run: Input/output error")
    with refusal, whole_or_nothing(target):
        pass
    assert (target / "old").exists()
    assert partials(tmp_path) == []


def test_the_later_of_two_runs_of_one_name_wins(tmp_path):
    target = earlier(tmp_path / "run")
    with whole_or_nothing(target) as slow:
        (slow / "slow").touch()
        with whole_or_nothing(target) as quick:
            (quick / "quick").touch()
            assert slow.exists()  # the other is alive: not swept away
        assert (target / "quick").exists()
    assert [path.name for path in target.iterdir()] == ["slow"]
    assert partials(tmp_path) == []


def test_a_run_that_is_overtaken_between_two_renames_still_takes_its_place(tmp_path, monkeypatch):
    target, rename = earlier(tmp_path / "run"), Path.rename
    overtaken = []

    def overtake(self, to):
        if Path(to) == target and not overtaken:
            overtaken.append(earlier(target))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", overtake)
    with whole_or_nothing(target) as folder:
        (folder / "new").touch()
    assert overtaken
    assert [path.name for path in target.iterdir()] == ["new"]
    assert partials(tmp_path) == []


def test_two_processes_at_once_leave_one_whole_result(small, tmp_path, process):
    path = small()
    running = [process("run", path, "-o", "out", "--no-report") for _ in range(2)]
    for each in running:
        _, said = each.communicate(timeout=60)
        assert each.returncode == 0, said
    assert Results(tmp_path / "out" / "small").summary["jobs"]["completed"] == 6
    assert partials(tmp_path / "out") == []


# -- killed

HANGS = """
import sys, time
from pathlib import Path
from twin.results import store
from twin.run import run

def hang(*_):
    print("writing", flush=True)
    time.sleep(60)

store.write_json = hang  # after the tables
run(sys.argv[1], sys.argv[2], report=False)
"""


def test_killed_while_it_writes_it_leaves_nothing_that_passes_for_a_result(
    small, tmp_path, process
):
    path, out = small(), tmp_path / "out"
    child = process(path, out, code=HANGS)
    assert child.stdout.readline() == "writing\n"
    [left] = partials(out)
    assert (out / left / "jobs.parquet").exists()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert [entry.name for entry in out.iterdir()] == [left]
    with pytest.raises(ResultError, match="not a complete run directory"):
        Results(out / left)
    run(path, out, report=False)  # clears it away
    assert [entry.name for entry in out.iterdir()] == ["small"]


def test_killed_over_an_earlier_result_it_leaves_that(small, tmp_path, process):
    path, out = small(), tmp_path / "out"
    before = run(path, out, report=False).summary
    child = process(path, out, code=HANGS)
    assert child.stdout.readline() == "writing\n"
    child.kill()
    child.communicate()
    assert Results(out / "small").summary == before


def test_what_a_process_killed_between_two_renames_had_set_aside_is_put_back(tmp_path, dead_pid):
    target = tmp_path / "run"
    partial = earlier(tmp_path / f".run.partial-{dead_pid}-ab")
    old = earlier(tmp_path / f".run.partial-{dead_pid}-ab-old")
    (old / "complete").touch()
    clear_partial(target)
    assert (target / "complete").exists()
    assert not partial.exists() and not old.exists()


def test_what_was_being_removed_when_the_process_was_killed_is_not_put_back(tmp_path, dead_pid):
    """The new result had its place. If the user removed that, the rest of the old is no use."""
    old = earlier(tmp_path / f".run.partial-{dead_pid}-ab-old")
    clear_partial(tmp_path / "run")
    assert not old.exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize("pid", [os.getpid(), 1, "x"], ids=["ours", "init", "stranger"])
def test_what_a_living_process_or_a_stranger_left_is_left_alone(tmp_path, pid):
    other = earlier(tmp_path / f".run.partial-{pid}-ab")
    with whole_or_nothing(tmp_path / "run"):
        pass
    assert other.exists()


def test_what_belongs_to_another_run_is_left_alone(tmp_path, dead_pid):
    other = earlier(tmp_path / f".run-2.partial-{dead_pid}-ab")
    number = earlier(tmp_path / f".run.partial-{10**30}-ab")  # no process can have it
    clear_partial(tmp_path / "run")
    assert other.exists() and not number.exists()


# -- what the disk refuses


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 64 KiB, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_nothing(small, tiny_disk):
    many = "submit_s,run_s,gpus\n" + "".join(f"{i},{i % 97},1\n" for i in range(5000))
    path = small(many)
    with pytest.raises(StorageError, match=r"cannot write .*small: .*No space left on device"):
        run(path, tiny_disk, report=False)
    assert list(tiny_disk.iterdir()) == []


@pytest.mark.parametrize("writer", ["write_table", "write_json"])
def test_a_disk_that_fills_up_while_writing_leaves_the_earlier_result(
    small, tmp_path, monkeypatch, writer
):
    path, out = small(), tmp_path / "out"
    before = run(path, out, report=False).summary

    def full(content, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, writer, full)
    with pytest.raises(StorageError, match=r"cannot write .*small: No space left on device"):
        run(path, out, report=False)
    assert Results(out / "small").summary == before
    assert partials(out) == []


def test_a_file_in_the_way_is_named(small, tmp_path):
    path = small()
    (tmp_path / "file").touch()
    for out in ("file", "file/deeper"):
        with pytest.raises(StorageError, match="file is a file, and no folder can be made below"):
            run(path, tmp_path / out, report=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "small").touch()
    with pytest.raises(StorageError, match="out/small is a file; give a folder"):
        run(path, tmp_path / "out", report=False)
    assert (tmp_path / "out" / "small").is_file()


def test_a_folder_that_may_not_be_written_to_is_refused(small, tmp_path):
    path, out = small(), tmp_path / "out"
    out.mkdir()
    out.chmod(0o500)
    if os.access(out, os.W_OK):  # root may write anywhere but here
        out = Path("/proc")
    with pytest.raises(StorageError, match=r"cannot write .*small: "):
        run(path, out, report=False)


def test_a_workload_at_fault_is_the_inputs_fault_and_leaves_nothing(small, tmp_path):
    path = small("submit_s,run_s,gpus\n0,-1,1\n")
    with pytest.raises(InputError, match="negative duration"):
        run(path, tmp_path / "out", report=False)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_what_the_disk_refuses_is_one_message_and_leaves_nothing(tmp_path, number):
    refusal = pytest.raises(StorageError, match=rf"cannot write .*run: {os.strerror(number)}")
    with refusal, whole_or_nothing(tmp_path / "run"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_name_is_not_utf8_is_as_good_as_any(small, tmp_path):
    out = tmp_path / os.fsdecode(b"b\xff")
    try:
        out.mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    assert len(run(small(), out).jobs) == 6


def test_there_is_no_nan_in_json(tmp_path):
    numbers = {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": np.float64("-inf")}}
    store.write_json(numbers, tmp_path / "x.json")
    read = json.loads((tmp_path / "x.json").read_text())
    assert read == {"a": None, "b": [None, 1.5], "c": {"d": None}}


def test_single_files_are_whole_or_not_there(tmp_path):
    target = tmp_path / "new" / "page.html"
    with whole_file(target) as partial:
        partial.write_text("first")
    refusal = pytest.raises(StorageError, match=r"cannot write .*page.html: No space left")
    with refusal, whole_file(target) as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "first"
    assert partials(target.parent) == []


# -- read back


def test_results_read_all_that_was_written(results):
    assert results.name == "small"
    assert len(results.jobs) == len(results.allocations.groupby("job")) == 6
    assert len(results.incidents) == len(results.domains) == 0
    assert results.provenance["seed"] == results.summary["seed"] == 1
    assert results.provenance["inputs"][0]["path"].endswith("small.csv")
    assert "scheduler: fifo" in results.scenario_yaml
    assert str(results.path) in repr(results)


def test_results_without_a_folder_live_as_long_as_they_are_held(small):
    held = run(small(), report=False)
    path = held.path
    assert len(held.jobs) == 6
    del held
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", r"nowhere is no run directory \(No such file or directory\); give a folder"),
        ("small.yaml", r"small.yaml is no run directory \(Not a directory\)"),
        ("x" * 300, r"is no run directory \(File name too long\)"),
        ("a\0b", "is no run directory"),
        (".", "is not a complete run directory: summary.json, scenario.yaml, .* missing"),
    ],
)
def test_what_is_no_run_directory_is_refused(small, tmp_path, path, said):
    small()
    with pytest.raises(ResultError, match=said):
        Results(tmp_path / path)


@pytest.mark.parametrize("name", ["jobs.parquet", "summary.json", "provenance.json"])
def test_a_run_directory_that_lacks_a_file_is_refused(results, name):
    (results.path / name).unlink()
    with pytest.raises(ResultError, match=f"not a complete run directory: {name} missing"):
        Results(results.path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 5000, b"{}"])
@pytest.mark.parametrize("table", ["jobs", "timeline", "incidents", "domains", "allocations"])
def test_broken_tables_are_refused(results, table, content):
    (results.path / f"{table}.parquet").write_bytes(content)
    with pytest.raises(
        ResultError, match=f"{table}.parquet cannot be read .*run the scenario again"
    ):
        getattr(Results(results.path), table)


def test_runs_of_earlier_versions_are_read(results):
    """Columns that came later hold what such a run would have in them."""
    path = results.path / "jobs.parquet"
    now = results.jobs
    later = ["queued_s", "migrations", "gpu_fraction", "deadline_s", "qos", "model", "until_s"]
    pq.write_table(pq.read_table(path).drop_columns(later), path)
    then = Results(results.path).jobs
    assert then["queued_s"].equals(then["wait_s"])
    for name in later[1:]:
        assert then[name].tolist() == now[name].tolist() or then[name].isna().all(), name


def test_tables_of_another_program_are_refused(results):
    pq.write_table(pa.table({"job_id": ["1"], "submit_s": [0.0]}), results.path / "jobs.parquet")
    with pytest.raises(ResultError, match=r"jobs.parquet cannot be read .no column start_s, end_s"):
        _ = Results(results.path).jobs


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"a": "\xff'.encode("latin-1")])
def test_broken_summaries_are_refused(results, content):
    data = content if isinstance(content, bytes) else content.encode()
    (results.path / "summary.json").write_bytes(data)
    with pytest.raises(ResultError, match=r"summary.json cannot be read"):
        _ = Results(results.path).summary


def test_a_broken_scenario_is_refused(results):
    (results.path / "scenario.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ResultError, match=r"scenario\.yaml cannot be read"):
        _ = Results(results.path).scenario_yaml


def test_a_summary_of_another_program_is_refused(results):
    (results.path / "summary.json").write_text(json.dumps({"scenario": "x", "seed": 1}))
    with pytest.raises(ResultError, match=r"lacks version, horizon_s, jobs.*another program"):
        _ = Results(results.path).name
