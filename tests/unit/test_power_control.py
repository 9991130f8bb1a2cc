"""Caps in time, control, admission, deferral and lights, in cases known by hand.

`powered_site` says what everything draws: a node of two GPUs 400 W at rest, 1200 W in full use.
"""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
import pytest
from powered_site import Cooling, Prices, cap, failing, hall, jobs, model, node, run, work

from twin.build import build
from twin.facility.model import CapEvent
from twin.failures.model import Incident
from twin.physics.conversion import Loss
from twin.physics.cooling import CoolingCurve
from twin.policies.base import LightingPolicy
from twin.policies.power_view import DEMAND_DARK, LIT, POWER_DARK
from twin.run import load
from twin.site.layout import Pool, lay_out

ONE, TWO = hall(1), hall(2)
SLEEP = ("sleep", {"after": "100 s", "review": "10 s"})


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-6)


def down(at_s, unit, lasts_s, of="node"):
    return Incident(at_s, of, of, unit, lasts_s)


# -- caps in time


def test_the_least_of_all_caps_that_hold():
    """1000 W from 0, 800 W from 20 to 60, 900 W from 40 to 80."""
    caps = [cap(0.0, inf, 1000.0), cap(20.0, 60.0, 800.0), cap(40.0, 80.0, 900.0)]
    seen = run(ONE, jobs((0, 200, 2)), model(ONE, *caps), horizon_s=100.0)
    at = (0, 20, 40, 60, 80)
    assert [seen.power_w(at_s) for at_s in at] == [near(w) for w in (1000, 800, 800, 900, 1000)]


def test_two_caps_of_all_units_at_the_same_times():
    units = np.array([0, 1])
    caps = [CapEvent(10.0, 30.0, "rack", units, np.array([w, w]), "cap") for w in (700.0, 900.0)]
    site = hall(2, nodes_per_rack=1)
    seen = run(site, jobs((0, 50, 4)), model(site, *caps))
    assert [seen.power_w(at, "rack", 1) for at in (0, 10, 30)] == [1200, near(700.0), 1200]


def test_a_cap_from_the_horizon_on_changes_nothing():
    """What happens at the horizon still happens, and lasts for no time."""
    seen = run(ONE, jobs((0, 200, 2)), model(ONE, cap(100.0, 200.0, 800.0)), horizon_s=100.0)
    assert seen.energy["useful"] == near(100 * 1000.0)
    assert "throttled" not in seen.energy


# -- control


@pytest.mark.parametrize("fails", [False, True])
def test_jobs_that_end_at_the_very_time_of_a_decision(fails):
    """A look at 10, followed at 12, when job 0 ends; what is left fits."""
    site = hall(2)
    built = model(site, cap(5.0, inf, 1600.0))
    seen = run(
        site, jobs((0, 12, 2), (0, 50, 2)), built, period="10 s", delay="2 s",
        reliability=failing() if fails else None,
    )  # fmt: skip
    assert seen.job("end_s") == [12.0, 50.0]


def test_a_paused_job_goes_on_though_its_floor_is_close_to_rest():
    """At its floor the job draws 101 W a GPU, 100 at rest: less than a hundredth of 500 more."""
    light = work("training", (101.0, 0.5), (500.0, 1.0))
    caps = [cap(10.0, 20.0, 400.0), cap(20.0, 120.0, 402.0)]
    seen = run(ONE, jobs((0, 60, 2)), model(ONE, *caps, works={(0, "training"): light}))
    assert seen.job("end_s") == [near(120.0)]  # 10, nothing, half of 100


def test_a_site_can_exceed_its_cap_though_its_gpus_draw_no_more():
    """One job ends as another begins, on a node of which each watt costs twice as much."""
    site = lay_out([Pool("flat", "node", "", 2, 1), Pool("steep", "node", "", 2, 1)])
    built = model(site, cap(0.0, inf, 2100.0), nodes=[node(), node(per_w=1.0)])
    work = jobs((0, 50, 2), (50, 50, 2), pool=["flat", "steep"])
    seen = run(site, work, built)
    # 1200 + 400 W, then 400 + 200 + 1000 + 800 = 2400 W without a cap.
    assert [seen.power_w(0), seen.power_w(50)] == [near(1600.0), near(2100.0)]
    assert seen.of("violation_s") == 0


