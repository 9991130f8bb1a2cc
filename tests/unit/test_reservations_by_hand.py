"""Reservations: cases of a few nodes in which every instant is known by hand.

As in `recovery_case`: a node has two GPUs, a job saves after each 100 s of work, which stops it for
10 s; beginning again takes 20 s and 3 s to read.
"""

import numpy as np
import pytest
from recovery_case import STORAGE, down, hall, jobs

from twin.errors import InputError
from twin.failures.model import FailureModel
from twin.failures.restart import RestartModel
from twin.kernel.hazards import Reliability
from twin.kernel.reservation import Reservation, check_nodes
from twin.kernel.reserved import best_fit
from twin.kernel.simulation import Simulation
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.placements.best_fit import BestFit
from twin.policies.recoveries.requeue import RequeueJob
from twin.policies.retirements.never import Never
from twin.registry import make_policy
from twin.results.outcome import outcome


def reserved(nodes, start_s, end_s, drain_s=0.0, name="demo", groups=("a",), users=()):
    """A reservation that comes as a surprise."""
    return Reservation(name, 0, nodes, start_s, end_s, drain_s, groups, users, notice_s=0.0)


class Case:
    """A run, and what is asked of it."""

    def __init__(self, site, table, *asked, scheduler="fifo", incidents=(), **more):
        reliability = Reliability(
            FailureModel(incidents=tuple(incidents)),
            RestartModel(restart_s=20.0, levels=(STORAGE,)),
            more.get("recovery") or RequeueJob(),
            Fixed(every_s=100.0),
            Never(),
            0,
        )
        policy = make_policy("schedulers", scheduler, {})
        simulation = Simulation(
            *(site, table, policy, BestFit()), reliability=reliability, reservations=asked
        )
        self.record = simulation.run(more.get("horizon_s"))
        self.tables = outcome(self.record, table, site)  # which checks the ledger
        self.jobs = self.tables.jobs

    def spells(self, row):
        """(node, start, end) of what a job held."""
        held = self.tables.allocations
        held = held[held["job"] == row]
        return list(zip(held["node"], held["start_s"], held["end_s"], strict=True))

    def closed(self):
        """(reservation, node, from, to) of what was closed."""
        spells = self.record.reserved.spells
        return sorted(zip(*(spells[name].tolist() for name in spells), strict=True))

    def told(self, *names):
        row = self.tables.reservations.iloc[0]
        return [row[name] for name in names]


def groups(*letters):
    return {"group": list(letters)}


def test_drained_in_time():
    """From 200 on node 1, free first, is closed; job 3 waits for the end of the reservation."""
    table = jobs((0, 1000, 2), (0, 90, 2), (210, 50, 2), (220, 30, 2), **groups(*"bbab"))
    case = Case(hall(2), table, reserved(1, 300, 500, 100))
    assert case.closed() == [(0, 1, 200, 500)]
    assert case.spells(0) == [(0, 0, 1090)]
    assert case.spells(2) == [(1, 300, 350)]
    assert case.spells(3) == [(1, 500, 530)]
    assert case.told("reserved_node_s", "used_node_s", "idle_node_s") == [200, 50, 150]
    assert case.told("others_node_s", "short_node_s", "jobs_preempted") == [0, 0, 0]
    assert case.told("drained_gpu_s") == [200]
    # Two GPUs: free from 90 to 210 while nobody waits, 210 to 300 and 350 to 500 while some do,
    # and from 530 on.
    assert case.tables.gpu_time["stranded"] == 2 * (90 + 150)
    assert case.tables.gpu_time["idle"] == 2 * (120 + 1090 - 530)


def test_without_a_drain_jobs_are_cut_off_and_save():
    table = jobs((0, 1000, 2), (300, 50, 2), **groups(*"ba"))
    case = Case(hall(1), table, reserved(1, 300, 500))
    # It has worked from 0 to 100 and 110 to 210 and 220 to 300; it saves for 10 s.
    assert case.spells(0) == [(0, 0, 310), (0, 500, 1313)]
    assert case.spells(1) == [(0, 310, 360)]
    assert case.jobs["preemptions"].tolist() == [1, 0]
    told = case.told("used_node_s", "idle_node_s", "others_node_s", "jobs_preempted")
    assert told == [50, 140, 10, 1]
    assert case.told("drained_gpu_s") == [0]


def test_nodes_expected_free_first_are_chosen_of_equal_ones_the_lowest():
    table = jobs((0, 1000, 2), (0, 400, 2), (0, 400, 2), (0, 900, 2), **groups(*"bbbb"))
    case = Case(hall(4), table, reserved(2, 500, 600, 450))
    assert {node for _, node, _, _ in case.closed()} == {1, 2}
    case = Case(hall(4), table, reserved(1, 500, 600, 450))
    assert {node for _, node, _, _ in case.closed()} == {1}
    table = jobs((0, 1000, 2), (0, 400, 2), **groups(*"bb"))
    case = Case(hall(4), table, reserved(2, 500, 600, 450))  # two are free already
    assert {node for _, node, _, _ in case.closed()} == {2, 3}


