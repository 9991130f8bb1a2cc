"""Jobs drawn with replacement until they ask for a share of the site, and their trace."""

import numpy as np
import pytest
from trace_files import measured, write

from twin.errors import InputError, ScenarioError, TraceError
from twin.run import load
from twin.scenario.workload import Fill
from twin.workload.jobs import Workload, job_table
from twin.workload.traces.base import read_trace
from twin.workload.transforms import STAYS_S, apply

PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
    "deletion_time,scheduled_time\n"
)


def small():
    columns = {"submit_s": [0.0, 5.0, 9.0], "run_s": [1.0, 2.0, 3.0], "gpus": [1, 8, 0]}
    return Workload(job_table(columns | {"gpu_fraction": [0.25, 1.0, 1.0]}))


@pytest.mark.parametrize("until", [0.01, 0.5, 1.3, 7.0])
def test_the_last_job_brings_what_is_asked_for_to_the_share(until):
    jobs = apply(small(), [Fill(until=until, every="2 s")], 1, n_gpus=100).jobs
    asked = (jobs["gpus"] * jobs["gpu_fraction"]).cumsum().to_numpy()
    assert asked[-1] >= until * 100
    assert len(asked) == 1 or asked[-2] < until * 100
    np.testing.assert_array_equal(jobs["submit_s"], 2.0 * np.arange(len(jobs)))
    assert (jobs["run_s"] == STAYS_S).all()
    assert not jobs["job_id"].duplicated().any()
    pairs = set(zip(jobs["gpus"], jobs["gpu_fraction"], strict=True))
    assert pairs <= {(1, 0.25), (8, 1.0), (0, 1.0)}


def test_draws_are_independent_and_uniform():
    workload = apply(small(), [Fill(until=300.0)], 1, n_gpus=100)
    counts = workload.jobs["gpus"].value_counts()
    n = len(workload.jobs)
    for gpus in (0, 1, 8):  # each within five standard errors of a third
        assert abs(counts[gpus] - n / 3) < 5 * np.sqrt(n * 2 / 9)
    followed = workload.jobs["gpus"].to_numpy()
    again = (followed[1:] == followed[:-1]).mean()
    assert abs(again - 1 / 3) < 5 * np.sqrt(2 / 9 / n)
    assert workload.epoch is None
    assert any("drawn with replacement from 3" in note for note in workload.intake.notes)


def test_seeds():
    one, same, other = (apply(small(), [Fill(until=5.0)], s, n_gpus=100).jobs for s in (1, 1, 2))
    assert one.equals(same)
    assert not one["gpus"].head(20).equals(other["gpus"].head(20))


def test_nothing_to_fill_with():
    columns = {"submit_s": [0.0], "run_s": [1.0], "gpus": [0]}
    with pytest.raises(InputError, match=r"transforms\[0\].fill: no job asks for GPUs"):
        apply(Workload(job_table(columns)), [Fill(until=1.0)], 1, n_gpus=8)


def test_all_that_was_asked_for(tmp_path):
    lines = (
        "a,6000,1024,1,460,,LS,Running,100,200,150\n"
        "b,6000,1024,2,1000,T4|P100,BE,Failed,90,,95\n"
        "c,6000,1024,0,0,,BE,Succeeded,90,100,95\n"
        "d,6000,1024,1,1000,,BE,Pending,90,100,\n"
    )
    path = write(tmp_path / "pods.csv", PODS + lines)
    workload = read_trace(path, include="asked")
    jobs = workload.jobs.set_index("job_id")
    assert workload.intake.dropped == {}
    assert jobs.loc[list("abcd"), "gpus"].tolist() == [1, 2, 0, 1]
    assert jobs.loc[list("abcd"), "run_s"].tolist() == [50, 0, 5, 0]
    assert jobs.loc[list("abcd"), "gpu_fraction"].tolist() == [0.46, 1, 1, 1]
    assert jobs.loc["b", "gpu_types"] == "T4|P100"
    assert jobs.loc[list("ab"), "qos"].tolist() == ["LS", "BE"]
    with pytest.raises(TraceError, match="can be given for alibaba-2023 only, not helios"):
        read_trace(path, include="asked", format="helios")


def test_all_pods_of_2023():
    workload = read_trace(
        measured("alibaba_gpu2023/openb_pod_list_default.csv.gz"), include="asked"
    )
    jobs = workload.jobs
    assert len(jobs) == 8152
    assert (jobs["gpus"] == 0).sum() == 1088
    assert float((jobs["gpus"] * jobs["gpu_fraction"]).sum()) == pytest.approx(6086.8, abs=0.05)
    spec = read_trace(measured("alibaba_gpu2023/openb_pod_list_gpuspec33.csv.gz"), include="asked")
    assert (spec.jobs["gpu_types"] != "").sum() == 2388


SCENARIO = """
name: full
horizon: {horizon}
site: {{pools: [{{name: p, node: {{gpus: 8}}, nodes: 4}}]}}
workload:
  {source}
  transforms: [{transforms}]
"""


@pytest.mark.parametrize(
    ("horizon", "source", "transforms", "message"),
    [
        ("drained", "jobs: [{gpus: 1, run: 1 h}]", "fill: {until: 1}", "give the scenario a horiz"),
        ("1 h", "trace: {path: pods.csv, include: asked}", "", "add a fill to transforms"),
        (
            *("1 h", "trace: {path: pods.csv, include: asked, format: swf}"),
            *("fill: {until: 1}", "asked is for format alibaba-2023"),
        ),
    ],
)
def test_scenarios_that_make_no_sense(tmp_path, horizon, source, transforms, message):
    write(tmp_path / "pods.csv", PODS)
    text = SCENARIO.format(horizon=horizon, source=source, transforms=transforms)
    with pytest.raises(ScenarioError, match=message):
        load(write(tmp_path / "s.yaml", text))
