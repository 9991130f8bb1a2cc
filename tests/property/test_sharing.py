"""Runs on shared GPUs: nothing is over-committed, ledgers balance, and what is known comes out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.build import build
from twin.catalog import models
from twin.errors import InputError, PolicyError
from twin.kernel.shared import Lending
from twin.kernel.simulation import Simulation
from twin.physics.interference import MOST_JOBS, shared_rates
from twin.policies.placements.best_fit import BestFit
from twin.registry import PLACEMENTS, make_policy
from twin.results.outcome import outcome
from twin.run import load, run
from twin.site.layout import Hosts, Pool, lay_out
from twin.workload.jobs import job_table

SHARING = [name for name in PLACEMENTS.names() if PLACEMENTS.get(name).can_share()]
POOLS = [Pool("a", "n", "A", 4, 3), Pool("b", "n", "B", 2, 4)]


def site(cpus=16.0, gb=64.0, pools=POOLS):
    n = sum(pool.nodes for pool in pools)
    hosts = Hosts(np.full(n, cpus), np.full(n, gb * 1e9), np.arange(n))
    return lay_out(pools, hosts=hosts)


def simulate(jobs, *, scheduler="greedy", placement="best-fit", horizon_s=None, on=None, **lending):
    made = job_table(jobs)
    on = on or site()
    made_policies = (
        make_policy("schedulers", scheduler, {}),
        make_policy("placements", placement, {}),
    )
    simulation = Simulation(on, made, *made_policies, lending=Lending(**lending))
    record = simulation.run(horizon_s)
    return record, outcome(record, made, on)


random_jobs = st.lists(
    st.tuples(
        st.integers(0, 50),  # submit
        st.integers(1, 40),  # run
        st.sampled_from([0, 1, 1, 1, 1, 2, 4, 6, 8]),
        st.sampled_from([0.1, 0.3, 0.5, 0.75, 1.0]),
        st.integers(0, 16),
        st.integers(0, 64),
        st.sampled_from(["", "", "A", "B", "A|B"]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=50, deadline=None)
@given(
    random_jobs,
    st.sampled_from(SHARING),
    st.sampled_from(["fifo", "easy-backfill", "greedy", "sjf"]),
    st.sampled_from([0, 4, 7]),
    st.sampled_from([None, 30.0]),
)
def test_nothing_is_over_committed_and_the_ledger_balances(
    jobs, placement, scheduler, slices, horizon_s
):
    names = ("submit_s", "run_s", "gpus", "gpu_fraction", "cpus", "gb", "gpu_types")
    columns = {name: [job[i] for job in sorted(jobs)] for i, name in enumerate(names)}
    gpus = np.array(columns["gpus"])
    columns["gpu_fraction"] = np.where(gpus == 1, columns["gpu_fraction"], 1.0)
    columns["memory_bytes"] = np.array(columns.pop("gb")) * 1e9
    record, tables = simulate(
        columns,
        placement=placement,
        scheduler=scheduler,
        slices=slices,
        limits=("cpus", "memory"),
        horizon_s=horizon_s,
    )
    table = job_table(columns)
    if horizon_s is None:
        assert set(tables.jobs["state"]) <= {"completed", "rejected"}
        assert (tables.jobs["state"] == "rejected").sum() == (record.nodes == 0).sum()
    check_allocations(record, table, slices)
    # Independently of the record: fractions of what was asked, for as long as it was held.
    came = table["submit_s"].to_numpy() <= record.horizon_s
    end_s = np.where(np.isnan(record.end_s), record.horizon_s, record.end_s)
    ran_s = np.nan_to_num(end_s - record.start_s)
    asked = (table["gpus"] * table["gpu_fraction"]).to_numpy()
    assert tables.gpu_time["useful"] == pytest.approx(float(ran_s @ asked), abs=1e-6)
    assert sum(tables.gpu_time.values()) == pytest.approx(20 * record.horizon_s)
    seen = tables.domains[tables.domains["domain"] == "site"]
    last = seen.groupby("quantity", observed=True)["value"].last()
    assert last["arrived_gpus"] <= asked[came].sum() + 1e-9
    assert last["allocated_share"] == pytest.approx(last["allocated_gpus"] / 20)


def check_allocations(record, table, slices):
    """At every instant, sum up who holds what of every GPU, CPU and byte."""
    held = record.allocations
    fraction = table["gpu_fraction"].to_numpy()
    share = np.where(fraction < 1, np.round(fraction * 1000) / 1000, 1.0)
    if slices:
        share = np.floor(np.ceil(fraction * slices - 1e-9) * 1000 / slices) / 1000
    nodes = np.bincount(held["job"], minlength=len(table))
    sizes = [4] * 3 + [2] * 4
    for now_s in np.unique(held["start_s"]):
        used, cpus, memory = np.zeros((7, 4)), np.zeros(7), np.zeros(7)
        live = (held["start_s"] <= now_s) & (held["end_s"] > now_s)
        rows = zip(held["job"][live], held["node"][live], held["gpu_mask"][live], strict=True)
        for job, node, mask in rows:
            used[node] += share[job] * ((int(mask) >> np.arange(4)) & 1)
            cpus[node] += table["cpus"][job] / nodes[job]
            memory[node] += table["memory_bytes"][job] / nodes[job]
        assert (used <= 1 + 1e-9).all()
        assert all((used[v, size:] == 0).all() for v, size in enumerate(sizes))
        assert (cpus <= 16 + 0.01).all()
        assert (memory <= 64e9 + 10).all()
    gpus = np.bitwise_count(held["gpu_mask"].astype(np.uint64))
    got = np.bincount(held["job"], gpus, len(table))
    started = ~np.isnan(record.start_s)
    assert (got[started] >= table["gpus"][started]).all()
    small = table["gpus"].to_numpy() <= 2
    assert (got[started & small] == table["gpus"][started & small]).all()


def test_parts_of_one_gpu_by_hand():
    """0.6 and 0.3 share a GPU; 0.2 waits for the end of one of them on the only GPU."""
    columns = {"submit_s": [0.0, 0.0, 0.0], "run_s": [10.0, 20.0, 10.0], "gpus": [1, 1, 1]}
    columns["gpu_fraction"] = [0.6, 0.3, 0.2]
    one = lay_out([Pool("p", "n", "", 1, 1)])
    record, tables = simulate(columns, on=one)
    assert record.start_s.tolist() == [0.0, 0.0, 10.0]
    assert record.horizon_s == 20.0
    shares = {name: value for name, value in tables.gpu_time.items() if value}
    assert shares == pytest.approx({"useful": 14.0, "stranded": 1.0, "idle": 5.0})
    time = tables.timeline
    assert time["busy_gpus"].to_numpy() @ np.full(len(time), 20 / len(time)) == pytest.approx(14.0)


def test_slices_hold_more_than_was_asked_for():
    columns = {"submit_s": [0.0], "run_s": [10.0], "gpus": [1], "gpu_fraction": [0.5]}
    _, tables = simulate(columns, on=lay_out([Pool("p", "n", "", 1, 1)]), slices=7)
    shares = {name: value for name, value in tables.gpu_time.items() if value}
    assert shares == pytest.approx({"useful": 5.0, "stranded": 0.71, "idle": 4.29})


def test_jobs_without_gpus_and_of_several_nodes():
    columns = {"submit_s": [0.0, 0.0, 1.0, 1.0], "run_s": [10.0] * 4, "gpus": [0, 6, 12, 16]}
    columns["cpus"] = [12.0, 4.0, 60.0, 4.0]
    record, tables = simulate(columns, limits=("cpus",))
    # 6 GPUs take two whole nodes of 4, 2 CPUs each; 12 GPUs need 20 CPUs of each of three nodes.
    assert tables.jobs["state"].tolist() == ["completed", "completed", "rejected", "rejected"]
    assert record.nodes.tolist() == [1, 2, 0, 0]
    assert record.start_s[:2].tolist() == [0.0, 0.0]
    assert tables.gpu_time["stranded"] >= 20.0  # 2 of 8 GPUs held and not asked for, for 10 s


def test_gpu_types():
    columns = {"submit_s": [0.0] * 3, "run_s": [1.0] * 3, "gpus": [1, 1, 1]}
    record, tables = simulate(columns | {"gpu_types": ["B", "C", "C|A"]})
    pools = tables.jobs["pool"].tolist()
    assert pools == ["b", "", "a"]
    assert tables.jobs["state"].tolist() == ["completed", "rejected", "completed"]
    assert record.horizon_s == 1.0


def test_a_job_that_fits_no_more_is_not_asked_about_until_something_ends():
    asked = []

    class Counting(BestFit):
        def share(self, ask, nodes):
            asked.append(ask)
            return super().share(ask, nodes)

    columns = {"submit_s": np.arange(50.0), "run_s": [100.0] * 50, "gpus": [1] * 50}
    on = lay_out([Pool("p", "n", "", 4, 1)])
    made = job_table(columns)
    greedy = make_policy("schedulers", "greedy", {})
    Simulation(on, made, greedy, Counting(), lending=Lending()).run(60.0)
    assert len(asked) == 5


def test_two_jobs_in_turns_by_hand():
    """Busy half of their time both go at 1 / (1 + 0.25) = 0.8 until the shorter has ended."""
    columns = {"submit_s": [0.0, 0.0], "run_s": [100.0, 50.0], "gpus": [1, 1]}
    columns["gpu_fraction"] = [0.5, 0.5]
    one = lay_out([Pool("p", "n", "", 1, 1)])
    record, tables = simulate(columns, on=one, demand=lambda model, gpu: (0.5, 1.0))
    np.testing.assert_allclose(record.end_s, [112.5, 62.5])
    np.testing.assert_allclose(tables.jobs["interference_gpu_s"], [6.25, 6.25])
    np.testing.assert_allclose(tables.jobs["useful_gpu_s"], [50.0, 25.0])
    assert sum(tables.gpu_time.values()) == pytest.approx(112.5)


def test_two_jobs_side_by_side_by_hand():
    """They overfill the GPU by 0.6 for 0.25 of the time: both go at 1 / (1 + 0.25 x 0.6)."""
    columns = {"submit_s": [0.0, 0.0], "run_s": [100.0, 50.0], "gpus": [1, 1]}
    columns |= {"gpu_fraction": [0.5, 0.5], "model": ["a", "b"]}
    one = lay_out([Pool("p", "n", "", 1, 1)])
    asks = {"a": (0.5, 0.9), "b": (0.5, 0.7)}
    beside = {"on": one, "demand": lambda model, gpu: asks[model], "sharing": "concurrent"}
    record, tables = simulate(columns, **beside)
    np.testing.assert_allclose(record.end_s, [107.5, 57.5], rtol=1e-6)
    np.testing.assert_allclose(tables.jobs["interference_gpu_s"], [3.75, 3.75], rtol=1e-6)
    asks["b"] = (0.5, 0.1)  # together they just fill it
    record, _ = simulate(columns, **beside)
    np.testing.assert_allclose(record.end_s, [100.0, 50.0], rtol=1e-6)
    asks["b"] = None  # of which nobody knows anything
    record, tables = simulate(columns, **beside)
    assert record.end_s.tolist() == [100.0, 50.0]
    assert tables.gpu_time["interference"] == 0


@settings(max_examples=50, deadline=None)
@given(
    random_jobs,
    st.sampled_from(SHARING),
    st.sampled_from(["time-sliced", "concurrent"]),
    st.sampled_from(["", "known", "mixed"]),
)
def test_neighbours_cost_time_and_no_work(jobs, placement, sharing, whose):
    """All work is done; what took longer is interference, and jobs alone on a GPU meet none."""
    jobs = sorted(jobs)
    gpus = np.array([job[2] for job in jobs])
    columns = {"submit_s": [j[0] for j in jobs], "run_s": [j[1] for j in jobs], "gpus": gpus}
    columns["gpu_fraction"] = np.where(gpus == 1, [job[3] for job in jobs], 1.0)
    known = [whose == "known" or (whose == "mixed" and job[4] % 2 == 0) for job in jobs]
    columns["model"] = ["known" if each else "" for each in known]
    record, tables = simulate(
        columns,
        placement=placement,
        demand=lambda model, gpu: (0.6, 0.8) if model else None,
        sharing=sharing,
    )
    done = tables.jobs[tables.jobs["state"] == "completed"]
    assert not done.loc[done["model"] == "", "interference_gpu_s"].any()
    asked = done["gpus"] * done["gpu_fraction"]
    np.testing.assert_allclose(done["useful_gpu_s"], done["run_s"] * asked, atol=1e-6)
    longer_s = done["end_s"] - done["start_s"] - done["run_s"]
    np.testing.assert_allclose(done["interference_gpu_s"], longer_s * asked, atol=1e-6)
    assert (longer_s[done["gpu_fraction"] == 1] < 1e-9).all()
    assert sum(tables.gpu_time.values()) == pytest.approx(20 * record.horizon_s)


def test_no_more_jobs_take_turns_than_the_model_of_them_covers():
    n = MOST_JOBS + 2
    columns = {"submit_s": [0.0] * n, "run_s": [10.0] * n, "gpus": [1] * n}
    one = lay_out([Pool("p", "n", "", 1, 1)])
    columns["gpu_fraction"] = [0.05] * n
    record, _ = simulate(columns, on=one, demand=lambda model, gpu: (0.1, 1.0))
    assert (record.start_s == 0.0).sum() == MOST_JOBS
    crowd, _ = simulate(columns, on=one)
    assert (crowd.start_s == 0.0).all()


SCENARIO = """
name: shared
horizon: 2 h
site: {pools: [{name: p, node: {gpus: 4}, nodes: 2}]}
workload: {jobs: [{gpus: 1, gpu_fraction: 0.5, run: 10 min, count: 20, every: 1 min}]}
sharing: {}
"""


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("policies.placement=spread", "spread cannot place shares of GPUs, .*use best-fit, dot-pr"),
        ("policies.scheduler=srtf", "srtf preempts, resizes or plans jobs .*use fifo"),
        ("policies.scheduler=conservative-backfill", "conservative-backfill preempts, resizes or"),
        ("policies.recovery=replace", "replace looks for whole nodes, .*use requeue"),
        ("recovery.standby=1", "recovery.standby: is not modelled on shared GPUs"),
        ("sharing.limits=[cpus]", "sharing.limits: cpus, but the site does not say"),
        ("sharing.limits=[memory]", "sharing.limits: memory, but the site does not say"),
        ("sharing={fill: 0.5}", "sharing: fill is of jobs side by side that busy describes"),
        ("sharing={mode: time-slice, busy: 0.5, fill: 0.5}", "give mode: mps and busy too"),
    ],
)
def test_what_does_not_go_with_sharing_is_refused(tmp_path, setting, message):
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO)
    build(load(path))
    with pytest.raises((InputError, PolicyError), match=message):
        build(load(path, [setting]))


def test_limits_of_described_nodes(tmp_path):
    """Two jobs of 0.2 GPUs fit on a GPU; a node with CPUs for one of them holds one."""
    path = tmp_path / "s.yaml"
    text = SCENARIO.replace("{gpus: 4}", "{gpus: 4, cpus: 10, memory: 64 GB}")
    text = text.replace("gpu_fraction: 0.5,", "gpu_fraction: 0.2, cpus: 6, memory: 10 GB,")
    path.write_text(text.replace("every: 1 min", "every: 0 s"))
    for limits, running in (("[]", 20), ("[memory]", 12), ("[cpus]", 2), ("[cpus, memory]", 2)):
        sharing = f"sharing={{limits: {limits}}}"
        scenario = load(path, [sharing, "policies.scheduler=greedy"])
        jobs = run(scenario, tmp_path / "out", report=False).jobs
        assert (jobs["start_s"] == 0.0).sum() == running


def test_without_sharing_each_job_has_a_gpu_of_its_own(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO)
    shared, alone = build(load(path)), build(load(path, ["sharing=null"]))
    assert set(shared.workload.jobs["gpu_fraction"]) == {0.5}
    assert set(alone.workload.jobs["gpu_fraction"]) == {1.0}
    told = "20 jobs ask for part of a GPU; each is given a whole one."
    assert told in alone.assumptions and told not in shared.assumptions


def test_models_of_the_catalog_in_turns(tmp_path):
    """Two jobs of known models share a GPU as the catalog says; an unknown one as `busy` says."""
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO.replace("sharing: {}", "sharing: {mode: time-slice, busy: 0.3}"))
    lending = build(load(path)).lending
    known = models.names()
    measured = [name for name in known if models.model(name).demands]
    found = lending.demand(measured[0], "")
    assert found[0] == models.model(measured[0]).demand().busy
    assert lending.demand("", "") == (0.3, 1.0)
    results = run(load(path, ["site.pools[0].nodes=1"]), tmp_path / "out", report=False)
    assert results.summary["ledgers"]["gpu_time"]["shares"]["interference"] > 0
    both = results.jobs[results.jobs["interference_gpu_s"] > 0]
    slowest = float(shared_rates([0.3, 0.3])[0])
    assert ((both["end_s"] - both["start_s"]) * slowest <= both["run_s"] + 1e-6).all()


@pytest.mark.parametrize("mode", ["mps", "time-slice", "mig"])
def test_models_of_the_catalog_side_by_side(tmp_path, mode):
    """As the catalog says of known models; of others only if asked; and not at all if told so."""
    path = tmp_path / "s.yaml"
    known = SCENARIO.replace("count: 20", "count: 20, model: resnet50")
    path.write_text(known.replace("sharing: {}", f"sharing: {{mode: {mode}}}"))
    built = build(load(path, ["site.pools[0].nodes=1"]))
    lending = built.lending
    if mode == "mps":
        found = models.model("resnet50").filling()
        assert lending.sharing == "concurrent"
        assert lending.demand("resnet50", "") == (found.busy, found.fill)
        assert lending.demand("mine", "") is None
        asked = build(load(path, ["sharing.busy=0.3", "sharing.fill=0.6"])).lending
        assert asked.demand("mine", "") == (0.3, 0.6)
        assert asked.demand("resnet50", "") == (found.busy, found.fill)
    elif mode == "time-slice":
        assert lending.demand("mine", "") == (0.5, 1.0)
    spent = {}
    for asked in ("modelled", "none"):
        scenario = load(path, ["site.pools[0].nodes=1", f"sharing.interference={asked}"])
        results = run(scenario, tmp_path / asked, report=False)
        ledger = results.summary["ledgers"]["gpu_time"]
        assert sum(ledger["shares"].values()) == pytest.approx(ledger["total"])
        spent[asked] = ledger["shares"]["interference"]
    assert spent["none"] == 0
    assert (spent["modelled"] > 0) == (mode != "mig")
    told = "Jobs that share a GPU do not slow each other."
    assert (told in built.assumptions) == (mode == "mig")


def test_jobs_of_which_nobody_knows_anything_go_undisturbed(tmp_path):
    """As before there was a law: no limit of eight on a GPU either, unless `busy` is given."""
    path = tmp_path / "s.yaml"
    text = SCENARIO.replace("gpu_fraction: 0.5", "gpu_fraction: 0.1").replace("1 min}]", "0 s}]")
    path.write_text(text.replace("count: 20", "count: 10").replace("nodes: 2", "nodes: 1"))
    built = build(load(path, ["site.pools[0].node.gpus=1"]))
    assert built.lending.demand is None
    assert "Jobs that share a GPU do not slow each other." in built.assumptions
    for asked, running in (([], 10), (["sharing.busy=0.4"], MOST_JOBS)):
        scenario = load(path, ["site.pools[0].node.gpus=1", *asked])
        results = run(scenario, tmp_path / "out", report=False)
        assert (results.jobs["start_s"] == 0.0).sum() == running
        assert bool(results.summary["ledgers"]["gpu_time"]["shares"]["interference"]) == bool(asked)


FAILING = """
extends: s.yaml
failures:
  classes:
    node:
      of: node
      life: {exponential: {mean: 20 min}}
      repair: {uniform: {low: 1 min, high: 9 min}}
