"""What holds of schedulers on any work: nothing idles that could work, nothing is delayed unduly."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedulers_case import costly, hall, made, play, preempting, spells, work

from twin.results.outcome import outcome

OF = {
    "user": ["u", "v", "w"],
    "group": ["a", "b", "c"],
    "qos": ["", "low", "high"],
}
ANY = ["sjf", "srtf", "smallest-first", "edf", "multifactor", "qssf", "greedy"]
ANY += ["tiresias", "time-slice"]


@st.composite
def loads(draw, most_gpus=9, most_jobs=12):
    """A small hall, and work at whole seconds on it."""
    size = draw(st.sampled_from([1, 2, 4]))
    site = hall(draw(st.integers(1, 4)), size)
    gpus = st.integers(1, min(most_gpus, site.n_gpus))
    row = st.tuples(st.integers(0, 20), st.integers(1, 12), gpus)
    rows = sorted(draw(st.lists(row, min_size=1, max_size=most_jobs)), key=lambda row: row[0])
    many = {"min_size": len(rows), "max_size": len(rows)}
    columns = {name: draw(st.lists(st.sampled_from(of), **many)) for name, of in OF.items()}
    slack = draw(st.lists(st.integers(0, 20), **many))
    due = [float(row[0] + row[1] + more) for row, more in zip(rows, slack, strict=True)]
    return site, work(*rows, **columns, deadline_s=due)


def fits(gpus, free, size):
    """Whether best fit finds a place, from its definition."""
    if gpus <= size:
        return max(free) >= gpus
    return sum(n == size for n in free) >= -(-gpus // size)


def idle_while_fitting(site, jobs, record):
    """Times at which a waiting job would have fitted, and the job."""
    held = record.allocations
    size = site.pools[0].gpus_per_node
    times = sorted({*jobs["submit_s"], *held["start_s"], *held["end_s"]})
    found = []
    for now_s, then_s in pairwise(times):
        here = (held["start_s"] <= now_s) & (held["end_s"] >= then_s)
        free = [size] * site.n_nodes
        for node, mask in zip(held["node"][here], held["gpu_mask"][here], strict=True):
            free[node] -= int(mask).bit_count()
        running = set(held["job"][here].tolist())
        for job in np.flatnonzero((jobs["submit_s"] <= now_s) & ~(record.end_s <= now_s)):
            if job not in running and fits(int(jobs["gpus"][job]), free, size):
                found.append((now_s, int(job)))
    return found


@settings(max_examples=60)
@given(loads(), st.sampled_from(ANY))
def test_nothing_is_free_that_a_waiting_job_could_use_with_backfill_of_any(load, name):
    site, jobs = load
    more = {"quantum": "3 s"} if name == "time-slice" else {}
    more |= {"qos": {"low": 1, "high": 2}} if name == "multifactor" else {}
    more |= {"thresholds_gpu_h": [4 / 3600, 15 / 3600]} if name == "tiresias" else {}
    record = play(site, jobs, made(name, backfill="any", **more))
    assert not np.isnan(record.end_s).any()
    assert idle_while_fitting(site, jobs, record) == []


@settings(max_examples=60)
@given(
    loads(most_gpus=1),
    st.sampled_from(["fifo", "easy-backfill", "conservative-backfill", *ANY, "drf", "quotas"]),
)
def test_nothing_is_free_while_a_job_of_one_gpu_waits(load, name):
    site, jobs = load
    record = play(site, jobs, name)
    assert not np.isnan(record.end_s).any()
    assert idle_while_fitting(site, jobs, record) == []