def test_a_node_that_wakes_may_take_power_from_jobs():
    """It draws 600 W while it wakes; the job on the other node is slowed down for that."""
    built = model(TWO, cap(0.0, inf, 1300.0), nodes=[node(wake_w=600.0)])
    switched = Lit({0.0: [LIT, POWER_DARK], 50.0: [LIT, LIT]})
    seen = run(TWO, jobs((0, 200, 2)), built, lighting=switched, horizon_s=100.0)
    assert [seen.power_w(0), seen.power_w(50)] == [near(1210.0), near(1300.0)]
    assert seen.of("violation_s") == 0


def test_work_is_not_capped_for_a_node_that_is_being_left():
    """While a job saves before it leaves a node there is nothing to decide, again and again."""
    leave = Incident(30.0, "node", "node", 1, 50.0, "maintenance")
    built = model(TWO, cap(10.0, inf, 1600.0))
    seen = run(TWO, jobs((0, 100, 4)), built, reliability=failing(leave, write_s=20.0),
               horizon_s=300.0)  # fmt: skip
    assert seen.record.power.decisions < 20


def test_saving_is_capped_as_work_is():
    """180 W a GPU to save, but 150 W is what each may draw."""
    slow = work("training", (150.0, 0.3), (500.0, 1.0))
    built = model(ONE, cap(0.0, inf, 500.0), works={(0, "training"): slow})
    seen = run(ONE, jobs((0, 90, 2)), built, reliability=failing(every_s=30.0, write_s=20.0))
    assert seen.power_w(100.0) == near(500.0)
    assert seen.of("violation_s") == 0


# -- runs that cannot end


@pytest.mark.parametrize("lighting", ["all-on", SLEEP])
@pytest.mark.parametrize("fails", [False, True])
def test_a_drained_run_ends_though_a_job_is_paused_for_good(lighting, fails):
    built = model(ONE, cap(10.0, inf, 500.0))
    reliability = failing() if fails else None
    seen = run(ONE, jobs((0, 100, 2)), built, lighting=lighting, reliability=reliability)
    assert seen.job("state") == ["running"]
    assert seen.record.horizon_s < 100


def test_a_drained_run_waits_for_a_cap_to_end():
    built = model(ONE, cap(10.0, 1000.0, 500.0))
    for reliability in (None, failing()):
        seen = run(ONE, jobs((0, 100, 2)), built, reliability=reliability,
                   period="10 s", delay="2 s")  # fmt: skip
        # Paused from 22, going on at 1012, when that is decided.
        assert seen.job("end_s") == [near(1012.0 + 100 - 22)]


def test_a_drained_run_waits_for_better_weather():
    """Cooling takes 700 W from 10 to 5000."""
    hot = CoolingCurve(700.0, 0.0, 0.0)
    mild = CoolingCurve(0.0, 0.0, 0.0)
    cooling = Cooling(((0.0, mild), (10.0, hot), (5000.0, mild)))
    built = model(ONE, cap(0.0, inf, 1200.0), cooling=cooling)
    assert run(ONE, jobs((0, 100, 2)), built).job("end_s") == [near(5090.0)]


def test_a_job_that_can_never_be_powered_does_not_hang_the_run():
    built = model(TWO, cap(0.0, inf, 1700.0))
    for lighting in ("all-on", SLEEP, "dim-or-dark"):
        seen = run(TWO, jobs((0, 50, 4), (0, 10, 1)), built, admission="powered",
                   lighting=lighting, scheduler="easy-backfill")  # fmt: skip
        assert seen.job("state")[0] == "queued"
        assert seen.job("state")[1] == "completed"


# -- admission


def test_fifo_starts_a_job_only_where_its_power_is():
    """1700 W: one job of two GPUs draws 1600 W beside an idle node, two would draw 2400 W."""
    built = model(TWO, cap(0.0, inf, 1700.0))
    seen = run(TWO, jobs((0, 50, 2), (0, 50, 2)), built, power="uncapped", admission="powered")
    assert seen.job("start_s") == [0.0, 50.0]
    assert seen.of("violation_s") == 0


def test_a_start_counts_what_others_will_draw_once_they_work():
    """Job 0 starts up at 150 W a GPU and works at 500: job 1 must not take what it needs."""
    built = model(TWO, cap(0.0, inf, 1700.0))
    seen = run(
        TWO, jobs((0, 50, 2), (5, 50, 2)), built, power="uncapped", admission="powered",
        reliability=failing(startup_s=20.0),
    )  # fmt: skip
    assert seen.of("violation_s") == 0
    assert seen.job("start_s") == [0.0, 70.0]