def test_its_own_jobs_stay_and_run_on_past_the_end():
    """Job 0 is of the group and runs there already; job 1 starts late and is not cut off."""
    table = jobs((0, 90, 2), (95, 500, 2), (96, 10, 2), **groups(*"aab"))
    case = Case(hall(1), table, reserved(1, 50, 120))
    assert case.spells(0) == [(0, 0, 90)]
    assert case.spells(1) == [(0, 95, 635)]
    assert case.spells(2) == [(0, 635, 645)]
    assert case.told("used_node_s", "jobs_preempted") == [40 + 25, 0]


def test_each_that_fits_starts_in_queue_order_on_the_fullest_node():
    """Job 0, which does not fit beside job 1's GPU, is passed; job 3 fills up the fuller node."""
    table = jobs((10, 50, 1), (20, 50, 4), (30, 50, 2), (40, 50, 1), **groups(*"aaaa"))
    case = Case(hall(2), table, reserved(2, 100, 1000, 100))
    assert case.spells(0) == [(0, 100, 150)]
    assert case.spells(2) == [(1, 100, 150)]
    assert case.spells(3) == [(0, 100, 150)]
    assert case.spells(1) == [(0, 150, 200), (1, 150, 200)]


def test_its_jobs_may_run_elsewhere_too():
    table = jobs((100, 50, 2), (100, 50, 2), (100, 50, 2), **groups(*"aab"))
    case = Case(hall(2), table, reserved(1, 50, 300))
    assert case.spells(0) == [(0, 100, 150)]
    assert case.spells(1) == [(1, 100, 150)]
    assert case.spells(2) == [(1, 150, 200)]


def test_a_user_is_named_as_a_group_is():
    table = jobs((10, 50, 2), (10, 50, 2), user=["u", "v"], **groups(*"bb"))
    case = Case(hall(1), table, reserved(1, 0, 100, groups=(), users=("v",)))
    assert case.spells(1) == [(0, 10, 60)]
    assert case.spells(0) == [(0, 100, 150)]


def test_a_reserved_node_that_fails_is_replaced():
    """Node 0 fails at 150 and is closed no longer; job 1 gives way on node 1 at once."""
    table = jobs((100, 200, 2), (100, 1000, 2), **groups(*"ab"))
    site, asked = hall(2), reserved(1, 50, 600)
    case = Case(site, table, asked, incidents=[down(150, 0, lasts_s=100)])
    assert case.closed() == [(0, 0, 50, 150), (0, 1, 150, 600)]
    # Job 1 has worked for 50 s and saves for 10 s. Job 0 loses 50 s and begins again.
    assert case.spells(1)[0] == (1, 100, 160)
    assert case.spells(0) == [(0, 100, 150), (1, 160, 160 + 20 + 200 + 10)]
    assert case.spells(1)[1][:2] == (0, 250)  # node 0 is mended, and open
    assert case.told("jobs_preempted", "short_node_s", "others_node_s") == [1, 0, 10]


def test_where_no_other_is_to_be_had_it_is_short_until_the_repair():
    table = jobs((500, 50, 2), **groups("a"))
    case = Case(hall(1), table, reserved(1, 50, 600), incidents=[down(150, 0, lasts_s=100)])
    assert case.closed() == [(0, 0, 50, 150), (0, 0, 250, 550)]  # the run ends at 550
    assert case.told("reserved_node_s", "short_node_s") == [500, 100]
    assert case.told("used_node_s", "idle_node_s") == [50, 350]


def test_who_waits_for_another_node_gives_way_too():
    """Job 0 has lost node 1 and holds node 0 idle until an hour has passed."""
    table = jobs((0, 1000, 4), (120, 50, 2), **groups(*"ba"))
    incidents = [down(50, 1, lasts_s=400)]
    patient = make_policy("recoveries", "replace", {"patience": "1 h"})
    case = Case(hall(2), table, reserved(1, 100, 300), incidents=incidents, recovery=patient)
    assert case.spells(0)[:2] == [(0, 0, 100), (1, 0, 50)]
    assert case.spells(1) == [(0, 120, 170)]
    assert case.spells(0)[2][:2] == (0, 450)
    assert case.told("jobs_preempted", "others_node_s") == [1, 0]
    assert case.jobs["preemptions"].tolist() == [0, 0]  # the fault has stopped it before


