"""Any table with a column map: CSV and Parquet, numbers in several units, dates."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from trace_files import write

from twin.errors import TraceError
from twin.workload.traces.base import read_trace

GOOGLE = "time,end,machine_gpus,owner\n3000000,63000000,4,ann\n1000000,2000000,1,\n"
MAP = {
    "submit_us": "time",
    "end_us": "end",
    "start_us": "time",
    "gpus": "machine_gpus",
    "user": "owner",
}


def test_our_own_names_need_no_map(tmp_path):
    text = (
        "job_id,submit_s,run_s,gpus,nodes,cpus,memory_gib,gpu_fraction,user,group,priority,"
        "estimate_min,kind,model,pool,deadline_s,qos,min_gpus,max_gpus,gpu_types\n"
        "a,100,5,2,1,8,64,1,ann,lab,-3,2,batch,llama,h100,700,gold,1,8,h100|a100\n"
        "b,90,6.5,1,,,,0.5,bob,,,,training,,,,,,,\n"
    )
    workload = read_trace(write(tmp_path / "t.csv", text))
    jobs = workload.jobs
    assert workload.intake.format == "generic"
    assert workload.epoch is None
    assert jobs.job_id.tolist() == ["b", "a"]
    assert jobs.submit_s.tolist() == [0, 10]
    assert jobs.run_s.tolist() == [6.5, 5]
    assert jobs.nodes.tolist() == [0, 1]
    assert np.isnan(jobs.cpus[0])
    assert np.isnan(jobs.estimate_s[0])
    assert jobs.estimate_s[1] == 120
    assert jobs.memory_bytes[1] == 64 * 2**30
    assert jobs.gpu_fraction.tolist() == [0.5, 1]
    assert jobs.priority.tolist() == [0, -3]
    assert jobs.iloc[1][["user", "group", "kind", "model", "pool"]].tolist() == [
        *("ann", "lab", "batch", "llama", "h100")
    ]
    assert np.isnan(jobs.deadline_s[0])
    assert jobs.deadline_s[1] == 610  # on the clock of the submits, whose first is second 0
    assert jobs.iloc[1][["qos", "min_gpus", "max_gpus", "gpu_types"]].tolist() == [
        *("gold", 1, 8, "h100|a100")
    ]
    assert jobs.iloc[0][["qos", "min_gpus", "max_gpus", "gpu_types"]].tolist() == ["", 0, 0, ""]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("min_gpus", "5", "fewer GPUs than it needs"),
        ("max_gpus", "3", "more GPUs than it can use"),
        ("max_gpus", "4.5", "not a whole number for max_gpus"),
        ("min_gpus", "-1", "min_gpus below zero"),
        ("deadline_s", "99", "a deadline before its submit"),
    ],
)
def test_sizes_and_deadlines_that_cannot_be(tmp_path, column, value, message):
    text = f"submit_s,run_s,gpus,{column}\n100,5,4,{value}\n"
    with pytest.raises(TraceError, match=message):
        read_trace(write(tmp_path / "t.csv", text))


def test_deadlines_may_be_dates(tmp_path):
    text = "submit_s,run_s,gpus,deadline_s\n2024-03-01,1,1,2024-03-01T01:00\n2024-03-02,1,1,\n"
    deadline_s = read_trace(write(tmp_path / "t.csv", text)).jobs.deadline_s
    assert deadline_s[0] == 3600
    assert np.isnan(deadline_s[1])


def test_column_map_and_microseconds(tmp_path):
    columns = {k: v for k, v in MAP.items() if k != "start_us"}
    path = write(tmp_path / "t.csv", GOOGLE)
    with pytest.raises(TraceError, match=r"nothing gives run_s \(or start_s and end_s\)"):
        read_trace(path, columns=columns)
    workload = read_trace(path, columns=MAP)
    assert workload.jobs.submit_s.tolist() == [0, 2]
    assert workload.jobs.run_s.tolist() == [1, 60]
    assert workload.jobs.user.astype(str).tolist() == ["", "ann"]


@pytest.mark.parametrize(
    ("unit", "per_s"),
    [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9), ("min", 1 / 60), ("h", 1 / 3600)],
)
def test_units(tmp_path, unit, per_s):
    text = f"t,d,g\n{0 * per_s!r},{7200 * per_s!r},1\n{3600 * per_s!r},1,1\n"
    columns = {f"submit_{unit}": "t", f"run_{unit}": "d", "gpus": "g"}
    jobs = read_trace(write(tmp_path / "t.csv", text), columns=columns).jobs
    assert jobs.submit_s.tolist() == pytest.approx([0, 3600])
    assert jobs.run_s[0] == pytest.approx(7200)


def test_dates_give_an_epoch(tmp_path):
    text = "submit_s,run_s,gpus\n2024-02-28T23:59:59.5,1,1\n2024-03-01,1,1\n"
    workload = read_trace(write(tmp_path / "t.csv", text))
    assert workload.epoch == datetime(2024, 2, 28, 23, 59, 59, 500_000)
    assert workload.jobs.submit_s.tolist() == [0, 86400.5]


def test_large_numbers_are_unix_time(tmp_path):
    text = "submit_s,run_s,gpus\n1700000000,1,1\n1700000060,1,1\n"
    workload = read_trace(write(tmp_path / "t.csv", text))
    assert workload.epoch == datetime(2023, 11, 14, 22, 13, 20)
    assert workload.jobs.submit_s.tolist() == [0, 60]


def test_milliseconds_taken_for_seconds_are_refused(tmp_path):
    text = "submit_s,run_s,gpus\n1700000000000,1,1\n"
    with pytest.raises(TraceError, match="a submit time beyond the years 1000 to 5000"):
        read_trace(write(tmp_path / "t.csv", text))


def test_parquet(tmp_path):
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-01-01 10:00", "2024-01-01 09:00"]),
            "secs": [5.0, 7.0],
            "n": np.array([8, 1], np.int16),
            "who": pd.Categorical(["ann", "bob"]),
            "rest": [None, 3],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    columns = {"submit_s": "when", "run_s": "secs", "gpus": "n", "user": "who"}
    workload = read_trace(tmp_path / "t.parquet", columns=columns)
    assert workload.epoch == datetime(2024, 1, 1, 9)
    assert workload.jobs.submit_s.tolist() == [0, 3600]
    assert workload.jobs.gpus.tolist() == [1, 8]
    assert workload.jobs.user.astype(str).tolist() == ["bob", "ann"]


def test_parquet_bad_row_and_types(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"submit_s": [1, 2], "run_s": [5.0, np.nan], "gpus": [1, 0]}).to_parquet(path)
    with pytest.raises(TraceError, match=r"t.parquet: row 2: no duration \(run_s is ''\)"):
        read_trace(path)
    assert len(read_trace(path, on_bad_row="skip").jobs) == 1
    pd.DataFrame({"submit_s": [1], "run_s": [[5.0]], "gpus": [1]}).to_parquet(path)
    with pytest.raises(TraceError, match="column run_s does not hold numbers"):
        read_trace(path)
    pd.DataFrame({"submit_s": [], "run_s": [], "gpus": []}).to_parquet(path)
    with pytest.raises(TraceError, match="has a header and no rows"):
        read_trace(path)


def test_damaged_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"submit_s": range(99), "run_s": range(99), "gpus": [1] * 99}).to_parquet(path)
    data = path.read_bytes()
    for cut in (data[:200], data[:4], data[:50] + bytes(100) + data[150:]):
        path.write_bytes(cut)
        with pytest.raises(TraceError, match="damaged Parquet"):
            read_trace(path)


def test_parquet_for_another_format(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(TraceError, match="Parquet; only the format generic reads that"):
        read_trace(path, format="helios")


def test_map_faults(tmp_path):
    path = write(tmp_path / "t.csv", GOOGLE)
    with pytest.raises(
        TraceError, match=r"no column tiem; found time, end, .* maps submit_us to it"
    ):
        read_trace(path, columns={**MAP, "submit_us": "tiem"})
    with pytest.raises(
        TraceError, match=r"names 'gpu', which is none of ours; did you mean 'gpus'"
    ):
        read_trace(path, columns={"gpu": "machine_gpus"})
    with pytest.raises(TraceError, match=r"end and time both give submit_s; keep one"):
        read_trace(path, columns={**MAP, "submit_s": "end"})
    with pytest.raises(TraceError, match=r"nothing gives gpus; .* Found: time, end, machine_gpus"):
        read_trace(path, columns={k: v for k, v in MAP.items() if k != "gpus"})


def test_clock_going_backwards(tmp_path):
    text = GOOGLE + "5000000,4000000,1,x\n"
    with pytest.raises(
        TraceError, match=r"t.csv:4: ends before it starts \(time is '5000000', end"
    ):
        read_trace(write(tmp_path / "t.csv", text), columns=MAP)


def test_a_mapped_column_is_not_taken_twice(tmp_path):
    """The file's own ``run_s`` is somebody else's here: it is mapped to the estimate."""
    text = "submit_s,run_s,true_run,gpus\n0,100,5,1\n"
    columns = {"estimate_s": "run_s", "run_s": "true_run"}
    job = read_trace(write(tmp_path / "t.csv", text), columns=columns).jobs.iloc[0]
    assert (job.estimate_s, job.run_s) == (100, 5)
