"""Slurm's accounting, as sacct prints it."""

from datetime import datetime

import numpy as np
import pytest
from trace_files import write

from twin.errors import TraceError
from twin.workload.traces.base import read_trace

REQ = "billing=8,cpu=8,gres/gpu=4,mem=64G,node=1"
FIRST = {
    "JobID": "100",
    "User": "ann",
    "Account": "lab",
    "Partition": "gpu",
    "State": "COMPLETED",
    "Submit": "2023-05-01T10:00:00",
    "Start": "2023-05-01T10:05:00",
    "End": "2023-05-02T11:05:30",
    "Elapsed": "1-01:00:30",
    "Timelimit": "2-00:00:00",
    "NNodes": "1",
    "Priority": "5000",
    "ReqTRES": REQ,
    "AllocTRES": REQ,
}
HEADER = "|".join(FIRST) + "\n"


def line(**fields):
    return "|".join({**FIRST, **fields}.values()) + "\n"


GOOD = line()
LINES = "".join(
    [
        GOOD,
        line(JobID="100.batch", User="", Timelimit="", ReqTRES="", AllocTRES="cpu=8"),
        line(
            JobID="101_4",
            User="bob",
            State="FAILED",
            Submit="2023-05-01T10:00:01",
            Start="2023-05-01T10:00:01",
            Elapsed="00:00:10",
            Timelimit="UNLIMITED",
            NNodes="2",
            Priority="4999",
            ReqTRES="cpu=64,gres/gpu:a100=8,gres/gpu:v100=8,mem=1.50T,node=2",
            AllocTRES="",
        ),
        line(JobID="102", State="CANCELLED by 1000", Start="None", Timelimit="Partition_Limit"),
        line(
            JobID="103_[5-9]", State="PENDING", Start="Unknown", End="Unknown", Elapsed="00:00:00"
        ),
        line(JobID="104", State="RUNNING", End="Unknown"),
        line(JobID="105", ReqTRES="cpu=4,mem=8000M,node=1", AllocTRES="cpu=4,mem=8000M,node=1"),
        line(
            JobID="106",
            User="eve",
            State="TIMEOUT",
            Submit="2023-05-01T10:00:03",
            Elapsed="30:00",
            Timelimit="30:00",
            Priority="1",
            ReqTRES="cpu=4,node=1",
            AllocTRES="cpu=4,gres/gpu=2,mem=8000M,node=1",
        ),
    ]
)


def slurm(folder, text, **options):
    return read_trace(write(folder / "jobs.txt", text), **options)


def test_fields(tmp_path):
    workload = slurm(tmp_path, HEADER + LINES)
    jobs = workload.jobs
    assert workload.intake.format == "slurm"
    assert workload.epoch == datetime(2023, 5, 1, 10)
    assert workload.intake.dropped == {"never_ran": 2, "unfinished": 1, "cpu_only": 1}
    assert "1 lines of job steps were passed over." in workload.intake.notes
    assert jobs.job_id.tolist() == ["100", "101_4", "106"]
    assert jobs.submit_s.tolist() == [0, 1, 3]
    assert jobs.run_s.tolist() == [90030, 10, 1800]
    assert jobs.gpus.tolist() == [4, 16, 2]  # requested; the sum of models; else allocated
    assert jobs.nodes.tolist() == [1, 2, 1]
    assert jobs.cpus.tolist() == [8, 64, 4]
    assert jobs.memory_bytes.tolist()[:2] == [64 * 2**30, 1.5 * 2**40]
    assert jobs.estimate_s.iloc[0] == 2 * 86400
    assert np.isnan(jobs.estimate_s.iloc[1])
    assert jobs.estimate_s.iloc[2] == 1800
    assert jobs.priority.tolist() == [5000, 4999, 1]
    assert jobs.user.astype(str).tolist() == ["ann", "bob", "eve"]
    assert jobs.group.astype(str).tolist() == ["lab"] * 3


