"""Reservations that are known before they begin: who may start on their nodes, and who may not.

As in `test_reservations_by_hand`: a node has two GPUs, a job saves after each 100 s of work, which
stops it for 10 s. What is expected of a job is its work alone.
"""

import numpy as np
import pytest
from recovery_case import down, hall, jobs
from test_reservations_by_hand import Case, groups

from twin.kernel.ahead import Ahead, Window
from twin.kernel.reservation import Reservation
from twin.kernel.simulation import Simulation
from twin.policies.base import Scheduler
from twin.policies.placements.best_fit import BestFit
from twin.registry import make_policy
from twin.results.outcome import outcome


def reserved(nodes, start_s, end_s, drain_s=0.0, name="demo", groups=("a",), **more):
    return Reservation(name, 0, nodes, start_s, end_s, drain_s, groups, **more)


class Plain:
    """A run in which jobs take as long as their work, and where somebody may believe otherwise."""

    def __init__(self, site, table, *asked, scheduler="fifo", estimate_s=None):
        policy = (
            make_policy("schedulers", scheduler, {}) if isinstance(scheduler, str) else scheduler
        )
        estimate_s = None if estimate_s is None else np.array(estimate_s, float)
        simulation = Simulation(site, table, policy, BestFit(), estimate_s, reservations=asked)
        self.record = simulation.run()
        self.tables = outcome(self.record, table, site)
        self.start_s = self.tables.jobs["start_s"].tolist()
        self.preempted = self.record.reserved.jobs_preempted

    nodes_of = Case.spells
    closed = Case.closed


def test_who_would_run_into_it_starts_elsewhere_and_who_would_not_there():
    """Node 0 is chosen as the run begins, for 300 to 400. Job 1 ends by then, job 2 does not."""
    table = jobs((0, 500, 2), (10, 500, 2), (20, 280, 2), (30, 270.5, 2), **groups(*"bbbb"))
    case = Plain(hall(2), table, reserved(1, 300, 400))
    assert case.nodes_of(0) == [(1, 0, 500)]
    assert case.start_s == [0, 400, 500, 780]  # job 1 is the head; nobody passes it
    table = jobs((0, 500, 2), (20, 280, 2), (30, 270.5, 2), **groups(*"bbb"))
    case = Plain(hall(2), table, reserved(1, 300, 400))
    assert case.nodes_of(1) == [(0, 20, 300)]
    assert case.nodes_of(2) == [(0, 400, 670.5)]
    assert case.preempted == (0,)


@pytest.mark.parametrize("scheduler", ["easy-backfill", "conservative-backfill"])
def test_backfill_goes_by_it(scheduler):
    """Node 0 is reserved from 300 to 400, and job 0 runs on node 1 until 350.

    Job 1 asks for both, and is promised them from 400 on. Job 2 would run into the reservation, or
    delay job 1. Job 3 leaves node 0 by 300, and job 4 has node 1 until 400.
    """
    table = jobs(
        *((0, 350, 2), (10, 150, 4), (20, 500, 2), (30, 260, 2), (40, 50, 2)), **groups(*"bbbbb")
    )
    case = Plain(hall(2), table, reserved(1, 300, 400), scheduler=scheduler)
    assert case.start_s[:2] == [0, 400]
    assert case.nodes_of(3) == [(0, 30, 290)]
    assert case.nodes_of(4) == [(1, 350, 400)]
    assert case.start_s[2] == 550
    assert case.preempted == (0,)


@pytest.mark.parametrize("scheduler", ["easy-backfill", "conservative-backfill"])
def test_a_promise_may_lie_before_it(scheduler):
    """Job 1 fits on both nodes from 100 to 250, before the start; job 2 must not delay that."""
    table = jobs((0, 100, 2), (10, 150, 4), (20, 100, 2), (25, 70, 2), **groups(*"bbbb"))
    case = Plain(hall(2), table, reserved(1, 300, 400), scheduler=scheduler)
    assert case.start_s == [0, 100, 250, 25]


@pytest.mark.parametrize("scheduler", ["srtf", "greedy", "sjf", "time-slice"])
def test_others_go_by_it_too(scheduler):
    """Jobs 1 and 2 are of one size: that job 1 finds no place says nothing of job 2."""
    table = jobs((0, 400, 2), (10, 350, 2), (10, 200, 2), **groups(*"bbc"))
    case = Plain(hall(2), table, reserved(1, 300, 1000), scheduler=scheduler)
    assert case.nodes_of(2) == [(0, 10, 210)]
    assert case.nodes_of(1)[0][0] == 1
    assert case.preempted == (0,)


def test_who_takes_longer_than_he_said_gives_way():
    table = jobs((0, 1000, 2), (200, 50, 2), **groups(*"ba"))
    case = Plain(hall(1), table, reserved(1, 300, 400), estimate_s=[250, 50])
    assert case.nodes_of(0)[0] == (0, 0, 300)
    assert case.start_s[1] == 300
    assert case.preempted == (1,)


def test_who_said_too_much_waits_for_nothing():
    table = jobs((0, 100, 2), **groups("b"))
    case = Plain(hall(1), table, reserved(1, 300, 400), estimate_s=[301])
    assert case.start_s == [400]


