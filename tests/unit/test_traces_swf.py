"""The Standard Workload Format: header, missing values, processors as GPUs."""

from datetime import datetime

import numpy as np
import pytest
from trace_files import write

from twin.errors import TraceError
from twin.workload.traces.base import read_trace

HEADER = """\
; Version: 2.2
; Computer: A Machine
; UnixStartTime: 1000000000
; TimeZoneString: Europe/Stockholm
; MaxNodes: 120
; MaxProcs: 240
; Note: the first note
; Note: the second
;
; Preemption: No
"""
#       job submit wait run alloc cpu mem req rtime rmem st user group exe queue part prec think
JOBS = """\
      1        0    5    100   4  -1   -1    8   3600   1024  1   3   2   1  1 -1 -1 -1
      2       10    5   50.5  16  -1   -1   -1     -1     -1  0   3  -1   1  1 -1 -1 -1

\t3 \t 12    0     -1   4  -1   -1    4   3600     -1  5   4   2   1  1 -1 -1 -1
      4       13    0      0   4  -1   -1    4   3600     -1  5   4   2   1  1 -1 -1 -1
      5       14    0      0   4  -1   -1    4   3600     -1  1   4   2   1  1 -1 -1 -1
      6       15    0     30   4  -1   -1    4   3600     -1  2   4   2   1  1 -1 -1 -1
"""


def swf(folder, jobs, header=HEADER, **options):
    return read_trace(write(folder / "log.swf", header + jobs), **options)


def test_fields(tmp_path):
    workload = swf(tmp_path, JOBS)
    jobs = workload.jobs
    assert workload.intake.format == "swf"
    assert workload.intake.dropped == {"never_ran": 2, "partial": 1}
    assert jobs.job_id.tolist() == ["1", "2", "5"]
    assert jobs.submit_s.tolist() == [0, 10, 14]
    assert jobs.run_s.tolist() == [100, 50.5, 0]
    assert jobs.gpus.tolist() == [8, 16, 4]  # requested, else allocated
    assert jobs.estimate_s.iloc[0] == 3600
    assert np.isnan(jobs.estimate_s.iloc[1])
    assert jobs.memory_bytes.iloc[0] == 1024 * 1024 * 8
    assert jobs.user.astype(str).tolist() == ["3", "3", "4"]
    assert jobs.group.astype(str).tolist() == ["2", "", "2"]


def test_header_is_honoured(tmp_path):
    workload = swf(tmp_path, JOBS)
    assert workload.epoch == datetime(2001, 9, 9, 3, 46, 40)  # 01:46:40 UTC, summer time
    notes = "\n".join(workload.intake.notes)
    assert "MaxNodes 120" in notes
    assert "MaxProcs 240" in notes
    assert "the second" in notes
    assert "Each processor of the trace is taken for a GPU." in notes


def test_header_without_a_calendar(tmp_path):
    assert swf(tmp_path, JOBS, header="").epoch is None
    assert swf(tmp_path, JOBS, header="; UnixStartTime: -1e9\n").epoch is None
    unknown = swf(
        tmp_path, JOBS, header="; UnixStartTime: 1000000000\n; TimeZoneString: Mars/Base\n"
    )
    assert unknown.epoch == datetime(2001, 9, 9, 1, 46, 40)
    assert any("'Mars/Base' is not known" in note for note in unknown.intake.notes)


def test_gzip_and_told_by_content(tmp_path):
    assert read_trace(write(tmp_path / "log.swf.gz", HEADER + JOBS)).intake.format == "swf"
    assert read_trace(write(tmp_path / "log.txt", HEADER + JOBS)).intake.format == "swf"
    assert read_trace(write(tmp_path / "log", JOBS)).intake.format == "swf"


def test_epoch_moves_with_the_first_job_kept(tmp_path):
    workload = swf(tmp_path, JOBS.splitlines()[1] + "\n")
    assert workload.jobs.submit_s.tolist() == [0]
    assert workload.epoch == datetime(2001, 9, 9, 3, 46, 50)


def test_group_is_the_queue_where_no_group_is_known(tmp_path):
    jobs = swf(tmp_path, "1 0 5 10 4 -1 -1 8 -1 -1 1 3 -1 1 7 -1 -1 -1\n").jobs
    assert jobs.group.astype(str).tolist() == ["7"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9 20 5 -7 4 -1 -1 8 -1 -1 1 3 2 1 1 -1 -1 -1", "a negative duration (run is '-7')"),
        ("9 -1 5 10 4 -1 -1 8 -1 -1 1 3 2 1 1 -1 -1 -1", "no submit time (submit is '-1')"),
        ("9 20 5 10 -1 -1 -1 -1 -1 -1 1 3 2 1 1 -1 -1 -1", "no number of GPUs (requested is '-1'"),
        ("9 20 5 10 0 -1 -1 0 -1 -1 1 3 2 1 1 -1 -1 -1", "zero GPUs"),
        ("9 20 5 ten 4 -1 -1 8 -1 -1 1 3 2 1 1 -1 -1 -1", "not a number (run is 'ten')"),
        ("9 20 5 10 4 -1 -1 8 -1 -1 1 3 2 1 1 -1 -1", "17 fields where 18 belong"),
        ("9 20 5 10 4 -1 -1 8 -1 -1 1 3 2 1 1 -1 -1 -1 0", "19 fields where 18 belong"),
    ],
)
def test_bad_rows(tmp_path, line, message):
    """Comments and blank lines count: the bad one is the eighteenth of the file."""
    with pytest.raises(TraceError) as caught:
        swf(tmp_path, JOBS + line + "\n")
    assert f"log.swf:18: {message}" in str(caught.value)
    assert swf(tmp_path, JOBS + line, on_bad_row="skip").intake.skipped[0].startswith("line 18: ")


def test_comments_only(tmp_path):
    with pytest.raises(TraceError, match="has a header and no rows"):
        swf(tmp_path, "")
