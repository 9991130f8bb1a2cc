"""Reservations that are known ahead begin on time, and cost nobody a running job."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reservations import NAMES, cases, of, simulate

from twin.kernel.ahead import Ahead, Window
from twin.kernel.needs import Need

# The scheduler's word is good where a job that gives way to another has nothing to save.
NO_WRITE_S = 0.0


@pytest.mark.parametrize("scheduler", NAMES)
@settings(max_examples=12, deadline=None)
@given(cases())
def test_with_true_estimates_it_begins_on_time(scheduler, drawn):
    site, jobs, reservations = drawn
    record, tables = simulate(site, jobs, reservations, scheduler, NO_WRITE_S)
    assert (tables.jobs["state"] == "completed").all()
    assert record.reserved.jobs_preempted == (0,) * len(reservations)
    held, end_s = tables.allocations, record.horizon_s
    for index, asked in enumerate(reservations):
        if asked.closes_s > end_s:
            continue
        spells = of(record, index)
        # All nodes, the same from first to last, and from the start on nobody else on them.
        assert len({node for node, _, _ in spells}) == len(spells) == asked.nodes
        for node, from_s, to_s in spells:
            assert (from_s, to_s) == (asked.closes_s, min(asked.end_s, end_s))
            here = held[(held["node"] == node) & (held["start_s"] < asked.start_s)]
            assert (here["end_s"] <= asked.start_s).all()
            assert (here["start_s"] <= asked.closes_s).all()
    assert (tables.reservations["others_node_s"] == 0).all()
    assert (tables.reservations["short_node_s"] == 0).all()


@settings(max_examples=60, deadline=None)
@given(
    cases(),
    st.sampled_from(NAMES),
    st.lists(st.integers(0, 900), min_size=2, max_size=2),
    st.sampled_from([0.2, 1.0, 3.0]),
)
def test_whoever_knows_when_and_whatever_is_believed(drawn, scheduler, notices, factor):
    """All work is done, and each has all its nodes, though perhaps with others on them."""
    site, jobs, reservations = drawn
    asked = [
        replace(each, notice_s=float(notice_s))
        for each, notice_s in zip(reservations, notices, strict=False)
    ]
    tables = simulate(site, jobs, asked, scheduler, NO_WRITE_S, factor)[1]
    assert (tables.jobs["state"] == "completed").all()
    assert (tables.reservations["short_node_s"] == 0).all()
    useful = tables.jobs["useful_gpu_s"]
    np.testing.assert_allclose(useful, jobs["run_s"] * jobs["gpus"], atol=1e-6)


@st.composite
def windows(draw):
    """Times of a few reservations on a few nodes, which may meet."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        start_s = draw(st.integers(1, 20))
        nodes = draw(st.sets(st.integers(0, 3), min_size=1))
        closes_s = max(start_s - draw(st.integers(0, 3)), 0)
        end_s = start_s + draw(st.integers(1, 8))
        made.append(Window(tuple(sorted(nodes)), closes_s, start_s, end_s))
    return made


@settings(max_examples=120, deadline=None)
@given(
    windows(),
    st.lists(st.integers(0, 25), min_size=4, max_size=4),
    st.integers(1, 4),
    st.integers(1, 10),
)
def test_the_earliest_time_is_the_first_that_will_do(made, ready_s, needed, duration_s):
    """Against each whole second in turn."""

    def can_be_had(node, at_s):
        return at_s >= ready_s[node] and not any(
            node in each.nodes
            and at_s < each.end_s
            and (at_s + duration_s > each.start_s or at_s >= each.closes_s)
            for each in made
        )

    ahead = Ahead(made)
    enough_s = Need(0, 1, needed).earliest_s
    found_s = ahead.earliest_s(np.array(ready_s, float), 0, enough_s, float(duration_s))
    # A pool that begins at another node.
    shifted = Ahead([replace(each, nodes=tuple(node + 5 for node in each.nodes)) for each in made])
    again_s = shifted.earliest_s(np.array(ready_s, float), 5, enough_s, float(duration_s))
    first_s = next(
        at_s for at_s in range(100) if sum(can_be_had(node, at_s) for node in range(4)) >= needed
    )
    assert found_s == again_s == first_s
    blocked = ahead.blocks(0, 4, found_s, duration_s)
    free = [can_be_had(node, found_s) for node in range(4)]
    assert [ready_s[v] <= found_s and not blocked[v] for v in range(4)] == free


def chosen_first(reservations, n_nodes):
    """(nodes, reservation) each, by the rule: nothing runs yet, so the lowest not taken."""
    made = []
    for asked in sorted(reservations, key=lambda asked: asked.closes_s):
        taken = {
            node
            for nodes, other in made
            for node in nodes
            if other.closes_s < asked.end_s and asked.closes_s < other.end_s
        }
        made.append((sorted(set(range(n_nodes)) - taken)[: asked.nodes], asked))
    return made


@settings(max_examples=60, deadline=None)
@given(cases())
def test_it_keeps_nobody_waiting_who_would_leave_in_time(drawn):
    """Under backfill of any no job waits while nodes are free that it may use."""
    site, jobs, reservations = drawn
    record, tables = simulate(site, jobs, reservations, "greedy", NO_WRITE_S)
    size, held = site.pools[0].gpus_per_node, tables.allocations
    kept = chosen_first(reservations, site.n_nodes)
    started_s = tables.jobs["start_s"].to_numpy()
    times = {*jobs["submit_s"], *held["start_s"], *held["end_s"]}
    times |= {at_s for each in reservations for at_s in (each.start_s, each.end_s)}
    for now_s in sorted(at_s for at_s in times if at_s < record.horizon_s):
        here = held[(held["start_s"] <= now_s) & (held["end_s"] > now_s)]
        busy = np.bincount(
            here["node"], [mask.bit_count() for mask in here["gpu_mask"]], site.n_nodes
        )
        for row in np.flatnonzero((jobs["submit_s"] <= now_s) & (started_s > now_s)).tolist():
            end_s = now_s + float(jobs["run_s"][row])
            barred = {
                node
                for nodes, asked in kept
                for node in nodes
                if now_s < asked.end_s and (end_s > asked.start_s or now_s >= asked.closes_s)
            }
            free = [size - busy[node] for node in range(site.n_nodes) if node not in barred]
            gpus = int(jobs["gpus"][row])
            if gpus <= size:
                assert max(free, default=0) < gpus, (now_s, row)
            else:
                assert sum(each == size for each in free) < -(-gpus // size), (now_s, row)
