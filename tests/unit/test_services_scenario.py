"""Services from the scenario to the summary: one node of eight GPUs, every figure by hand."""

import pytest

from twin.build import build
from twin.console import run_lines
from twin.errors import InputError
from twin.run import load, run

TEXT = """\
name: tide
horizon: 1000 s
site: {pools: [{name: main, node: dgx-h100, nodes: 1}]}
workload:
  services:
    - {name: chat, gpus: 8, replicas: {steps: [[200 s, 1], [500 s, 0]]}}
  jobs:
    - {name: tune, gpus: 8, run: 600 s}
recovery:
  startup: 10 s
  restart: 20 s
  checkpoint: {write: 30 s, read: 5 s}
"""


def results(tmp_path, *overrides):
    path = tmp_path / "tide.yaml"
    path.write_text(TEXT)
    return run(load(path, overrides), report=False)


def test_the_summary_tells_what_was_wanted_served_and_lost(tmp_path):
    found = results(tmp_path)
    # The job begins to work at 10, saves from 200 to 230; the replica starts up until 240.
    seen = found.summary["services"]["by_service"]["chat"]
    assert seen["wanted_replica_s"] == 300
    assert seen["served_replica_s"] == 260
    assert seen["served_share"] == pytest.approx(260 / 300)
    assert seen["to_running_s"]["mean"] == seen["to_running_s"]["p99"] == 40
    assert seen["jobs_preempted"] == 1
    assert seen["lost_gpu_s"] == 8 * 30
    assert seen["never_ran"] == 0
    # From 500: 25 s to begin again and 410 s of work.
    assert found.jobs.set_index("job_id")["end_s"].to_dict() == {"tune": 935, "chat/1-1": 500}
    assert found.summary["jobs"]["submitted"] == found.summary["jobs"]["completed"] == 1
    assert found.summary["jct_s"]["mean"] == 935
    told = found.domains.groupby(["domain", "quantity"], observed=True)["value"].mean()
    assert told["chat", "wanted_replicas"] == pytest.approx(0.3)
    assert told["chat", "served_replicas"] == pytest.approx(0.26)
    lines = "\n".join(run_lines(found))
    assert "86.7 % of 0 replica-hours, 1 preemption\n" in lines
    assert "from wanted to running     40 s, P99 40 s" in lines


def test_how_long_a_replica_is_wanted_is_no_guess(tmp_path):
    """Estimates of jobs ten times too long change neither the service nor its rows."""
    path = tmp_path / "tide.yaml"
    path.write_text(TEXT)
    estimate_s = build(load(path, ["workload.estimates={exact_times: {constant: 10}}"])).estimate_s
    assert estimate_s.tolist() == [6000, 300]


def test_services_may_be_alone(tmp_path):
    found = results(tmp_path, "workload.jobs=[]")
    assert found.summary["jobs"]["submitted"] == 0
    assert found.summary["services"]["served_replica_s"] == 290


def test_assumptions_name_what_giving_way_costs(tmp_path):
    free = results(tmp_path, "recovery={startup: 0 s, restart: 0 s, checkpoint: null}")
    assert any("give way to services at no cost" in each for each in free.summary["assumptions"])
    assert free.summary["services"]["served_share"] == 1
    paid = results(tmp_path)
    assert not any("at no cost" in each for each in paid.summary["assumptions"])


def test_a_replica_that_no_pool_could_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"services\[0\]\.gpus: a replica of 16 GPUs fits no pool"):
        results(tmp_path, "workload.services[0].gpus=16")


def test_classes_and_finish_time_fairness_are_of_jobs_alone(tmp_path):
    """Beside 20 spells of a replica of two GPUs, two jobs of one GPU each of two groups."""
    path = tmp_path / "classes.yaml"
    steps = ", ".join(f"[{100 * k} s, {k % 2}]" for k in range(1, 41))
    path.write_text(f"""\
name: classes
horizon: 5000 s
site: {{pools: [{{name: main, node: dgx-h100, nodes: 1}}]}}
workload:
  services:
    - {{name: chat, gpus: 2, group: web, replicas: {{steps: [{steps}]}}}}
  jobs:
    - {{name: a, gpus: 1, run: 600 s, group: x}}
    - {{name: b, gpus: 4, run: 300 s, group: y}}
""")
    found = run(load(path), report=False)
    section = found.summary["scheduling"]
    assert (found.jobs["until_s"].notna()).sum() == 20
    assert [(each["gpus"], each["jobs"]) for each in section["by_size"]] == [("1", 1), ("2-8", 1)]
    assert {each["group"]: each["jobs"] for each in section["by_group"]} == {"x": 1, "y": 1}
    assert {each["kind"]: each["jobs"] for each in section["by_kind"]} == {
        "training": 2,
        "serving": 20,
    }
    # Three tenants share eight GPUs. Alone, b would have had 8 / n of them, n as met in its stay.
    assert section["tenants"] == 3
    n = (2 * 100 + 3 * 100 + 2 * 100) / 300
    rho = [1.0, 1 / max(1.0, 4 * n / 8)]
    assert section["rho_max"] == pytest.approx(max(rho))
    assert section["rho_mean"] == pytest.approx(sum(rho) / 2)
