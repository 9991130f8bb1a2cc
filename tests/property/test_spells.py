"""Migrations counted from allocations, against a walk along each job's life."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.results.spells import migrations, waiting


def counted(rows, n_jobs):
    job, node, start_s, end_s = (np.array(c) for c in zip(*rows, strict=True))
    found = migrations(job, node, start_s.astype(float), end_s.astype(float), n_jobs)
    return found.tolist()


@pytest.mark.parametrize(
    ("spells", "moves"),
    [
        ([([0], 0, 5)], 0),
        ([([0], 0, 5), ([0], 7, 9)], 0),  # back where it was
        ([([0], 0, 5), ([1], 7, 9)], 1),
        ([([0], 0, 5), ([1], 5, 9), ([0], 9, 12)], 2),
        ([([0, 1], 0, 5), ([0, 1, 2], 7, 9)], 0),  # it grew
        ([([0, 1], 0, 5), ([0], 7, 9)], 0),  # it shrank
        ([([0, 1], 0, 5), ([1, 2], 7, 9)], 1),
        ([([0, 1], 0, 5), ([2], 7, 9), ([0, 1], 9, 10)], 2),
        ([([0, 1], 0, 20), ([2], 5, 20)], 0),  # a node joins
    ],
)
def test_by_hand(spells, moves):
    rows = [(1, node, start, end) for nodes, start, end in spells for node in nodes]
    assert counted([(0, 9, 0, 30), *rows], 3) == [0, moves, 0]


def test_a_spare_takes_the_place_of_a_failed_node():
    assert counted([(0, 0, 0, 5), (0, 1, 0, 20), (0, 2, 5, 20)], 1) == [1]  # at once
    assert counted([(0, 0, 0, 5), (0, 1, 0, 20), (0, 2, 8, 20)], 1) == [1]  # later
    assert counted([(0, 0, 0, 5), (0, 1, 0, 20), (0, 0, 8, 20)], 1) == [0]  # it came back


def test_nobody_held_anything():
    none = np.zeros(0, int)
    assert migrations(none, none, none.astype(float), none.astype(float), 2).tolist() == [0, 0]


@st.composite
def allocations(draw):
    """Rows of jobs on four nodes, in which no job holds a node twice at a time."""
    rows = []
    for job in range(draw(st.integers(1, 4))):
        for node in range(4):
            times = draw(st.lists(st.integers(0, 12), max_size=8, unique=True))
            times = sorted(times)[: len(times) // 2 * 2]
            ends = draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
            for at in range(0, len(times), 2):
                # Some rows follow on the one before without a gap.
                joined = at and ends[at]
                start = times[at - 1] if joined else times[at]
                rows.append((job, node, start, times[at + 1]))
    return draw(st.permutations(rows)) if rows else [(0, 0, 0, 1)]


@settings(deadline=None)
@given(allocations())
def test_against_a_walk(rows):
    expected = [0] * 4
    for job in range(4):
        mine = [row[1:] for row in rows if row[0] == job]
        before = None
        for at in sorted({start for _, start, _ in mine}):
            now = {node for node, start, end in mine if start <= at < end}
            if before is not None and now - before and before - now:
                expected[job] += 1
            before = now
    assert counted(rows, 4) == expected


@settings(deadline=None)
@given(allocations(), st.data())
def test_waiting_is_what_is_left_of_the_stay(rows, data):
    first = [min((start for j, _, start, _ in rows if j == job), default=12) for job in range(4)]
    last = [max((end for j, _, _, end in rows if j == job), default=0) for job in range(4)]
    submit = [data.draw(st.integers(0, at)) for at in first]
    leave = [data.draw(st.integers(max(a, b), 14)) for a, b in zip(submit, last, strict=True)]
    job, _, start, end = (np.array(c) for c in zip(*rows, strict=True))
    stay = np.array(submit, float), np.array(leave, float)
    whose, from_s, to_s = waiting(*stay, job, start.astype(float), end.astype(float))
    assert (to_s > from_s).all()
    for each in range(4):
        for t in range(14):
            held = any(j == each and a <= t < b for j, _, a, b in rows)
            spells = int(((whose == each) & (from_s <= t) & (t < to_s)).sum())
            assert spells == int(submit[each] <= t < leave[each] and not held)
