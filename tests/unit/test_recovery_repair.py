"""Repairs by hand: stages, crews, laws that change, retirement, parts that fail together."""

from dataclasses import replace

import pytest
from recovery_case import down, fails, hall, jobs, repair, run, seed_of, seldom

from twin.distributions import Constant
from twin.failures.hazard import Hazard
from twin.failures.model import FailureModel, Stage
from twin.policies.recoveries.replace import Replace
from twin.policies.retirements.too_often import TooOften
from twin.site.domains import Domains

IDLE = jobs((0, 1, 1))  # done after a second; the rest is about nodes alone
PLAIN = {"levels": (), "restart_s": 0.0}


def recovered(case):
    return case.incidents["recovered_s"].tolist()


def test_stages_that_escalate_follow_each_other():
    cls = fails("node", seldom(300), repair=repair(50, 200, 1000))
    case = run(hall(2), IDLE, classes=[cls], seed=seed_of(2, node=1), horizon_s=5000, **PLAIN)
    assert recovered(case) == [300 + 1250]
    assert case.cost() == {"down": 2500}


def test_detection_comes_before_repair():
    cls = fails("node", seldom(300), repair=repair(50), detection=Constant(70))
    case = run(hall(2), IDLE, classes=[cls], seed=seed_of(2, node=1), horizon_s=5000, **PLAIN)
    assert recovered(case) == [420]


def test_an_unmended_part_fails_again():
    """It is back at 350, shows again 40 s later, and so on."""
    stage = Stage(((0.0, Constant(50)),), unmended=1.0)
    cls = fails("node", seldom(300), repair=(stage,), recurs=Constant(40))
    case = run(hall(2), IDLE, classes=[cls], seed=seed_of(2, node=1), horizon_s=530, **PLAIN)
    assert case.incidents["time_s"].tolist() == [300, 390, 480]
    assert recovered(case)[:2] == [350, 440]


def test_one_crew_for_three_faults():
    """All three nodes fail at 300, the reset of 10 s needs nobody; then one after the other."""
    stages = (Stage(((0.0, Constant(10)),), escalates=1.0), *repair(100, crew=True))
    cls = fails("node", 300, repair=stages)
    case = run(hall(3), IDLE, classes=[cls], crews=1, horizon_s=620, **PLAIN)
    assert recovered(case)[:3] == [410, 510, 610]
    assert [case.cost(row)["down"] for row in range(3)] == [2 * 110, 2 * 210, 2 * 310]


def test_two_crews_for_three_faults():
    cls = fails("node", 300, repair=repair(100, crew=True))
    case = run(hall(3), IDLE, classes=[cls], crews=2, horizon_s=550, **PLAIN)
    assert recovered(case)[:3] == [400, 400, 500]


def test_a_crew_goes_to_who_has_waited_longest():
    """Two stages with a crew each: after its first, a fault waits behind the others."""
    cls = fails("node", 300, repair=repair(100, 10, crew=True))
    case = run(hall(2), IDLE, classes=[cls], crews=1, horizon_s=550, **PLAIN)
    # 300 to 400 node 0, to 500 node 1, then 10 s each.
    assert recovered(case)[:2] == [510, 520]


def test_nobody_is_counted_twice_in_repair():
    """A run ends when nothing that is in repair could help those that wait, so it is counted."""
    cls = fails("node", 300, repair=repair(100, crew=True))
    case = run(hall(3), IDLE, classes=[cls], crews=1, horizon_s=620, **PLAIN)
    assert case.simulation._hazards.faults.repairing == 0 or case.end_s == 620
    done = run(hall(3), IDLE, classes=[replace(cls, life=seldom(300))], crews=1, horizon_s=5000,
               seed=_all_fail_once(3), **PLAIN)  # fmt: skip
    assert len(done.incidents) == 3
    assert done.simulation._hazards.faults.repairing == 0


