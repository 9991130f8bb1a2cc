"""What is saved, where, and from when on, by hand; and what was corrupt before it was saved."""

from dataclasses import replace

import pytest
from recovery_case import down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.distributions import Constant
from twin.failures.model import FaultClass
from twin.failures.restart import SaveLevel
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.checkpoints.none import NoCheckpoints
from twin.policies.recoveries.replace import Replace

ONE = jobs((0, 1000, 4))

# After 100 s of work to a peer, 2 s; every third time to the storage too, 10 s more. A fault at 450
# comes after 432 s of work: the peer has 400 s of it since 418, the storage 300 s since 316.
PEER = SaveLevel("peer", 1, 2.0, read_s=5.0, survives=frozenset({"job", "gpu", "node"}))
LEVELS = (PEER, SaveLevel("storage", 3, 10.0, read_s=30.0))
SITE = hall(6, nodes_per_rack=2)


def test_a_peer_outlives_a_node():
    case = run(SITE, ONE, incidents=[down(450, 1)], recovery=Replace(), levels=LEVELS)
    # Saves at 500 to 900 s of work, the sixth and the ninth in all to the storage too.
    assert case.end() == 475 + 600 + 2 + 12 + 2 + 2 + 12
    assert case.spent() == {"useful": 4000, "lost": 128, "restart": 100, "checkpoint": 4 * 48}


def test_a_gang_that_is_given_back_leaves_its_peers_behind():
    """Who waits in the queue has no process left that could hold a copy: the storage's it is."""
    case = run(SITE, ONE, incidents=[down(450, 1)], levels=LEVELS)
    assert case.spent() == {"useful": 4000, "lost": 528, "restart": 200, "checkpoint": 4 * 50}


def test_a_peer_outlives_a_crash():
    crash = FaultClass("crash", "job", Constant(450), ())
    case = run(SITE, jobs((0, 800, 4)), classes=[crash], levels=LEVELS)
    assert case.spent()["lost"] == 128
    assert case.spent()["restart"] == 100


def test_a_peer_in_the_rack_does_not_outlive_the_rack():
    case = run(SITE, ONE, incidents=[down(450, 0, of="rack")], recovery=Replace(), levels=LEVELS)
    # The whole gang is lost: two free nodes, 20 s and 30 s; saves at 400 to 900 s of work, the
    # fifth to the tenth in all.
    assert case.end() == 500 + 700 + 2 + 12 + 2 + 2 + 12 + 2
    assert case.spent() == {"useful": 4000, "lost": 528, "restart": 200, "checkpoint": 4 * 50}


def test_what_a_rack_took_from_the_peers_is_gone_for_the_next_fault_too():
    """70 s after the job began again from the storage a node fails: the storage once more."""
    away = [down(450, 0, of="rack"), down(570, 3)]
    case = run(SITE, ONE, incidents=away, recovery=Replace(), levels=LEVELS)
    assert case.incidents["lost_gpu_s"].tolist() == [528, 280]


def test_two_faults_at_once_leave_what_outlives_both():
    """The node first, the rack of the other node while the job begins again."""
    away = [down(450, 1), down(460, 0, of="rack")]
    case = run(SITE, ONE, incidents=away, recovery=Replace(), levels=LEVELS)
    assert case.incidents["lost_gpu_s"].tolist() == [128, 400]
    assert case.cost(0)["restart"] == 40


# A copy that goes on for 60 s behind a stall of 2 s: from 102 to 162, 204 to 264, ...
ASYNC = (SaveLevel("storage", 1, 2.0, flush_s=60.0, read_s=3.0),)


@pytest.mark.parametrize(
    ("at_s", "work_s", "saved_s"), [(150, 148, 0), (161, 159, 0), (163, 161, 100), (250, 246, 100)]
)
def test_an_asynchronous_copy_is_safe_once_it_is_done(at_s, work_s, saved_s):
    case = run(hall(3), ONE, incidents=[down(at_s, 1)], recovery=Replace(), levels=ASYNC)
    assert case.spent()["lost"] == 4 * (work_s - saved_s)
    assert case.spent()["restart"] == 4 * (23 if saved_s else 20)


