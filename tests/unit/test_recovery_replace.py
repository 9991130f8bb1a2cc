"""Nodes in place of lost ones, by hand: spares, free ones, waiting for one, in place, standbys."""

import pytest
from recovery_case import LONG_S, down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.policies.recoveries.in_place import InPlace
from twin.policies.recoveries.replace import Replace

# Node 1 of the job's nodes 0 and 1 is away from 300 on, with 280 s of work done and 200 saved.
GONE = [down(300, 1)]
ONE = jobs((0, 1000, 4))
TAKE = Replace(take_s=7)


def test_a_spare():
    """7 s to take it, 20 s and 3 s to begin again; 800 s of work and 7 stalls remain."""
    case = run(hall(3, spares=1), ONE, incidents=GONE, recovery=TAKE)
    assert case.end() == 330 + 870
    assert case.nodes_at(0, 299) == [0, 1]
    assert case.nodes_at(0, 300) == [0, 2]
    assert case.spent() == {"useful": 4000, "lost": 320, "restart": 120, "checkpoint": 360}
    assert case.cost() == {"down": 1800, "lost": 320, "restart": 120}
    assert case.hall("spare", "idle", "stranded") == [600, 0, 0]
    row = case.incidents.iloc[0]
    assert row[["gpus_down", "gpus_idled", "nodes_hit", "jobs_hit"]].tolist() == [2, 2, 1, 1]
    assert case.jobs["interrupted_s"].tolist() == [30]


def test_a_free_node():
    case = run(hall(3), ONE, incidents=GONE, recovery=TAKE)
    assert case.end() == 1200
    assert case.hall("spare", "idle") == [0, 600]


@pytest.mark.parametrize(("sources", "node"), [(("spare", "free"), 3), (("free", "spare"), 2)])
def test_the_order_of_the_sources(sources, node):
    case = run(hall(4, spares=1), ONE, incidents=GONE, recovery=Replace(sources=sources))
    assert case.nodes_at(0, 400) == [0, node]


def test_spares_that_may_not_be_taken():
    """Only free ones: the spare stays one, and the job holds node 0 until node 1 is back."""
    case = run(hall(3, spares=1), ONE, incidents=[down(300, 1, 200)],
               recovery=Replace(sources=("free",)))  # fmt: skip
    assert case.end() == 523 + 870
    assert case.hall("spare") == [2 * 1393]


def test_the_nearest_spare():
    """Spares are the last nodes of each rack of three: 2, 5 and 8."""
    site = hall(9, spares=1, spares_per="rack", nodes_per_rack=3)
    case = run(site, jobs((0, 1000, 8)), incidents=[down(300, 3)], recovery=TAKE)
    assert case.nodes_at(0, 299) == [0, 1, 3, 4]
    assert case.nodes_at(0, 300) == [0, 1, 2, 4]
    case = run(site, jobs((0, 1000, 12)), incidents=[down(300, 7)], recovery=TAKE)
    assert case.nodes_at(0, 300) == [0, 1, 3, 4, 6, 8]


def test_a_node_that_comes_back_is_the_new_spare():
    """Node 2 stands in at 300; node 1 is back at 500 and a spare from then on."""
    case = run(hall(3, spares=1), ONE, incidents=[down(300, 1, 200)], recovery=TAKE)
    assert case.hall("spare", "down", "idle") == [600 + 2 * (1200 - 500), 400, 0]


def test_a_spare_that_fails_stops_nobody():
    case = run(hall(3, spares=1), ONE, incidents=[down(300, 2, 200)], recovery=TAKE)
    assert case.end() == 1000 + 90
    assert case.hall("spare", "down") == [2 * 890, 400]
    row = case.incidents.iloc[0]
    assert row[["gpus_down", "nodes_hit", "jobs_hit", "recovered_s"]].tolist() == [2, 1, 0, 500]


def test_the_rest_of_the_gang_waits_until_a_node_is_mended():
    case = run(hall(2), ONE, incidents=[down(300, 1, 200)], recovery=TAKE)
    assert case.end() == 530 + 870
    assert case.spent() == {"useful": 4000, "lost": 320, "restart": 400 + 120, "checkpoint": 360}
    assert case.cost() == {"down": 400, "idled": 400, "lost": 320, "restart": 120}
    assert case.jobs["interrupted_s"].tolist() == [230]


def test_the_rest_of_the_gang_waits_until_another_job_ends():
    """The job on node 2 ends at 440: the gang goes before what waits in the queue."""
    case = run(hall(3), jobs((0, 1000, 4), (0, 400, 2), (1, 100, 2)), incidents=GONE,
               recovery=TAKE)  # fmt: skip
    assert case.jobs["end_s"].tolist() == [430 + 30 + 870, 430, 1330 + 100]
    assert case.cost()["idled"] == 2 * 130


def test_a_job_within_a_node_takes_another_place_at_once():
    """One GPU of node 0 fails its node; the other job of that node goes on on node 1 too."""
    case = run(hall(2), jobs((0, 1000, 1), (0, 1000, 1)), incidents=[down(300, 0)], recovery=TAKE)
    assert case.end(0) == case.end(1) == 330 + 870
    assert case.nodes_at(0, 300) == case.nodes_at(1, 300) == [1]
    assert case.spent() == {"useful": 1000, "lost": 80, "restart": 30, "checkpoint": 90}
    assert case.cost() == {"down": 2 * 900, "lost": 160, "restart": 60}
    assert case.incidents["jobs_hit"].tolist() == [2]


