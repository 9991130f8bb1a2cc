"""Spares that lesser jobs run on, by hand: who gives way, when, and at whose cost."""

from dataclasses import replace

import pytest
from recovery_case import STORAGE, down, jobs, run

from twin.policies.recoveries.borrow import Borrow
from twin.site.layout import Pool, lay_out

# Nodes 0 and 1 are the main pool, 2 and 3 are lent; node 1 is gone from 300 on.
SITE = lay_out([Pool("main", "node", "", 2, 2), Pool("lent", "node", "", 2, 2)])
GONE = [down(300, 1)]
BORROW = Borrow(pool="lent", take_s=7, take_back_s=60)
TWO = jobs((0, 1000, 4), (0, 1000, 4), pool=["main", "lent"])


def test_a_lesser_job_saves_and_gives_way():
    """Its 280 s of work are saved, as there are 60 s for the 10 that this takes.

    The greater job computes 7 + 60 + 20 + 3 s later, until 390 + 870; the lesser one needs both
    lent nodes, begins again then, computes from 1283 on, and saves 7 times in the 720 s left.
    """
    case = run(SITE, TWO, incidents=GONE, recovery=BORROW)
    assert case.nodes_at(0, 301) == [0, 3]
    assert case.jobs["end_s"].tolist() == [1260, 1283 + 720 + 70]
    assert case.spent(0) == {"useful": 4000, "lost": 320, "restart": 360, "checkpoint": 360}
    assert case.spent(1) == {"useful": 4000, "restart": 92, "checkpoint": 360}
    counts = case.jobs[["interruptions", "restarts", "preemptions", "interrupted_s"]]
    assert counts.to_numpy().tolist() == [[1, 1, 0, 90], [0, 1, 1, 983]]


def test_a_lesser_job_loses_what_it_has_no_time_to_save():
    case = run(SITE, TWO, incidents=GONE, recovery=replace(BORROW, take_back_s=5))
    assert case.jobs["end_s"].tolist() == [335 + 870, 1228 + 800 + 70]
    assert case.spent(1) == {"useful": 4000, "lost": 320, "restart": 92, "checkpoint": 360}


@pytest.mark.parametrize("take_back_s", [5, 60])
def test_what_borrowing_cost_the_lesser_job_is_part_of_the_incident(take_back_s):
    case = run(SITE, TWO, incidents=GONE, recovery=replace(BORROW, take_back_s=take_back_s))
    for share in ("lost", "restart"):
        cost = case.spent(0)[share] + case.spent(1).get(share, 0.0)
        assert case.cost()[share] == pytest.approx(cost)


def test_the_incident_that_is_charged_is_the_one_that_made_the_job_borrow():
    """Not the one that hit the lesser job long ago, nor the one that began last."""
    site = lay_out([*SITE.pools, Pool("other", "node", "", 2, 1)])
    incidents = [down(45, 2, 10), GONE[0], down(300, 4)]
    case = run(site, TWO, incidents=incidents, recovery=replace(BORROW, take_back_s=5))
    # The lesser job lost node 2 at 45, had it back at 55 and computes from 85 on; it has saved at
    # 195, and at 300 it is in the stall of its second checkpoint, with 200 s of work.
    assert case.incidents["lost_gpu_s"].tolist() == [45 * 4, 320 + 400, 0]


def test_free_nodes_go_first():
    lent = jobs((0, 1000, 4), (0, 1000, 2), pool=["main", "lent"])
    case = run(SITE, lent, incidents=GONE, recovery=BORROW)
    assert case.nodes_at(0, 301) == [0, 3]
    assert case.jobs["end_s"].tolist() == [1260, 1090]
    assert case.jobs["preemptions"].tolist() == [0, 0]


def test_a_preempted_job_that_was_recovering_counts_its_fault_once():
    """The lesser job lost node 3 at 280, restarts until 303 and is preempted at 300."""
    site = lay_out([Pool("main", "node", "", 2, 2), Pool("lent", "node", "", 2, 1)])
    lent = jobs((0, 1000, 4), (0, 1000, 2), pool=["main", "lent"])
    case = run(site, lent, incidents=[down(280, 2, 10), GONE[0]], recovery=BORROW)
    counts = case.jobs[["interruptions", "preemptions"]]
    assert counts.to_numpy().tolist() == [[1, 0], [1, 1]]


def test_nothing_is_borrowed_where_it_would_not_suffice():
    """A rack of three nodes is lost and two could be had: the job waits in the queue."""
    site = lay_out([Pool("main", "node", "", 2, 3), SITE.pools[1]])
    lent = jobs((0, 1000, 6), (0, 1000, 4), pool=["main", "lent"])
    case = run(site, lent, incidents=[down(300, 0, 100, of="rack")], recovery=BORROW)
    assert case.jobs["preemptions"].tolist() == [0, 0]
    assert case.end(0) == 423 + 870


def test_a_job_that_saves_nothing_loses_all():
    case = run(SITE, TWO, incidents=GONE, recovery=BORROW, levels=())
    assert case.spent(1) == {"useful": 4000, "lost": 1200, "restart": 80}
    assert STORAGE.read_s == 3.0  # and nothing is read back: 20 s