def test_no_copy_is_begun_before_the_last_is_done():
    """A copy takes 150 s: saves after 150 s of work, not 100; that of 150 s is safe at 302."""
    slow = (replace(ASYNC[0], flush_s=150.0),)
    lost = [
        run(hall(3), ONE, incidents=[down(at_s, 1)], recovery=Replace(), levels=slow).spent()[
            "lost"
        ]
        for at_s in (301, 303, 453, 455)
    ]
    # 299 s of work; 300 from 302 on, in the stall; 449; 450 from 454 on, when 300 s are safe.
    assert lost == [4 * 299, 4 * 150, 4 * 299, 4 * 150]


def test_no_copy_of_a_higher_level_is_begun_before_the_last_is_done():
    """To the storage every second time, and it takes 250 s: the interval is 125 s."""
    levels = (replace(PEER, write_s=0.0), SaveLevel("storage", 2, 0.0, flush_s=250.0))
    case = run(SITE, ONE, incidents=[down(520, 0, of="rack")], recovery=Replace(), levels=levels)
    assert case.spent()["lost"] == 4 * (520 - 250)


def test_a_fault_while_it_saves():
    """At 325, in the third stall: 300 s of work are done and 200 safe."""
    case = run(hall(3), ONE, incidents=[down(325, 1)], recovery=Replace())
    assert case.spent() == {"useful": 4000, "lost": 400, "restart": 92, "checkpoint": 4 * 95}


def test_without_checkpoints_all_is_lost():
    for told in ({"levels": ()}, {"checkpoint": NoCheckpoints()}, {"kinds": frozenset()}):
        case = run(hall(3), ONE, incidents=[down(315, 1)], recovery=Replace(), **told)
        assert case.spent() == {"useful": 4000, "lost": 1260, "restart": 80}
        assert case.end() == 315 + 20 + 1000


def test_a_service_has_nothing_to_lose():
    """It is away for 20 s, and goes on where it was."""
    work = jobs((0, 1000, 4), kind=["serving"])
    case = run(hall(3), work, incidents=[down(315, 1)], recovery=Replace())
    assert case.spent() == {"useful": 4000, "restart": 80}
    assert case.end() == 1020


def test_the_last_interval_is_not_saved():
    """Work of three whole intervals has two saves."""
    case = run(hall(2), jobs((0, 300, 4)), checkpoint=Fixed(every_s=100))
    assert case.end() == 320


# -- silent corruption: node 1 corrupts from 250 on, in the third interval; found at 640.

LIAR = fails("node", seldom(250), effect="silent", detection=Constant(390), repair=repair(100))
SEED = seed_of(4, node=1)


def test_corruption_rolls_back_to_a_checkpoint_before_it():
    """200 s of work were saved before; by 640 it has done 590 s and saved 500 corrupt ones."""
    case = run(hall(4), ONE, classes=[LIAR], seed=SEED, recovery=Replace())
    assert case.end() == 663 + 800 + 70
    assert case.nodes_at(0, 641) == [0, 2]
    assert case.cost() == {"down": 200, "lost": 390 * 4, "restart": 92}
    row = case.incidents.iloc[0]
    assert row[["time_s", "kind", "gpus_down", "recovered_s"]].tolist() == [250, "silent", 2, 740]


def test_nobody_knows_of_corruption_before_it_is_found():
    """Node 0 fails at 400: the job begins again from 300 s of work, saved and corrupt.

    At 640 it has done and saved 500 s of it, on other nodes since 423, in a stall since 633.
    """
    case = run(hall(4), ONE, classes=[LIAR], seed=SEED, incidents=[down(400, 0)],
               recovery=Replace())  # fmt: skip
    assert case.incidents["lost_gpu_s"].tolist() == [300 * 4, 70 * 4]
    assert case.end() == 663 + 800 + 70


def test_corruption_follows_a_job_that_moved_away():
    """Node 1 itself is replaced at 400 for another fault; what it spoilt is found at 640."""
    case = run(hall(4), ONE, classes=[LIAR], seed=SEED, incidents=[down(400, 1, 50)],
               recovery=Replace())  # fmt: skip
    assert case.nodes_at(0, 639) == case.nodes_at(0, 641) == [0, 2]
    assert case.incidents["lost_gpu_s"].tolist() == [300 * 4, 70 * 4]
    assert case.incidents["jobs_hit"].tolist() == [1, 1]
    assert case.end() == 663 + 800 + 70