def test_a_job_that_is_hit_takes_no_reserved_node():
    """Job 0 loses node 0 at 150; node 2 is free, and closed. It waits for the repair."""
    table = jobs((0, 1000, 4), (500, 50, 2), **groups(*"ba"))
    incidents = [down(150, 0, lasts_s=100)]
    patient = make_policy("recoveries", "replace", {"patience": "1 h"})
    case = Case(hall(3), table, reserved(1, 100, 600), incidents=incidents, recovery=patient)
    assert case.closed() == [(0, 2, 100, 600)]
    assert case.spells(0)[2][:2] == (0, 250)
    assert case.spells(1) == [(2, 500, 550)]


def test_nodes_that_are_down_are_not_chosen():
    table = jobs((500, 50, 2), **groups("a"))
    case = Case(hall(2), table, reserved(1, 50, 600), incidents=[down(20, 0, lasts_s=200)])
    assert {node for _, node, _, _ in case.closed()} == {1}


@pytest.mark.parametrize("scheduler", ["easy-backfill", "conservative-backfill"])
def test_promises_wait_for_the_end_of_the_reservation(scheduler):
    """Job 0 asks for both nodes: not before 500. Job 1 ends by then and passes it, job 2 not."""
    table = jobs((60, 100, 4), (70, 400, 2), (80, 450, 2), **groups(*"bbb"))
    case = Case(hall(2), table, reserved(1, 50, 500), scheduler=scheduler)
    assert case.spells(1) == [(1, 70, 500)]  # 400 s of work, three saves
    assert case.spells(0) == [(0, 500, 600), (1, 500, 600)]
    assert case.spells(2)[0][1] == 600


@pytest.mark.parametrize("scheduler", ["srtf", "tiresias", "gavel"])
def test_what_runs_there_is_not_preempted_by_the_scheduler(scheduler):
    table = jobs((0, 2000, 2), (100, 10, 2), **groups(*"ab"))
    case = Case(hall(1), table, reserved(1, 0, 1500), scheduler=scheduler)
    start_s = case.spells(1)[0][1]
    assert case.spells(0)[0][2] >= 1500
    assert start_s >= 1500


@pytest.mark.parametrize("scheduler", ["srtf", "edf"])
def test_who_preempts_passes_over_closed_nodes(scheduler):
    """Node 1 is free and closed: job 1, shorter and more urgent, has job 0 give way on node 0."""
    table = jobs((0, 1000, 2), (100, 50, 2), **groups(*"bb"), deadline_s=[9e9, 500])
    case = Case(hall(2), table, reserved(1, 50, 500), scheduler=scheduler)
    assert case.closed() == [(0, 1, 50, 500)]
    assert case.spells(1) == [(0, 110, 160)]
    assert case.spells(0)[1][:2] == (0, 160)


def test_replicas_stay_and_start_on_open_nodes_only():
    """Row 0 serves on node 0 until 400, job 1 runs on node 1, and nodes 0 and 2 are reserved.

    The replica stays. Row 3 is wanted from 150 to 300: it takes node 1, and job 2 stays on node 2.
    """
    nan = np.nan
    table = jobs(
        *((0, 400, 2), (0, 1000, 2), (100, 1000, 2), (150, 150, 2)),
        group=["", "b", "a", ""],
        until_s=[400, nan, nan, 300],
        kind=["serving", "training", "training", "serving"],
        job_id=["chat/1-1", "job", "own", "chat/2-1"],
    )
    case = Case(hall(3), table, reserved(2, 90, 600))
    # Node 2 is free at 90, node 0 is expected to be at 400, node 1 at 1000.
    assert case.closed() == [(0, 0, 90, 600), (0, 2, 90, 600)]
    assert case.spells(0) == [(0, 0, 400)]
    assert case.spells(2)[0][:2] == (2, 100)
    assert case.spells(3) == [(1, 160, 300)]  # job 1 has saved
    assert case.jobs["preemptions"].tolist() == [0, 1, 0, 0]
    assert case.told("others_node_s", "jobs_preempted") == [310, 0]


def test_spares_are_not_reserved():
    table = jobs((10, 50, 4), **groups("a"))
    case = Case(hall(3, spares=1), table, reserved(3, 0, 100))
    assert {node for _, node, _, _ in case.closed()} == {0, 1}
    assert case.told("short_node_s", "used_node_s") == [60, 100]


def test_a_reservation_that_nobody_uses_holds_up_nothing_after_its_end():
    """A round is 360 s: for a thousand rounds nothing can run."""
    table = jobs((0, 10, 2), **groups("b"))
    case = Case(hall(1), table, reserved(1, 0, 4e5), scheduler="gavel")
    assert case.jobs["state"].tolist() == ["completed"]
    assert case.jobs["start_s"][0] >= 4e5


