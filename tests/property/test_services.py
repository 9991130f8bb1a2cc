"""Invariants of any run with services, under every scheduler."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.hazards import nothing_fails
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.registry import SCHEDULERS, make_policy
from twin.results.outcome import outcome
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table
from twin.workload.services import Tide, spells

WRITE_S = 7.0
END_S = 2000
# Quotas must be told of groups, and Sia solves a program of integers each round.
NAMES = [name for name in SCHEDULERS.names() if name not in ("quotas", "sia")]


@st.composite
def halls(draw):
    """A pool, jobs and one or two services of replicas that fit a node."""
    size, nodes = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 4))
    site = lay_out([Pool("main", "node", "", size, nodes)])
    n = draw(st.integers(0, 12))
    gpus = st.integers(1, size * nodes)
    columns = {
        "submit_s": draw(st.lists(st.integers(0, END_S), min_size=n, max_size=n)),
        "run_s": draw(st.lists(st.integers(1, 500), min_size=n, max_size=n)),
        "gpus": draw(st.lists(gpus, min_size=n, max_size=n)),
        "kind": draw(
            st.lists(st.sampled_from(["training", "interactive"]), min_size=n, max_size=n)
        ),
        "job_id": [f"job-{i}" for i in range(n)],
        "until_s": [np.nan] * n,
    }
    tides = []
    for name in draw(st.sampled_from([["a"], ["a", "b"]])):
        steps = draw(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 5)), max_size=8))
        time_s = np.cumsum([0, *(gap for gap, _ in steps)]).astype(float)
        wanted = np.array([draw(st.integers(0, 5)), *(count for _, count in steps)])
        tides.append((name, Tide(time_s, wanted)))
        replica, from_s, to_s = spells(tides[-1][1], float(END_S))
        each = draw(st.integers(1, size))
        columns["submit_s"] += from_s.tolist()
        columns["run_s"] += (to_s - from_s).tolist()
        columns["until_s"] += to_s.tolist()
        columns["gpus"] += [each] * len(replica)
        columns["kind"] += ["serving"] * len(replica)
        columns["job_id"] += [f"{name}/{k}-{i}" for i, k in enumerate(replica.tolist())]
    return site, job_table(columns), tides


def restarts(write_s):
    levels = (SaveLevel("storage", 1, write_s=write_s, read_s=2.0),) if write_s else ()
    return RestartModel(startup_s=3.0, restart_s=5.0, levels=levels)


def simulate(drawn, scheduler, write_s=WRITE_S, horizon_s=None):
    site, jobs, _ = drawn
    reliability = nothing_fails(restarts(write_s))
    policy = make_policy("schedulers", scheduler, {})
    if policy.preempts:  # who loses all its work each time may never end
        training = jobs["kind"].astype("str").replace("interactive", "training")
        jobs = jobs.assign(kind=training.astype("category"))
    simulation = Simulation(site, jobs, policy, BestFit(), reliability=reliability)
    record = simulation.run(horizon_s)
    return record, outcome(record, jobs, site)  # which checks that the ledger balances


def longest_room_s(tables, rows, row, node, size):
    """For how long a replica waited, at most, while others of its kind left room on a node."""
    jobs, held = tables.jobs, tables.allocations
    from_s, gpus = jobs["submit_s"][row], jobs["gpus"][row]
    ran = jobs["state"][row] == "completed"
    to_s = jobs["start_s"][row] if ran else jobs["end_s"][row]
    here = held["job"].isin(rows) & (held["node"] == node)
    start_s, end_s = held["start_s"][here].to_numpy(), held["end_s"][here].to_numpy()
    taken = np.bitwise_count(held["gpu_mask"][here].to_numpy(np.uint64)).astype(int)
    cuts = np.unique(np.concatenate([[from_s, to_s], start_s, end_s]))
    cuts = cuts[(cuts >= from_s) & (cuts <= to_s)]
    longest_s = room_s = 0.0
    for since_s, until_s in pairwise(cuts.tolist()):
        full = taken[(start_s <= since_s) & (since_s < end_s)].sum()
        room_s = room_s + until_s - since_s if size - full >= gpus else 0.0
        longest_s = max(longest_s, room_s)
    return longest_s


@pytest.mark.parametrize("scheduler", NAMES)
@settings(max_examples=8, deadline=None)
@given(halls(), st.sampled_from([0.0, WRITE_S]))
def test_replicas_go_first_and_nothing_is_lost(scheduler, drawn, write_s):
    site, table, tides = drawn
    if not len(table):
        return
    record, tables = simulate(drawn, scheduler, write_s)
    jobs = tables.jobs
    serves = jobs["until_s"].notna().to_numpy()
    # All jobs end, with all their work done; nothing but the wish of a service ends a replica.
    batch = jobs[~serves]
    assert (batch["state"] == "completed").all()
    np.testing.assert_allclose(batch["useful_gpu_s"], batch["run_s"] * batch["gpus"], atol=1e-6)
    chat = jobs[serves]
    assert chat["state"].isin(["completed", "failed"]).all()
    assert (chat["end_s"] == chat["until_s"]).all()
    assert (chat["preemptions"] == 0).all()
    assert (chat["start_s"].isna() == (chat["state"] == "failed")).all()
    assert (chat[chat["state"] == "failed"]["useful_gpu_s"] == 0).all()
    # A replica never waits for longer than a save while a node has room, whoever else is there.
    rows = np.flatnonzero(serves)
    for row in rows[jobs["start_s"][rows] != jobs["submit_s"][rows]]:
        for node in range(site.n_nodes):
            room_s = longest_room_s(tables, rows, row, node, site.pools[0].gpus_per_node)
            assert room_s <= write_s + 1e-9, (row, node)
    # What is served never exceeds what is wanted, and both are counted exactly.
    told = tables.domains.groupby(["domain", "quantity"], observed=True)
    means = {key: rows["value"].to_numpy() for key, rows in told}
    width_s = np.diff(tables.timeline["time_s"], append=record.horizon_s)
    for name, tide in tides:
        if (name, "wanted_replicas") not in means:
            assert not tide.replicas[tide.time_s < END_S].any()
            continue
        wanted, served = means[name, "wanted_replicas"], means[name, "served_replicas"]
        assert (served <= wanted + 1e-9).all()
        mine = jobs["job_id"].str.startswith(f"{name}/")
        lasts_s = np.diff(np.minimum(np.append(tide.time_s, END_S), END_S))
        assert wanted @ width_s == pytest.approx(lasts_s @ tide.replicas)
        worked_gpu_s = jobs["useful_gpu_s"][mine].sum()
        assert served @ width_s == pytest.approx(worked_gpu_s / jobs["gpus"][mine].iloc[0])


@settings(max_examples=30, deadline=None)
@given(halls(), st.integers(1, END_S))
def test_a_horizon_cuts_and_changes_nothing_before(drawn, horizon_s):
    if not len(drawn[1]):
        return
    _, whole = simulate(drawn, "fifo")
    _, cut = simulate(drawn, "fifo", horizon_s=float(horizon_s))
    n = len(cut.jobs)
    for column in ("start_s", "end_s"):
        full = whole.jobs[column][:n].where(whole.jobs[column][:n] <= horizon_s)
        assert (full.isna() == cut.jobs[column].isna()).all()
        assert (full.dropna() == cut.jobs[column].dropna()).all()


@settings(max_examples=30, deadline=None)
@given(halls())
def test_services_alone_never_wait_while_there_is_room_for_them_all(drawn):
    site, table, tides = drawn
    serving = table[table["until_s"].notna()].reset_index(drop=True)
    if serving.empty:
        return
    _, tables = simulate((site, serving, tides), "easy-backfill")
    most = sum(
        int(tide.replicas.max()) * int(serving["gpus"][serving["job_id"].str[0] == name].max())
        for name, tide in tides
        if (serving["job_id"].str[0] == name).any()
    )
    if site.pools[0].gpus_per_node == 1 and most <= site.n_gpus:
        assert (tables.jobs["wait_s"] == 0).all()
    assert (tables.jobs["checkpoint_gpu_s"] == 0).all()
