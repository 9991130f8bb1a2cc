"""Reservations as a scenario asks for them: calendar, names, and what is refused at build."""

import pytest

from twin import load, run
from twin.build import build
from twin.errors import InputError
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
        ({"pool": "gpu"}, r"reservations\[0\].pool: the site has no pool 'gpu'; did you mean"),
        ({"nodes": 3}, r"demo close 3 nodes of pool gpus at 0 s, and it has 2"),
        (
            {"start": "2025-01-07", "end": "2025-01-08"},
            r"reservations\[0\].start is a date, but the jobs have no calendar",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(more, message):
    with pytest.raises(InputError, match=message):
        build(scenario(asked(**more)))


def test_a_date_before_the_run():
    dates = {"start": "2025-01-05", "end": "2025-01-08"}
    with pytest.raises(InputError, match="2025-01-05 00:00:00 lies before the start of the run"):
        build(scenario(asked(**dates), start="2025-01-06"))


def test_names_that_no_job_has_are_told():
    built = build(scenario(asked(group=["vision", "visoin"], user="ann")))
    told = [line for line in built.assumptions if line.startswith("No job is of")]
    assert told == [
        "No job is of group visoin, which the reservation demo names.",
        "No job is of user ann, which the reservation demo names.",
    ]


def test_what_is_written_back_reads_the_same(tmp_path):
    made = scenario(asked(group=["vision", "speech"], user="ann", drain="6 h"))
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
