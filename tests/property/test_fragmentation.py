"""Free GPUs that jobs cannot use, and reasons for stranded ones, recounted second by second."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from schedule_case import cases

from twin.metrics.fragmentation import fragmentation

few = settings(max_examples=25, deadline=None)
WELL = {"down": 0.0, "dark": 0.0, "spare": 0.0}


def measured(case, gpu_time=WELL):
    return fragmentation(case.jobs, case.allocations, case.site, case.horizon_s, gpu_time)


def free_gpus(case, t):
    """Free GPUs of each node at one time; a GPU is held whoever holds a part of it."""
    taken = [0] * case.site.n_nodes
    for a in case.allocations.itertuples(index=False):
        if a.start_s <= t < a.end_s:
            taken[a.node] |= int(a.gpu_mask)
    return [g - m.bit_count() for g, m in zip(case.site.node_gpus.tolist(), taken, strict=True)]


def usable(case, free, gpus):
    """GPUs on nodes that can host a job of so many, pool by pool."""
    found = 0
    for p, pool in enumerate(case.site.pools):
        here = [f for f, q in zip(free, case.site.node_pool, strict=True) if q == p]
        if gpus <= pool.gpus_per_node:
            found += sum(f for f in here if f >= gpus)
        else:
            whole = sum(f for f in here if f == pool.gpus_per_node)
            found += whole if whole >= gpus else 0
    return found


def recounted(case):
    sizes = [j.gpus for j in case.jobs.itertuples() if j.state != "rejected"]
    total = unusable = 0.0
    for t in range(int(case.horizon_s)):
        free = free_gpus(case, t)
        total += sum(free)
        for gpus in sizes:
            unusable += (sum(free) - usable(case, free, gpus)) / len(sizes)
        unusable += 0 if sizes else sum(free)
    return unusable / total if total else None


@few
@given(cases(pools=1))
def test_one_pool_against_a_recount(case):
    expected = recounted(case)
    assert measured(case).get("fragmentation") == (
        expected if expected is None else pytest.approx(expected)
    )


@few
@given(cases(pools=2))
def test_two_pools_against_a_recount(case):
    expected = recounted(case)
    found = measured(case)
    assert found.get("fragmentation") == (None if expected is None else pytest.approx(expected))
    assert set(found.get("stranded_gpu_s", {})) <= {"not_asked_for"}


@few
@given(cases(pools=2))
def test_shared_gpus_are_taken_while_anybody_holds_a_part(case):
    """Everything is held twice over: each row again, for a second longer, by another job."""
    held = case.allocations
    again = held.assign(end_s=np.minimum(held["end_s"] + 1, case.horizon_s))
    both = case._replace(
        jobs=case.jobs.assign(gpu_fraction=0.5),
        allocations=pd.concat([held, again], ignore_index=True),
    )
    expected = recounted(both)
    found = measured(both).get("fragmentation")
    assert found == (None if expected is None else pytest.approx(expected))


@few
@given(cases(pools=1))
def test_reasons_against_a_recount(case):
    expected = {"too_few": 0, "fragmented": 0, "blocked": 0}
    held = list(case.allocations.itertuples(index=False))
    for t in range(int(case.horizon_s)):
        queue = []
        for row, job in enumerate(case.jobs.itertuples(index=False)):
            leave = case.horizon_s if np.isnan(job.end_s) else job.end_s
            mine = [a for a in held if a.job == row and a.start_s <= t < a.end_s]
            if job.state != "rejected" and job.submit_s <= t < leave and not mine:
                queue.append(job.gpus)
        free = free_gpus(case, t)
        if not queue:
            continue
        if any(usable(case, free, gpus) for gpus in queue):
            expected["blocked"] += sum(free)
        elif any(sum(free) >= gpus for gpus in queue):
            expected["fragmented"] += sum(free)
        else:
            expected["too_few"] += sum(free)
    found = measured(case).get("stranded_gpu_s", {"too_few": 0, "fragmented": 0, "blocked": 0})
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@few
@given(cases(pools=1))
def test_what_is_down_is_not_taken_for_free(case):
    found = measured(case, WELL | {"down": 1.0})
    assert "fragmentation" not in found
    assert not {"too_few", "fragmented", "blocked"} & set(found.get("stranded_gpu_s", {}))
