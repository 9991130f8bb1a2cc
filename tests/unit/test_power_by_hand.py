"""Power, energy and the speed of jobs in cases small enough to be computed by hand.

`powered_site` says what everything draws: a node 400 W at rest and 1200 W in full use.
"""

import pytest
from powered_site import Cooling, cap, failing, hall, jobs, model, node, run, work

from twin.failures.model import Incident
from twin.physics.conversion import Loss
from twin.physics.cooling import CoolingCurve

ONE = hall(1)
LOSS = Loss(10.0, 0.01, 1e-5)


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-6)


def down(at_s, unit, lasts_s, of="node"):
    return Incident(at_s, of, of, unit, lasts_s)


def test_two_jobs_and_a_cap():
    """One job from 0 and one from 20 on one node; 800 W from 40 to 60 leave 300 W a GPU: 0.6.

    | from | W    | job 0 | job 1 |                                J
    | 0    | 800  | 1     |       | 200 host, 500 and 100       16000
    | 20   | 1200 | 1     | 1     | 200 + 2 x 500               24000
    | 40   | 800  | 0.6   | 0.6   | 200 + 2 x 300               16000
    | 60   | 1200 | 1     | 1     | job 1 has 50 - 20 - 12 left 21600
    | 78   | 800  | 1     |       | job 0 has 30 of 100 left    24000
    | 108  |      |       |       |                            101600
    """
    built = model(ONE, cap(40.0, 60.0, 800.0))
    seen = run(ONE, jobs((0, 100, 1), (20, 50, 1)), built)
    assert seen.job("end_s") == [near(108.0), near(78.0)]
    assert [seen.power_w(at) for at in (0, 20, 40, 60, 78)] == [800, 1200, near(800), 1200, 800]
    assert seen.energy == {
        # 20 s of both at 300 W, two fifths of it for nothing.
        "throttled": near(2 * 20 * 300 * 0.4),
        "useful": near(500 * (40 + 48) + 300 * 20 * 0.6 + 500 * (20 + 18) + 300 * 20 * 0.6),
        "idle": near(100 * (20 + 30)),
        "host": near(200 * 108),
    }
    assert sum(seen.energy.values()) == near(101600.0)
    assert seen.of("energy_j") == near(101600.0)
    assert seen.gpu_s["throttled"] == near(16.0)
    assert seen.job("energy_j") == [near(500 * 88 + 300 * 20), near(500 * 38 + 300 * 20)]
    assert seen.job("throttled_gpu_s") == [near(8.0), near(8.0)]
    assert seen.of("violation_s") == 0


def test_control_comes_a_period_and_a_delay_late():
    """The cap of 40 is seen at 50 and kept from 52; its end at 60 is seen at 70, followed at 72."""
    built = model(ONE, cap(40.0, 60.0, 800.0))
    seen = run(ONE, jobs((0, 100, 2)), built, period="10 s", delay="2 s")
    assert [seen.power_w(at) for at in (51, 52, 71, 72)] == [1200, near(800), near(800), 1200]
    # At 52 are done 52; 12 in the next 20 s; 36 are left.
    assert seen.job("end_s") == [near(108.0)]
    assert (seen.of("violation_s"), seen.of("longest_violation_s")) == (near(12.0), near(12.0))


def test_a_gang_in_two_racks_is_as_slow_as_in_the_capped_one():
    """Four nodes in two racks; rack 1 may draw 1600 W of 2400: 300 W a GPU, for all eight."""
    site = hall(4)
    seen = run(site, jobs((0, 60, 8)), model(site, cap(0.0, 1e3, 1600.0, "rack", 1)))
    assert [seen.power_w(0, "rack", unit) for unit in (0, 1)] == [near(1600.0), near(1600.0)]
    assert seen.job("end_s") == [near(100.0)]
    assert seen.gpu_s == {"throttled": near(8 * 40.0), "useful": near(8 * 60.0)}
    assert seen.of("throttled_gpu_s", "rack", 0) == near(160.0)
    assert seen.of("cap_w", "rack", 1) == near(1600.0)
    assert seen.of("least_cap_w", "rack", 1) == near(1600.0)


