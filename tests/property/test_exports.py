"""Exports of any allocations: nothing overlaps, nothing is lost, sets come back as they were."""

import csv
import io
import json
from collections import defaultdict
from itertools import pairwise

import pytest
from export_case import job, run_in_memory
from hypothesis import given
from hypothesis import strategies as st

from twin.export import evalys, perfetto
from twin.export.pools import first_gpus, pools
from twin.export.resources import intervals_text, joined, spells

N_NODES, N_GPUS = 3, 4
POOLS = (("a", 1, N_GPUS), ("b", N_NODES - 1, N_GPUS))


def parsed(text):
    """A set of resources from its text, by the definition in Batsim's documentation."""
    found = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@given(st.sets(st.integers(0, 300)), st.randoms())
def test_interval_sets_come_back(resources, shuffled):
    singles = [(k, k) for k in resources]
    shuffled.shuffle(singles)
    text = intervals_text(joined(singles))
    assert parsed(text) == resources
    parts = [part.split("-") for part in text.split()]
    bounds = [(int(part[0]), int(part[-1])) for part in parts]
    # Canonical: ascending, never touching, and no a-a.
    assert all(b + 1 < c for (_, b), (c, _) in pairwise(bounds))
    assert all(len(part) == 1 or a < b for part, (a, b) in zip(parts, bounds, strict=True))


@st.composite
def allocations(draw, *, shared=False):
    """Rows of allocations.parquet in which no GPU is held twice at a time, unless shared."""
    step = st.sampled_from([0.0, 0.1, 1 / 3, 1.0, 7.25])
    mask = st.integers(1, 2**N_GPUS - 1)
    asked = st.tuples(st.integers(0, 4), st.integers(0, N_NODES - 1), mask, step, step)
    free_s = defaultdict(float)
    rows = []
    for who, node, held, gap_s, length_s in draw(st.lists(asked, max_size=25)):
        gpus = [(node, k) for k in range(N_GPUS) if held >> k & 1]
        # A job holds no GPU twice, even where others share it.
        keys = [(who, *gpu) for gpu in gpus] if shared else gpus
        start_s = max(free_s[key] for key in keys) + gap_s
        rows.append((who, node, held, start_s, start_s + length_s))
        free_s.update(dict.fromkeys(keys, start_s + length_s))
    return rows


def run_of(rows):
    ends_s = [max((r[4] for r in rows if r[0] == k), default=0.0) for k in range(5)]
    starts_s = [min((r[3] for r in rows if r[0] == k), default=0.0) for k in range(5)]
    jobs = [
        job(str(k), start_s=a, end_s=b)
        for k, (a, b) in enumerate(zip(starts_s, ends_s, strict=True))
    ]
    return run_in_memory(jobs, rows, pools=POOLS)


def held_gpu_s(rows):
    return sum(bin(mask).count("1") * (end - start) for _, _, mask, start, end in rows)


@given(st.one_of(allocations(), allocations(shared=True)))
def test_slices_never_overlap_on_a_thread_and_hold_all_gpu_time(rows):
    text = io.StringIO()
    assert perfetto.write(run_of(rows), text) == []
    events = json.loads(text.getvalue())["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    threads = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
    assert len(set(threads)) == len(threads)  # one for each place, however often it is held
    assert len(slices) == len(rows)
    of_thread = defaultdict(list)
    for event in slices:
        assert event["dur"] >= 0
        of_thread[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for found in of_thread.values():
        found.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(found))
    seen = sum(event["dur"] * event["args"]["gpus"] for event in slices) / 1e6
    assert seen == pytest.approx(held_gpu_s(rows), abs=1e-6 * N_GPUS * len(rows))
    # Job by job too, so that no slice stands under another's name.
    for who in range(5):
        mine = [e for e in slices if e["args"]["job"] == str(who)]
        assert sum(e["dur"] * e["args"]["gpus"] for e in mine) / 1e6 == pytest.approx(
            held_gpu_s([row for row in rows if row[0] == who]), abs=1e-6 * N_GPUS * len(rows)
        )


@given(allocations(), st.lists(st.floats(0, 60), min_size=1, max_size=20))
def test_spells_say_who_held_what_at_any_time(rows, times_s):
    run = run_of(rows)
    found = dict(spells(run.allocations, first_gpus(pools(run))))
    for at_s in times_s:
        for who in range(5):
            truth = {
                node * N_GPUS + k
                for row, node, mask, start_s, end_s in rows
                for k in range(N_GPUS)
                if row == who and start_s <= at_s < end_s and mask >> k & 1
            }
            now = [s for s in found.get(who, []) if s.start_s <= at_s < s.end_s]
            assert len(now) <= 1
            assert set().union(*(range(a, b + 1) for s in now for a, b in s.gpus)) == truth
    for mine in found.values():  # as few as can be: neighbours differ
        for a, b in pairwise(mine):
            assert a.end_s < b.start_s or (a.end_s == b.start_s and a.gpus != b.gpus)


@given(allocations())
def test_lines_of_evalys_add_up(rows):
    text = io.StringIO()
    evalys.write(run_of(rows), text)
    lines = list(csv.DictReader(io.StringIO(text.getvalue())))
    ran = [line for line in lines if line["starting_time"]]
    assert sum(
        float(line["execution_time"]) * len(parsed(line["allocated_resources"])) for line in ran
    ) == pytest.approx(held_gpu_s(rows), abs=1e-5 * N_NODES * N_GPUS * (1 + len(rows)))
    for who in range(5):
        mine = [line for line in ran if line["job_id"].partition("#")[0] == str(who)]
        stays_s = sum(float(e["waiting_time"]) + float(e["execution_time"]) for e in mine)
        ends_s = [row[4] for row in rows if row[0] == who and row[4] > row[3]]
        assert stays_s == pytest.approx(max(ends_s, default=0.0), abs=1e-5 * (1 + len(rows)))
    names = [line["job_id"] for line in lines]
    assert len(set(names)) == len(names)
