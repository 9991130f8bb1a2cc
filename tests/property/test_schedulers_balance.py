"""Whoever preempts whom, whatever fails and draws power: every second and joule in one share."""

from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power_runs import Watched, cases
from powered_site import run
from schedulers_case import costly, made, play, preempting

from twin.failures.model import Incident
from twin.results.outcome import outcome
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

MORE = {
    "tiresias": {"thresholds_gpu_h": [20 / 3600, 60 / 3600], "promote": 1.0},
    "time-slice": {"quantum": "7 s"},
    "multifactor": {"qos": {"low": 1, "high": 2}, "calculate_every": "20 s"},
    "gavel": {"round": "20 s"},
    "sia": {"round": "20 s"},
    "themis": {"round": "20 s"},
}
SITE = lay_out([Pool("main", "node", "", 4, 3), Pool("lent", "node", "", 2, 2)])


def told(name):
    return made(name, **MORE.get(name, {}))


# They preempt without end, and what never saves never ends.
TAKES_TURNS = ("time-slice", "gavel", "sia", "themis")


def jobs_of(luck, n, name):
    """Work at whole seconds, with all that schedulers heed."""
    kinds = ["training", "batch", *([] if name in TAKES_TURNS else ["interactive"])]
    gpus = [luck.choice([1, 1, 2, 3, 4, 8]) for _ in range(n)]
    submit_s = sorted(float(luck.randint(0, 150)) for _ in range(n))
    return job_table(
        {
            "submit_s": submit_s,
            "run_s": [luck.choice([0.0, 1.0, 12.0, 50.0, 88.0, 200.0]) for _ in range(n)],
            "gpus": gpus,
            "user": [luck.choice("uvw") for _ in range(n)],
            "group": ["a", *(luck.choice("abc") for _ in range(n - 1))],  # quotas need one
            "qos": [luck.choice(["", "low", "high"]) for _ in range(n)],
            "kind": [luck.choice(kinds) for _ in range(n)],
            "pool": [luck.choice(["", "", "main", "lent"]) for _ in range(n)],
            "deadline_s": [at + luck.choice([50.0, 300.0, np.nan]) for at in submit_s],
            "min_gpus": [luck.choice([0, 1]) for _ in gpus],
            "max_gpus": [luck.choice([0, g, 2 * g]) for g in gpus],
        }
    )


def incident(luck):
    of, unit = luck.choice([("node", 5), ("gpu", 16), ("rack", 1)])
    effect = luck.choice(["fail_stop", "fail_stop", "slow", "maintenance", "no_storage"])
    at_s, lasts_s = float(luck.randint(1, 200)), float(luck.randint(1, 150))
    return Incident(at_s, of, of, luck.randrange(unit), lasts_s, effect, 0.7)


def check_work(jobs, tables):
    """Whatever became of them, jobs that are done have done their work."""
    done = (tables.jobs["state"] == "completed").to_numpy()
    rigid = done & (jobs["max_gpus"] == 0).to_numpy() & (jobs["min_gpus"] == 0).to_numpy()
    found = tables.jobs[rigid]
    np.testing.assert_allclose(
        found["useful_gpu_s"], found["run_s"] * found["gpus"], rtol=1e-9, atol=1e-6
    )


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(preempting()), st.integers(0, 2**32), st.booleans())
def test_every_gpu_second_in_one_share_though_parts_fail(name, seed, saves):
    luck = Random(seed)
    jobs = jobs_of(luck, luck.randint(1, 20), name)
    faults = tuple(incident(luck) for _ in range(luck.randint(0, 6)))
    more = {} if saves else {"levels": ()}
    write_s, restart_s = luck.choice([0.0, 3.0, 25.0]), luck.choice([0.0, 12.0])
    startup_s = luck.choice([0.0, 10.0])
    reliability = costly(write_s, restart_s, 25.0, faults, startup_s=startup_s, **more)
    record = play(SITE, jobs, told(name), reliability=reliability)
    tables = outcome(record, jobs, SITE)
    assert sum(tables.gpu_time.values()) == pytest.approx(SITE.n_gpus * record.horizon_s)
    assert all(value >= -1e-6 for value in tables.gpu_time.values())
    check_work(jobs, tables)
    assert (tables.jobs["state"].isin(["completed", "rejected"])).all()
    # No GPU is held by two.
    held = tables.allocations.sort_values("start_s")
    for _, here in held.groupby("node"):
        for gpu in range(4):
            has_it = here["gpu_mask"].to_numpy() >> gpu & 1 == 1
            mine = here[has_it & (here["end_s"] > here["start_s"]).to_numpy()]
            assert (mine["start_s"].to_numpy()[1:] >= mine["end_s"].to_numpy()[:-1]).all()


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-6)


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(cases(), st.sampled_from(preempting()), st.integers(0, 2**32))
def test_every_joule_in_one_share_though_caps_hold(case, name, seed):
    luck = Random(seed)
    jobs = jobs_of(luck, luck.randint(1, 20), name)
    there = {"", *(pool.name for pool in case.site.pools)}
    jobs["pool"] = [pool if pool in there else "" for pool in jobs["pool"]]
    seen = run(
        case.site, jobs, case.built, power=case.power, scheduler=told(name),
        lighting=case.lighting, admission=case.admission, horizon_s=case.horizon_s,
        reliability=case.reliability, kind=Watched, **case.options,
    )  # fmt: skip
    record = seen.record
    by_time = list({each.at_s: each for each in seen.simulation.seen}.values())
    lasted_s = np.diff([each.at_s for each in by_time], append=record.horizon_s)
    meter_j = lasted_s @ [each.totals[-1] for each in by_time]
    assert sum(seen.tables.energy.values()) == near(meter_j)
    assert all(joules >= -1e-6 * max(meter_j, 1) for joules in seen.tables.energy.values())
    assert sum(seen.tables.gpu_time.values()) == near(case.site.n_gpus * record.horizon_s)
    check_work(jobs, seen.tables)