def test_losses_add_up_through_all_levels():
    """Each level loses 10 W, a hundredth, and 1e-5 of the square; a hall is cooled besides."""
    cooled = Cooling(((0.0, CoolingCurve(50.0, 0.1, 1e-9)),))
    nodes = [
        node(per_w=0.2, fan_per_w3=1e-8, supply=Loss(20.0, 0.02, 1e-5), network_w=60.0),
    ]
    built = model(
        ONE, nodes=nodes, losses=dict.fromkeys(("rack", "row", "ups", "hall", "site"), LOSS),
        cooling=cooled,
    )  # fmt: skip
    seen = run(ONE, jobs((0, 50, 2)), built, horizon_s=100.0)
    site_w, parts = [], {"cooling": 0.0, "conversion": 0.0, "host": 0.0}
    for gpus_w in (1000.0, 200.0):
        load_w = gpus_w + 200 + 0.2 * (gpus_w - 200) + 1e-8 * gpus_w**3
        node_w = load_w + 20 + 0.02 * load_w + 1e-5 * load_w**2
        watts, cooling_w = node_w + 60, 0.0  # and the switches
        for level in ("rack", "row", "ups", "hall", "site"):
            if level == "hall":
                cooling_w = 50 + 0.1 * watts + 1e-9 * watts**3
                watts += cooling_w
            watts += 10 + 0.01 * watts + 1e-5 * watts**2
        site_w.append(watts)
        parts["cooling"] += 50 * cooling_w
        parts["host"] += 50 * (load_w - gpus_w)
        parts["conversion"] += 50 * (watts - load_w - 60 - cooling_w)
    assert [seen.power_w(at) for at in (0, 50)] == [near(watts) for watts in site_w]
    expected = {"useful": 50 * 1000.0, "idle": 50 * 200.0, "network": 6000.0, **parts}
    assert seen.energy == {name: near(value) for name, value in expected.items()}
    assert seen.of("energy_j") == near(50 * sum(site_w))


def test_a_paused_job_rests_and_keeps_its_gpus():
    """1100 W leave 450 W a GPU for one job, with the other at rest 2 x 350 W for the first.

    Two nodes, 800 W at rest; from 10 to 30 a cap of 1150 W: neither both floors (2 x 2 x 100 W
    above rest) fit, nor more than 350 W for one. Job 0 is the older: 275 W a GPU, 0.55; job 1
    is paused.
    """
    site = hall(2)
    seen = run(site, jobs((0, 40, 2), (0, 40, 2)), model(site, cap(10.0, 30.0, 1150.0)))
    assert seen.power_w(10) == near(1150.0)
    assert seen.job("end_s") == [near(30 + 40 - 10 - 11), near(60.0)]
    assert seen.job("throttled_gpu_s") == [near(2 * 20 * 0.45), near(2 * 20.0)]
    # Job 1 draws 100 W a GPU in these 20 s, all of it for nothing.
    assert seen.job("energy_j") == [
        near(2 * (29 * 500 + 20 * 275)),
        near(2 * (40 * 500 + 20 * 100)),
    ]
    assert seen.energy["throttled"] == near(2 * 20 * 0.45 * 275 + 2 * 20 * 100)


def test_surplus_gpus_rest_and_are_stranded():
    """Three GPUs take two nodes: the fourth is held, at rest. 400 W + 3 x 500 W + 100 W."""
    site = hall(2)
    seen = run(site, jobs((0, 50, 3)), model(site))
    assert seen.power_w(0) == 2000.0
    expected = {"stranded": 50 * 100, "useful": 50 * 1500, "host": 50 * 400}
    assert seen.energy == {name: near(value) for name, value in expected.items()}
    assert seen.gpu_s == {"stranded": near(50.0), "useful": near(150.0)}
    assert seen.job("energy_j") == [near(50 * 1600.0)]


def test_free_gpus_are_stranded_while_work_waits():
    """Job 1 wants two GPUs of a node of which job 0 has one."""
    seen = run(ONE, jobs((0, 50, 1), (20, 10, 2)), model(ONE))
    assert seen.energy == {
        "stranded": near(30 * 100.0),
        "idle": near(20 * 100.0),
        "useful": near(50 * 500.0 + 10 * 1000.0),
        "host": near(60 * 200.0),
    }


def test_a_node_that_fails_draws_nothing():
    """The job's node fails at 30 for 50 s: 400 W of the other node alone, until the job is back.

    Switched off, a node draws nothing here; where it does, one that failed draws as much.
    """
    site = hall(2)
    built = model(site, nodes=[node(off_w=0.0)])
    reliability = failing(down(30.0, 1, 50.0))
    seen = run(site, jobs((0, 100, 4)), built, reliability=reliability, horizon_s=250.0)
    # Full until 30; job 0 waits in the queue to 80; 20 s of restart at 140 W; 100 s of work.
    assert [seen.power_w(at) for at in (0, 30, 80, 100, 200)] == [2400, 400, 960, 2400, 800]
    assert seen.energy == {
        "lost": near(30 * 2000.0),
        "restart": near(20 * 4 * 140.0),
        "stranded": near(50 * 200.0),
        "idle": near(50 * 400.0),
        "useful": near(100 * 2000.0),
        "host": near(200 * 50 + 400 * 200),
    }
    assert seen.job("energy_j") == [near(30 * 2000.0 + 20 * 560.0 + 100 * 2000.0)]


