"""EASY on several pools of different nodes, against a second program that tries everything anew.

The contract speaks of one pool of 8-GPU nodes. With several, a job tries the pools it may use in
the scenario's order and takes the first in which it fits; the head's shadow time is the earliest
end at which it fits in any of them. Nothing here is kept from one instant to the next.
"""

from math import inf
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernel import ready
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table


def place(free, sizes, gpus, pools):
    """{(pool, node): GPUs} for a job, or None; `free[pool][node]` GPUs are free."""
    for pool in pools:
        size = sizes[pool]
        if gpus <= size:
            fitting = [(f, node) for node, f in enumerate(free[pool]) if f >= gpus]
            if fitting:
                return {(pool, min(fitting)[1]): gpus}
        else:
            whole = [node for node, f in enumerate(free[pool]) if f == size]
            if len(whole) >= -(-gpus // size):
                return {(pool, node): size for node in whole[: -(-gpus // size)]}
    return None


def moved(free, placement, sign):
    changed = [list(nodes) for nodes in free]
    for (pool, node), gpus in placement.items():
        changed[pool][node] += sign * gpus
    return changed


def easy(pools, jobs, estimates):
    """Start times; `pools` holds (GPUs a node, nodes), `jobs` (submit, GPUs, run, pools)."""
    sizes = [size for size, _ in pools]
    free = [[size] * n for size, n in pools]
    starts = [inf] * len(jobs)
    running, queue, arrived = {}, [], 0  # running: job -> (end, expected end, placement)
    while arrived < len(jobs) or queue:
        comes = [submit for submit, *_ in jobs[arrived : arrived + 1]]
        now = min(comes + [end for end, _, _ in running.values()])
        for job in [job for job, (end, _, _) in running.items() if end <= now]:
            free = moved(free, running.pop(job)[2], +1)
        while arrived < len(jobs) and jobs[arrived][0] == now:
            queue.append(arrived)
            arrived += 1

        def start(job, placement):
            nonlocal free
            free = moved(free, placement, -1)
            running[job] = (now + jobs[job][2], now + estimates[job], placement)  # noqa: B023
            starts[job] = now  # noqa: B023
            queue.remove(job)

        while queue and (p := place(free, sizes, jobs[queue[0]][1], jobs[queue[0]][3])):
            start(queue[0], p)
        if not queue:
            continue
        head = queue[0]

        def head_fits(state):
            return place(state, sizes, jobs[head][1], jobs[head][3]) is not None  # noqa: B023

        expected = [(max(due, now), placement) for _, due, placement in running.values()]
        for shadow in sorted({due for due, _ in expected}):
            projected = free
            for due, placement in expected:
                if due <= shadow:
                    projected = moved(projected, placement, +1)
            if head_fits(projected):
                break
        for job in queue[1:]:
            placement = place(free, sizes, jobs[job][1], jobs[job][3])
            if placement is None:
                continue
            if now + estimates[job] <= shadow:
                start(job, placement)
            elif head_fits(moved(projected, placement, -1)):
                projected = moved(projected, placement, -1)
                start(job, placement)
    return starts


@st.composite
def cases(draw):
    pools = draw(
        st.lists(
            st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(1, 4)), min_size=2, max_size=3
        )
    )
    times = st.integers(1, 60).map(float)
    names = ["", *(f"p{i}" for i in range(len(pools)))]
    jobs = []
    for _ in range(draw(st.integers(2, 30))):
        wanted = draw(st.sampled_from(names))
        gpus = draw(st.integers(1, 20))
        able = tuple(
            i
            for i, (size, nodes) in enumerate(pools)
            if wanted in ("", f"p{i}") and -(-gpus // size) <= nodes
        )
        if able:
            jobs.append((draw(st.integers(0, 80).map(float)), gpus, draw(times), able, wanted))
    jobs.sort(key=lambda job: job[0])
    estimates = draw(st.lists(times, min_size=len(jobs), max_size=len(jobs)))
    return pools, jobs, estimates if draw(st.booleans()) else [job[2] for job in jobs]


@pytest.mark.parametrize("many", [ready._MANY, -1])  # node by node, and all at once
@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_every_start_on_several_pools(many, case):
    pools, jobs, estimates = case
    if not jobs:
        return
    site = lay_out([Pool(f"p{i}", "n", "", size, n) for i, (size, n) in enumerate(pools)])
    submit_s, gpus, run_s, _, wanted = zip(*jobs, strict=True)
    table = job_table({"submit_s": submit_s, "gpus": gpus, "run_s": run_s, "pool": wanted})
    with patch.object(ready, "_MANY", many):
        ours = Simulation(site, table, EasyBackfill(), BestFit(), np.array(estimates)).run()
    expected = easy(pools, [job[:4] for job in jobs], estimates)
    np.testing.assert_array_equal(ours.start_s, expected)
