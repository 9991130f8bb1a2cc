"""Invariants of any run with reservations, under every scheduler."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.failures.model import FailureModel, Incident
from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.hazards import nothing_fails
from twin.kernel.reservation import Reservation
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.registry import SCHEDULERS, make_policy
from twin.results.outcome import outcome
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

WRITE_S = 7.0
# Quotas must be told of groups, and Sia solves a program of integers each round.
NAMES = [name for name in SCHEDULERS.names() if name not in ("quotas", "sia")]


@st.composite
def cases(draw):
    """A pool, jobs of two groups, and reservations that do not ask for too much at once."""
    size, nodes = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 4))
    site = lay_out([Pool("main", "node", "", size, nodes)])
    n = draw(st.integers(1, 14))
    jobs = job_table(
        {
            "submit_s": draw(st.lists(st.integers(0, 900), min_size=n, max_size=n)),
            "run_s": draw(st.lists(st.integers(1, 500), min_size=n, max_size=n)),
            "gpus": draw(st.lists(st.integers(1, size * nodes), min_size=n, max_size=n)),
            "group": draw(st.lists(st.sampled_from("ab"), min_size=n, max_size=n)),
            "user": draw(st.lists(st.sampled_from("uv"), min_size=n, max_size=n)),
        }
    )
    reservations, left = [], nodes
    for at in range(draw(st.integers(1, 2))):
        if not left:
            break
        asked, start_s = draw(st.integers(1, left)), draw(st.integers(0, 800))
        left -= asked
        whose = draw(st.sampled_from([{"groups": ("a",)}, {"users": ("v",)}, {"groups": ("c",)}]))
        reservations.append(
            Reservation(
                name=f"r{at}",
                pool=0,
                nodes=asked,
                start_s=float(start_s),
                end_s=float(start_s + draw(st.integers(1, 600))),
                drain_s=float(draw(st.integers(0, 300))),
                **whose,
            )
        )
    return site, jobs, reservations


def simulate(site, jobs, reservations, scheduler, write_s, factor=1.0):
    levels = (SaveLevel("storage", 1, write_s=write_s, read_s=2.0),) if write_s else ()
    reliability = nothing_fails(RestartModel(restart_s=5.0, levels=levels))
    policy = make_policy("schedulers", scheduler, {})
    estimate_s = jobs["run_s"].to_numpy(float) * factor
    simulation = Simulation(
        *(site, jobs, policy, BestFit(), estimate_s),
        reliability=reliability,
        reservations=reservations,
    )
    record = simulation.run()
    return record, outcome(record, jobs, site)  # which checks that the ledger balances


def of(record, index):
    """(node, from, to) of each spell of a reservation."""
    spells = record.reserved.spells
    mine = spells["reservation"] == index
    columns = (spells[name][mine].tolist() for name in ("node", "start_s", "end_s"))
    return [(int(node), from_s, to_s) for node, from_s, to_s in zip(*columns, strict=True)]


@pytest.mark.parametrize("scheduler", NAMES)
@settings(max_examples=12, deadline=None)
@given(cases(), st.sampled_from([0.0, WRITE_S]), st.sampled_from([0.5, 1.0, 3.0]))
def test_reserved_nodes_are_for_those_that_reserved_them(scheduler, drawn, write_s, factor):
    site, jobs, reservations = drawn
    record, tables = simulate(site, jobs, reservations, scheduler, write_s, factor)
    # All jobs end, with all their work done.
    assert (tables.jobs["state"] == "completed").all()
    useful = tables.jobs["useful_gpu_s"]
    np.testing.assert_allclose(useful, jobs["run_s"] * jobs["gpus"], atol=1e-6)
    held, end_s = tables.allocations, record.horizon_s
    for index, asked in enumerate(reservations):
        admits, spells = asked.admits(jobs), of(record, index)
        nodes = {node for node, _, _ in spells}
        if asked.closes_s > end_s:
            assert not spells
            continue
        # Nothing fails: it has just as many nodes as it asks for, from first to last.
        assert len(spells) == len(nodes) == asked.nodes
        for node, from_s, to_s in spells:
            assert (from_s, to_s) == (asked.closes_s, min(asked.end_s, end_s))
            here = held[held["node"] == node]
            start_s, own = here["start_s"].to_numpy(), admits[here["job"]]
            # From the drain on nobody starts, from the start on those alone that it is for.
            began = (start_s >= from_s) & (start_s < to_s)
            started = here[began]
            assert (started["start_s"] >= asked.start_s).all()
            assert own[began].all()
            # No other runs there for longer than it takes to save.
            late = ~own & (here["end_s"].to_numpy() > asked.start_s + write_s)
            assert not (late & (start_s < asked.start_s) & (asked.start_s < end_s)).any()
        _starts_what_fits(asked, spells, tables.jobs, held, admits, site, end_s)


def _starts_what_fits(asked, spells, jobs, held, admits, site, end_s):
    """No job that it is for waits while enough nodes of the reservation are wholly free."""
    size = site.pools[0].gpus_per_node
    nodes = [node for node, _, _ in spells]
    here = held[held["node"].isin(nodes)]
    until_s = min(asked.end_s, end_s)
    moments = [here["start_s"], here["end_s"], jobs["submit_s"], jobs["start_s"]]
    cuts = np.unique(np.concatenate([*moments, [asked.start_s, until_s]]))
    cuts = cuts[(cuts >= asked.start_s) & (cuts <= until_s)]
    for from_s, to_s in pairwise(cuts.tolist()):
        taken = here[(here["start_s"] <= from_s) & (here["end_s"] >= to_s)]["node"]
        free = len(set(nodes) - set(taken))
        fits = admits & (-(-jobs["gpus"].to_numpy() // size) <= free)
        waits = fits & (jobs["submit_s"] < to_s) & ~(jobs["start_s"] <= from_s)
        assert not waits.any(), (from_s, to_s)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(["fifo", "easy-backfill", "conservative-backfill"]))
def test_its_jobs_start_at_the_start_where_all_nodes_are_drained(drawn, scheduler):
    """A job of the group that asks for all of the nodes, and comes before, starts then."""
    site, jobs, reservations = drawn
    asked = reservations[0]
    size = site.pools[0].gpus_per_node
    table = jobs.assign(group="z", user="w")
    mine = table.iloc[:1].assign(
        group="mine", gpus=np.int32(asked.nodes * size), submit_s=asked.start_s, run_s=10.0
    )
    table = pd.concat([mine, table]).sort_values("submit_s", kind="stable").reset_index(drop=True)
    alone = Reservation("r", 0, asked.nodes, asked.start_s, asked.end_s, 600.0, groups=("mine",))
    record, tables = simulate(site, table, [alone], scheduler, WRITE_S)
    row = int(np.flatnonzero(table["group"] == "mine")[0])
    nodes = {node for node, _, _ in of(record, 0)}
    held = tables.allocations
    before = (held["start_s"] < asked.start_s) & (held["end_s"] > asked.start_s)
    late = held[before & held["node"].isin(nodes) & (held["job"] != row)]
    start_s = tables.jobs["start_s"][row]
    if late.empty:
        assert start_s == asked.start_s
    else:
        assert start_s <= asked.start_s + WRITE_S


@st.composite
def outages(draw):
    """Nodes that are out of service for a time, and what jobs do that are hit."""
    downs = draw(
        st.lists(
            st.tuples(st.integers(0, 900), st.integers(0, 3), st.integers(1, 400)),
            min_size=1,
            max_size=4,
        )
    )
    recovery = draw(st.sampled_from([("requeue", {}), ("replace", {"patience": "10 min"})]))
    return downs, make_policy("recoveries", *recovery)


@settings(max_examples=80, deadline=None)
@given(
    cases(),
    outages(),
    st.sampled_from(["fifo", "easy-backfill", "conservative-backfill", "tiresias", "gavel"]),
    st.sampled_from([0.0, WRITE_S]),
)
def test_where_nodes_fail_the_books_balance(drawn, hit, scheduler, write_s):
    site, jobs, reservations = drawn
    downs, recovery = hit
    incidents = tuple(
        Incident(float(at_s), "node", "node", node % site.n_nodes, float(lasts_s))
        for at_s, node, lasts_s in downs
    )
    levels = (SaveLevel("storage", 1, write_s=write_s, read_s=2.0),) if write_s else ()
    reliability = replace(
        nothing_fails(RestartModel(restart_s=5.0, levels=levels)),
        failures=FailureModel(incidents=incidents),
        recovery=recovery,
    )
    policy = make_policy("schedulers", scheduler, {})
    simulation = Simulation(
        *(site, jobs, policy, BestFit()), reliability=reliability, reservations=reservations
    )
    record = simulation.run()
    tables = outcome(record, jobs, site)  # which checks that the ledger balances
    assert (tables.jobs["state"] == "completed").all()
    parts = ["used_node_s", "idle_node_s", "others_node_s", "short_node_s"]
    told = tables.reservations
    np.testing.assert_allclose(told[parts].sum(axis=1), told["reserved_node_s"], atol=1e-6)
    assert (told[[*parts, "drained_gpu_s"]] > -1e-6).all(axis=None)
    held = tables.allocations
    broken = [(i.unit, i.at_s, i.at_s + i.lasts_s) for i in incidents]
    for index, asked in enumerate(reservations):
        admits, spells = asked.admits(jobs), of(record, index)
        for node, from_s, to_s in spells:
            # It is closed for one reservation at a time, never while it is broken.
            assert not any(node == v and from_s < end and at < to_s for v, at, end in broken)
            other = [each for at in range(len(reservations)) if at != index
                     for each in of(record, at)]  # fmt: skip
            assert not any(node == v and from_s < end and at < to_s for v, at, end in other)
            here = held[(held["node"] == node)]
            began = here[(here["start_s"] >= from_s) & (here["start_s"] < to_s)]
            assert admits[began["job"]].all()
            assert (began["start_s"] >= asked.start_s).all()