def test_a_job_that_lost_its_corrupt_work_anyway_is_not_hit_by_the_discovery():
    """It moves at 280, with 260 s of work done and 200 saved, all before the corruption."""
    case = run(hall(4), ONE, classes=[LIAR], seed=SEED, incidents=[down(280, 1, 50)],
               recovery=Replace())  # fmt: skip
    assert case.end() == 303 + 800 + 70
    assert case.incidents["lost_gpu_s"].tolist() == [0, 240]
    assert case.incidents["jobs_hit"].tolist() == [0, 1]


def test_a_job_that_waits_in_the_queue_loses_its_corrupt_checkpoints():
    """Node 0 of two is away from 400 to 1400; at 640 the job waits, with 300 s saved."""
    case = run(hall(2), ONE, classes=[LIAR], seed=seed_of(2, node=1),
               incidents=[down(400, 0, 1000)])  # fmt: skip
    assert case.incidents["lost_gpu_s"].tolist() == [100 * 4, 70 * 4]
    assert case.end() == 1423 + 800 + 70


def test_a_job_that_begins_on_a_node_that_corrupts_has_nothing_clean():
    work = jobs((300, 1000, 4), (300, 1000, 4))
    case = run(hall(4), work, classes=[LIAR], seed=SEED, recovery=Replace(patience_s=0))
    # By 640 it has done 310 s in 340 s.
    assert case.cost()["lost"] == 310 * 4


def test_a_standby_corrupts_nothing():
    case = run(hall(3), ONE, classes=[LIAR], seed=seed_of(3, node=2), recovery=Replace(),
               standby_nodes=1)  # fmt: skip
    assert case.nodes_at(0, 300) == [0, 1, 2]
    assert "lost" not in case.spent()


def test_a_standby_that_stands_in_corrupts_what_comes_then():
    """Node 1 goes at 440: the standby corrupts from 463 on; 300 s of work had been saved by 330."""
    case = run(hall(4), ONE, classes=[LIAR], seed=seed_of(4, node=2), incidents=[down(440, 1)],
               recovery=Replace(), standby_nodes=1)  # fmt: skip
    # Lost at 440: 100 s of work, the save of 400 s being over at 440 exactly, none.
    assert case.incidents["lost_gpu_s"].tolist() == [(640 - 463 - 10) * 4, 0]


def test_the_copy_of_a_peer_is_left_where_a_job_stops_because_it_was_corrupt():
    """Nodes 0 and 2 are well: what their peers hold can be read, as far as it is clean."""
    levels = (replace(PEER, write_s=10.0), SaveLevel("storage", 1, 0.0, read_s=500.0))
    case = run(hall(4), ONE, classes=[LIAR], seed=SEED, incidents=[down(400, 1, 50)],
               recovery=Replace(), levels=levels)  # fmt: skip
    assert case.spent()["restart"] == 2 * 25 * 4


def test_two_causes_of_corruption_on_one_node():
    """The second, from 255 on, is found first, at 500: that pulls the node and rolls back too."""
    other = fails("gpu", seldom(255), effect="silent", detection=Constant(245), repair=repair(50))
    case = run(hall(4), ONE, classes=[LIAR, other], seed=seed_of(8, gpu=2, node=1),
               recovery=Replace())  # fmt: skip
    assert case.incidents["time_s"].tolist() == [250, 255]
    # 460 s of work by 500, 200 of it clean; at 640 the job is elsewhere and clean.
    assert case.incidents["lost_gpu_s"].tolist() == [0, 260 * 4]
    assert case.end() == 523 + 800 + 70


def test_a_dated_corruption_is_found_when_it_is_over():
    """From 250 to 640, as above; the node is back at once, and the job keeps it."""
    lie = down(250, 1, 390, effect="silent")
    case = run(hall(4), ONE, incidents=[lie], recovery=Replace())
    assert case.end() == 663 + 800 + 70
    assert case.cost() == {"lost": 390 * 4, "restart": 92}
    assert case.incidents["kind"].tolist() == ["silent"]