def test_stalls_of_checkpoints_draw_what_saving_draws():
    """100 s of work at 500 W, then 25 s of saving at 180 W: 436 W in the mean, kept throughout."""
    seen = run(ONE, jobs((0, 250, 2)), model(ONE), reliability=failing(write_s=25.0))
    # Saved after 100 and 200, done after 250 + 2 x 25.
    assert seen.job("end_s") == [near(300.0)]
    assert seen.power_w(0) == near(200 + 2 * 436.0)
    # Two stalls in 300 s where the mean knows one in 125: shared out by work and stall.
    work_j, save_j = 250 * 500.0, 50 * 180.0
    scale = 300 * 436.0 / (work_j + save_j)
    assert seen.energy["checkpoint"] == near(2 * save_j * scale)
    assert seen.energy["useful"] == near(2 * work_j * scale)
    assert seen.gpu_s["checkpoint"] == near(100.0)


def test_a_start_draws_what_starting_draws():
    seen = run(ONE, jobs((0, 50, 2)), model(ONE), reliability=failing(startup_s=30.0))
    assert [seen.power_w(at) for at in (0, 30)] == [200 + 300, 1200]
    assert seen.energy["startup"] == near(30 * 300.0)


def test_caps_hold_for_jobs_that_may_fail():
    """As `test_two_jobs_and_a_cap`, by the other way of keeping jobs."""
    built = model(ONE, cap(40.0, 60.0, 800.0))
    work = jobs((0, 100, 1), (20, 50, 1))
    seen = run(ONE, work, built, reliability=failing())
    assert seen.job("end_s") == [near(108.0), near(78.0)]
    assert seen.energy == run(ONE, work, built).energy
    assert seen.gpu_s["throttled"] == near(16.0)


def test_a_limit_that_always_holds_slows_all_jobs_alike():
    """A curve that ends at 400 W and 0.8: that is the speed, whether or not anything may fail."""
    built = model(ONE, works={(0, "training"): work("training", (200.0, 0.4), (400.0, 0.8))})
    for reliability in (None, failing()):
        seen = run(ONE, jobs((0, 80, 2)), built, reliability=reliability)
        assert seen.job("end_s") == [near(100.0)]
        assert seen.power_w(0) == near(1000.0)
        assert seen.gpu_s == {"throttled": near(40.0), "useful": near(160.0)}


def test_dark_and_waking_nodes():
    """Nameplate: a cap of 1300 W lights one node of two until 100; the other wakes in 60 s.

    1200 W and 10 W while it is off, 150 W while it wakes: job 1 starts at 160.
    """
    site = hall(2)
    built = model(site, cap(0.0, 100.0, 1300.0))
    seen = run(site, jobs((0, 200, 2), (0, 50, 2)), built, lighting="nameplate")
    assert [seen.power_w(at) for at in (0, 100, 160, 200)] == [1210, 1350, 2400, 1600]
    assert seen.job("start_s") == [0.0, near(160.0)]
    assert seen.gpu_s["dark"] == near(2 * 160.0)
    assert seen.energy["dark"] == near(100 * 10 + 60 * 150.0)
    assert seen.record.power.dark_s.tolist() == [0.0, near(160.0)]
    assert seen.tables.power_seen.dark_gpu_s == {
        "power": near(320.0), "heat": 0.0, "demand": 0.0, "stranded": 0.0,
    }  # fmt: skip


def test_caps_that_hold_for_no_time_are_not_told_of():
    """One from the start on, and others that begin or end as the run does."""
    caps = [cap(0.0, 100.0, 1000.0), cap(100.0, 200.0, 10.0)]
    seen = run(ONE, jobs((0, 10, 1)), model(ONE, *caps), horizon_s=100.0)
    assert (seen.of("cap_w"), seen.of("least_cap_w")) == (near(1000.0), near(1000.0))
    of_site = seen.tables.domains["domain"] == "site site"
    told = seen.tables.domains[of_site & (seen.tables.domains["quantity"] == "cap_w")]
    assert (told["value"] == 1000.0).all()
    assert len(told)


def test_a_drained_run_does_not_wait_for_caps_to_end():
    built = model(ONE, cap(50.0, 1e6, 1000.0))
    assert run(ONE, jobs((0, 20, 2)), built).record.horizon_s == 20.0
