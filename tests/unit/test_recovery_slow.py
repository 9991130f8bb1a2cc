"""Slow parts and degraded links by hand: the gang at its slowest member's speed, and whose cost."""

import pytest
from pytest import approx
from recovery_case import down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.distributions import Constant
from twin.policies.recoveries.replace import Replace

ONE = jobs((0, 1000, 4))
PLAIN = {"levels": ()}  # nothing is saved, so that only the speed tells


def slow(at_s, node, lasts_s, speed, **more):
    return down(at_s, node, lasts_s, effect="slow", speed=speed, **more)


def degraded(at_s, unit, lasts_s, bandwidth, exposed, of="node"):
    return down(at_s, unit, lasts_s, of, effect="degraded", bandwidth=bandwidth,
                exposed_share=exposed)  # fmt: skip


def test_the_gang_runs_at_the_speed_of_its_slowest_member():
    """80 % for 200 s: 160 s of work; 40 s of each of the 4 GPUs are spent waiting."""
    case = run(hall(2), ONE, incidents=[slow(300, 1, 200, 0.8)], **PLAIN)
    assert case.end() == approx(1040)
    assert case.spent() == {"useful": approx(4000), "straggling": approx(160)}
    assert case.cost() == {"slowed": approx(160)}
    row = case.incidents.iloc[0]
    assert row[["kind", "gpus_down", "nodes_hit", "jobs_hit"]].tolist() == ["slow", 0, 1, 1]
    assert row["recovered_s"] == 500
    assert case.jobs["interruptions"].tolist() == [0]


def test_of_two_slow_members_the_slowest_counts():
    """0.8 from 300 to 600 and 0.5 from 400 to 500: 260 - 50 + 20 s less than ... by spans.

    300 to 400: 80 s; 400 to 500: 50 s; 500 to 600: 80 s. 210 s of work in 300.
    """
    case = run(hall(2), ONE, incidents=[slow(300, 1, 300, 0.8), slow(400, 0, 100, 0.5)], **PLAIN)
    assert case.end() == approx(1090)
    assert case.cost(0) == {"slowed": approx(4 * 40)}
    assert case.cost(1) == {"slowed": approx(4 * 50)}


def test_two_faults_of_one_node():
    case = run(hall(2), ONE, incidents=[slow(300, 1, 300, 0.8), slow(400, 1, 100, 0.5)], **PLAIN)
    assert case.end() == approx(1090)
    assert (case.cost(0), case.cost(1)) == ({"slowed": approx(160)}, {"slowed": approx(200)})


def test_checkpoints_come_after_so_much_work():
    """At half the speed 100 s of work take 200 s; a stall takes as long as ever."""
    case = run(hall(2), jobs((0, 300, 4)), incidents=[slow(0, 1, 1e5, 0.5)])
    assert case.end() == approx(600 + 20)
    assert case.spent() == {"useful": 1200, "straggling": 1200, "checkpoint": 80}


def test_a_slow_node_that_nobody_uses_slows_nobody():
    case = run(hall(3), ONE, incidents=[slow(300, 2, 200, 0.8)], **PLAIN)
    assert case.end() == 1000
    assert case.incidents["jobs_hit"].tolist() == [0]


def test_a_slow_standby_slows_nobody_until_it_stands_in():
    """Node 2 is slow from 300 on and takes the place of node 1 at 400: at 0.8 from 420 on."""
    incidents = [slow(300, 2, 1e5, 0.8), down(400, 1)]
    case = run(hall(3), ONE, incidents=incidents, recovery=Replace(), standby_nodes=1, **PLAIN)
    assert case.end() == approx(420 + 1000 / 0.8)


def test_a_job_that_starts_on_a_slow_node_is_slow():
    case = run(hall(1), jobs((100, 80, 2)), incidents=[slow(0, 0, 1e5, 0.8)], **PLAIN)
    assert case.end() == approx(200)


