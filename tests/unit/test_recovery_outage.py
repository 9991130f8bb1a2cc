"""Large outages by hand: a whole site that begins again, the regulator, the shared storage."""

import pytest
from pytest import approx
from recovery_case import SaveLevel, down, hall, jobs, run

from twin.failures.restart import Storage
from twin.policies.recoveries.replace import Replace

# Four jobs of a node each; the site is away from 300 to 400, with 280 s done and 200 saved.
FOUR = jobs(*[(0, 1000, 2)] * 4)
AWAY = [down(300, 0, 100, of="site")]


def test_all_begin_again_at_once():
    case = run(hall(4), FOUR, incidents=AWAY)
    assert case.jobs["end_s"].tolist() == [423 + 870] * 4
    assert case.cost() == {"down": 800, "lost": 4 * 160, "restart": 4 * 46}
    row = case.incidents.iloc[0]
    assert row[["nodes_hit", "gpus_down", "jobs_hit", "gpus_idled"]].tolist() == [4, 8, 4, 0]
    assert row["recovered_s"] == 423


def test_the_regulator_lets_in_two_at_a_time():
    """4 GPUs may begin again at one time: two jobs by 423, two by 446."""
    case = run(hall(4), FOUR, incidents=AWAY, admit_gpus=4)
    assert case.jobs["end_s"].tolist() == [1293, 1293, 1316, 1316]
    assert case.cost()["restart"] == 2 * 46 + 2 * 92
    assert case.jobs["interrupted_s"].tolist() == [123, 123, 146, 146]
    assert case.incidents["recovered_s"].tolist() == [446]


# 10 bytes for each GPU, so 20 for each node; all nodes read 4 bytes/s together, one at most 2.
SHARED = {
    "storage": Storage(4.0, 4.0, 2.0, 2.0),
    "levels": (SaveLevel("storage", 1, 10.0),),
    "state_bytes_per_gpu": 10.0,
}


def test_all_read_from_one_storage():
    """From 420 on each of four nodes gets 1 byte/s: 20 s."""
    case = run(hall(4), FOUR, incidents=AWAY, **SHARED)
    assert case.jobs["end_s"].tolist() == [440 + 870] * 4


def test_one_that_reads_alone_is_held_up_by_its_own_link():
    case = run(hall(4), FOUR, incidents=[down(300, 0, 100)], **SHARED)
    assert case.end(0) == 430 + 870


def test_two_of_them_fill_the_storage():
    case = run(hall(4), FOUR, incidents=AWAY, admit_gpus=4, **SHARED)
    assert case.jobs["end_s"].tolist() == [1300, 1300, 1330, 1330]


def test_one_that_comes_later_slows_the_first():
    """Three jobs of one, one and two nodes: 20 bytes a node; the third reads from 425 on.

    The first two read from 420 on at 2 bytes/s each: 10 bytes by 425, when the third, whose nodes
    came back 5 s later, brings two more readers: 1 byte/s each. They are done at 435. The third
    has 10 bytes a node by then, and 2 bytes/s after: done at 440.
    """
    work = jobs((0, 1000, 2), (0, 1000, 2), (0, 1000, 4))
    away = [down(300, 0, 100), down(300, 1, 100), down(300, 2, 105), down(300, 3, 105)]
    case = run(hall(4), work, incidents=away, **SHARED)
    assert case.jobs["end_s"].tolist() == [435 + 870, 435 + 870, 440 + 870]


def test_a_reader_that_is_hit_leaves_its_share_to_the_others():
    """At 425 one of four goes: 5 bytes are read by then, 15 to go at 4/3 bytes/s: 11.25 s.

    The job finds a node again when the others are done.
    """
    case = run(hall(4), FOUR, incidents=[*AWAY, down(425, 3, 1000)], **SHARED)
    assert case.jobs["end_s"][:3].tolist() == [approx(436.25 + 870)] * 3
    assert case.end(3) == approx(1306.25 + 20 + 10 + 870)