def _all_fail_once(units):
    from twin.failures.draws import key, uniform

    for seed in range(100_000):
        of = key(seed, "failures/node/life")
        first = all(uniform(of, part) < 0.25 for part in range(units))
        if first and not any(uniform(of, part, 1) < 0.25 for part in range(units)):
            return seed
    raise AssertionError("out of seeds")


def test_a_repair_law_that_changes_with_time():
    """200 s until 1000, 50 s from then on; the beginning of the repair decides."""
    stage = Stage(((0.0, Constant(200)), (1000.0, Constant(50))))
    cls = fails("node", 450, repair=(stage,))
    case = run(hall(1), IDLE, classes=[cls], horizon_s=2000, **PLAIN)
    # 450 to 650; 1100 to 1150; 1600 to 1650.
    assert case.incidents["time_s"].tolist() == [450, 1100, 1600]
    assert recovered(case) == [650, 1150, 1650]


def test_a_node_that_fails_too_often_is_retired():
    """Every 300 s in service, 100 s in repair: the third fault within 1000 s comes at 1100."""
    cls = fails("node", 300, repair=repair(100))
    case = run(hall(1), jobs((0, 5000, 2)), classes=[cls], horizon_s=5000,
               retirement=TooOften(faults=3, within_s=1000), **PLAIN)  # fmt: skip
    assert case.incidents["time_s"].tolist() == [300, 700, 1100]
    assert case.cost(2)["down"] == 2 * 3900
    assert case.jobs["state"].tolist() == ["queued"]


def test_a_node_that_fails_seldom_enough_is_not_retired():
    """A third fault within 850 s: at 1200, when it is mended, 300 lies 900 s back."""
    cls = fails("node", 300, repair=repair(100))
    case = run(hall(1), IDLE, classes=[cls], horizon_s=5000,
               retirement=TooOften(faults=3, within_s=850), **PLAIN)  # fmt: skip
    assert len(case.incidents) > 10


def test_the_others_go_on_without_a_retired_node():
    cls = fails("node", seldom(300), repair=repair(100))
    case = run(hall(2), jobs((0, 1000, 2), (0, 1000, 2)), classes=[cls], seed=seed_of(2, node=1),
               recovery=Replace(), retirement=TooOften(faults=1), **PLAIN)  # fmt: skip
    assert case.jobs["end_s"].tolist() == [1000, 2000]


# -- together


def test_a_common_cause_takes_the_rack():
    """All faults of nodes are of that kind: node 2 takes node 3 with it, and both jobs there."""
    cls = fails("node", seldom(300), repair=repair(100), beta=1.0, beta_of="rack")
    three = jobs(*[(0, 1000, 4)] * 2)
    case = run(hall(4, nodes_per_rack=2), three, classes=[cls], seed=seed_of(4, node=2), **PLAIN)
    assert case.jobs["end_s"].tolist() == [1000, 400 + 1000]
    row = case.incidents.iloc[0]
    assert row[["gpus_down", "nodes_hit", "jobs_hit", "domain"]].tolist() == [4, 2, 1, "node 2"]
    assert case.cost() == {"down": 400, "lost": 1200}


def test_a_parent_takes_all_its_children():
    """The second UPS feeds rows 1: racks 2 and 3 of two nodes each."""
    site = hall(8, nodes_per_rack=2, racks_per_row=2, rows_per_ups=1)
    case = run(site, jobs(*[(0, 1000, 4)] * 4), incidents=[down(300, 1, 100, of="ups")], **PLAIN)
    assert case.jobs["end_s"].tolist() == [1000, 1000, 1400, 1400]
    assert case.incidents[["nodes_hit", "gpus_down", "jobs_hit"]].to_numpy().tolist() == [[4, 8, 2]]