def test_a_slow_node_is_pulled_once_found():
    """From 300 on at 0.5, found at 400: it saves until 410, leaves, and begins again at 433.

    By 300 it has done 280 s, by 400 320 s less the stall at 300 s of work, from 340 to 350: 325.
    """
    sick = fails("node", seldom(300), effect="slow", speed=0.5, evicts=True,
                 detection=Constant(100), repair=repair(50))  # fmt: skip
    case = run(hall(3), ONE, classes=[sick], seed=seed_of(3, node=1), recovery=Replace())
    assert case.nodes_at(0, 409) == [0, 1]
    assert case.nodes_at(0, 411) == [0, 2]
    assert case.end() == approx(433 + 675 + 60)
    assert case.spent() == {
        "useful": approx(4000),
        "straggling": approx(4 * 45),
        "checkpoint": approx(4 * (20 + 10 + 10 + 60)),
        "restart": 92,
    }
    assert case.cost() == {"slowed": approx(180), "restart": 92, "down": 2 * 50}
    assert case.incidents["recovered_s"].tolist() == [460]


def test_an_incident_is_not_over_while_its_node_is_in_repair():
    """The job leaves at 410 and goes on; the repair lasts beyond the horizon."""
    sick = fails("node", seldom(300), effect="slow", speed=0.5, evicts=True,
                 detection=Constant(100), repair=repair(5000))  # fmt: skip
    case = run(hall(3), ONE, classes=[sick], seed=seed_of(3, node=1), recovery=Replace(),
               horizon_s=2000)  # fmt: skip
    assert case.incidents["recovered_s"].isna().all()


def test_a_slow_node_gets_well_in_place():
    sick = fails("node", seldom(300), effect="slow", speed=0.8, repair=repair(150, 50))
    case = run(hall(2), ONE, classes=[sick], seed=seed_of(2, node=1), **PLAIN)
    assert case.end() == approx(1040)
    assert case.hall("down") == [0]


def test_a_degraded_link():
    """A fifth of the time is exchange; at half the bandwidth it takes twice as long: 1.2 in all.

    200 s at 1/1.2 are 166 2/3 s of work.
    """
    case = run(hall(2), ONE, incidents=[degraded(300, 1, 200, 0.5, 0.2)], **PLAIN)
    waited_s = 200 - 200 / 1.2
    assert case.end() == approx(1000 + waited_s)
    assert case.spent() == {"useful": approx(4000), "exposed_comm": approx(4 * waited_s)}
    assert case.cost() == {"slowed": approx(4 * waited_s)}
    assert case.incidents["kind"].tolist() == ["degraded"]


def test_a_degraded_link_leaves_jobs_of_one_node_alone():
    case = run(hall(1), jobs((0, 1000, 2)), incidents=[degraded(300, 0, 200, 0.5, 0.2)], **PLAIN)
    assert case.end() == 1000


def test_nor_those_with_a_standby():
    """One node computes and one stands by: nothing is exchanged."""
    case = run(hall(2), jobs((0, 1000, 2)), incidents=[degraded(300, 0, 200, 0.5, 0.2)],
               standby_nodes=1, standby_from_nodes=1, **PLAIN)  # fmt: skip
    assert case.end() == 1000


def test_slow_and_degraded_at_once():
    """0.8 of the speed, and 1/1.2 of that: a fifth straggling, and a sixth of the rest waiting."""
    both = [slow(300, 0, 200, 0.8), degraded(300, 1, 200, 0.5, 0.2)]
    case = run(hall(2), ONE, incidents=both, **PLAIN)
    done_s = 200 * 0.8 / 1.2
    assert case.end() == approx(1000 + 200 - done_s)
    assert case.spent() == {
        "useful": approx(4000),
        "straggling": approx(4 * 40),
        "exposed_comm": approx(4 * (160 - done_s)),
    }
    # Each incident is charged what it cost.
    assert case.cost(0) == {"slowed": approx(4 * 40)}
    assert case.cost(1) == {"slowed": approx(4 * (160 - done_s))}