def test_raw_columns_and_trailing_delimiter(tmp_path):
    """`--parsable` ends lines with a delimiter. ElapsedRaw counts s, TimelimitRaw minutes."""
    text = (
        "JobID|Partition|State|Submit|ElapsedRaw|TimelimitRaw|AllocTRES|\n"
        "7|gpu|COMPLETED|2023-05-01T10:00:00|61|60|gres/gpu=1|\n"
        "8|gpu|COMPLETED|2023-05-01T10:00:01|62|UNLIMITED|gres/gpu=1|\n"
    )
    jobs = slurm(tmp_path, text).jobs
    assert jobs.run_s.tolist() == [61, 62]
    assert jobs.estimate_s.iloc[0] == 3600
    assert np.isnan(jobs.estimate_s.iloc[1])
    assert jobs.group.astype(str).tolist() == ["gpu", "gpu"]


def test_duration_from_start_and_end(tmp_path):
    text = (
        "JobID|Submit|Start|End|ReqTRES\n"
        "7|2023-05-01T10:00:00|2023-05-01T11:00:00|2023-05-01T11:30:00|gres/gpu=1\n"
    )
    assert slurm(tmp_path, text).jobs.run_s.tolist() == [1800]


def test_priorities_of_32_bits(tmp_path):
    workload = slurm(tmp_path, HEADER + GOOD.replace("5000", "4294901759") + GOOD)
    assert workload.jobs.priority.tolist() == [4294901759 - 2**31, 5000 - 2**31]
    assert any("less 2^31" in note for note in workload.intake.notes)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1-01:00:30", "-00:00:10", "not a time span (Elapsed is '-00:00:10')"),
        ("2-00:00:00", "soon", "no time limit (Timelimit is 'soon')"),
        ("2023-05-02T11:05:30", "2023-05-01T10:04:59", "ends before it starts"),
        ("2023-05-01T10:05:00", "2023-05-01T09:59:59", "starts before its submit"),
        ("2023-05-01T10:00:00|", "Unknown|", "no submit time (Submit is 'Unknown')"),
        ("gres/gpu=4", "gres/gpu=four", "GPUs that cannot be read"),
        ("gres/gpu=4", "gres/gpu=-4", "a negative number of GPUs"),
        ("mem=64G", "mem=64X", "no TRES"),
        ("|lab", "", "13 fields where 14 belong"),
    ],
)
def test_bad_rows(tmp_path, old, new, message):
    bad = GOOD.replace(old, new)
    assert bad != GOOD
    with pytest.raises(TraceError) as caught:
        slurm(tmp_path, HEADER + GOOD + bad)
    assert "jobs.txt:3: " in str(caught.value)
    assert message in str(caught.value)
    workload = slurm(tmp_path, HEADER + GOOD + bad, on_bad_row="skip")
    assert len(workload.jobs) == 1
    assert workload.intake.skipped_rows == 1


@pytest.mark.parametrize(
    ("header", "absent"),
    [
        ("JobID|ReqTRES|Elapsed", "Submit"),
        ("JobID|Submit|Elapsed", "ReqTRES or AllocTRES"),
        ("JobID|Submit|ReqTRES", "Start, End"),
    ],
)
def test_missing_columns_name_the_command(tmp_path, header, absent):
    row = "|".join(
        {"Submit": "2023-05-01T10:00:00", "ReqTRES": "gres/gpu=1"}.get(h, "1:00")
        for h in header.split("|")
    )
    with pytest.raises(TraceError) as caught:
        slurm(tmp_path, f"{header}\n{row}\n")
    assert f"no column {absent}" in str(caught.value)
    assert "sacct --allusers --parsable2" in str(caught.value)


def test_hostile_name_stays_text(tmp_path):
    nasty = "<script>alert('x')</script>"
    jobs = slurm(tmp_path, HEADER + GOOD.replace("ann", nasty)).jobs
    assert jobs.user.astype(str).tolist() == [nasty]
