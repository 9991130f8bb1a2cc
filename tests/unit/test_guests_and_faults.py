"""Guests whose hosts fail: what becomes of them is not for recovery policies to say.

Cases as in `test_guests_by_hand`: nodes of two GPUs, known by hand.
"""

import pytest
from recovery_case import LONG_S, down, fails, hall, repair, run, seed_of, seldom
from test_guests_by_hand import guest_run, hosting, work

from twin.distributions import Choice, Constant
from twin.failures.draws import key, uniform
from twin.policies.guests.fill import Fill
from twin.policies.guests.never import Never
from twin.policies.recoveries.replace import Replace
from twin.policies.recoveries.replicas import Replicas


def test_a_guest_takes_no_part_in_the_recovery_of_its_host():
    """The replica gets the spare node; its guest waits, and moves in again beside it there."""
    table = work((0, 1000, 2), (0, 9000, 2, "chat"))
    case = run(hall(2, spares=1), table, hosting=hosting(table, chat=0.4), recovery=Replace(),
               incidents=[down(300.0, 0)], horizon_s=5000.0)  # fmt: skip
    held = case.allocations[["job", "node", "start_s"]]
    assert held.to_numpy().tolist() == [[1, 0, 0], [1, 1, 300]]
    assert case.stays[["node", "start_s"]].to_numpy().tolist() == [[0, 0], [1, 320]]
    assert case.jobs["interruptions"].tolist() == [1, 1]
    assert case.jobs["state"][0] == "completed"


def test_a_guest_that_was_hit_too_often_is_given_up():
    """Twice the other node of its host fails, and one fault is forgiven."""
    table = work((0, 9000, 4, "chat"), (0, 1000, 2))
    faults = [down(at_s, 1, lasts_s=10.0) for at_s in (300.0, 700.0)]
    case = guest_run(2, table, incidents=faults, retries=1, horizon_s=5000.0)
    assert case.stays["node"].tolist() == [0, 0]
    assert case.jobs["state"].tolist() == ["failed", "failed"]
    assert case.end(1) == 700


def test_warm_standbys_of_a_replica_lend_nothing():
    """Node 0 fails and node 3 takes its place, so node 2 stands by between those that work."""
    table = work((0, 9000, 4, "chat"), (400, 1000, 2), (400, 1000, 2))
    case = run(hall(4), table, hosting=hosting(table, chat=0.4), recovery=Replace(),
               incidents=[down(300.0, 0)], standby_nodes=2, horizon_s=500.0)  # fmt: skip
    assert sorted(case.stays["node"]) == [1, 3]


def test_a_wrong_node_is_one_of_the_job_that_holds_it():
    """The guest, which comes first in the table, is gone when somebody looks, 30 s later."""
    fault = fails("node", seldom(500.0), wrong_unit=1.0, detection=Constant(30.0),
                  repair=repair(100.0))  # fmt: skip
    table = work((0, 1000, 2), (0, 9000, 4, "chat"))
    for policy in (Fill(), Never()):
        seed = seed_of(2, node=0)
        case = guest_run(2, table, policy, classes=[fault], seed=seed, horizon_s=900.0)
        assert case.incidents["gpus_down"].tolist() == [4]  # the wrong node, then the right one


def crashes_alone(seed):
    """Whether the first run of job 1 ends early, and that of the replica, job 0, does not."""
    lives = key(seed, "failures/software/life")
    return [uniform(lives, row, 1) < 0.5 for row in (0, 1)] == [False, True]


def test_a_guest_that_stands_still_cannot_be_sent_away():
    """Its software fails at 150 s and somebody knows at 250 s; from 200 s on the gap is narrow."""
    table = work((0, 9000, 2, "chat"), (0, 1000, 2))
    crash = fails("job", Choice((150.0, LONG_S), (0.5, 0.5)), name="software",
                  detection=Constant(100.0))  # fmt: skip
    seed = next(seed for seed in range(100) if crashes_alone(seed))
    services = {"chat": [(0.0, 0.2), (200.0, 0.9)]}
    policy = Fill(least=0.3, leaves_below=0.3)
    case = guest_run(1, table, policy, services=services, classes=[crash], seed=seed,
                     horizon_s=1000.0)  # fmt: skip
    assert case.jobs["interruptions"].tolist() == [0, 1]
    assert case.stays["end_s"].tolist() == [250]  # it begins again, and goes at once
    assert case.jobs["preemptions"].tolist() == [0, 1]


def test_a_replica_that_goes_on_with_less_lends_no_more_than_it_has():
    """Of three GPUs on two nodes one is left to it, and one more that it did not ask for."""
    table = work((0, 9000, 3, "chat"), (400, 1000, 1), (400, 1000, 1))
    case = run(hall(2), table, hosting=hosting(table, chat=0.4), recovery=Replicas(), levels=(),
               incidents=[down(300.0, 1)], horizon_s=1000.0)  # fmt: skip
    assert case.stays[["node", "gpu_mask", "start_s"]].to_numpy().tolist() == [[0, 1, 400]]
    assert case.hall("idle") == pytest.approx([0.6 * (3 * 300 + 1 * (400 - 310))])
