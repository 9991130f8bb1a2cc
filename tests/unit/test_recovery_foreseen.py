"""Warnings, alarms and wrong diagnoses by hand."""

from dataclasses import replace

import pytest
from recovery_case import down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.distributions import Constant
from twin.failures.draws import key, uniform
from twin.policies.recoveries.migrate import Migrate
from twin.policies.recoveries.replace import Replace

ONE = jobs((0, 1000, 4))

# Node 1 fails at 400, is warned of at 300 with 280 s of work done, and takes 50 s to repair.
FORESEEN = fails("node", seldom(400), repair=repair(50), recall=1.0, lead_s=100.0)
SEED = seed_of(3, node=1)
MOVE = Migrate(take_s=7)


def test_a_job_moves_before_the_fault_and_loses_nothing():
    """It saves until 310, takes node 2, and computes from 340 on; node 1 is repaired by 360."""
    case = run(hall(3), ONE, classes=[FORESEEN], seed=SEED, recovery=MOVE)
    assert case.nodes_at(0, 309) == [0, 1]
    assert case.nodes_at(0, 310) == [0, 2]
    assert case.end() == 340 + 720 + 70
    assert case.spent() == {"useful": 4000, "restart": 120, "checkpoint": 4 * (20 + 10 + 70)}
    # The repair came before the fault, so there is no fault: one incident.
    assert case.cost() == {"down": 100, "restart": 120}
    row = case.incidents.iloc[0]
    assert row[["time_s", "kind", "gpus_down", "recovered_s"]].tolist() == [
        300, "maintenance", 2, 360,
    ]  # fmt: skip
    assert len(case.incidents) == 1


def test_a_repair_that_is_still_going_on_when_the_fault_was_due():
    case = run(hall(3), ONE, classes=[replace(FORESEEN, repair=repair(500))], seed=SEED,
               recovery=MOVE)  # fmt: skip
    assert case.cost() == {"down": 1000, "restart": 120}
    assert len(case.incidents) == 1


def test_a_policy_that_heeds_no_warning():
    case = run(hall(3), ONE, classes=[FORESEEN], seed=SEED, recovery=Replace(take_s=7))
    # At 400: 370 s of work done, 300 saved.
    assert case.cost() == {"down": 100, "lost": 280, "restart": 120}
    assert case.incidents["time_s"].tolist() == [400]


def test_a_warning_with_no_node_to_go_to():
    """The other half of the gang waits from 310 until node 1 is repaired at 360."""
    case = run(hall(2), ONE, classes=[FORESEEN], seed=seed_of(2, node=1), recovery=MOVE)
    assert case.end() == 390 + 720 + 70
    assert case.cost() == {"down": 100, "idled": 100, "restart": 120}


def test_a_job_that_fails_while_it_saves_to_move():
    """The other node of its gang goes at 305: what it was about to save is lost."""
    case = run(hall(4), ONE, classes=[FORESEEN], seed=seed_of(4, node=1), recovery=MOVE,
               incidents=[down(305, 0)])  # fmt: skip
    assert case.nodes_at(0, 306) == [2, 3]
    assert case.incidents["lost_gpu_s"].tolist() == [0, 320]
    assert case.end() == 335 + 800 + 70
    assert case.incidents["down_gpu_s"][0] == 100  # node 1 is repaired from 305 on


def test_the_fault_comes_while_it_saves_to_move():
    """The warning comes 5 s ahead of the fault, and saving takes 10."""
    short = replace(FORESEEN, lead_s=5.0)
    case = run(hall(3), ONE, classes=[short], seed=SEED, recovery=MOVE)
    # Warned of at 395, with 365 s done; at 400 node 1 fails while it is being left.
    assert case.spent()["lost"] == 4 * 65
    assert case.incidents["gpus_idled"].tolist() == [2]  # of the other node
    assert case.end() == 430 + 700 + 60


def test_false_warnings_move_jobs_too():
    """Half of the warnings are true, and before 399 s none: an inspection of 25 s for each."""
    cls = fails("node", 400, repair=repair(50), recall=1.0, precision=0.5, lead_s=1.0,
                inspection=Constant(25))  # fmt: skip
    case = run(hall(6), ONE, classes=[cls], recovery=MOVE, horizon_s=398)
    assert len(case.incidents) > 0
    assert case.incidents["jobs_hit"].sum() > 0
    assert set(case.incidents["component"]) == {"node (false warning)"}
    assert set(case.incidents["kind"]) == {"maintenance"}
    assert "lost" not in case.spent()
    over = case.incidents["recovered_s"].notna()
    assert (case.incidents["down_gpu_s"][over].round(6) == 50).all()


# -- false alarms


