"""Invariants of any run with clouds, under every overflow policy and scheduler."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from cloud_case import STORAGE, TERMS, by, place, run
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.registry import SCHEDULERS
from twin.workload.jobs import job_table

# Quotas must be told of groups, and Sia solves a program of integers each round.
NAMES = [name for name in SCHEDULERS.names() if name not in ("quotas", "sia")]
POLICIES = [
    by("never"),
    by("by-wait", patience="0 s"),
    by("by-wait", patience="2 min"),
    by("by-wait", patience="2 min", foresees=False, depth=2),
    by("by-deadline"),
    by("by-cost", usd_per_gpu_h_of_delay=3.0),
]


@st.composite
def worlds(draw, spot=True):
    """Nodes of one's own beside a cloud, and jobs that fit one's own."""
    gpus, own = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 3))
    terms = replace(
        TERMS,
        provisioning_s=draw(st.sampled_from([0.0, 30.0, 100.0])),
        minimum_s=draw(st.sampled_from([0.0, 60.0, 3600.0])),
        idle_s=draw(st.sampled_from([0.0, 50.0, 500.0])),
        egress_usd_per_byte=0.01,
        data_bytes=draw(st.sampled_from([0.0, 5.0])),
    )
    if spot and draw(st.booleans()):
        mean_s, notice_s = draw(st.sampled_from([100.0, 700.0])), draw(st.sampled_from([0.0, 20.0]))
        terms = replace(terms, mean_life_s=mean_s, notice_s=notice_s)
    site = place(terms, own=own, rented=draw(st.integers(1, 4)), gpus=gpus)
    n = draw(st.integers(1, 14))
    columns = {
        "submit_s": draw(st.lists(st.integers(0, 1500), min_size=n, max_size=n)),
        "run_s": draw(st.lists(st.integers(1, 400), min_size=n, max_size=n)),
        "gpus": draw(st.lists(st.integers(1, gpus * own), min_size=n, max_size=n)),
        "pool": draw(st.lists(st.sampled_from(["", "", "own"]), min_size=n, max_size=n)),
    }
    columns["deadline_s"] = np.array(columns["submit_s"]) + 500.0
    return site, job_table(columns)


def check(case, drawn):
    """What holds in any run; that its ledger balances is checked when its tables are made."""
    site, work = drawn
    terms, quota = site.pools[1].cloud, site.pools[1].nodes
    table, held = case.tables.rentals, case.tables.allocations
    horizon_s = case.tables.horizon_s
    # No more than the quota, and no node twice at a time.
    for at_s in {*table["asked_s"], *table["ready_s"].dropna()}:
        here = table[(table["asked_s"] <= at_s) & (at_s < table["end_s"])]
        assert len(here) <= quota and here["node"].is_unique
    # A job is on a node of the cloud only while it is rented, and there.
    for _, spell in held[site.node_pool[held["node"]] == 1].iterrows():
        under = table[
            (table["node"] == spell["node"])
            & (table["ready_s"] <= spell["start_s"])
            & (spell["end_s"] <= table["end_s"])
        ]
        assert len(under) >= 1, spell
    own_only = np.flatnonzero((work["pool"] == "own").to_numpy())
    assert not np.isin(held["job"][site.node_pool[held["node"]] == 1], own_only).any()
    # What is billed, one rental after another.
    for _, rental in table.iterrows():
        rented_s = rental["end_s"] - rental["asked_s"]
        units = ceil(rented_s / terms.minimum_s - 1e-9) if terms.minimum_s else 0
        assert rental["billed_s"] == (units * terms.minimum_s if terms.minimum_s else rented_s)
        assert 0 <= rental["billed_s"] - rented_s + 1e-6 < max(terms.minimum_s, 2e-6) + 1e-6
    told = case.told
    usd = float(table["billed_s"].sum()) * site.pools[1].gpus_per_node * terms.price_usd_per_s
    assert told["usd"] == pytest.approx(usd)
    assert told["held_gpu_hours"] <= told["gpu_hours"] + 1e-9
    parts = ("held", "provisioning", "idle")
    total = sum(told[f"{name}_gpu_hours"] for name in parts)
    assert total == pytest.approx(told["gpu_hours"]) and told["idle_gpu_hours"] > -1e-9
    # Dark is what was not there, and what was about to be taken.
    there_s = float((table["end_s"] - table["ready_s"].fillna(table["end_s"])).sum())
    dark = site.pools[1].gpus * horizon_s - there_s * site.pools[1].gpus_per_node
    slack = int(table["reclaimed"].sum()) * terms.notice_s * site.pools[1].gpus_per_node
    assert dark - 1e-6 <= case.tables.gpu_time["dark"] <= dark + slack + 1e-6


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@settings(max_examples=20, deadline=None)
@given(drawn=worlds(), backfill=st.booleans(), write_s=st.sampled_from([0.0, 7.0]))
def test_nothing_runs_that_is_not_rented(policy, drawn, backfill, write_s):
    levels = (replace(STORAGE, write_s=write_s),) if write_s else ()
    case = run(*drawn, policy, scheduler="easy-backfill" if backfill else "fifo", levels=levels)
    check(case, drawn)
    assert set(case.tables.jobs["state"]) == {"completed"}
    if policy is POLICIES[0]:
        assert case.rentals == [] and set(case.pools) == {"own"}


@pytest.mark.parametrize("scheduler", NAMES)
@settings(max_examples=5, deadline=None)
@given(drawn=worlds(), policy=st.sampled_from(POLICIES[1:]))
def test_every_scheduler_keeps_to_what_is_rented(scheduler, drawn, policy):
    case = run(*drawn, policy, scheduler=scheduler, horizon_s=4000.0)
    check(case, drawn)


@settings(max_examples=20, deadline=None)
@given(drawn=worlds(spot=False), backfill=st.booleans(), patience_s=st.integers(1, 500))
def test_who_finds_room_on_premise_never_overflows(drawn, backfill, patience_s):
    scheduler = "easy-backfill" if backfill else "fifo"
    case = run(*drawn, by("by-wait", patience=f"{patience_s} s"), scheduler=scheduler)
    jobs, rentals = case.tables.jobs, case.tables.rentals
    away = (jobs["pool"] == "cloud").to_numpy()
    # Whoever went to the cloud had to wait, if only for a moment, or others were there for it.
    waits_until_s = jobs["start_s"].to_numpy()
    assert (waits_until_s[away] >= jobs["submit_s"].to_numpy()[away]).all()
    for asked_s in rentals["asked_s"]:
        waiting = (jobs["submit_s"] <= asked_s) & (asked_s <= jobs["start_s"])
        assert waiting.any()
        # Its wait was past its patience, or a job stood in its way on premise.
        busy = case.tables.allocations
        here = (busy["start_s"] <= asked_s) & (asked_s < busy["end_s"])
        assert here.any()


@settings(max_examples=20, deadline=None)
@given(drawn=worlds(spot=False), patience_s=st.integers(1, 500))
def test_jobs_one_after_another_rent_nothing(drawn, patience_s):
    site, work = drawn
    ends_s = np.cumsum(work["run_s"])
    work = work.assign(submit_s=np.concatenate([[0.0], ends_s[:-1]]))
    case = run(site, work, by("by-wait", patience=f"{patience_s} s"), levels=())
    assert case.rentals == []
    assert (case.tables.jobs["wait_s"] == 0).all()


@settings(max_examples=12, deadline=None)
@given(drawn=worlds())
def test_a_run_of_the_same_seed_is_the_same(drawn):
    policy = by("by-wait", patience="1 min")
    first, second = (run(*drawn, policy) for _ in range(2))
    assert first.rentals == second.rentals and first.ends == second.ends