def test_a_full_rack_is_passed_over():
    """Rack 0 has power for one node in use; the second job goes to rack 1."""
    site = hall(4)
    built = model(site, cap(0.0, inf, 1700.0, "rack", 0))
    seen = run(site, jobs((0, 50, 2), (0, 50, 2)), built, power="uncapped", admission="powered")
    assert seen.job("start_s") == [0.0, 0.0]
    assert sorted(seen.record.allocations["node"].tolist()) == [0, 2]


# -- deferral


def test_deferred_jobs_queue_where_their_submit_times_put_them():
    """Dear until 100: jobs 0 and 2 are batch and wait for that, job 1 is not. One node."""
    prices = Prices(((0.0, 2.0), (100.0, 1.0)))
    work = jobs(
        (0, 30, 2), (10, 20, 2), (20, 40, 2), (90, 50, 2),
        kind=["batch", "interactive", "batch", "interactive"],
    )  # fmt: skip
    cheap = ("cheap", {"below": 0.0, "patience": "1 h"})
    seen = run(ONE, work, model(ONE, prices=prices), admission=cheap)
    # Job 3 runs from 90 to 140; then 0 before 2.
    assert seen.job("start_s") == [140.0, 10.0, 170.0, 90.0]
    assert seen.job("wait_s") == [140.0, 0.0, 150.0, 0.0]
    # While jobs are put off nothing waits: GPUs are idle, not stranded.
    assert seen.gpu_s.get("stranded", 0.0) == 0.0


# -- lights


@dataclass(frozen=True)
class Lit(LightingPolicy):
    """What it is told, from each of the times on."""

    from_s: dict[float, list[int]]
    review_s: float = 10.0

    def light(self, seen):
        at = max(at for at in self.from_s if at <= seen.now_s)
        return np.array(self.from_s[at], np.int8)


@dataclass(frozen=True)
class Looked(Lit):
    """The same, and it takes down since when nodes have been free."""

    heeds_load: ClassVar[bool] = True

    def light(self, seen):
        LOOKS.append((seen.now_s, *np.round(seen.idle_since_s, 6).tolist()))
        return super().light(seen)


LOOKS: list[tuple[float, ...]] = []


def test_a_node_is_idle_since_its_last_job():
    LOOKS.clear()
    run(TWO, jobs((0, 35, 2), (50, 20, 2)), model(TWO), lighting=Looked({0.0: [LIT, LIT]}, inf))
    assert LOOKS[0] == (0.0, 0.0, 0.0)
    # Asked as nodes come free, though there is no review.
    assert LOOKS[1:] == [(35.0, 35.0, 0.0), (70.0, 70.0, 0.0)]


def test_sleep_waits_for_as_long_as_it_says_after_the_last_job():
    """Free from 50, dark from 150; a job at 200 wakes it: 60 s."""
    seen = run(ONE, jobs((0, 50, 2), (200, 40, 2)), model(ONE), lighting=SLEEP)
    assert [seen.power_w(at) for at in (149, 150, 200, 260)] == [400, 10, 150, 1200]
    assert seen.job("start_s") == [0.0, near(260.0)]
    assert [seen.log_at(at, "demand_dark_gpus") for at in (149, 150, 259, 260)] == [0, 2, 2, 0]


@pytest.mark.parametrize("scheduler", ["fifo", "easy-backfill"])
def test_sleep_wakes_what_a_gang_needs_and_nothing_jumps_in(scheduler):
    """Two nodes asleep, both needed at 300; a job of one at 310 must not delay that by much."""
    work = jobs((0, 50, 4), (300, 40, 4), (310, 500, 2))
    seen = run(TWO, work, model(TWO), lighting=SLEEP, scheduler=scheduler)
    assert seen.job("start_s") == [0.0, 360.0, 400.0]


def test_a_scheduler_knows_when_a_node_will_have_woken():
    """Node 0 is busy to 500, node 1 wakes at 160: a short job may pass the gang's head, not a long.

    Three nodes; the head takes all of node 1 and 2, of which 2 is free. A job to 150 fits before.
    """
    site = hall(3)
    lights = Lit({0.0: [LIT, DEMAND_DARK, LIT], 100.0: [LIT, LIT, LIT]})
    work = jobs((0, 500, 2), (100, 50, 4), (105, 40, 2), (106, 400, 2))
    seen = run(site, work, model(site), lighting=lights, scheduler="easy-backfill")
    assert seen.job("start_s") == [0.0, 160.0, 105.0, 210.0]


