"""Alibaba's traces: real pods and nodes of 2023 and 2026, hand-made tables of 2020."""

from datetime import datetime

import numpy as np
import pytest
from trace_files import measured, write

from twin.errors import TraceError
from twin.workload.traces.base import read_trace
from twin.workload.traces.nodes import read_nodes

PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
    "deletion_time,scheduled_time\n"
)


def test_pods_of_2023():
    workload = read_trace(measured("alibaba_gpu2023/openb_pod_list_default.csv.gz"))
    jobs, intake = workload.jobs, workload.intake
    assert intake.format == "alibaba-2023"
    assert intake.rows_read == 8152
    assert intake.dropped["never_ran"] == 897
    assert len(jobs) == 8152 - 897 - intake.dropped["cpu_only"]
    assert intake.skipped_rows == 0
    assert jobs.gpus.max() == 8
    assert 0 < jobs.gpu_fraction.min() < 1
    assert (jobs.gpu_fraction[jobs.gpus > 1] == 1).all()
    assert workload.epoch is None
    assert set(jobs.group.cat.categories) <= {"LS", "BE", "Burstable", "Guaranteed"}
    # The first pod of the file, by hand.
    first = jobs[jobs.job_id == "openb-pod-0000"].iloc[0]
    assert (first.submit_s, first.run_s, first.gpus) == (0, 12537496, 1)
    assert (first.cpus, first.memory_bytes) == (12, 16384 * 2**20)


def test_pods_by_hand(tmp_path):
    lines = (
        "a,6000,1024,1,460,,LS,Running,100,200,150\n"
        "b,6000,1024,2,1000,T4,BE,Failed,90,,95\n"
        "c,6000,1024,0,0,,BE,Succeeded,90,100,95\n"
        "d,6000,1024,1,1000,,BE,Pending,90,100,\n"
    )
    workload = read_trace(write(tmp_path / "pods.csv", PODS + lines))
    assert workload.intake.dropped == {"never_ran": 1, "cpu_only": 1, "unfinished": 1}
    job = workload.jobs.iloc[0]
    assert (job.submit_s, job.run_s, job.gpu_fraction, job.kind) == (0, 50, 0.46, "batch")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,6000,1024,1,1000,,LS,Running,100,120,150\n", "ends before it starts"),
        ("a,6000,1024,1,1000,,LS,Running,100,120,99\n", "starts before it was made"),
        ("a,6000,1024,1,1001,,LS,Running,100,200,150\n", "a share of a GPU outside (0, 1]"),
        ("a,6000,1024,1,0,,LS,Running,100,200,150\n", "a share of a GPU outside (0, 1]"),
        ("a,-1,1024,1,1000,,LS,Running,100,200,150\n", "cpus below zero"),
        ("a,1,1024,one,1000,,LS,Running,100,200,150\n", "not a number (num_gpu is 'one')"),
    ],
)
def test_bad_pods(tmp_path, line, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write(tmp_path / "pods.csv", PODS + line))
    assert f"pods.csv:2: {message}" in str(caught.value)


def test_nodes_of_2023():
    nodes = read_nodes(measured("alibaba_gpu2023/openb_node_list_gpu_node.csv"))
    assert list(nodes.columns) == ["node", "gpu_model", "gpus", "cpus", "memory_bytes"]
    assert (len(nodes), nodes.gpus.sum()) == (1213, 6212)
    by_model = nodes.groupby("gpu_model", observed=True).gpus.sum().to_dict()
    assert by_model == {
        **{"G2": 4392, "G3": 312, "T4": 842, "P100": 265},
        **{"V100M32": 204, "V100M16": 195, "A10": 2},
    }
    everything = read_nodes(measured("alibaba_gpu2023/openb_node_list_all_node.csv"))
    assert (len(everything), (everything.gpus == 0).sum()) == (1523, 310)
    assert (everything.gpu_model[everything.gpus == 0] == "").all()
    assert everything.cpus.iloc[0] == 32


def test_nodes_of_2026():
    nodes = read_nodes(measured("alibaba_spot2026/node_info_df.csv"))
    assert len(nodes) == 4278
    assert nodes.gpus[nodes.gpu_model == "H800"].sum() == 1752
    assert nodes.memory_bytes.isna().all()


def test_nodes_of_2020_have_no_header(tmp_path):
    text = "m1,T4,96,512,2\nm2,CPU,96,512,0\n"
    for name, body in {"pai_machine_spec.csv": text, "x.csv": NODES_2020 + text}.items():
        nodes = read_nodes(write(tmp_path / name, body))
        assert nodes.gpus.tolist() == [2, 0]
        assert nodes.gpu_model.astype(str).tolist() == ["T4", ""]
        assert nodes.memory_bytes.tolist() == [512 * 2**30] * 2


NODES_2020 = "machine,gpu_type,cap_cpu,cap_mem,cap_gpu\n"


def test_bad_node_lists(tmp_path):
    bad = write(tmp_path / "n.csv", "node,gpus\na,8\nb,-8\n")
    with pytest.raises(TraceError, match=r"n.csv:3: a negative number for gpus \(gpus is '-8'\)"):
        read_nodes(bad)
    with pytest.raises(TraceError, match=r"n.csv:2: not a number of GPUs in a node"):
        read_nodes(write(tmp_path / "n.csv", "node,gpus\na,2.5\n"))
    with pytest.raises(TraceError, match="no list of nodes"):
        read_nodes(write(tmp_path / "n.csv", PODS + "x\n"))
    with pytest.raises(TraceError, match="unknown node-list format 'alibaba'"):
        read_nodes(bad, format="alibaba")
    with pytest.raises(TraceError, match="no column sn, gpu"):
        read_nodes(bad, format="alibaba-2023")
    with pytest.raises(TraceError, match="is a list of nodes, not of jobs"):
        read_trace(write(tmp_path / "n.csv", "sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,T4\n"))


