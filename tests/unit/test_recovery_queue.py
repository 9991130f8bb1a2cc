"""Waiting jobs under failures by hand: places in the queue, and promises when nodes are away."""

import numpy as np
import pandas as pd
from recovery_case import LONG_S, down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.failures.model import Maintenance
from twin.kernel.columns import Columns
from twin.kernel.job import Job
from twin.kernel.queue import Queue
from twin.policies.recoveries.replace import Replace
from twin.policies.retirements.too_often import TooOften
from twin.policies.view import Shape
from twin.site.layout import Pool, lay_out

PLAIN = {"levels": (), "restart_s": 0.0}
EASY = PLAIN | {"backfill": True}


def starts(case):
    return case.jobs["start_s"].tolist()


def test_a_node_in_repair_is_waited_for():
    """The head needs both nodes, and node 1 is back at 500: 400 s fit before, 600 s do not."""
    work = jobs((10, 100, 4), (20, 600, 2), (30, 400, 2))
    case = run(hall(2), work, incidents=[down(0, 1, 500)], **EASY)
    assert starts(case) == [500, 600, 30]


def test_what_fits_beside_the_head_may_run_on():
    """Node 2 is in repair until 500; the head has two at 490, and the rest is free to take."""
    work = jobs((0, 490, 2), (10, 100, 4), (20, 2000, 2))
    case = run(hall(3), work, incidents=[down(0, 2, 500)], **EASY)
    # At 490 nodes 0 and 1 are free, and the head starts; the third waits for node 2.
    assert starts(case) == [0, 490, 500]


def test_a_promise_moves_with_the_job_that_it_waits_for():
    """Node 0 is to be free at 300; its job begins again at 200 and ends at 500 instead.

    At 250 a job of 200 s passes the head on node 1: it ends by 500.
    """
    work = jobs((0, 300, 2), (10, 100, 4), (250, 200, 2))
    away = [down(200, 0, 0.5)]
    case = run(hall(2), work, incidents=away, **EASY)
    assert case.end(0) == 500  # on node 1 from 200 on
    assert starts(case) == [0, 500, 250]


def test_an_overdue_node_starves_nobody():
    """Expected at 400, back at 900, as the only crew is elsewhere. Small jobs of 250 s abound.

    The head's promise is renewed from 400 on, for 300 s at a time, and what ends by then passes.
    """
    classes = [
        fails("node", seldom(50), "early", repair=repair(700, crew=True)),
        fails("node", seldom(200), "late", repair=repair(150, crew=True)),
    ]
    work = jobs((210, 100, 4), *[(220 + 10 * n, 250, 2) for n in range(10)])
    # Node 2 is in repair from 50 to 750, node 1 from 200 to 900 (expected at 350).
    case = run(hall(3), work, classes=classes, crews=1, seed=seed_of(3, early=2, late=1), **EASY)
    assert starts(case)[0] <= 750 + 250


def test_a_retired_node_is_waited_for_by_nobody():
    """Two of three nodes are left: the head waits for the job on node 0, not for ever."""
    cls = fails("node", seldom(100), repair=repair(50))
    work = jobs((0, 1000, 2), (200, 100, 4), (210, 700, 2), (220, 900, 2))
    case = run(hall(3), work, classes=[cls], seed=seed_of(3, node=2),
               retirement=TooOften(faults=1), **EASY)  # fmt: skip
    assert starts(case)[:3] == [0, 1000, 210]
    assert starts(case)[3] == 1100


def test_a_head_that_can_never_start_holds_up_nobody_who_backfills():
    """It needs three nodes and two are left."""
    cls = fails("node", seldom(100), repair=repair(50))
    work = jobs((200, 100, 6), (210, 700, 2), (220, 900, 4))
    case = run(hall(3), work, classes=[cls], seed=seed_of(3, node=2),
               retirement=TooOften(faults=1), horizon_s=5000, **EASY)  # fmt: skip
    assert case.jobs["state"].tolist() == ["queued", "completed", "completed"]
    assert starts(case)[1:] == [210, 910]


def test_a_node_under_notice_is_no_promise():
    """Node 0 is closed from 50 on, its job ends at 200, and it is back from maintenance at 800.

    So the head, which needs both nodes, has until 800, and a job of 400 s may pass it.
    """
    plan = Maintenance("firmware", "node", 300, 1e5, 500, notice_s=250)
    work = jobs((0, 200, 2), (60, 10, 4), (70, 400, 2))
    case = run(hall(2), work, maintenance=[plan], **EASY, horizon_s=3000)
    assert starts(case) == [0, 1300, 70]


def test_spares_are_no_place_to_start():
    work = jobs((0, 100, 2), (1, 100, 2))
    case = run(hall(2, spares=1), work, **PLAIN)
    assert starts(case) == [0, 100]


def test_a_gang_in_recovery_goes_before_the_queue():
    """Node 1 of the gang goes at 300; what frees node 2 at 400 serves it, not who waits longer."""
    work = jobs((0, 1000, 4), (0, 400, 2), (1, 50, 2))
    case = run(hall(3), work, incidents=[down(300, 1)], recovery=Replace(), **PLAIN)
    assert case.nodes_at(0, 401) == [0, 2]
    assert starts(case)[2] == 1400


def test_the_oldest_gang_goes_first():
    """Both gangs lack a node since 300; the one that comes back at 400 is for the older."""
    work = jobs((0, 1000, 4), (0, 1000, 4))
    away = [down(300, 2, 100), down(300, 1, 200)]
    case = run(hall(4), work, incidents=away, recovery=Replace(), **PLAIN)
    assert case.jobs["end_s"].tolist() == [1400, 1500]


def test_requeued_jobs_keep_their_order():
    """All of six jobs are sent back at 300; they begin again oldest first, two at a time."""
    work = jobs(*[(n, 1000, 2) for n in range(6)])
    away = [down(300, 0, 100, of="site"), down(350, 2, LONG_S), down(350, 3, LONG_S)]
    away += [down(350, 4, LONG_S), down(350, 5, LONG_S)]
    case = run(hall(6), work, incidents=away, horizon_s=5000, **PLAIN)
    assert case.jobs["end_s"].tolist() == [1400, 1400, 2400, 2400, 3400, 3400]


def test_jobs_that_come_back_in_any_order_stand_in_theirs():
    """A thousand jobs leave and come back at random: the queue is as if it were sorted anew."""
    shape = Shape(0, 2, (0,))
    queue = Queue([shape], np.zeros(40, np.int32))
    columns = Columns(pd.DataFrame(index=range(40)))
    all_jobs = [Job(row, row, 10.0, 10.0, shape, columns) for row in range(40)]
    for job in all_jobs:
        queue.append(job)
    waiting, away = list(range(40)), []
    rng = np.random.default_rng(1)
    for _ in range(1000):
        if waiting and (not away or rng.random() < 0.5):
            away.append(waiting.pop(rng.integers(len(waiting))))
            queue.remove(all_jobs[away[-1]])
        else:
            row = away.pop(rng.integers(len(away)))
            waiting = sorted([*waiting, row])
            queue.put_back(all_jobs[row])
        assert [job.row for job in queue] == waiting


def test_a_job_waits_for_a_pool_in_repair_and_not_for_another():
    site = lay_out([Pool("main", "node", "", 2, 1), Pool("other", "node", "", 2, 1)])
    work = jobs((10, 100, 2), (10, 100, 2), pool=["main", ""])
    case = run(site, work, incidents=[down(0, 0, 500)], **EASY)
    assert starts(case) == [500, 10]