def test_a_chosen_node_that_fails_is_exchanged():
    """Node 0 is chosen, and fails. Job 1 comes after node 1 is chosen in its place."""
    table = jobs((0, 20, 2), (110, 1000, 2), (500, 10, 2), **groups(*"bba"))
    incidents = [down(100, 0, lasts_s=50)]
    case = Case(hall(2), table, reserved(1, 300, 600), incidents=incidents)
    assert case.closed() == [(0, 1, 300, 600)]
    assert case.spells(1)[0][:2] == (0, 150)  # as it is mended


def test_as_it_closes_a_late_node_is_exchanged_for_an_empty_one():
    """Node 0 is chosen; job 0 there takes longer than it said, and node 1 is empty."""
    table = jobs((0, 1000, 2), (310, 50, 2), **groups(*"ba"))
    case = Plain(hall(2), table, reserved(1, 300, 400), estimate_s=[250, 50])
    assert case.nodes_of(0) == [(0, 0, 1000)]
    assert case.nodes_of(1) == [(1, 310, 360)]
    assert case.preempted == (0,)


def test_a_notice_is_when_the_nodes_are_chosen():
    """Job 0 starts before anybody knows. Of those that are expected free node 1 is first."""
    table = jobs((0, 900, 2), (0, 350, 2), (150, 300, 2), **groups(*"bbb"))
    case = Plain(hall(3), table, reserved(2, 400, 500, notice_s=300.0))
    assert {node for _, node, _, _ in case.closed()} == {1, 2}
    assert case.start_s == [0, 0, 500]
    unknown = Plain(hall(3), table, reserved(2, 400, 500, notice_s=0.0))
    assert unknown.start_s == [0, 0, 150]


def test_one_that_closes_sooner_takes_the_nodes_of_a_later_one():
    """At 0 node 0 is chosen for 500 to 900. At 100 another is wanted from 200 to 600.

    Node 1 is held until 550 by then, so node 0 goes to the sooner one, and node 1 to the later.
    """
    table = jobs((0, 450, 2), (0, 550, 2), (150, 10, 2), **groups(*"cdb"))
    later = reserved(1, 500, 900, groups=("a",))
    sooner = reserved(1, 200, 600, name="next", groups=("b",), notice_s=100.0)
    case = Plain(hall(3), table, later, sooner)
    closed = {int(which): node for which, node, _, _ in case.closed()}
    assert len(set(closed.values())) == 2
    assert case.preempted == (0, 0)


def test_one_after_the_other_on_the_same_node():
    """Job 0 is of the first group: on the node only if it leaves by the start of the second."""
    table = jobs((110, 100, 2), (110, 90, 2), (200, 30, 2), **groups(*"aab"))
    first = reserved(1, 100, 200)
    second = reserved(1, 200, 300, name="next", groups=("b",))
    case = Plain(hall(1), table, first, second)
    assert case.start_s == [300, 110, 200]
    both = reserved(1, 200, 300, name="next", groups=("a", "b"))
    assert Plain(hall(1), table, first, both).start_s[0] == 110  # it need not leave


def test_a_hit_job_takes_no_node_that_it_would_not_leave():
    """Job 0 loses node 1 at 150. Node 2 is free, and reserved from 600 on."""
    table = jobs((0, 1000, 4), (650, 50, 2), **groups(*"ba"))
    incidents = [down(150, 1, lasts_s=100)]
    patient = make_policy("recoveries", "replace", {"patience": "1 h"})
    asked = [reserved(1, 600, 700, notice_s=500.0)]
    case = Case(hall(3), table, *asked, incidents=incidents, recovery=patient)
    assert case.closed()[0][:2] == (0, 2)
    assert {node for node, _, _ in case.spells(0)} == {0, 1}
    short = jobs((0, 200, 4), (650, 50, 2), **groups(*"ba"))
    case = Case(hall(3), short, *asked, incidents=incidents, recovery=patient)
    assert {node for node, _, _ in case.spells(0)} == {0, 1, 2}


def test_replicas_start_elsewhere():
    """Row 0 serves for ever; node 0 is chosen, so it takes node 1."""
    table = jobs((0, np.inf, 2), (350, 20, 2), until_s=[1000.0, np.nan], **groups(*"ba"))
    case = Plain(hall(2), table, reserved(1, 300, 400))
    assert case.nodes_of(0) == [(1, 0, 1000)]
    assert case.nodes_of(1) == [(0, 350, 370)]


def test_a_scheduler_that_asks_about_a_shape_keeps_off():
    class Old(Scheduler):
        """It knows nothing of reservations."""

        def choose(self, queue, cluster):
            while (head := queue.head) is not None and cluster.fits(head.shape):
                yield head

    table = jobs((0, 100, 2), **groups("b"))
    assert Plain(hall(1), table, reserved(1, 300, 400)).start_s == [0]
    assert Plain(hall(1), table, reserved(1, 300, 400), scheduler=Old()).start_s == [400]


def test_nodes_of_several_begins():
    ahead = Ahead([Window((3, 4), 90, 100, 150), Window((4, 5), 180, 200, 300)])
    assert ahead.begin_s == {3: 100, 4: 100, 5: 200}
    assert ahead.barred(100) == []
    assert sorted(ahead.barred(100.5)) == [3, 4]
    assert sorted(ahead.barred(201)) == [3, 4, 5]
    assert ahead.until_s([(5, 1), (6, 1)]) == 200
    assert ahead.until_s([(6, 1)]) == np.inf
