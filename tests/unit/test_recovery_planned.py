"""Maintenance by hand: notice, who may start, who saves and leaves, whose turn it is."""

from dataclasses import replace

from pytest import approx
from recovery_case import down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.failures.model import Maintenance
from twin.policies.recoveries.replace import Replace

ONE = jobs((0, 1000, 4))
PLAIN = {"levels": (), "restart_s": 0.0}
# Node after node, from 300 on, for 50 s each; no second round within a case.
ROUND = Maintenance("firmware", "node", 300, 1e5, 50)


def test_a_job_saves_and_leaves_and_a_node_after_node_is_done():
    """Node 0 from 310 on, as the job saves first; node 1 from 350 on; node 2 from 400 on."""
    case = run(hall(3), ONE, maintenance=[ROUND], recovery=Replace(), horizon_s=2000)
    assert case.incidents["time_s"].tolist() == [300, 350, 400]
    assert case.incidents["kind"].tolist() == ["maintenance"] * 3
    assert case.incidents["component"].tolist() == ["firmware"] * 3
    # At 310 it takes node 2 and computes from 333 on, with 280 s done; at 350 node 1 is closed:
    # it saves 297 s until 360, and node 0 is in maintenance until 360.
    assert case.nodes_at(0, 349) == [1, 2]
    assert case.nodes_at(0, 361) == [0, 2]
    # From 383 on; at 400 node 2 is closed: 314 s saved at 410, and node 1 is back then.
    assert case.nodes_at(0, 411) == [0, 1]
    assert case.incidents["recovered_s"].tolist() == [360, 410, 460]
    assert case.incidents["down_gpu_s"].tolist() == [100, 100, 100]
    # Saves at 100 s of work and at 200, then 414, 514, ..., 914.
    assert case.end() == 433 + (1000 - 314) + 60
    assert "lost" not in case.spent()
    assert case.spent()["checkpoint"] == 4 * (20 + 30 + 60)


def test_nodes_are_done_several_at_a_time():
    two = replace(ROUND, at_once=2)
    case = run(hall(5), jobs((0, 1, 1)), maintenance=[two], horizon_s=1000, **PLAIN)
    assert case.incidents["time_s"].tolist() == [300, 300, 350, 350, 400]


def test_rounds_follow_each_other():
    again = replace(ROUND, every_s=200.0)
    case = run(hall(2), jobs((0, 1, 1)), maintenance=[again], horizon_s=600, **PLAIN)
    assert case.incidents["time_s"].tolist() == [300, 350, 500, 550]


def test_no_job_starts_on_a_node_under_notice():
    """Node 0 of two is closed from 200 on and away from 300 to 350; then node 1, from 250 on."""
    told = replace(ROUND, notice_s=100.0)
    work = jobs((210, 30, 2), (260, 10, 2), (345, 10, 2))
    case = run(hall(2), work, maintenance=[told], horizon_s=1000, **PLAIN)
    assert case.incidents["time_s"].tolist() == [200, 250]
    # The first goes to node 1; the second finds both closed; node 0 is back at 350.
    assert case.jobs["start_s"].tolist() == [210, 350, 360]
    assert case.nodes_at(0, 220) == [1]
    assert case.nodes_at(1, 355) == case.nodes_at(2, 365) == [0]
    assert case.incidents["recovered_s"].tolist() == [350, 400]


def test_a_job_runs_on_until_the_notice_is_over():
    told = replace(ROUND, notice_s=100.0)
    case = run(hall(2), jobs((0, 1000, 2)), maintenance=[told], recovery=Replace(),
               horizon_s=2000)  # fmt: skip
    assert case.nodes_at(0, 309) == [0]
    # 280 s are done at 300 and saved by 310. Node 1 is closed, node 0 in maintenance until 360.
    assert case.nodes_at(0, 311) == []
    assert case.nodes_at(0, 361) == [0]
    assert case.end() == 383 + 720 + 70


def test_a_job_that_ends_within_the_notice_leaves_the_node_to_it():
    told = replace(ROUND, notice_s=100.0)
    case = run(hall(1), jobs((0, 250, 2)), maintenance=[told], horizon_s=1000, **PLAIN)
    assert case.end() == 250
    assert case.hall("down") == [2 * (350 - 250)]  # closed since 250, away from 300 to 350


def test_a_notice_from_before_the_beginning():
    """400 s of notice, and the first is due at 300: one node from 300, the other from 350."""
    told = replace(ROUND, notice_s=400.0)
    case = run(hall(2), jobs((0, 10, 2)), maintenance=[told], horizon_s=1000, **PLAIN)
    assert case.jobs["start_s"].tolist() == [350]
    assert case.incidents["recovered_s"].tolist() == [350, 400]


