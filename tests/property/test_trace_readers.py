"""Whatever is in a file, a reader gives a sound workload or one TraceError; never anything else."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twin.errors import TraceError
from twin.workload.traces.base import formats, read_trace
from twin.workload.traces.nodes import read_nodes

DAY = "2020-06-09"
JOBS = [
    {
        "status": "Pass",
        "vc": "v",
        "jobid": "j",
        "user": "u",
        "submitted_time": f"{DAY} 10:00:00",
        "attempts": [
            {
                "start_time": f"{DAY} 10:00:00",
                "end_time": f"{DAY} 10:01:00",
                "detail": [{"ip": "m", "gpus": ["gpu0"]}],
            }
        ],
    }
]
SAMPLES = {
    "philly-csv": f"timestamp,duration,num_gpus,gpu_time,cluster\n{DAY} 10:00:00,60,1,60,c\n" * 1
    + f"{DAY} 10:00:05,6,8,48,d\n",
    "philly-json": json.dumps(JOBS),
    "helios": "job_id,user,vc,gpu_num,cpu_num,node_num,state,"
    "submit_time,start_time,end_time,duration\n"
    f"1,u,v,8,64,1,COMPLETED,{DAY} 10:00:00,{DAY} 10:00:00,{DAY} 10:01:00,60\n",
    "alibaba-2023": "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\na,6000,1024,1,460,,LS,Running,100,200,150\n",
    "swf": "; UnixStartTime: 1000000000\n1 0 5 100 4 -1 -1 8 3600 1024 1 3 2 1 1 -1 -1 -1\n",
    "slurm": "JobID|User|State|Submit|Start|End|Elapsed|Timelimit|Priority|ReqTRES\n"
    f"1|u|COMPLETED|{DAY}T10:00:00|{DAY}T10:00:00|{DAY}T10:01:00|01:00|1-00:00:00|5|cpu=1,gres/gpu=1\n",
    "generic": "submit_s,run_s,gpus,user,estimate_s,priority\n0,60,1,u,90,1\n5,6,8,v,,\n",
}
TASKS = "j1,worker,2.0,Terminated,1105.0,4100.0,400.0,10.0,50.0,T4\n"
PAI_JOBS = "j1,i1,ua,Terminated,1000,5000\n"

nasty = st.sampled_from(
    [
        *("", " ", "-1", "0", "nan", "inf", "-inf", "1e308", "1e999", "9" * 400, "0x10", "1_000"),
        *(
            "NaN",
            "None",
            "null",
            "<script>alert(1)</script>",
            "'; DROP TABLE jobs;--",
            "\u202e",
            "é",
        ),
        *("0000-01-01", "9999-12-31 23:59:59", "2020-06-09 10:00:00+08:00", "24:00:00", "-5-00:00"),
        *(
            "\n",
            "\r",
            "\r\n",
            "\t",
            ",",
            "|",
            ";",
            '"',
            '""',
            "[",
            "{",
            "\\",
            "\x1b[2J",
            "gres/gpu=",
        ),
    ]
)


@st.composite
def damaged(draw, text):
    """The text with pieces replaced, removed, doubled or put in."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        size = draw(st.sampled_from([0, 0, 1, 2, 8, 40]))
        piece = draw(nasty | st.just(text[at : at + size]) | st.text(max_size=3))
        text = text[:at] + piece + text[at + size * draw(st.integers(0, 1)) :]
    return text


def sound(workload):
    jobs = workload.jobs
    assert len(jobs)
    assert np.isfinite(jobs[["submit_s", "run_s"]]).all().all()
    assert jobs.submit_s.min() == 0
    assert jobs.submit_s.is_monotonic_increasing
    assert (jobs.run_s >= 0).all()
    assert (jobs.gpus >= 1).all()
    assert ((jobs.gpu_fraction > 0) & (jobs.gpu_fraction <= 1)).all()
    assert (jobs.nodes >= 0).all()
    assert not (jobs[["cpus", "memory_bytes", "estimate_s"]] < 0).any().any()


def read_or_refuse(path: Path, **options) -> None:
    try:
        sound(read_trace(path, **options))
    except TraceError as error:
        assert str(path.name) in str(error) or str(path.parent) in str(error)


@pytest.mark.parametrize("format", SAMPLES)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), skip=st.booleans(), named=st.booleans())
def test_damaged_text(tmp_path, format, data, skip, named):
    path = tmp_path / "trace"
    path.write_bytes(data.draw(damaged(SAMPLES[format])).encode("utf-8", "surrogatepass"))
    on_bad_row = "skip" if skip else "error"
    read_or_refuse(path, format=format if named else "auto", on_bad_row=on_bad_row)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(jobs=damaged(PAI_JOBS), tasks=damaged(TASKS), skip=st.booleans())
def test_damaged_pai_tables(tmp_path, jobs, tasks, skip):
    (tmp_path / "pai_job_table.csv").write_bytes(jobs.encode("utf-8", "surrogatepass"))
    (tmp_path / "pai_task_table.csv").write_bytes(tasks.encode("utf-8", "surrogatepass"))
    read_or_refuse(tmp_path, on_bad_row="skip" if skip else "error")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=damaged("sn,cpu_milli,memory_mib,gpu,model\nn,1000,1024,8,T4\n"))
def test_damaged_node_list(tmp_path, text):
    path = tmp_path / "nodes.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        nodes = read_nodes(path)
    except TraceError as error:
        assert "nodes.csv" in str(error)
    else:
        assert (nodes.gpus >= 0).all()


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=300), format=st.sampled_from(["auto", *SAMPLES, "alibaba-2020"]))
@example(data=b"PAR1", format="auto")
@example(data=b"\x1f\x8b", format="auto")
@example(data=b"\x1f\x8b\x08\x00", format="generic")
@example(data=b"[" * 100_000, format="auto")
@example(data=b",\n,\n", format="auto")
@example(data=b'"\n', format="philly-csv")
@example(data=b";\n", format="swf")
def test_any_bytes(tmp_path, data, format):
    path = tmp_path / "trace"
    path.write_bytes(data)
    read_or_refuse(path, format=format)


def test_every_format_is_tried_here():
    assert {*SAMPLES, "alibaba-2020"} == set(formats())
