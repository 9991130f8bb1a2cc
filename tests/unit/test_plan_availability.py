"""The table of free GPUs over time, against a list of who holds what."""

from math import inf

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernel.availability import Availability

times = st.integers(0, 30).map(float)


@st.composite
def histories(draw):
    """Holds (node, GPUs, from, until), some given back again, and times that pass between."""
    steps, held = [], []
    now_s = 0.0
    for _ in range(draw(st.integers(0, 25))):
        what = draw(st.sampled_from(["hold", "hold", "give back", "pass"]))
        if what == "pass":
            now_s += draw(st.integers(0, 4))
            steps.append(("pass", now_s))
        elif what == "hold":
            from_s = now_s + draw(times)
            until_s = draw(st.one_of(st.just(inf), times.map(lambda t, at_s=from_s: at_s + t)))
            held.append((draw(st.integers(0, 2)), draw(st.integers(1, 2)), from_s, until_s))
            steps.append(("hold", held[-1]))
        elif held:
            gone = held.pop(draw(st.integers(0, len(held) - 1)))
            steps.append(("give back", gone))
    return steps, held, now_s


def free_at(held, node, at_s):
    return 4 - sum(gpus for v, gpus, begin, end in held if v == node and begin <= at_s < end)


def least(held, node, from_s, duration_s):
    moments = [from_s] + [h[2] for h in held if from_s < h[2] < from_s + duration_s]
    return min(free_at(held, node, at_s) for at_s in moments)


@settings(max_examples=200, deadline=None)
@given(histories(), st.integers(1, 4), st.integers(1, 3), st.one_of(times, st.just(1e9)), times)
def test_searches_agree_with_a_list_of_holds(history, gpus, needed, duration_s, look_s):
    steps, held, now_s = history
    table = Availability(np.array([4, 4, 4]), 0.0)
    for what, value in steps:
        if what == "pass":
            table.advance(value)
        else:
            node, taken, from_s, until_s = value
            table.change(node, -taken if what == "hold" else taken, from_s, until_s)
        if table.now_s >= look_s:  # what is kept for searches is brought up to date in between
            table.fitting(slice(0, 3), gpus, table.now_s, duration_s)
    every = slice(0, 3)
    candidates = sorted({now_s} | {h[3] for h in held if now_s < h[3] < inf})
    expected = inf
    for at_s in candidates:
        if sum(least(held, v, at_s, duration_s) >= gpus for v in range(3)) >= needed:
            expected = at_s
            break
    assert table.earliest_s(every, gpus, needed, duration_s) == expected
    for at_s in [now_s, *candidates]:
        most = [least(held, v, at_s, duration_s) for v in range(3)]
        assert [table.least(v, at_s, duration_s) for v in range(3)] == most
        fitting = table.fitting(every, gpus, at_s, duration_s).tolist()
        assert fitting == [v for v in range(3) if most[v] >= gpus]
    assert table.fitting(slice(1, 3), gpus, now_s, 0.0).tolist() == [
        v for v in (1, 2) if free_at(held, v, now_s) >= gpus
    ]
    begins = sorted(h[2] for h in held if h[2] > now_s)
    able, until = table.open(every, gpus)
    assert able.tolist() == [v for v in range(3) if free_at(held, v, now_s) >= gpus]
    for node, until_s in zip(able.tolist(), until, strict=True):
        short = [at_s for at_s in begins if free_at(held, node, at_s) < gpus]
        assert until_s == min(short, default=inf)
    for some in ([0], [1, 2], [0, 1, 2]):
        soonest = table.earliest_s(np.array(some), gpus, 1, duration_s)
        assert table.may_begin(np.array(some), gpus, duration_s, 25.0) == (soonest < 25.0)


def test_the_table_grows_and_what_is_past_is_dropped():
    table = Availability(np.array([8, 8]), 0.0)
    for k in range(5000):
        table.advance(float(k))
        table.take(((k % 2, 1),), k + 1.0, k + 300.5)
    assert len(table.times_after(0.0)) < 700
    assert [table.least(node, 4999.0, 0.0) for node in (0, 1)] == [8 - 150, 8 - 150]
