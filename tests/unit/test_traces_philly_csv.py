"""The Philly table: real rows, and every way a row can be wrong."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from trace_files import measured, write

from twin.errors import TraceError
from twin.tables import WORKLOAD
from twin.workload.jobs import Workload
from twin.workload.traces.base import read_trace

HEADER = "timestamp,duration,num_gpus,gpu_time,cluster\n"
GOOD = "2017-10-09 07:01:55,66.0,1,66.0,11cb48\n"


def rows(folder: Path, *lines: str, **options: str) -> Workload:
    return read_trace(write(folder / "t.csv", HEADER + "".join(lines)), **options)  # type: ignore[arg-type]


def test_whole_philly():
    """The figures that the data's own description states."""
    workload = read_trace(measured("sia/philly.csv.gz"))
    jobs = workload.jobs
    assert list(jobs.columns) == WORKLOAD.names()
    assert len(jobs) == 82_247 == workload.intake.rows_read
    assert workload.epoch == datetime(2017, 9, 4, 10, 30, 41)
    assert jobs.submit_s.min() == 0
    last = datetime(2017, 12, 22, 8, 2, 11)
    assert jobs.submit_s.max() == (last - workload.epoch).total_seconds()
    assert jobs.submit_s.is_monotonic_increasing
    assert jobs.gpus.max() == 128
    assert (jobs.gpus == 1).mean() == pytest.approx(0.93, abs=0.005)
    assert jobs.run_s.median() == 1144
    assert jobs.group.nunique() == 15
    assert jobs.drop(columns="job_id").duplicated().sum() == 65  # kept
    assert workload.intake.skipped_rows == 0
    assert workload.intake.dropped == {}


def test_columns_and_queue_order(tmp_path):
    """Sorted by submit; ties keep the file's order; ids are the row numbers."""
    workload = rows(
        tmp_path,
        "2017-10-09 07:00:10,66.5,1,0,b\n",
        "2017-10-09 07:00:00,10,8,0,a\n",
        "2017-10-09 07:00:10,5,2,0,a\n",
    )
    jobs = workload.jobs
    assert jobs.job_id.tolist() == ["2", "1", "3"]
    assert jobs.submit_s.tolist() == [0, 10, 10]
    assert jobs.run_s.tolist() == [10, 66.5, 5]
    assert jobs.gpus.tolist() == [8, 1, 2]
    assert jobs.group.astype(str).tolist() == ["a", "b", "a"]
    assert np.isnan(jobs.estimate_s).all()
    assert {c.name: str(jobs[c.name].dtype) for c in WORKLOAD.columns} == {
        c.name: "str" if c.dtype == "string" else c.dtype for c in WORKLOAD.columns
    }


BAD = {
    "2017-10-09 07:02:00,-5,1,0,a\n": "a negative duration (duration is '-5')",
    ",5,1,0,a\n": "no submit time (timestamp is '')",
    "2017-10-09 07:02:00,,1,0,a\n": "no duration (duration is '')",
    "2017-10-09 07:02:00,NaN,1,0,a\n": "no duration (duration is 'NaN')",
    "2017-10-09 07:02:00,5,0,0,a\n": "zero GPUs (num_gpus is '0')",
    "2017-10-09 07:02:00,5,-1,0,a\n": "a negative number of GPUs (num_gpus is '-1')",
    "2017-10-09 07:02:00,5,1.5,0,a\n": "not a whole number of GPUs (num_gpus is '1.5')",
    "2017-10-09 07:02:00,5,nan,0,a\n": "no number of GPUs (num_gpus is 'nan')",
    "2017-10-09 07:02:00,5,99999999999,0,a\n": "more than 10,000,000 GPUs",
    "2017-10-09 07:02:00,five,1,0,a\n": "not a number (duration is 'five')",
    "2017-10-09 07:02:00,1e999,1,0,a\n": "not a finite number (duration is '1e999')",
    "2017-10-09 07:02:00,inf,1,0,a\n": "not a finite number",
    "2017-10-09 07:02:00,1e15,1,0,a\n": "a duration of more than 100 years",
    "2017-13-09 07:02:00,5,1,0,a\n": "no date and time without a zone",
    "2021-02-29 07:02:00,5,1,0,a\n": "no date and time without a zone",
    "2017-10-09 24:00:00,5,1,0,a\n": "no date and time without a zone",
    "0000-01-01,5,1,0,a\n": "a submit time beyond the years 1000 to 5000",
    "yesterday,5,1,0,a\n": "no date and time without a zone",
    "2017-10-09 07:02:00,5,1,0\n": "4 fields where 5 belong",
    "2017-10-09 07:02:00,5,1,0,a,b\n": "6 fields where 5 belong",
    '2017-10-09 07:02:00,"5,1,0,a\n': "fields where 5 belong",
}


