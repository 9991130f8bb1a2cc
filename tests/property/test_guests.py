"""Invariants of any run with guests, under every scheduler, with and without faults."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_services import END_S, halls, restarts

from twin.failures.model import FailureModel, Incident
from twin.kernel.gaps import Berth, Gaps
from twin.kernel.guests import Hosting
from twin.kernel.hazards import Reliability, nothing_fails
from twin.kernel.simulation import Simulation
from twin.policies.guests.fill import Fill
from twin.policies.placements.best_fit import BestFit
from twin.registry import make_policy
from twin.results.outcome import outcome
from twin.workload.hosting import Host, Hosts


@st.composite
def hosts(draw):
    """Loads of the services a and b, either of which may welcome guests."""
    made = []
    for name in "ab":
        gaps = draw(st.lists(st.integers(1, 600), max_size=6))
        time_s = np.cumsum([0, *gaps]).astype(float)
        busy = draw(st.lists(st.floats(0, 1), min_size=len(time_s), max_size=len(time_s)))
        harm, cost = draw(st.sampled_from([(0.0, 0.0), (0.1, 0.2), (1.0, 0.5)]))
        made.append(Host(name, time_s, np.array(busy), draw(st.booleans()), 0.5, harm, cost))
    return made


@st.composite
def incidents(draw, site):
    """Nodes that go out of service for a while."""
    n = draw(st.integers(0, 4))
    return [
        Incident(
            float(draw(st.integers(1, END_S))),
            "node",
            "node",
            draw(st.integers(0, site.n_nodes - 1)),
            float(draw(st.sampled_from([1, 50, 700]))),
        )
        for _ in range(n)
    ]


def simulate(drawn, told, scheduler, policy, faults, write_s):
    site, jobs, _ = drawn
    base = nothing_fails(restarts(write_s))
    reliability = Reliability(
        FailureModel(incidents=tuple(faults)),
        base.restarts,
        base.recovery,
        base.checkpoint,
        base.retirement,
        0,
    )
    chosen = make_policy("schedulers", scheduler, {})
    if chosen.preempts:  # who loses all its work each time may never end
        training = jobs["kind"].astype("str").replace("interactive", "training")
        jobs = jobs.assign(kind=training.astype("category"))
    names = jobs["job_id"].astype("str").str.partition("/")[0]
    of_row = np.array(["ab".find(name) if len(name) == 1 else -1 for name in names], np.int32)
    hosting = Hosting(Hosts(tuple(told), of_row), policy, lambda model, gpu, share: True)
    simulation = Simulation(site, jobs, chosen, BestFit(), reliability=reliability, hosting=hosting)
    record = simulation.run(END_S + 3000.0)
    return record, outcome(record, jobs, site), of_row  # which checks that the ledger balances


# One of each way to choose: queue order, backfill, an order that preempts, rounds.
@pytest.mark.parametrize("scheduler", ["fifo", "easy-backfill", "srtf", "tiresias", "time-slice"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_time_is_divided_exactly(scheduler, data):
    drawn = data.draw(halls())
    site, table, _ = drawn
    if not len(table):
        return
    told, faults = data.draw(hosts()), data.draw(incidents(site))
    leaves = data.draw(st.sampled_from([0.0, 0.1]))
    write_s = data.draw(st.sampled_from([0.0, 7.0]))
    policy = Fill(least=0.1, leaves_below=leaves)
    record, tables, of_row = simulate(drawn, told, scheduler, policy, faults, write_s)
    jobs, held, stays = tables.jobs, tables.allocations, tables.stays
    # Work is done once: whatever a job lost or waited for.
    batch = jobs[jobs["until_s"].isna() & (jobs["state"] == "completed")]
    np.testing.assert_allclose(batch["useful_gpu_s"], batch["run_s"] * batch["gpus"], rtol=1e-9)
    assert ((jobs["guest_fraction"] >= 0) & (jobs["guest_fraction"] <= 1 + 1e-9)).all()
    # The work of replicas is their load, integrated over the time for which they served.
    spells = record.served
    if spells is None:  # nobody wanted a replica
        return
    for at, host in enumerate(told):
        mine = of_row[spells["job"].astype(int)] == at
        gpus = table["gpus"].to_numpy()[spells["job"].astype(int)][mine]
        edges = np.append(host.time_s, np.inf)
        work_gpu_s = sum(
            busy * (np.clip(spells["end_s"][mine], low, high)
                    - np.clip(spells["start_s"][mine], low, high)) @ gpus
            for busy, low, high in zip(host.busy, edges[:-1], edges[1:], strict=True)
        )  # fmt: skip
        guests_cost = jobs["interference_gpu_s"][of_row[: len(jobs)] == at].sum()
        useful_gpu_s = jobs["useful_gpu_s"][of_row[: len(jobs)] == at].sum()
        # Where load and harm are more than there is, less than the load is served.
        assert useful_gpu_s <= work_gpu_s * (1 + 1e-6) + 1e-3
        if host.harm == 0.0 or guests_cost == 0.0:
            assert useful_gpu_s == pytest.approx(work_gpu_s, rel=1e-5, abs=1e-2)
    # A guest is on GPUs that a replica of a service that welcomes it holds, one guest on each.
    welcoming = [at for at, host in enumerate(told) if host.welcomes]
    for stay in stays.itertuples():
        over = held[(held["node"] == stay.node) & (held["start_s"] <= stay.start_s)
                    & (held["end_s"] >= stay.end_s)]  # fmt: skip
        over = over[np.isin(of_row[over["job"]], welcoming)]
        covered = np.bitwise_or.reduce(over["gpu_mask"].to_numpy(np.int64), initial=0)
        assert stay.gpu_mask & ~covered == 0
        meet = (stays["start_s"] < stay.end_s) & (stays["end_s"] > stay.start_s)
        others = stays[(stays["node"] == stay.node) & (stays["job"] != stay.job) & meet]
        assert not (others["gpu_mask"] & stay.gpu_mask).any()
        assert of_row[stay.job] == -1


def some(masks):
    return [Berth(age, age, age, mask, until_s) for age, (mask, until_s) in enumerate(masks)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0b1, 0b11, 0b1111]), st.sampled_from([5.0, 20.0])),
             max_size=6),
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.0, 10.0])), max_size=6),
)  # fmt: skip
def test_where_a_guest_finds_room(masks, asks):
    """Against every choice tried: one berth, the tightest and then the oldest; or empty ones."""
    gaps, berths = Gaps(), some(masks)
    gaps.open(berths)
    for gpus, after_s in asks:
        there = [b for b in berths if b.until_s > after_s]
        alone = [b for b in there if b.free_mask.bit_count() >= gpus]
        found = gaps.find(gpus, after_s)
        if alone:
            best = min(alone, key=lambda b: (b.free_mask.bit_count(), b.age))
            assert found == [(best, gpus)]
        else:
            empty = [b for b in there if b.free_mask == b.mask]
            # A gang of less than a berth is not cut up.
            largest = max((b.mask.bit_count() for b in berths), default=0)
            room = sum(b.mask.bit_count() for b in empty)
            if room < gpus or gpus <= largest:
                assert found is None
                continue
            assert sum(n for _, n in found) == gpus
            assert [b for b, _ in found] == empty[: len(found)]
        taken = [(b, gaps.take(b, n)) for b, n in found]
        assert gaps.free_gpus == sum(b.free_mask.bit_count() for b in berths)
        for berth, mask in taken[::2]:
            gaps.give_back(berth, mask)
    for berth in berths:
        gaps.close(berth.row)
    assert gaps.free_gpus == 0