def test_nothing_is_read_where_nothing_is_saved():
    """Away from 50 to 100, before the first checkpoint."""
    case = run(hall(4), FOUR, incidents=[down(50, 0, 50, of="site")], **SHARED)
    assert case.jobs["end_s"].tolist() == [120 + 1090] * 4


def test_standbys_read_nothing():
    """A gang of one node, and a warm one: 20 bytes on one link of 2 bytes/s."""
    case = run(hall(3), jobs((0, 1000, 2)), incidents=[down(300, 0)], recovery=Replace(),
               standby_nodes=1, standby_from_nodes=1, **SHARED)  # fmt: skip
    assert case.end() == 320 + 10 + 870


def test_standbys_write_nothing():
    """20 bytes through one link of 2 bytes/s stop the job for 10 s, whoever stands by."""
    told = SHARED | {"writes_state": True, "levels": (SaveLevel("storage", 1, 0.0),)}
    case = run(hall(2), jobs((0, 300, 2)), standby_nodes=1, standby_from_nodes=1, **told)
    assert case.end() == 320


def test_the_regulator_keeps_the_order_of_coming():
    """8 GPUs at a time: 4, then 8 that must wait, then 2 that would fit and wait too.

    The first is done at 423, the second at 446, and the third, in with it or behind it, not before.
    """
    work = jobs((0, 1000, 4), (0, 1000, 8), (0, 1000, 2))
    case = run(hall(7), work, incidents=AWAY, admit_gpus=8)
    assert case.jobs["end_s"].tolist() == [1293, 1316, 1339]


def test_a_job_larger_than_the_regulator_lets_in_goes_alone():
    work = jobs((0, 1000, 4), (0, 1000, 8), (0, 1000, 2))
    case = run(hall(7), work, incidents=AWAY, admit_gpus=4)
    assert case.jobs["end_s"].tolist() == [1293, 1316, 1339]


def test_a_job_that_leaves_the_line_lets_those_behind_it_in():
    """4 of 6 GPUs are taken; 4 wait and 2 behind them; the 4 lose a node at 410."""
    work = jobs((0, 1000, 4), (0, 1000, 4), (0, 1000, 2))
    case = run(hall(5), work, incidents=[*AWAY, down(410, 2, 1000)], admit_gpus=6)
    assert case.end(0) == 1293
    assert case.end(2) == 433 + 870


def test_a_stall_of_healthy_replicas_is_no_restart():
    """They only wait for their peers: the regulator has nothing to say."""
    from twin.policies.recoveries.replicas import Replicas

    work = jobs((0, 1000, 8), (0, 1000, 2))
    away = [down(300, 3), down(295, 4, 3)]
    case = run(hall(5), work, incidents=away, recovery=Replicas(stall_s=10), admit_gpus=2,
               horizon_s=1000)  # fmt: skip
    # The small job restarts from 298 to 321; the replicas compute from 310 on all the same.
    assert case.spent(0)["restart"] == approx(10 * 6)


# -- faults at every moment of a job's life


@pytest.mark.parametrize("at_s", [60, 100])
def test_while_it_starts(at_s):
    """It would compute from 100 on; an end at the instant of the fault comes first."""
    case = run(hall(3), jobs((0, 1000, 4)), incidents=[down(at_s, 1)], recovery=Replace(),
               startup_s=100.0)  # fmt: skip
    assert case.spent() == {"useful": 4000, "startup": 4 * at_s, "restart": 80, "checkpoint": 360}
    assert case.end() == at_s + 20 + 1090


def test_while_it_begins_again():
    """Node 1 at 300, node 2 in its place at 310: the restart begins anew, nothing more is lost."""
    case = run(hall(4), jobs((0, 1000, 4)), incidents=[down(300, 1), down(310, 2)],
               recovery=Replace(take_s=7))  # fmt: skip
    assert case.end() == 340 + 870
    assert (case.cost(0)["restart"], case.cost(1)["restart"]) == (40, 120)
    assert case.incidents["lost_gpu_s"].tolist() == [320, 0]
    job = case.jobs.iloc[0]
    assert job[["interruptions", "restarts", "interrupted_s"]].tolist() == [1, 1, 40]
    assert case.incidents["recovered_s"].isna().all()  # the nodes are not back