def test_a_false_alarm_stops_the_job_at_once():
    """The alarm is all there is to find: no time passes until somebody knows."""
    cls = fails("node", 400, repair=repair(50), false_alarms=1.0, inspection=Constant(25),
                detection=Constant(60))  # fmt: skip
    seed, alarm_s = _first_alarm(1, 400.0)
    case = run(hall(1), jobs((0, 1000, 2)), classes=[cls], seed=seed, recovery=Replace(),
               horizon_s=399)  # fmt: skip
    assert case.incidents["component"].tolist() == ["node (false alarm)"]
    row = case.incidents.iloc[0]
    assert row["time_s"] == pytest.approx(alarm_s)
    assert row["down_gpu_s"] == pytest.approx(50)
    # The only node is back 25 s later, and the job computes 20 or 23 s after that.
    assert 45 <= row["recovered_s"] - alarm_s <= 48.01


def _first_alarm(parts, mean_s):
    """A seed with just one alarm before 300 s, and when it is."""
    from math import log1p

    for seed in range(10_000):
        of = key(seed, "failures/node (false alarm)/life")
        lives_s = [-mean_s * log1p(-uniform(of, part)) for part in range(parts)]
        again_s = -mean_s * log1p(-uniform(of, 0, 1))
        if 100 < min(lives_s) < 250 and again_s > 400:
            return seed, min(lives_s)
    raise AssertionError("out of seeds")


# -- the wrong unit


def test_another_node_of_the_job_is_pulled():
    """Node 1 of 0 to 2 fails at 300; the diagnosis blames another of the gang.

    That one is away for 400 s, and node 1, which is free, goes back into the gang with a free
    node: the job begins again, and fails 100 s after the diagnosis on the same node.
    """
    cls = fails("node", seldom(300), wrong_unit=1.0, repair=repair(400), recurs=Constant(100))
    for seed in _seeds(cls, 5, 1):
        case = run(hall(5), jobs((0, 1000, 6)), classes=[cls], seed=seed, recovery=Replace(),
                   horizon_s=399)  # fmt: skip
        pulled = {0, 2} - set(case.nodes_at(0, 310))
        assert len(pulled) == 1
        assert case.nodes_at(0, 310) == sorted({0, 1, 2, 3} - pulled)
        # One node down until now, both hit; both halves of the gang begin again.
        assert case.cost() == {"down": 2 * 99, "lost": 480, "restart": 23 * 6}
        assert case.incidents["gpus_down"].tolist() == [4]
        later = run(hall(5), jobs((0, 1000, 6)), classes=[cls], seed=seed, recovery=Replace(),
                    horizon_s=401)  # fmt: skip
        assert later.incidents["time_s"].tolist() == [300, 400]


def test_repairs_of_wrong_units_differ():
    """Their times are drawn one by one, not once for all."""
    from twin.distributions import Uniform
    from twin.failures.model import Stage

    cls = fails("node", 300, wrong_unit=1.0, repair=(Stage(((0.0, Uniform(100, 200)),)),),
                recurs=Constant(5000))  # fmt: skip
    work = jobs(*[(0, 1000, 4)] * 2)
    # Nodes 0 and 2 fail at 300 with all others; so let only gangs of two meet one fault each.
    cls = replace(cls, life=seldom(300))
    for seed in range(10_000):
        of = key(seed, "failures/node/life")
        if [uniform(of, part) < 0.25 for part in range(6)] == [True, False, True, *[False] * 3]:
            break
    case = run(hall(6), work, classes=[cls], seed=seed, recovery=Replace(), horizon_s=1000)
    first, then = case.incidents["down_gpu_s"][:2]
    assert first != then


def _seeds(cls, units, unit):
    return [seed_of(units, node=unit)]


def test_a_diagnosis_of_a_job_of_one_node_has_nothing_else_to_blame():
    cls = fails("node", seldom(300), wrong_unit=1.0, repair=repair(400))
    case = run(hall(2), jobs((0, 1000, 2)), classes=[cls], seed=seed_of(2, node=0),
               recovery=Replace())  # fmt: skip
    assert case.nodes_at(0, 301) == [1]
    assert case.cost()["down"] == 800


def test_warnings_of_the_next_life_come_before_the_fault_that_was_averted():
    """Lives of 400 s, warned of 300 s ahead, repaired in 10: every 110 s from 100 on."""
    cls = fails("node", 400, repair=repair(10), recall=1.0, lead_s=300.0)
    case = run(hall(1), jobs((0, 1, 1)), classes=[cls], recovery=MOVE, horizon_s=1000)
    assert case.incidents["time_s"].tolist() == [100 + 110 * n for n in range(9)]
    assert set(case.incidents["kind"]) == {"maintenance"}
