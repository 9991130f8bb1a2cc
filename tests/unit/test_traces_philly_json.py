"""Philly's original JSON job log: entries in its documented form, written for these tests."""

import json
from datetime import datetime

import pytest
from trace_files import write

from twin.errors import TraceError
from twin.workload.traces.base import read_trace


def attempt(start, end, *sizes):
    """An attempt on nodes of these sizes, on 7 October 2017."""
    return {
        "start_time": start and f"2017-10-07 {start}",
        "end_time": end and f"2017-10-07 {end}",
        "detail": [
            {"ip": f"m{i}", "gpus": [f"gpu{k}" for k in range(size)]}
            for i, size in enumerate(sizes)
        ],
    }


def job(name, *attempts, submitted="2017-10-07 01:00:00", **more):
    return {
        "status": "Pass",
        "vc": "ee9e8c",
        "jobid": name,
        "attempts": list(attempts),
        "submitted_time": submitted,
        "user": "ce2f4c",
        **more,
    }


def log(folder, *entries, name="cluster_job_log", **options):
    return read_trace(write(folder / name, json.dumps(entries, indent=1)), **options)


def test_jobs(tmp_path):
    workload = log(
        tmp_path,
        job("b", attempt("01:10:00", "01:20:00", 8, 8), submitted="2017-10-07 01:00:30"),
        job("a", attempt("01:01:00", "01:02:00", 4), attempt("01:03:00", "01:03:30", 4)),
        job("none"),
        job("logging-error", attempt(None, None), attempt("01:01:00", "01:02:00", 1)),
        job("all-errors", attempt(None, "01:02:00", 1)),
        job("running", attempt("01:01:00", "01:02:00", 1), attempt("01:03:00", None, 1)),
        job("gpu-less", attempt("01:01:00", "01:02:00")),
        name="cluster_job_log.json.gz",
    )
    jobs = workload.jobs
    assert workload.intake.format == "philly-json"
    assert workload.epoch == datetime(2017, 10, 7, 1)
    assert workload.intake.rows_read == 7
    assert workload.intake.dropped == {"never_ran": 2, "unfinished": 1, "no_gpus": 1}
    assert "1 attempts without a start or an end were passed over." in workload.intake.notes
    assert jobs.job_id.tolist() == ["a", "logging-error", "b"]
    assert jobs.submit_s.tolist() == [0, 0, 30]
    assert jobs.run_s.tolist() == [90, 60, 600]  # the sum of the attempts
    assert jobs.gpus.tolist() == [4, 1, 16]
    assert jobs.nodes.tolist() == [1, 1, 2]
    assert jobs.group.astype(str).unique().tolist() == ["ee9e8c"]
    assert jobs.user.astype(str).unique().tolist() == ["ce2f4c"]


GOOD = job("ok", attempt("01:01:00", "01:02:00", 1))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (5, "not a job with a list of attempts"),
        ({"jobid": "x"}, "not a job with a list of attempts"),
        (job("x", 7), "an attempt that is int"),
        (
            job("x", attempt("01:01:00", "01:00:00", 1)),
            "an attempt ends before it starts (jobid is",
        ),
        (job("x", attempt("25:01:00", "01:00:00", 1)), "which is no date and time"),
        (job("x", {**attempt("01:01:00", "01:02:00"), "detail": [1]}), "no lists of gpus"),
        (job("x", attempt("01:01:00", "01:02:00", 1), submitted=None), "no submit time"),
        (job("x", attempt("01:01:00", "01:02:00", 1), submitted="monday"), "no date and time"),
    ],
)
def test_bad_entries(tmp_path, entry, message):
    with pytest.raises(TraceError) as caught:
        log(tmp_path, GOOD, entry)
    assert "cluster_job_log: entry 2: " in str(caught.value)
    assert message in str(caught.value)
    workload = log(tmp_path, GOOD, entry, on_bad_row="skip")
    assert workload.jobs.job_id.tolist() == ["ok"]
    assert workload.intake.skipped_rows == 1
    assert workload.intake.skipped[0].startswith("entry 2: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n {', "j.json:2: not JSON"),
        ("[]", "an empty list"),
        ('{"jobs": []}', "not a JSON list"),
        ("[" * 200_000, "nested deeper"),
        ("[" + "9" * 5000 + "]", "not JSON"),
    ],
)
def test_not_a_log(tmp_path, text, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write(tmp_path / "j.json", text), format="philly-json")
    assert message in str(caught.value)


def test_one_long_line_is_fine(tmp_path):
    entries = json.dumps([GOOD] * 5000)
    assert len(entries) > 2**20
    assert len(read_trace(write(tmp_path / "j.json", entries)).jobs) == 5000


def test_size_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("twin.workload.traces.philly_json.MAX_JSON_BYTES", 100)
    with pytest.raises(TraceError, match="of text; split the trace"):
        log(tmp_path, GOOD)
