"""Runs in the Standard Workload Format: by hand, field by field, and read again."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from export_case import job, run_folder

from twin.export import export
from twin.run import run
from twin.workload.traces.base import read_trace


def lines(path):
    text = path.read_text("utf-8").splitlines()
    header = [line[2:].split(": ", 1) for line in text if line.startswith(";")]
    return header, [line.split(" ") for line in text if not line.startswith(";")]


@pytest.fixture
def by_hand(tmp_path):
    jobs = [
        job("7", submit_s=1.5, start_s=2.0, end_s=12.25, gpus=3, user="ann", group="vc"),
        job("3", submit_s=2, start_s=2, end_s=40, gpus=8, user="bob", kind="serving", pool="b"),
        job("4", submit_s=3, state="failed", start_s=5, end_s=6, user="ann"),
        job("5", submit_s=4, state="rejected", gpus=999, pool=""),
        job("6", submit_s=5, state="running", start_s=50, gpus=2, group="vc"),
        job("8", submit_s=6, state="queued", pool=""),
    ]
    held = [
        (0, 0, 0b111, 2.0, 12.25),
        (1, 4, 0b1111, 2, 10),  # two nodes, then again after a gap on fewer
        (1, 5, 0b1111, 2, 10),
        (1, 4, 0b1111, 20, 40),
        (2, 0, 0b1000, 5, 6),
        (4, 1, 0b11, 50, 1000),
    ]
    pools = (("main", 4, 8), ("b", 2, 4))
    return run_folder(tmp_path / "out" / "by-hand", jobs, held, pools=pools, start="2024-02-29")


def test_fields(by_hand):
    _, rows = lines(export(by_hand, "swf").path)
    assert {len(row) for row in rows} == {18}
    # job submit wait run allocated - - requested - - status user group kind - partition - -
    assert [" ".join(row) for row in rows] == [
        "7 1.5 0.5 10.25 3 -1 -1 3 -1 -1 1 1 1 1 -1 1 -1 -1",
        "3 2 0 38 8 -1 -1 8 -1 -1 1 2 -1 2 -1 2 -1 -1",
        "4 3 2 1 1 -1 -1 1 -1 -1 0 1 -1 1 -1 1 -1 -1",
        "5 4 -1 -1 -1 -1 -1 999 -1 -1 5 -1 -1 1 -1 -1 -1 -1",
        "6 5 45 -1 2 -1 -1 2 -1 -1 -1 -1 1 1 -1 1 -1 -1",
        "8 6 -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 1 -1 -1 -1 -1",
    ]


def test_header(by_hand):
    found = export(by_hand, "swf")
    header, _ = lines(found.path)
    said = dict(header)
    assert (said["Version"], said["MaxJobs"], said["MaxRecords"]) == ("2.2", "6", "6")
    assert (said["MaxNodes"], said["MaxProcs"], said["MaxPartitions"]) == ("6", "40", "2")
    assert int(said["UnixStartTime"]) == pd.Timestamp("2024-02-29").timestamp()
    assert said["StartTime"] == "Thu Feb 29 00:00:00 UTC 2024"
    assert said["EndTime"] == "Thu Feb 29 00:16:40 UTC 2024"
    assert said["Preemption"] == "TS"
    assert [value for key, value in header if key == "Partition"] == ["1 main", "2 b"]
    assert [value for key, value in header if key == "User"] == ["1 ann", "2 bob"]
    notes = [value for key, value in header if key == "Note"]
    assert notes == found.remarks
    assert any(note.startswith("1 of the jobs held GPUs in several spells") for note in notes)
    assert any(note.startswith("1 of the jobs still ran at the end") for note in notes)
    assert any(note.startswith("1 of the jobs waited at the end") for note in notes)


def test_ids_that_are_no_numbers_become_rows(tmp_path):
    jobs = [job("x-1", start_s=0, end_s=1, user="12"), job("9", start_s=0, end_s=1, user="")]
    held = [(0, 0, 1, 0, 1), (1, 0, 2, 0, 1)]
    found = export(run_folder(tmp_path / "run", jobs, held), "swf")
    header, rows = lines(found.path)
    assert [(row[0], row[11]) for row in rows] == [("1", "12"), ("2", "-1")]  # numbers stay
    assert any("numbered by their rows" in note for note in found.remarks)
    said = dict(header)
    assert "User" not in said
    assert "UnixStartTime" not in said
    assert said["Preemption"] == "No"


def test_a_name_cannot_break_the_header(tmp_path):
    jobs = [job("1", start_s=0, end_s=1, user="ann\n1 2 3", group="; Version: 9")]
    path = export(run_folder(tmp_path / "run", jobs, [(0, 0, 1, 0, 1)]), "swf").path
    header, rows = lines(path)
    assert len(rows) == 1
    assert ["User", "1 ann 1 2 3"] in header
    assert read_trace(path).intake.rows_read == 1


def test_it_is_read_again(by_hand):
    """What ended comes back to the microsecond; what never ran, or has no end, is left out."""
    again = read_trace(export(by_hand, "swf").path)
    assert again.intake.format == "swf"
    assert again.intake.dropped == {"never_ran": 3}
    assert again.epoch == datetime(2024, 2, 29, 0, 0, 1, 500_000)  # of the first submit
    jobs = again.jobs
    assert jobs.job_id.tolist() == ["7", "3", "4"]
    assert (jobs.submit_s - jobs.submit_s.iloc[0]).tolist() == [0, 0.5, 1.5]
    assert jobs.run_s.tolist() == [10.25, 38, 1]
    assert jobs.gpus.tolist() == [3, 8, 1]
    assert jobs.user.astype(str).tolist() == ["1", "2", "1"]
    assert jobs.estimate_s.isna().all()


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_run_comes_back_as_its_own_trace(small, tmp_path, packed):
    """Six jobs through FIFO; the record replayed is the trace that was replayed."""
    done = run(small(), tmp_path / "out", report=False)
    path = export(done, out=tmp_path / f"again.swf{packed}").path
    jobs = read_trace(path).jobs
    assert jobs.job_id.tolist() == done.jobs.job_id.tolist()
    for name in ("submit_s", "run_s", "gpus"):
        np.testing.assert_allclose(jobs[name], done.jobs[name], atol=2e-6)
    _, rows = lines(export(done, "swf").path)
    assert [float(row[2]) for row in rows] == done.jobs.wait_s.tolist()
