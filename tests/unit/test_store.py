"""The run directory: whole or not at all, and read back only if it is whole."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from twin.errors import ResultError, StorageError
from twin.results.store import Results, plain, whole_file, whole_or_nothing, write_json
from twin.run import run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def killed_while_writing(target):
    """A process that dies by SIGKILL with its folder half written."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from twin.results.store import whole_or_nothing\n"
        "with whole_or_nothing(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'jobs.parquet').write_text('half')\n"
        "    print('writing', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


def test_a_killed_process_leaves_no_half_result_and_its_remains_go_next_time(tmp_path):
    target = tmp_path / "run"
    killed_while_writing(target)
    assert not target.exists()
    assert len(names(tmp_path)) == 1 and names(tmp_path)[0].startswith(".run.partial-")
    with whole_or_nothing(target) as folder:
        (folder / "a").write_text("whole")
    assert names(tmp_path) == ["run"]
    assert names(target) == ["a"]


def test_an_earlier_result_outlives_a_killed_and_a_failed_run(tmp_path):
    target = tmp_path / "run"
    with whole_or_nothing(target) as folder:
        (folder / "a").write_text("first")
    killed_while_writing(target)
    with pytest.raises(ZeroDivisionError), whole_or_nothing(target) as folder:
        (folder / "a").write_text("second")
        raise ZeroDivisionError
    assert (target / "a").read_text() == "first"
    assert names(tmp_path) == ["run"]


def test_killed_between_two_renames_the_earlier_result_is_put_back(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    pid = int(gone.stdout)
    old = tmp_path / f".run.partial-{pid}-ab-old"
    old.mkdir()
    (old / "a").write_text("first")
    (tmp_path / f".run.partial-{pid}-ab").mkdir()
    with pytest.raises(ZeroDivisionError), whole_or_nothing(tmp_path / "run"):
        raise ZeroDivisionError
    assert (tmp_path / "run" / "a").read_text() == "first"


def test_the_partial_of_a_living_process_is_left_alone(tmp_path):
    living = tmp_path / f".run.partial-{os.getpid()}-abcd"
    living.mkdir()
    with whole_or_nothing(tmp_path / "run") as folder:
        (folder / "a").write_text("")
    assert living.is_dir()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_the_disk_refuses_is_one_message_and_leaves_nothing(tmp_path, number):
    target = tmp_path / "run"
    with pytest.raises(StorageError, match=rf"cannot write .*run: {os.strerror(number)}"):
        with whole_or_nothing(target):
            raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []


def test_a_truly_full_disk(small, tmp_path):
    """On a file system of 64 kB, mounted for the purpose."""
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tiny)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system here")
    try:
        with pytest.raises(StorageError, match="No space left on device"):
            run(small(), tiny)
        assert names(tiny) == []
    finally:
        subprocess.run(["umount", str(tiny)], check=True)


def test_a_file_in_the_way(small, tmp_path):
    (tmp_path / "small").write_text("mine")
    with pytest.raises(StorageError, match="is a file; give a folder"):
        run(small(), tmp_path)
    assert (tmp_path / "small").read_text() == "mine"
    with pytest.raises(StorageError, match="is a file, and no folder can be made below it"):
        run(small(), tmp_path / "small" / "below")


def test_two_runs_of_one_name_at_once_leave_one_whole_result(small, tmp_path):
    code = "import sys; from twin.run import run; run(sys.argv[1], sys.argv[2], report=False)"
    command = [sys.executable, "-c", code, str(small()), str(tmp_path / "out")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [child.communicate()[1] for child in started] == [b"", b""]
    assert names(tmp_path / "out") == ["small"]
    assert Results(tmp_path / "out" / "small").summary["jobs"]["completed"] == 6


def test_single_files_are_whole_or_not_there(tmp_path):
    target = tmp_path / "points.csv"
    with pytest.raises(StorageError), whole_file(target) as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []
    with whole_file(target) as partial:
        partial.write_text("whole")
    assert target.read_text() == "whole"


@pytest.fixture
def finished(small, tmp_path):
    return run(small(), tmp_path / "out", report=False).path


def test_results_refuse_what_is_not_a_run(finished, tmp_path):
    with pytest.raises(ResultError, match="is no run directory"):
        Results(tmp_path / "absent")
    (finished / "jobs.parquet").unlink()
    with pytest.raises(ResultError, match=r"not a complete run directory: jobs.parquet missing"):
        Results(finished)


@pytest.mark.parametrize(
    ("name", "content", "look"),
    [
        ("jobs.parquet", b"not parquet", lambda r: r.jobs),
        ("timeline.parquet", b"", lambda r: r.timeline),
        ("summary.json", b"{", lambda r: r.summary),
        ("summary.json", b"[]", lambda r: r.summary),
        ("provenance.json", b"\xff\xfe", lambda r: r.provenance),
        ("scenario.yaml", b"\xff\xfe", lambda r: r.scenario_yaml),
    ],
)
def test_results_refuse_broken_files_by_name(finished, name, content, look):
    (finished / name).write_bytes(content)
    with pytest.raises(ResultError, match=rf"{name} cannot be read .*; run the scenario again"):
        look(Results(finished))


def test_results_without_a_folder_live_as_long_as_their_object(small):
    results = run(small(), report=False)
    path = results.path
    assert path.is_dir() and len(results.jobs) == 6
    del results
    deadline = time.monotonic() + 5
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not path.exists()


def test_json_has_no_nan(tmp_path):
    write_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -0.0}}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "a": None,
        "b": [None, 1.5],
        "c": {"d": 0},
    }
    assert plain((1, 2)) == [1, 2]