@pytest.mark.parametrize(("of", "nodes"), [("cdu", 4), ("row", 6), ("hall", 8), ("site", 8)])
def test_what_each_level_takes(of, nodes):
    site = hall(8, nodes_per_rack=2, racks_per_row=3, racks_per_cdu=2)
    case = run(site, IDLE, incidents=[down(300, 0, 100, of=of)], horizon_s=500, **PLAIN)
    assert case.incidents["nodes_hit"].tolist() == [nodes]
    assert case.cost() == {"down": 2 * nodes * 100}


def test_a_repair_makes_a_lemon_an_ordinary_node():
    """A node with 4 times the rate fails after 100 s; mended, after 400 s each time."""
    cls = fails("node", 400, repair=repair(10))
    for mends, times_s in ((True, [100, 510, 920]), (False, [100, 210, 320, 430])):
        model = FailureModel((cls,), lemons=Constant(4.0), mends_lemons=mends)
        case = run(hall(1), IDLE, model=model, horizon_s=times_s[-1] + 1, **PLAIN)
        assert case.incidents["time_s"].tolist() == times_s


def test_only_a_repair_of_a_fault_makes_a_lemon_an_ordinary_node():
    """A slow spell that passes by itself mends nothing: node 0 stays one."""
    spell = fails("node", 400, "spell", effect="slow", speed=0.9, repair=repair(10))
    model = FailureModel((spell,), lemons=Constant(4.0), mends_lemons=True)
    case = run(hall(1), IDLE, model=model, horizon_s=321, **PLAIN)
    assert case.incidents["time_s"].tolist() == [100, 210, 320]


def test_the_nominal_rate_counts_what_takes_the_job_with_it():
    """A node fails every 1000 s in the mean: one of 8, in racks of 4, by what a fault takes."""
    of_node = fails("node", 1000)
    rates = {
        of_node: 1,
        replace(of_node, takes="rack"): 4,  # any node of its rack
        replace(of_node, beta=0.25, beta_of="rack"): 0.75 * 1 + 0.25 * 4,
        fails("gpu", 1000): 2,
        fails("gpu", 1000, takes="gpu"): 1,
        replace(fails("gpu", 1000), beta=0.5, beta_of="site"): 0.5 * 2 + 0.5 * 16,
        fails("rack", 1000): 1,
    }
    domains = Domains(hall(8, nodes_per_rack=4))
    for cls, rate in rates.items():
        assert Hazard(FailureModel((cls,)), domains).mttf_s(0, 1, 1) == pytest.approx(1000 / rate)
    whole = Hazard(FailureModel((replace(of_node, beta=0.25, beta_of="rack"),)), domains)
    assert whole.mttf_s(0, 16, 8) == pytest.approx(1000 / 8)  # all nodes are its own anyway


# -- outages that overlap


def test_time_down_is_counted_once():
    """Node 1 from 300 to 700, its rack from 500 to 600: the rack's 100 s are node 0's alone."""
    two = [down(300, 1, 400), down(500, 0, 100, of="rack")]
    case = run(hall(2), IDLE, incidents=two, horizon_s=1000, **PLAIN)
    assert (case.cost(0), case.cost(1)) == ({"down": 800}, {"down": 200})
    assert case.incidents["gpus_down"].tolist() == [2, 2]
    assert recovered(case) == [700, 600]


def test_what_lasts_longer_counts_from_the_end_of_the_first():
    two = [down(300, 1, 100), down(350, 0, 400, of="rack")]
    case = run(hall(2), IDLE, incidents=two, horizon_s=1000, **PLAIN)
    assert (case.cost(0), case.cost(1)) == ({"down": 200}, {"down": 800 + 2 * 350})
    assert case.hall("down") == [200 + 1500]


def test_a_node_is_in_service_when_all_its_outages_are_over():
    two = [down(300, 0, 400), down(500, 0, 100, of="rack")]
    case = run(hall(1), jobs((310, 10, 2)), incidents=two, **PLAIN)
    assert case.jobs["start_s"].tolist() == [700]
