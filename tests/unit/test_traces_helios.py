"""Helios and Acme: rows in the documented form, written for these tests."""

from datetime import datetime

import pytest
from trace_files import write

from twin.errors import TraceError
from twin.workload.traces.base import read_trace

HELIOS = (
    "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
)
KALOS = (
    "job_id,user,node_num,gpu_num,cpu_num,mem_per_pod_GB,shared_mem_per_pod,type,state,submit_time,"
    "start_time,end_time,fail_time,stop_time,duration,queue,gpu_time\n"
)


def helios(folder, *lines, **options):
    return read_trace(write(folder / "cluster_log.csv", HELIOS + "".join(lines)), **options)


def test_helios(tmp_path):
    lines = (
        "7,ua,vcX,8,64,1,COMPLETED,D 18:41:10,D 18:42:10,D 19:42:10,3600,60\n",
        "5,ub,vcY,1,4,1,FAILED,D 18:41:00,D 18:41:00,D 18:41:30,30,0\n",
        "6,uc,vcY,0,4,1,COMPLETED,D 18:41:02,D 18:41:02,D 18:41:30,28,0\n",
        "8,uc,vcY,4,4,1,CANCELLED,D 18:41:12,,,,\n",
        "9,uc,vcY,4,4,1,CANCELLED,D 18:41:12,D 18:45:12,D 18:45:12,0,240\n",
        "10,uc,vcY,4,4,1,RUNNING,D 18:41:12,D 18:45:12,,,240\n",
        "11,uc,vcY,16,4,2,TIMEOUT,D 18:41:12,D 18:45:12,D 18:45:12,0,240\n",
    )
    workload = helios(tmp_path, *(line.replace("D ", "2020-06-09 ") for line in lines))
    jobs = workload.jobs
    assert workload.intake.format == "helios"
    assert workload.epoch == datetime(2020, 6, 9, 18, 41)
    assert workload.intake.dropped == {"cpu_only": 1, "never_ran": 2, "unfinished": 1}
    assert workload.intake.notes == ()
    assert jobs.job_id.tolist() == ["5", "7", "11"]
    assert jobs.submit_s.tolist() == [0, 10, 12]
    assert jobs.run_s.tolist() == [30, 3600, 0]
    assert jobs.gpus.tolist() == [1, 8, 16]
    assert jobs.nodes.tolist() == [1, 1, 2]
    assert jobs.cpus.tolist() == [4, 64, 4]
    assert jobs.user.astype(str).tolist() == ["ub", "ua", "uc"]
    assert jobs.group.astype(str).tolist() == ["vcY", "vcX", "vcY"]


def test_kalos_states_zones_and_a_duration_that_includes_the_wait(tmp_path):
    text = (
        KALOS
        + "dlc1,uf,8,64,960,1000,100.0,Other,FAILED,2023-05-17 11:00:58+00:00,"
        + "2023-05-17 11:01:08+00:00,2023-05-17 11:01:16+00:00,"
        + "2023-05-17 11:01:16+00:00,,18,10.0,1152.0\n"
    )
    workload = read_trace(write(tmp_path / "trace_kalos.csv", text))
    job = workload.jobs.iloc[0]
    assert workload.epoch == datetime(2023, 5, 17, 11, 0, 58)
    assert job.run_s == 8
    assert job.memory_bytes == 8 * 1000e9
    assert job.group == "Other"
    assert any(
        "1 jobs state a duration that is not end - start" in n for n in workload.intake.notes
    )


def test_epoch_is_in_the_zone_of_the_file(tmp_path):
    row = "1,ua,1,8,128,,,Other,COMPLETED,{}+08:00,{}+08:00,{}+08:00,,,60,0,480\n"
    lines = [row.format(*["2023-03-01 00:18:22"] * 2, "2023-03-01 00:19:22")]
    workload = read_trace(write(tmp_path / "trace_seren.csv", KALOS + lines[0]))
    assert workload.epoch == datetime(2023, 3, 1, 0, 18, 22)
    assert workload.jobs.run_s.tolist() == [60]
    assert "Calendar times are those of UTC+8." in workload.intake.notes


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("{d} 10:00:00,{d} 10:00:00,{d} 09:00:00", "ends before it starts (start_time is"),
        ("{d} 10:00:00,{d} 09:59:59,{d} 11:00:00", "starts before its submit (submit_time is"),
        ("None,{d} 10:00:00,{d} 11:00:00", "no submit time (submit_time is 'None')"),
        ("{d} 10:00:00,{d} 25:00:00,{d} 11:00:00", "no date and time without a zone"),
        ("{d} 10:00:00,{d} 10:00:00,{d} 11:00:00+01:00", "no date and time without a zone"),
    ],
)
def test_clocks_that_cannot_be(tmp_path, times, message):
    good = "2020-06-09 10:00:00"
    lines = [
        f"1,u,v,1,4,1,COMPLETED,{good},{good},{good},0,0\n",
        f"2,u,v,1,4,1,COMPLETED,{times.format(d='2020-06-09')},0,0\n",
    ]
    with pytest.raises(TraceError) as caught:
        helios(tmp_path, *lines)
    assert "cluster_log.csv:3: " in str(caught.value)
    assert message in str(caught.value)
    workload = helios(tmp_path, *lines, on_bad_row="skip")
    assert workload.jobs.job_id.tolist() == ["1"]
    assert workload.intake.skipped[0].startswith("line 3: ")


def test_faults_of_cpu_jobs_do_not_matter(tmp_path):
    good = "2020-06-09 10:00:00"
    workload = helios(
        tmp_path,
        f"1,u,v,1,4,1,COMPLETED,{good},{good},{good},0,0\n",
        f"2,u,v,0,4,1,COMPLETED,{good},{good},2020-06-08 10:00:00,0,0\n",
    )
    assert workload.intake.dropped == {"cpu_only": 1}
    assert workload.intake.skipped_rows == 0


def test_only_one_column_with_a_zone(tmp_path):
    line = (
        "1,u,v,1,4,1,COMPLETED,2020-06-09 10:00:00Z,2020-06-09 10:00:00,2020-06-09 10:00:00,0,0\n"
    )
    with pytest.raises(
        TraceError, match="only one of submit_time and start_time states a time zone"
    ):
        helios(tmp_path, line)