@pytest.mark.parametrize(("line", "message"), BAD.items())
def test_bad_row_is_named(tmp_path, line, message):
    """File, line (the header and blank lines count) and what was found."""
    with pytest.raises(TraceError) as caught:
        rows(tmp_path, GOOD, "\n", line, GOOD if '"' not in line else "")
    assert f"t.csv:4: {message}" in str(caught.value).replace("3 fields", "fields").replace(
        "2 fields", "fields"
    )
    assert "on_bad_row: skip" in str(caught.value)


@pytest.mark.parametrize(("line", "message"), BAD.items())
def test_bad_row_is_skipped_and_listed(tmp_path, line, message):
    workload = rows(tmp_path, GOOD, line, on_bad_row="skip")
    assert workload.jobs.gpus.tolist() == [1]
    assert workload.intake.rows_read == 2
    assert workload.intake.skipped_rows == 1
    (listed,) = workload.intake.skipped
    assert listed.startswith("line 3: ")
    assert message.split("fields")[-1] in listed


def test_first_bad_row_is_the_one_reported(tmp_path):
    """By line, whichever check found it; and how many more there are."""
    with pytest.raises(TraceError, match=r"t.csv:2: zero GPUs .*\(2 more bad rows\)"):
        rows(
            tmp_path,
            "2017-10-09 07:02:00,5,0,0,a\n",
            "2017-10-09 07:02:00,-5,1,0,a\n",
            "short\n",
        )


def test_listing_is_capped_and_count_is_not(tmp_path):
    workload = rows(
        tmp_path, GOOD, *["2017-10-09 07:02:00,-5,1,0,a\n", "x\n"] * 150, on_bad_row="skip"
    )
    assert workload.intake.skipped_rows == 300
    assert len(workload.intake.skipped) == 100
    assert workload.intake.skipped[0].startswith("line 3: a negative")
    assert workload.intake.skipped[1].startswith("line 4: 1 fields")
    assert workload.intake.skipped[99].startswith("line 102:")


def test_epoch_is_the_first_good_submit(tmp_path):
    early_but_bad = "2010-01-01 00:00:00,-1,1,0,a\n"
    workload = rows(tmp_path, early_but_bad, GOOD, on_bad_row="skip")
    assert workload.epoch == datetime(2017, 10, 9, 7, 1, 55)
    assert workload.jobs.submit_s.tolist() == [0]


def test_nothing_left(tmp_path):
    with pytest.raises(TraceError, match=r"no GPU job in 1 rows \(1 bad\)"):
        rows(tmp_path, "2017-10-09 07:02:00,5,0,0,a\n", on_bad_row="skip")


def test_names_pass_through_as_text(tmp_path):
    nasty = "<script>alert(1)</script>"
    workload = rows(tmp_path, f"2017-10-09 07:01:55,66,1,66,{nasty}\n")
    assert workload.jobs.group.astype(str).tolist() == [nasty]


def test_windows_lines_and_byte_order_mark(tmp_path):
    text = (HEADER + GOOD + GOOD).replace("\n", "\r\n").encode()
    workload = read_trace(write(tmp_path / "t.csv", b"\xef\xbb\xbf" + text))
    assert len(workload.jobs) == 2
    with pytest.raises(TraceError, match=r"t\.csv:5: zero GPUs"):
        bad = text + b"\r\n2017-10-09 07:02:00,5,0,0,a\r\n"
        read_trace(write(tmp_path / "t.csv", bad))


def test_stray_carriage_return_and_blank_first_line(tmp_path):
    """Either breaks a line, for the count of lines too."""
    text = " \n" + HEADER + GOOD + GOOD.replace("11cb48", "a\rb") + "2017-10-09 07:02:00,5,0,0,a\n"
    with pytest.raises(TraceError, match=r"t\.csv:1: 1 fields where 5 belong"):
        read_trace(write(tmp_path / "t.csv", text), format="philly-csv")
    path = tmp_path / "t.csv"
    intake = read_trace(path, format="philly-csv", on_bad_row="skip").intake
    assert [line.split(" ")[1] for line in intake.skipped] == ["1:", "5:", "6:"]


def test_missing_column(tmp_path):
    path = write(tmp_path / "t.csv", "timestamp,duration,cluster\n2017-10-09 07:01:55,66,a\n")
    with pytest.raises(TraceError, match="no column num_gpus; found timestamp, duration, cluster"):
        read_trace(path, format="philly-csv")