def test_it_ends_with_the_run():
    table = jobs((0, 10, 2), **groups("b"))
    case = Case(hall(1), table, reserved(1, 100, 200))
    assert case.record.horizon_s == 10
    assert case.closed() == []
    assert case.told("reserved_node_s", "short_node_s", "drained_gpu_s") == [0, 0, 0]
    case = Case(hall(1), table, reserved(1, 100, 200, 40), horizon_s=150.0)
    assert case.closed() == [(0, 0, 60, 150)]
    assert case.told("reserved_node_s", "idle_node_s", "drained_gpu_s") == [50, 50, 80]


def test_one_ends_as_another_begins():
    table = jobs((20, 30, 2), (20, 30, 2), **groups(*"ab"))
    first, second = reserved(1, 10, 60), reserved(1, 60, 100, name="next", groups=("b",))
    check_nodes([first, second], hall(1))
    case = Case(hall(1), table, first, second)
    assert case.spells(0) == [(0, 20, 50)]
    assert case.spells(1) == [(0, 60, 90)]


def test_more_nodes_than_there_are_at_one_time():
    one, two = reserved(2, 100, 200, 50), reserved(2, 0, 51, name="early")
    with pytest.raises(InputError, match="demo and early close 4 nodes of pool main at 50 s, and"):
        check_nodes([one, two], hall(3))
    check_nodes([one, two], hall(4))
    check_nodes([one, reserved(2, 0, 50, name="early")], hall(3))
    with pytest.raises(InputError, match=r"demo close 2 nodes of pool main at 50 s, and it has 1"):
        check_nodes([one], hall(1))


def test_best_fit_among_some_nodes():
    free = {3: 2, 5: 1, 7: 2}
    assert best_fit(1, free, 2) == [(5, 1)]
    assert best_fit(2, free, 2) == [(3, 2)]
    assert best_fit(3, free, 2) == [(3, 2), (7, 2)]
    assert best_fit(5, free, 2) == []
    assert best_fit(1, {}, 2) == []


def test_nothing_of_a_suspended_job_is_lost_where_nobody_says_what_saving_takes():
    table = jobs((0, 100, 2), (50, 20, 2), **groups(*"ba"))
    site = hall(1)
    asked = [reserved(1, 50, 80)]
    record = Simulation(
        site, table, make_policy("schedulers", "fifo", {}), BestFit(), reservations=asked
    ).run()
    tables = outcome(record, table, site)
    assert tables.jobs["start_s"].tolist() == [0, 50]
    assert tables.jobs["end_s"].tolist() == [130, 70]
    assert np.isclose(tables.gpu_time["useful"], 240)


ROUNDS = ["gavel", "sia", "themis"]


@pytest.mark.parametrize("scheduler", ROUNDS)
def test_rounds_divide_what_is_open_alone(scheduler):
    """One of two nodes is closed: job 0, which asks for both, takes no room from job 1."""
    table = jobs((100, 2000, 4), (100, 1000, 2), **groups(*"bb"))
    case = Case(hall(2), table, reserved(1, 50, 5000, groups=("a",)), scheduler=scheduler)
    assert case.spells(1)[0][:2] == (1, 100)
    assert case.jobs["start_s"][0] >= 5000


@pytest.mark.parametrize("scheduler", ["gavel", "themis"])
def test_what_runs_on_closed_nodes_keeps_what_it_holds_elsewhere(scheduler):
    """Job 0 is on two nodes, of which one is reserved for it: jobs 1 and 2 take turns on the third.

    It is not moved, as it is on a closed node, so that its other node is nobody's to give.
    """
    table = jobs((0, 20000, 4), (0, 30000, 2), (100, 10000, 2), **groups(*"abb"))
    case = Case(hall(3), table, reserved(1, 50, 19000, groups=("a",)), scheduler=scheduler)
    nodes = {node for node, from_s, _ in case.spells(0) if from_s < 19000}
    assert case.closed()[0][1] in nodes
    assert {node for node, from_s, _ in case.spells(2) if from_s < 19000} == {0, 1, 2} - nodes


@pytest.mark.parametrize("scheduler", ROUNDS)
def test_rounds_leave_nodes_that_will_be_closed_to_short_jobs(scheduler):
    """Of two nodes one is reserved from 2000 on: one long job has room, and the short one."""
    table = jobs((0, 3000, 2), (0, 3000, 2), (0, 700, 2), **groups(*"bbb"))
    asked = Reservation("demo", 0, 1, 2000.0, 4000.0, groups=("a",))
    case = Case(hall(2), table, asked, scheduler=scheduler)
    assert case.spells(2)[0][:2] == (0, 0)
    assert case.told("others_node_s", "jobs_preempted") == [0, 0]