def test_a_degraded_leaf_slows_all_jobs_below():
    """Leaf 0 holds nodes 0 to 3: two gangs of two. A third one hangs from leaf 1."""
    site = hall(6, nodes_per_leaf=4)
    three = jobs(*[(0, 1000, 4)] * 3)
    case = run(site, three, incidents=[degraded(300, 0, 200, 0.5, 0.2, of="leaf")], **PLAIN)
    late_s = approx(1000 + 200 - 200 / 1.2)
    assert case.jobs["end_s"].tolist() == [late_s, late_s, 1000]
    row = case.incidents.iloc[0]
    assert row[["nodes_hit", "jobs_hit"]].tolist() == [4, 2]


# -- single GPUs


def test_a_slow_gpu_slows_the_job_that_holds_it():
    """Two jobs share the node; GPU 1 is the second one's."""
    two = jobs((0, 1000, 1), (0, 1000, 1))
    sick = slow(300, 1, 200, 0.8, of="gpu")
    case = run(hall(1), two, incidents=[sick], **PLAIN)
    assert case.jobs["end_s"].tolist() == [1000, approx(1040)]
    assert case.incidents["jobs_hit"].tolist() == [1]


def test_a_gpu_out_of_service_leaves_its_neighbour_alone():
    """The job on GPU 1 takes GPU 0 of the next node; that on GPU 0 stays."""
    two = jobs((0, 1000, 1), (0, 1000, 1))
    case = run(hall(2), two, incidents=[down(300, 1, 200, of="gpu")], recovery=Replace(), **PLAIN)
    assert case.jobs["end_s"].tolist() == [1000, 320 + 1000]
    assert case.nodes_at(0, 301) == [0]
    assert case.nodes_at(1, 301) == [1]
    assert case.cost() == {"down": 200, "lost": 300, "restart": 20}
    row = case.incidents.iloc[0]
    assert row[["gpus_down", "nodes_hit", "jobs_hit"]].tolist() == [1, 1, 1]


def test_a_gang_that_loses_one_gpu_of_a_node_leaves_the_node():
    """GPU 3 is away from 300 to 500; a job that waits takes GPU 2 meanwhile, the gang the node."""
    work = jobs((0, 1000, 4), (1, 100, 1))
    case = run(hall(2), work, incidents=[down(300, 3, 200, of="gpu")], recovery=Replace(), **PLAIN)
    assert case.nodes_at(0, 301) == [0]
    assert case.jobs["start_s"].tolist() == [0, 300]
    assert case.end() == 520 + 1000
    assert case.cost() == {"down": 200, "lost": 1200, "idled": 400, "restart": 80}


def test_no_place_on_a_node_with_a_gpu_down_for_whole_nodes():
    """GPU 0 is gone; the gang of one node waits for it, a job of one GPU does not."""
    work = jobs((10, 100, 2), (20, 100, 1))
    case = run(hall(1), work, incidents=[down(0, 0, 500, of="gpu")], backfill=True, **PLAIN)
    assert case.jobs["start_s"].tolist() == [500, 20]


def test_the_other_gpus_of_a_node_go_on_failing():
    """GPU 0 of the only node goes at 300 for good, GPU 1 at 600: two incidents."""
    first = fails("gpu", seldom(300), "first", takes="gpu", repair=repair(1e5))
    then = fails("gpu", seldom(600), "then", takes="gpu", repair=repair(1e5))
    case = run(hall(1), jobs((0, 2000, 1)), classes=[first, then],
               seed=seed_of(2, first=0, then=1), horizon_s=2000, **PLAIN)  # fmt: skip
    assert case.incidents["time_s"].tolist() == [300, 600]


@pytest.mark.parametrize("of", ["gpu", "node"])
def test_parts_of_a_node_that_is_off_do_not_fail(of):
    first = fails("node", seldom(300), "first", repair=repair(1e5))
    then = fails(of, seldom(600), "then", repair=repair(1e5))
    seed = seed_of(2, first=0, then=0) if of == "gpu" else seed_of(1, first=0, then=0)
    case = run(hall(1), jobs((0, 100, 1)), classes=[first, then], seed=seed, horizon_s=2000)
    assert case.incidents["time_s"].tolist() == [300]
