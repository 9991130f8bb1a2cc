"""Whatever draws power and whoever decides: every watt is accounted for, and caps are kept."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from power_runs import KEEP_CAPS, Watched, cases
from powered_site import run

from twin.kernel import power_tree
from twin.results.power import Readings

SLOW = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def simulate(case, kind=Watched):
    return run(
        case.site,
        case.jobs,
        case.built,
        power=case.power,
        scheduler=case.scheduler,
        lighting=case.lighting,
        admission=case.admission,
        horizon_s=case.horizon_s,
        reliability=case.reliability,
        kind=kind,
        **case.options,
    )


def last_of_each_time(seen):
    """What was so from each time on: of several looks at one instant the last."""
    return list({instant.at_s: instant for instant in seen}.values())


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-6)


@given(cases())
@SLOW
def test_all_meters_show_what_is_drawn(case):
    """Every reading of every domain, at every instant, against the tree reckoned anew."""
    seen = simulate(case)
    record, power = seen.record, seen.record.power
    instants = last_of_each_time(seen.simulation.seen)
    at_s = np.array([instant.at_s for instant in instants])
    readings = Readings(power, record.horizon_s)
    for at, level in enumerate(power.levels):
        for unit in range(power.units[level]):
            time_s, power_w = readings.power(at, unit)
            shown = power_w[np.searchsorted(time_s, at_s, side="right") - 1]
            drawn = [instant.units_w[at][unit] for instant in instants]
            np.testing.assert_allclose(
                shown, drawn, rtol=1e-9, atol=1e-6, err_msg=f"{level} {unit}"
            )
    meter = power.meter
    place = np.searchsorted(meter["time_s"], at_s, side="right") - 1
    for i, name in enumerate(power_tree.TOTALS[1:]):
        drawn = [instant.totals[i] for instant in instants]
        np.testing.assert_allclose(meter[name][place], drawn, rtol=1e-9, atol=1e-6, err_msg=name)
    # And the tree as it was left equals itself summed anew.
    tree = seen.simulation._power.tree
    outs, ins, cooling = tree.flow(tree.node_power_w(np.array(tree.gpu_w)))
    for level, out_w, in_w in zip(tree.levels, outs, ins, strict=True):
        np.testing.assert_allclose(level.out_w, out_w, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(level.in_w, in_w, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(tree.by_name["hall"].cooling_w, cooling, rtol=1e-9, atol=1e-6)


@given(cases())
@SLOW
def test_every_joule_and_every_second_in_one_share(case):
    seen = simulate(case)
    record, horizon_s = seen.record, seen.record.horizon_s
    instants = last_of_each_time(seen.simulation.seen)
    lasted_s = np.diff([instant.at_s for instant in instants], append=horizon_s)
    meter_j = lasted_s @ [instant.totals[-1] for instant in instants]
    assert sum(seen.tables.energy.values()) == near(meter_j)
    assert all(joules >= -1e-6 * max(meter_j, 1) for joules in seen.tables.energy.values())
    # Of jobs, from their own accounts, against what their GPUs were seen to draw.
    joules = record.power.joules
    held_j = sum(v.sum() for name, v in joules.items() if name not in ("stranded", "spare"))
    assert held_j == near(lasted_s @ [instant.busy_w for instant in instants])
    assert np.nansum(seen.tables.jobs["energy_j"]) == near(sum(v.sum() for v in joules.values()))
    # GPU-time.
    gpu_s = seen.tables.gpu_time
    assert sum(gpu_s.values()) == near(seen.site.n_gpus * horizon_s)
    assert all(value >= -1e-6 for value in gpu_s.values())
    log, spans_s = record.log, np.diff(record.log["time_s"], append=horizon_s)
    why = ("power_dark", "heat_dark", "demand_dark", "stranded_dark")
    np.testing.assert_array_equal(sum(log[f"{name}_gpus"] for name in why), log["dark_gpus"])
    assert gpu_s["dark"] == near(spans_s @ log["dark_gpus"])
    assert record.power.dark_s @ seen.site.node_gpus == near(gpu_s["dark"])
    states = ("busy", "idle", "stranded", "down", "spare", "dark")
    counted = sum(log[f"{name}_gpus"] for name in states)
    np.testing.assert_array_equal(counted, seen.site.n_gpus)
    # Whatever became of them, jobs that are done have done their work.
    done = seen.tables.jobs[seen.tables.jobs["state"] == "completed"]
    keeps = done[(done["kind"] != "serving").to_numpy()]
    np.testing.assert_allclose(
        keeps["useful_gpu_s"], keeps["run_s"] * keeps["gpus"], rtol=1e-9, atol=1e-6
    )


def beyond_s(case, seen):
    """The longest stretch for which each domain drew more than its cap though it had a choice. [s]

    It has none while it would draw more with all working jobs paused. What starts at the instant of
    a decision is for the next one, so a stretch begins anew there.
    """
    instants = last_of_each_time(seen.simulation.seen)
    at_s = np.array([instant.at_s for instant in instants])
    lasted_s = np.diff(at_s, append=seen.record.horizon_s)
    decided = np.diff([instant.decisions for instant in instants], prepend=0) > 0
    readings = Readings(seen.record.power, seen.record.horizon_s)
    longest = 0.0
    for at, level in enumerate(seen.record.power.levels):
        for unit in range(seen.record.power.units[level]):
            time_s, cap_w = readings.cap(at, unit)
            cap = cap_w[np.searchsorted(time_s, at_s, side="right") - 1] * (1 + 1e-9) + 1e-9
            drawn = np.array([instant.units_w[at][unit] for instant in instants])
            rest = np.array([instant.rest_w[at][unit] for instant in instants])
            stretch_s = 0.0
            beyond = (drawn > cap) & (rest <= cap)
            for over, span_s, anew in zip(beyond, lasted_s, decided, strict=True):
                stretch_s = span_s + (0.0 if anew else stretch_s) if over else 0.0
                longest = max(longest, stretch_s)
    return longest


@given(cases())
@SLOW
def test_no_cap_is_exceeded_for_longer_than_period_and_delay(case):
    if case.power not in KEEP_CAPS:
        return
    seen = simulate(case)
    within_s = sum(float(case.options[name].split()[0]) for name in ("period", "delay"))
    assert beyond_s(case, seen) <= within_s + 1e-9


def same(one, other):
    """Two logs of a quantity say the same of all times."""
    at_s = np.union1d(one[0], other[0])
    shown = [v[np.searchsorted(t, at_s, side="right") - 1] for t, v in (one, other)]
    np.testing.assert_allclose(*shown, rtol=1e-9, atol=1e-6)


@given(cases())
@SLOW
def test_many_changes_at_once_are_the_same_as_one_by_one(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(power_tree, "_FEW", -1)
        together = simulate(case)
        patch.setattr(power_tree, "_FEW", 10**9)
        singly = simulate(case)
    one, other = together.record.power, singly.record.power
    for name in power_tree.TOTALS[1:]:
        same((one.meter["time_s"], one.meter[name]), (other.meter["time_s"], other.meter[name]))
    readings = [Readings(each, together.record.horizon_s) for each in (one, other)]
    for at, level in enumerate(one.levels):
        for unit in range(one.units[level]):
            same(*(each.power(at, unit) for each in readings))
    np.testing.assert_allclose(together.job("end_s"), singly.job("end_s"), rtol=1e-9)