# -- in place


def test_in_place_waits_for_a_node_that_is_soon_back():
    """Nothing is taken, so nothing is to be prepared: 23 s after the node is back it computes."""
    case = run(hall(3, spares=1), ONE, incidents=[down(300, 1, 200)],
               recovery=InPlace(patience_s=250, take_s=7))  # fmt: skip
    assert case.nodes_at(0, 600) == [0, 1]
    assert case.end() == 523 + 870
    assert case.hall("spare") == [2 * case.end()]


def test_in_place_takes_a_spare_where_repair_takes_long():
    case = run(hall(3, spares=1), ONE, incidents=[down(300, 1, 500)],
               recovery=InPlace(patience_s=250, take_s=7))  # fmt: skip
    assert case.nodes_at(0, 301) == [0, 2]
    assert case.end() == 330 + 870


def test_in_place_takes_a_spare_as_soon_as_more_is_known():
    """At 500 the node turns out to be in the next repair, until 900."""
    away = [down(300, 1, 200), down(400, 1, 500)]
    case = run(hall(3, spares=1), ONE, incidents=away,
               recovery=InPlace(patience_s=250, take_s=7))  # fmt: skip
    assert case.nodes_at(0, 499) == [0]
    assert case.end() == 500 + 30 + 870


def test_in_place_loses_patience():
    """One crew, at work on node 2 from 250 to 850; node 1 was expected at 500."""
    classes = [
        fails("node", seldom(250), "early", repair=repair(600, crew=True)),
        fails("node", seldom(300), "late", repair=repair(200, crew=True)),
    ]
    case = run(hall(4, spares=1), ONE, classes=classes, crews=1, seed=seed_of(4, early=2, late=1),
               recovery=InPlace(patience_s=250, take_s=7))  # fmt: skip
    assert case.nodes_at(0, 549) == [0]
    assert case.nodes_at(0, 551) == [0, 3]
    assert case.end() == 550 + 30 + 870


# -- standbys


def test_a_standby_stands_in_at_once():
    """No time to take a node; node 2 is warm all the while, and another stands by afterwards."""
    case = run(hall(4), ONE, incidents=[down(300, 1, 200)], recovery=TAKE, standby_nodes=1)
    assert case.nodes_at(0, 299) == [0, 1, 2]
    assert case.nodes_at(0, 301) == [0, 2]
    assert case.end() == 323 + 870
    assert case.spent() == {
        "useful": 4000, "lost": 320, "restart": 92, "checkpoint": 360, "spare": 600,
    }  # fmt: skip
    assert case.cost() == {"down": 400, "lost": 320, "restart": 92}
    assert case.hall("spare", "idle") == [600, 2 * 1193 + 2 * 693]


def test_a_standby_that_fails_does_not_stop_the_job():
    case = run(hall(3), ONE, incidents=[down(300, 2)], recovery=TAKE, standby_nodes=1)
    assert case.end() == 1090
    assert case.spent() == {"useful": 4000, "checkpoint": 360, "spare": 600}
    job = case.jobs.iloc[0]
    assert job[["interruptions", "restarts", "interrupted_s"]].tolist() == [0, 0, 0]
    assert case.incidents[["jobs_hit", "gpus_idled"]].to_numpy().tolist() == [[0, 0]]


def test_more_nodes_lost_than_stand_by():
    """Nodes 0 and 1 of a rack go, one stands by: the other is replaced, and 7 s are needed."""
    site = hall(6, nodes_per_rack=2)
    case = run(site, ONE, incidents=[down(300, 0, of="rack")], recovery=TAKE, standby_nodes=1)
    assert case.nodes_at(0, 301) == [2, 3, 4]  # and a new standby, now that nodes are chosen
    assert case.end() == 330 + 870
    assert case.spent()["spare"] == 2 * 300 + 2 * 900


def test_a_node_and_its_standby_lost_at_once():
    site = hall(4, nodes_per_rack=2)
    case = run(site, jobs((0, 1000, 6)), incidents=[down(300, 1, 200, of="rack")], recovery=TAKE,
               standby_nodes=1)  # fmt: skip
    # Nodes 2 and 3 (the standby) are away until 500; then one of them comes in, one stands by.
    assert case.end() == 530 + 870
    assert case.spent() == {
        "useful": 6000, "lost": 480, "restart": 4 * 200 + 180, "checkpoint": 540,
        "spare": 2 * 300 + 2 * 900,
    }  # fmt: skip


def test_a_lost_standby_is_not_waited_for_in_place():
    """The standby is away for long; what the gang itself lost later is back within the patience."""
    away = [down(100, 2, LONG_S), down(300, 1, 200)]
    case = run(hall(4, spares=1), ONE, incidents=away, recovery=InPlace(patience_s=250),
               standby_nodes=1)  # fmt: skip
    assert case.nodes_at(0, 600) == [0, 1]