def test_a_node_under_notice_can_still_fail():
    """Node 0 fails at 280, 20 s before its maintenance, with a job on it: back at 330."""
    told = replace(ROUND, notice_s=100.0)
    cls = fails("node", seldom(280), repair=repair(50))
    case = run(hall(1), jobs((0, 1000, 2)), classes=[cls], maintenance=[told],
               seed=seed_of(1, node=0), horizon_s=2000)  # fmt: skip
    assert case.incidents["time_s"].tolist() == [200, 280]
    assert case.incidents["lost_gpu_s"].tolist() == [0, 2 * 60]
    # Maintenance takes the node from 300 to 350 all the same; 330 to 350 count for it.
    assert case.incidents["recovered_s"][0] == 350
    assert case.end() == 373 + 800 + 70


def test_a_rack_is_done_when_its_last_job_has_left():
    """Both jobs save until 310 or end at 305; the rack is away for 50 s from 310 on."""
    racks = replace(ROUND, of="rack", every_s=1e6, lasts_s=50.0)
    work = jobs((0, 285, 2), (0, 1000, 2))
    case = run(hall(2, nodes_per_rack=2), work, maintenance=[racks], recovery=Replace(),
               horizon_s=2000)  # fmt: skip
    assert case.jobs["end_s"].tolist() == [383 + 5, 383 + 720 + 70]
    assert case.incidents["recovered_s"].tolist() == [383]
    assert case.cost() == {"down": 200, "restart": 2 * 2 * 23}


def test_a_standby_leaves_without_a_word():
    case = run(hall(3), ONE, maintenance=[replace(ROUND, first_s=200.0)], recovery=Replace(),
               standby_nodes=1, horizon_s=301)  # fmt: skip
    # Node 2 is the standby: it stood in for node 0 from 210 on, so it is node 0 that is away.
    assert case.incidents["time_s"].tolist() == [200, 250, 300]


def test_a_standby_may_leave_while_the_gang_begins_again():
    """Software fails at 295 and is restarted until 318; the standby is called away at 300."""
    last = Maintenance("firmware", "node", 200, 1e5, 50)
    assert last.at_once == 1
    case = run(hall(3), ONE, incidents=[down(290, 0), down(300, 2, 50, effect="maintenance")],
               recovery=Replace(), standby_nodes=1, horizon_s=1000)  # fmt: skip
    # Node 0 goes at 290, node 2 stands in at once: it is no standby any more.
    assert case.nodes_at(0, 299) == [1, 2]


def test_maintenance_while_a_job_begins_again():
    """It is restarting from 290 to 313 on nodes 1 and 2, and node 2 is called away at 300."""
    away = [down(290, 0), down(300, 2, 50, effect="maintenance")]
    case = run(hall(4), ONE, incidents=away, recovery=Replace(), horizon_s=2000)
    assert case.nodes_at(0, 299) == [1, 2]
    assert case.nodes_at(0, 301) == [1, 3]
    assert case.end() == 323 + 800 + 70
    assert case.incidents["lost_gpu_s"].tolist() == [4 * 70, 0]


def test_a_standby_is_called_away_while_a_job_begins_again():
    """It goes on beginning again, until 313."""
    away = [down(290, 0), down(300, 3, 50, effect="maintenance")]
    case = run(hall(5), ONE, incidents=away, recovery=Replace(), standby_nodes=1, horizon_s=2000)
    # Node 2 stood in for node 0; now that hosts were not chosen anew, none stands by.
    assert case.nodes_at(0, 299) == [1, 2]
    away = [down(290, 0, of="rack"), down(300, 4, 50, effect="maintenance")]
    site = hall(6, nodes_per_rack=2)
    case = run(site, ONE, incidents=away, recovery=Replace(), standby_nodes=1, horizon_s=2000)
    # Nodes 0 and 1 went; 2 stood in, 3 was taken, and 4 stands by.
    assert case.nodes_at(0, 299) == [2, 3, 4]
    assert case.nodes_at(0, 301) == [2, 3]
    assert case.end() == 313 + 800 + 70
    assert case.jobs["interrupted_s"].tolist() == [23]


def test_maintenance_while_a_job_starts():
    """It starts up until 100; at 60 node 1 is called away, and nothing is there to save."""
    away = [down(60, 1, 50, effect="maintenance")]
    case = run(hall(3), ONE, incidents=away, recovery=Replace(), startup_s=100.0)
    assert case.nodes_at(0, 61) == [0, 2]
    assert case.spent() == {"useful": 4000, "startup": 240, "restart": 80, "checkpoint": 360}
    assert case.end() == 80 + 1090


def test_two_reasons_to_leave_one_node():
    """The second comes while the job saves: neither work begins before it has left, at 310."""
    away = [down(300, 1, 50, effect="maintenance"), down(305, 1, 20, effect="maintenance")]
    case = run(hall(3), ONE, incidents=away, recovery=Replace(), horizon_s=2000)
    assert case.incidents["recovered_s"].tolist() == [approx(360), approx(330)]
    assert case.hall("down") == [100]


def test_planned_work_does_not_use_up_the_retries():
    """Three times a node is called away, the last time while the job begins again."""
    away = [
        down(at_s, node, 50, effect="maintenance") for at_s, node in ((300, 0), (500, 1), (520, 2))
    ]
    case = run(hall(6), ONE, incidents=away, recovery=Replace(), retries=1, horizon_s=3000)
    assert case.jobs["state"].tolist() == ["completed"]