"""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mode", ["mps", "mig"])
def test_nodes_that_fail_take_all_who_share_them(tmp_path, seed, mode):
    (tmp_path / "s.yaml").write_text(SCENARIO)
    path = tmp_path / "failing.yaml"
    path.write_text(FAILING)
    settings = ["workload.jobs[0].count=60", f"sharing.mode={mode}", f"seed={seed}"]
    results = run(load(path, settings), tmp_path / "out", report=False)
    jobs, ledger = results.jobs, results.summary["ledgers"]["gpu_time"]
    assert jobs["interruptions"].sum() > 5
    assert sum(ledger["shares"].values()) == pytest.approx(ledger["total"])
    work = jobs[["useful_gpu_s", "lost_gpu_s"]].sum(axis=1)
    done = jobs["state"] == "completed"
    np.testing.assert_allclose(jobs["useful_gpu_s"][done], 300.0)
    assert (work <= 0.5 * (jobs["end_s"].fillna(7200.0) - jobs["start_s"]).fillna(0) + 1e-6).all()
    held = results.allocations
    for now_s in held["start_s"]:
        live = held[(held["start_s"] <= now_s) & (held["end_s"] > now_s)]
        for gpu in range(4):
            on = live[(live["gpu_mask"].to_numpy() >> gpu) & 1 == 1]
            assert on.groupby("node").size().max() <= (2 if mode == "mps" else 1) or on.empty