def test_a_node_may_go_dark_while_it_wakes():
    """Switched on at 10, off at 30 before it is there, on again at 50: there at 110, not at 70."""
    lights = Lit({0.0: [LIT, POWER_DARK], 10.0: [LIT, LIT], 30.0: [LIT, DEMAND_DARK],
                  50.0: [LIT, LIT]})  # fmt: skip
    seen = run(TWO, jobs((0, 200, 2), (0, 20, 2)), model(TWO), lighting=lights)
    assert seen.job("start_s") == [0.0, 110.0]
    assert [seen.power_w(at) - 1200 for at in (0, 10, 30, 50, 110)] == [10, 150, 10, 150, 1200]
    reasons = seen.tables.power_seen.dark_gpu_s
    assert (reasons["power"], reasons["demand"]) == (60.0, 160.0)


def test_a_node_that_fails_as_it_wakes_stays_on_once_it_is_mended():
    """Switched on at 10, down from 20 to 40: there then, for all that it is still wanted."""
    lights = Lit({0.0: [LIT, POWER_DARK], 10.0: [LIT, LIT]}, inf)
    built = model(TWO, cap(10.0, 11.0, 5e3))
    seen = run(TWO, jobs((0, 200, 2), (0, 20, 2)), built, lighting=lights,
               reliability=failing(down(20.0, 1, 20.0)), horizon_s=300.0)  # fmt: skip
    assert seen.job("start_s") == [0.0, 40.0]
    assert seen.gpu_s["dark"] == near(40.0)
    assert seen.gpu_s["down"] == near(40.0)


def test_dark_gpus_are_stranded_where_no_work_that_waits_could_use_them():
    """The second node sleeps in a pool that the waiting job may not use."""
    site = lay_out([Pool("a", "node", "", 2, 1), Pool("b", "node", "", 2, 1)])
    lights = Lit({0.0: [LIT, DEMAND_DARK]})
    work = jobs((0, 50, 2), (20, 30, 2), pool=["a", "a"])
    seen = run(site, work, model(site), lighting=lights)
    reasons = seen.tables.power_seen.dark_gpu_s
    # Something waits from 20 to 50.
    assert (reasons["demand"], reasons["stranded"]) == (2 * 50.0, 2 * 30.0)


def test_a_run_in_which_nothing_starts():
    built = model(ONE, cap(0.0, inf, 300.0), losses={"rack": Loss(5.0, 0.0, 0.0)})
    seen = run(ONE, jobs((0, 50, 2)), built, power="uncapped", admission="powered",
               horizon_s=100.0)  # fmt: skip
    assert seen.job("state") == ["queued"]
    assert seen.gpu_s == {"stranded": near(200.0)}
    assert seen.of("violation_s") == near(100.0)


def test_what_draws_nothing_is_metered_too():
    """All off, no switches: the meter shows 0 W, and no PUE."""
    lights = Lit({0.0: [DEMAND_DARK]})
    built = model(ONE, nodes=[node(off_w=0.0)])
    seen = run(ONE, jobs((0, 50, 2)), built, lighting=lights, horizon_s=100.0)
    assert seen.of("energy_j") == 0
    assert seen.tables.timeline["pue"].isna().all()


def test_a_decision_knows_of_nodes_that_come_back_at_its_instant():
    """Node 1 is back at 20, when a cap of 1100 W is followed: 700 W are left for node 0."""
    built = model(TWO, cap(10.0, inf, 1100.0), nodes=[node(off_w=0.0)])
    seen = run(TWO, jobs((0, 200, 2)), built, period="20 s",
               reliability=failing(down(5.0, 1, 15.0)), horizon_s=100.0)  # fmt: skip
    assert seen.power_w(20) == near(1100.0)
    assert seen.of("violation_s") == near(10.0)


def test_a_cap_that_comes_again(tmp_path):
    """From 30 min on every hour for a quarter of one, up to a horizon of 150 min: three times.

    The last begins as the run ends.
    """
    path = tmp_path / "again.yaml"
    path.write_text(
        "name: again\nhorizon: 150 min\n"
        "site: {pools: [{name: a, node: {gpus: 8, gpu: h100-sxm}, nodes: 1}]}\n"
        "workload: {jobs: [{submit: 0 s, run: 10 h, gpus: 8}]}\n"
        "power: {caps: [{at: 30 min, every: 1 h, lasts: 15 min, cap: 6 kW}]}\n"
    )
    caps = build(load(path)).powering.model.caps
    assert [(each.from_s, each.to_s) for each in caps] == [
        (1800.0, 2700.0), (5400.0, 6300.0), (9000.0, 9900.0),
    ]  # fmt: skip
