"""Reservations as a scenario asks for them: calendar, names, and what is refused at build."""

from math import inf

import pytest
from typer.testing import CliRunner

from twin import load, run
from twin.build import build
from twin.cli import app
from twin.errors import ScenarioError
from twin.scenario.load import dump
from twin.scenario.schema import Scenario


def scenario(*reservations, **more):
    """Two nodes of eight GPUs and a job of each of two groups."""
    jobs = [
        {"name": name, "group": name, "gpus": 8, "run": "1 h", "submit": "1 h"}
        for name in ("vision", "speech")
    ]
    told = {
        "name": "asked",
        "site": {"pools": [{"name": "gpus", "node": "dgx-h100", "nodes": 2}]},
        "workload": {"jobs": jobs},
        "policies": {"reservations": list(reservations)},
    }
    return Scenario(**(told | more))


def asked(**more):
    return {
        "name": "demo",
        "pool": "gpus",
        "nodes": 2,
        "start": "0 s",
        "end": "5 h",
        "group": "vision",
    } | more


def test_dates_count_from_the_start_of_the_scenario():
    dates = {"start": "2025-01-07", "end": "2025-01-07T06:00", "drain": "90 min"}
    built = build(scenario(asked(**dates), start="2025-01-06T12:00"))
    (one,) = built.reservations
    assert (one.start_s, one.end_s, one.closes_s) == (43200, 64800, 43200 - 5400)
    assert (one.groups, one.users, one.pool, one.nodes) == (("vision",), (), 0, 2)


def test_a_drain_longer_than_there_is_time_begins_at_once():
    (one,) = build(scenario(asked(start="1 h", drain="3 h"))).reservations
    assert one.closes_s == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"start": "2025-01-07", "end": "2025-01-08"},
            r"reservations\[0\].start: is a date, but the jobs have no calendar; give the scenario",
        ),
        (
            {"group": ["vision", "visoin"]},
            r"reservations\[0\].group\[1\]: no job is of group 'visoin'; did you mean 'vision'\?",
        ),
        ({"user": "ann"}, r"reservations\[0\].user: no job is of user 'ann'; None are known"),
    ],
)
def test_what_no_job_says_is_refused(more, message):
    with pytest.raises(ScenarioError, match=message):
        build(scenario(asked(**more)))


def test_the_pools_of_a_node_list_are_known_once_it_is_read(tmp_path):
    (tmp_path / "nodes.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\nn1,64000,1000,2,T4\n")
    told = {"node_list": {"path": str(tmp_path / "nodes.csv"), "format": "alibaba-2023"}}
    with pytest.raises(ScenarioError, match=r"reservations\[0\].pool: the site has no pool 'gpus'"):
        build(scenario(asked(), site=told))


TYPO = """
name: typo
site:
  pools: [{name: gpus, node: dgx-h100, nodes: 2}]
workload:
  trace: {path: jobs.csv}
policies:
  reservations:
    - name: demo
      pool: gpus
      nodes: 2
      start: 1 h
      end: 5 h
      group: [vision, specch]
"""


def test_validate_says_where_names_stand_that_no_job_of_a_trace_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.yaml").write_text(TYPO)
    rows = "job_id,submit_s,run_s,gpus,group\n1,0,60,8,vision\n2,0,60,8,speech\n"
    (tmp_path / "jobs.csv").write_text(rows)
    message = (
        "error: typo.yaml:14:23 policies.reservations[0].group[1]: no job is of group 'specch'; "
        "did you mean 'speech'? Known: speech, vision\n"
    )
    for command in ("validate", "run"):
        said = CliRunner().invoke(app, [command, "typo.yaml"])
        assert (said.exit_code, said.output) == (2, message), command
    assert not list((tmp_path / "out").glob("*"))
    with pytest.raises(ScenarioError, match=r"typo\.yaml:14:23"):
        run("typo.yaml")
    mended = CliRunner().invoke(
        app, ["validate", "typo.yaml", "--set", "policies.reservations[0].group=speech"]
    )
    assert (mended.exit_code, mended.output) == (0, "typo.yaml: ok\n")
    set_ = CliRunner().invoke(
        app, ["validate", "typo.yaml", "--set", "policies.reservations[0].group=ann"]
    )
    assert set_.exit_code == 2
    assert "--set policies.reservations[0].group: no job is of group 'ann'" in set_.output


def test_nodes_are_chosen_as_the_run_begins_unless_it_says_otherwise():
    (one,) = build(scenario(asked(start="3 h"))).reservations
    assert (one.notice_s, one.known_s) == (inf, 0.0)
    (one,) = build(scenario(asked(start="3 h", notice="1 h", drain="30 min"))).reservations
    assert (one.notice_s, one.known_s, one.closes_s) == (3600.0, 7200.0, 9000.0)
    (one,) = build(scenario(asked(start="3 h", notice="1 h", drain="2 h"))).reservations
    assert (one.known_s, one.closes_s) == (3600.0, 3600.0)


def test_what_is_written_back_reads_the_same(tmp_path):
    made = scenario(asked(group=["vision", "speech"], user="ann", drain="6 h", notice="2 days"))
    (tmp_path / "again.yaml").write_text(dump(made))
    assert load(tmp_path / "again.yaml").policies == made.policies


def test_the_summary_has_it_by_name(tmp_path):
    results = run(scenario(asked(), asked(name="none", nodes=1, start="6 h", end="7 h")), tmp_path)
    told = results.summary["reservations"]
    assert list(told) == ["demo", "none"]
    assert told["demo"] == {
        "pool": "gpus",
        "nodes": 2,
        "start_s": 0.0,
        "end_s": 5 * 3600.0,
        "complete_s": 0.0,
        "reserved_node_s": 2 * 5 * 3600.0,
        "used_node_s": 3600.0,
        "idle_node_s": 9 * 3600.0,
        "others_node_s": 0.0,
        "short_node_s": 0.0,
        "jobs_preempted": 0,
        "drained_gpu_s": 0.0,
    }
    # The other job waits for the end. The second reservation begins as the run ends.
    assert results.jobs["start_s"].tolist() == [3600.0, 5 * 3600.0]
    assert told["none"]["reserved_node_s"] == 0