# 2020: job_name, inst_id, user, status, start, end; no header, as published
JOBS_2020 = (
    "j1,i1,ua,Terminated,1000,5000\n"
    "j2,i2,ub,Failed,1010.0,1200.0\n"
    "j3,i3,ub,Waiting,1020.0,\n"  # no task ever started
    "j4,i4,ub,Running,1030.0,\n"
    "j5,i5,uc,Terminated,1040.0,1050.0\n"  # CPU only
    "j6,i6,uc,Terminated,1060.0,1090.0\n"
    "j7,i7,uc,Waiting,1070.0,\n"  # no task at all
)
# job, task, instances, status, start, end, cpu %, mem GB, gpu %, type
TASKS_2020 = (
    "j1,ps,1.0,Terminated,1100.0,4000.0,600.0,29.296875,,\n"
    "j1,worker,2.0,Terminated,1105.0,4100.0,400.0,10.0,50.0,T4\n"
    "j2,tensorflow,4.0,Failed,1010.0,1200.0,600.0,1.0,200.0,V100\n"
    "j3,tensorflow,1.0,Waiting,,,600.0,1.0,100.0,MISC\n"
    "j4,tensorflow,1.0,Running,1030.0,,600.0,1.0,100.0,MISC\n"
    "j5,xComputeWorker,1.0,Terminated,1040.0,1050.0,600.0,1.0,,CPU\n"
    "j6,worker,1.0,Terminated,1060.0,1080.0,600.0,1.0,100.0,T4\n"
    "j6,evaluator,1.0,Terminated,1070.0,1090.0,600.0,1.0,25.0,T4\n"
)


@pytest.fixture
def pai(tmp_path):
    write(tmp_path / "pai_job_table.csv", JOBS_2020)
    write(tmp_path / "pai_task_table.csv", TASKS_2020)
    return tmp_path


def test_pai_tables(pai):
    for path in (pai, pai / "pai_job_table.csv", pai / "pai_task_table.csv"):
        workload = read_trace(path)
        jobs = workload.jobs.set_index("job_id")
        assert workload.intake.format == "alibaba-2020"
        assert workload.intake.dropped == {"never_ran": 2, "unfinished": 1, "cpu_only": 1}
        assert workload.intake.rows_read == 7 + 8
        assert jobs.index.tolist() == ["j1", "j2", "j6"]
        assert jobs.submit_s.tolist() == [0, 10, 60]
        assert jobs.run_s.tolist() == [3000, 190, 30]  # first task start to last task end
        assert jobs.gpus.tolist() == [2, 8, 2]
        assert jobs.gpu_fraction.tolist() == [0.5, 1.0, 0.625]
        assert jobs.cpus["j1"] == 6 + 2 * 4
        assert jobs.memory_bytes["j1"] == pytest.approx((29.296875 + 20) * 2**30)
        assert jobs.user.astype(str).tolist() == ["ua", "ub", "uc"]
        # 1000 s after midnight of 1 January 1970 in UTC+8, where the hours are true
        assert workload.epoch == datetime(1970, 1, 1, 8, 16, 40)


def test_pai_with_headers_and_gzip(tmp_path):
    header = "job_name,inst_id,user,status,start_time,end_time\n"
    write(tmp_path / "pai_job_table.csv.gz", header + JOBS_2020)
    header = (
        "job_name,task_name,inst_num,status,start_time,end_time,"
        "plan_cpu,plan_mem,plan_gpu,gpu_type\n"
    )
    write(tmp_path / "pai_task_table.csv", header + TASKS_2020)
    assert len(read_trace(tmp_path).jobs) == 3


def test_pai_bad_task_is_named_in_its_own_file(pai):
    write(pai / "pai_task_table.csv", TASKS_2020 + "j1,w,1.0,Terminated,9,8,1,1,100,T4\n")
    with pytest.raises(TraceError, match=r"pai_task_table.csv:9: ends before it starts"):
        read_trace(pai)
    workload = read_trace(pai, on_bad_row="skip")
    assert workload.intake.skipped_rows == 1
    assert workload.intake.skipped[0].startswith("pai_task_table.csv, line 9: ends before")
    assert len(workload.jobs) == 3


def test_pai_bad_job(pai):
    write(pai / "pai_job_table.csv", JOBS_2020.replace("1000,5000", ",5000"))
    with pytest.raises(TraceError, match=r"pai_job_table.csv:1: no submit time"):
        read_trace(pai)


def test_pai_needs_both_tables(pai):
    (pai / "pai_task_table.csv").unlink()
    for path in (pai, pai / "pai_job_table.csv"):
        with pytest.raises(TraceError, match=r"no pai_task_table\.csv"):
            read_trace(path)
    with pytest.raises(TraceError, match="is a folder without pai_task_table"):
        (pai / "pai_job_table.csv").unlink()
        read_trace(pai)


def test_shares_are_numbers(pai):
    assert not np.isnan(read_trace(pai).jobs.gpu_fraction).any()
