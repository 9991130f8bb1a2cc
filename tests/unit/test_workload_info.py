"""What `twin trace info` says: numbers worked by hand, lines for people, a picture."""

import json
from datetime import datetime

import numpy as np
import pytest
from trace_files import measured, write

from twin.errors import InputError, StorageError
from twin.workload.info import describe, lines, trace_info
from twin.workload.jobs import Intake, Workload, job_table
from twin.workload.portrait import portrait
from twin.workload.profile import busy_gpus, peak_gpus, printable, size_classes

PNG = b"\x89PNG"


def three_jobs(**more):
    """0-10 s on 2 GPUs, 4-6 s on 8, 10-30 s on 3."""
    columns = {"submit_s": [0.0, 4.0, 10.0], "run_s": [10.0, 2.0, 20.0], "gpus": [2, 8, 3], **more}
    return Workload(job_table(columns), Intake("t.csv", "generic", rows_read=3))


def test_offered_load_by_hand():
    jobs = three_jobs().jobs
    submit_s, run_s, gpus = (jobs[c].to_numpy(float) for c in ("submit_s", "run_s", "gpus"))
    assert peak_gpus(submit_s, run_s, gpus) == 10
    # Ends come before starts: at 10 s the 2 GPUs of the first job are free again.
    assert peak_gpus(np.array([0.0, 10.0]), np.array([10.0, 5.0]), np.array([4.0, 4.0])) == 4
    edges_s = np.array([0.0, 5.0, 10.0, 20.0, 40.0])
    expected = [(4 * 2 + 1 * 10) / 5, (10 + 4 * 2) / 5, 3, 1.5]
    np.testing.assert_allclose(busy_gpus(submit_s, run_s, gpus, edges_s), expected)
    assert busy_gpus(submit_s, run_s, gpus, np.array([0.0, 100.0]))[0] * 100 == gpus @ run_s


def test_size_classes():
    labels, which = size_classes(np.array([1, 2, 3, 4, 5, 8, 9, 128]))
    assert labels == ["1", "2", "3-4", "5-8", "9-16", "65-128"]
    assert which.tolist() == [0, 1, 2, 2, 3, 3, 4, 5]


def test_numbers_by_hand():
    numbers = describe(three_jobs(estimate_s=[20.0, np.nan, 20.0], user=["a", "", "b"]))
    assert numbers["jobs"] == 3
    assert numbers["span_s"] == 10
    assert numbers["gpu_s"] == 2 * 10 + 8 * 2 + 3 * 20
    assert numbers["interarrival_s"]["mean"] == 5
    assert numbers["interarrival_s"]["cv"] == pytest.approx(0.2)
    assert numbers["run_s"]["p50"] == 10
    assert numbers["offered_gpus"] == {"mean": 3.6, "peak": 10}
    assert numbers["sizes"][1] == {"gpus": "3-4", "jobs": 1, "gpu_s": 60.0}
    assert (numbers["users"], numbers["groups"]) == (2, 0)
    assert numbers["jobs_with_estimate"] == 2
    assert numbers["estimate_over_run"]["p50"] == 1.5
    assert numbers["first_submit"] is None
    json.dumps(numbers, allow_nan=False)


def test_one_job_is_enough():
    workload = Workload(job_table({"submit_s": [0.0], "run_s": [0.0], "gpus": [1]}))
    numbers = describe(workload)
    json.dumps(numbers, allow_nan=False)
    assert "a single job" in lines(numbers)
    assert portrait(workload).axes


def test_lines_say_what_was_left_out(tmp_path):
    text = "submit_s,run_s,gpus,gpu_fraction\n0,60,1,0.5\n30,-1,1,1\n"
    told, numbers = trace_info(write(tmp_path / "t.csv", text), on_bad_row="skip")
    assert "1 of 2 rows (left out: 1 bad)" in told
    assert "line 3: a negative duration" in told
    assert "1 jobs ask for part of a GPU" in told
    assert "no calendar" in told
    assert numbers["bad_rows"] == 1


def test_terminal_is_not_steered():
    assert printable("a\x1b[2Jb\u202e") == "a\ufffd[2Jb\ufffd"
    workload = three_jobs()
    object.__setattr__(workload.intake, "notes", ("\x1b]0;title\x07",))
    assert "\x1b" not in lines(describe(workload))


def test_philly(tmp_path):
    plot = tmp_path / "philly.png"
    told, numbers = trace_info(measured("sia/philly.csv.gz"), plot=plot)
    assert plot.read_bytes().startswith(PNG)
    assert numbers["jobs"] == 82_247
    assert numbers["groups"] == 15
    assert numbers["run_s"]["p50"] == 1144
    assert numbers["gpus"]["max"] == 128
    assert numbers["sizes"][0]["jobs"] / 82_247 == pytest.approx(0.93, abs=0.005)
    assert "2017-09-04 10:30:41 to 2017-12-22 08:02:11 (109 d)" in told
    assert len(told.splitlines()) < 16


def test_node_list(tmp_path):
    path = write(tmp_path / "n.csv", "node,gpus,gpu_model\na,8,T4\nb,8,T4\nc,0,\n")
    told, numbers = trace_info(path)
    assert numbers["gpus"] == 16
    assert numbers["kinds"][0] == {"gpu_model": "T4", "gpus_per_node": 8, "nodes": 2}
    assert "2 nodes  8 x T4" in told
    with pytest.raises(InputError, match="leave --plot out"):
        trace_info(path, plot=tmp_path / "n.png")


def test_faults(tmp_path):
    path = write(tmp_path / "t.csv", "submit_s,run_s,gpus\n0,60,1\n")
    with pytest.raises(InputError, match="'ignore' is neither error nor skip"):
        trace_info(path, on_bad_row="ignore")
    with pytest.raises(InputError, match="no such kind of picture"):
        trace_info(path, plot=tmp_path / "t.doc")
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        trace_info(path, plot=tmp_path / "none" / "t.png")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="no such file"):
        trace_info(tmp_path / "no.csv")


def test_portrait_says_what_it_shows():
    workload = three_jobs()
    object.__setattr__(workload, "epoch", datetime(2024, 1, 1))
    titles = [axes.get_title(loc="left") for axes in portrait(workload).axes]
    assert titles == [
        "Jobs submitted per hour, in bins of 1 min",
        "GPUs busy if no job ever waited",
        "Arrivals by hour of the week, mean = 1",
        "Share by size",
        "Share by duration",
    ]