def test_while_it_waits():
    """It holds node 0 from 300 on; that goes too at 350: it waits in the queue until 500."""
    case = run(hall(2), jobs((0, 1000, 4)), incidents=[down(300, 1, 200), down(350, 0, 100)],
               recovery=Replace())  # fmt: skip
    assert case.end() == 523 + 870
    assert case.cost(0) == {"down": 400, "idled": 100}
    assert case.cost(1) == {"down": 200, "lost": 320, "restart": 92}


def test_when_it_ends():
    """An end at the instant of the fault comes first: nobody is hit."""
    case = run(hall(2), jobs((0, 300, 4)), incidents=[down(320, 1, 100)], horizon_s=500)
    assert case.end() == 320
    assert case.incidents["jobs_hit"].tolist() == [0]


def test_two_nodes_at_one_instant():
    case = run(hall(4), jobs((0, 1000, 4)), incidents=[down(300, 0), down(300, 1)],
               recovery=Replace())  # fmt: skip
    assert case.nodes_at(0, 301) == [2, 3]
    assert case.end() == 323 + 870
    assert case.jobs["interruptions"].tolist() == [1]


def test_a_job_of_no_work_ends_at_once_and_is_never_hit():
    case = run(hall(1), jobs((300, 0, 2)), incidents=[down(300, 0, 100)], horizon_s=500)
    assert case.jobs["start_s"].tolist() == [400]
    assert case.end() == 400


# -- the horizon in the middle of things: the job is saving, ... at that time


@pytest.mark.parametrize(
    ("horizon_s", "spent"),
    [
        (60, {"startup": 240}),
        (150, {"startup": 400, "useful": 200}),
        (205, {"startup": 400, "useful": 400, "checkpoint": 20}),
        (350, {"startup": 400, "useful": 880, "checkpoint": 80, "restart": 20}),
        (410, {"startup": 400, "useful": 800, "lost": 80, "checkpoint": 80, "restart": 160}),
        (450, {"startup": 400, "useful": 908, "lost": 80, "checkpoint": 80, "restart": 212}),
    ],
)
def test_at_the_horizon(horizon_s, spent):
    """Starts until 100; 220 s done and 200 saved at 340, when node 1 goes until 400.

    Node 0 waits for it; both restart until 423.
    """
    case = run(hall(2), jobs((0, 1000, 4)), incidents=[down(340, 1, 60)], recovery=Replace(),
               startup_s=100.0, horizon_s=horizon_s)  # fmt: skip
    assert case.spent() == {name: approx(value) for name, value in spent.items()}
    assert case.jobs["state"].tolist() == ["running"]
    away_s = min(max(horizon_s - 340, 0), 83)
    assert case.jobs["interrupted_s"].tolist() == [away_s]
    assert case.hall("down") == [2 * min(max(horizon_s - 340, 0), 60)]


def test_at_the_horizon_while_it_saves_to_leave():
    case = run(hall(3), jobs((0, 1000, 4)), incidents=[down(300, 1, 50, effect="maintenance")],
               recovery=Replace(), horizon_s=304)  # fmt: skip
    assert case.spent() == {"useful": 1120, "checkpoint": 4 * 24}
    assert case.hall("down") == [0]


def test_at_the_horizon_in_the_queue():
    case = run(hall(2), jobs((0, 1000, 4)), incidents=AWAY, horizon_s=350)
    assert case.jobs["state"].tolist() == ["queued"]
    assert case.spent() == {"useful": 800, "lost": 320, "checkpoint": 80}
    assert case.jobs["interrupted_s"].tolist() == [50]


def test_an_incident_at_the_very_horizon():
    case = run(hall(2), jobs((0, 1000, 4)), incidents=[down(300, 1, 50)], horizon_s=300)
    assert case.incidents["time_s"].tolist() == [300]
    assert case.cost() == {"lost": 320}
