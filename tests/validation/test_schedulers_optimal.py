"""Schedulers that are proven best, against all schedules there are; and their programs."""

from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedulers_case import hall, made, play, work
from scipy.optimize import linprog

from twin.policies.schedulers.gavel import time_shares
from twin.policies.schedulers.sia import best_choices

ONE_GPU = hall(1)
seconds = st.integers(1, 4)
few = st.lists(st.tuples(st.integers(0, 6), seconds), min_size=1, max_size=5)


def best_of_all(jobs, cost):
    """The least sum of ``cost(job, end)`` over all preemptive schedules of one machine.

    Jobs by (submit, work) in whole units: then some best schedule changes at whole units only.
    """

    @cache
    def least(now, left):
        if not any(left):
            return 0
        waiting = [at for at, (submit, _) in enumerate(jobs) if left[at] and submit <= now]
        if not waiting:
            return least(now + 1, left)
        found = []
        for at in waiting:
            after = (*left[:at], left[at] - 1, *left[at + 1 :])
            ended = cost(at, now + 1) if not after[at] else 0
            found.append(ended + least(now + 1, after))
        return min(found)

    return least(0, tuple(run for _, run in jobs))


@settings(max_examples=60)
@given(few)
def test_srtf_has_the_least_mean_completion_time_of_all_preemptive_schedules(jobs):
    jobs.sort()
    record = play(ONE_GPU, work(*((submit, run, 1) for submit, run in jobs)), "srtf")
    submits = sum(submit for submit, _ in jobs)
    assert record.end_s.sum() - submits == best_of_all(jobs, lambda at, end: end) - submits


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 6), seconds, st.integers(0, 6)), min_size=1, max_size=5))
def test_edf_meets_all_deadlines_where_any_schedule_does(rows):
    rows.sort()
    jobs = [(submit, run) for submit, run, _ in rows]
    due = [submit + run + slack for submit, run, slack in rows]
    late = best_of_all(jobs, lambda at, end: end > due[at])
    table = work(*((submit, run, 1) for submit, run in jobs), deadline_s=np.array(due, float))
    record = play(ONE_GPU, table, "edf")
    assert (record.end_s > due).any() == bool(late)


@settings(max_examples=40)
@given(st.lists(seconds, min_size=1, max_size=5))
def test_sjf_is_best_without_preemption_where_all_arrive_together(runs):
    record = play(ONE_GPU, work(*((0, run, 1) for run in runs)), "sjf")
    least = min(np.cumsum(order).sum() for order in permutations(runs))
    assert record.end_s.sum() == least


def dense_shares(speed, gpus, room, scale):
    """The best least throughput by a dense linear program, variable by variable."""
    n_job, n_pool = speed.shape
    n = n_job * n_pool
    rows, most = [], []
    for job in range(n_job):
        row = np.zeros(n + 1)
        row[job * n_pool : (job + 1) * n_pool] = 1
        rows.append(row)
        most.append(1)
        row = np.zeros(n + 1)
        row[job * n_pool : (job + 1) * n_pool] = -speed[job] * scale[job]
        row[n] = 1
        if speed[job].any():
            rows.append(row)
            most.append(0)
    for pool in range(n_pool):
        row = np.zeros(n + 1)
        row[pool:n:n_pool] = gpus
        rows.append(row)
        most.append(room[pool])
    aim = np.zeros(n + 1)
    aim[n] = -1
    # Where a job cannot run, its share there is 0.
    limits = [(0, 1 if ok else 0) for ok in (speed > 0).ravel()] + [(0, None)]
    return linprog(aim, np.array(rows), np.array(most), bounds=limits)


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32))
def test_gavel_finds_the_best_least_throughput(n_job, n_pool, seed):
    rng = np.random.default_rng(seed)
    speed = rng.uniform(0.2, 4.0, (n_job, n_pool)) * (rng.random((n_job, n_pool)) < 0.85)
    gpus = rng.integers(1, 9, n_job).astype(float)
    room = rng.integers(8, 17, n_pool).astype(float)
    scale = 10 ** rng.uniform(-5.0, 1.0, n_job)  # as work left differs
    share = time_shares(speed, gpus, room, scale, True)
    assert (share >= 0).all() and (share.sum(1) <= 1 + 1e-6).all()
    assert (gpus @ share <= room + 1e-6).all()
    can = speed.max(1) > 0
    if can.any():
        least = ((speed * share).sum(1) * scale)[can].min()
        assert least == pytest.approx(-dense_shares(speed, gpus, room, scale).fun, rel=1e-4)


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32))
def test_gavel_finds_the_best_sum_of_throughputs(n_job, n_pool, seed):
    rng = np.random.default_rng(seed)
    speed = rng.uniform(0.2, 4.0, (n_job, n_pool))
    gpus = rng.integers(1, 9, n_job).astype(float)
    room = rng.integers(4, 9, n_pool).astype(float)
    share = time_shares(speed, gpus, room, np.ones(n_job), False)
    assert (share.sum(1) <= 1 + 1e-6).all() and (gpus @ share <= room + 1e-6).all()
    each, by_pool = np.eye(n_job).repeat(n_pool, 1), np.tile(np.eye(n_pool), n_job)
    limits = np.vstack([each, by_pool * gpus.repeat(n_pool)])
    best = linprog(-speed.ravel(), limits, np.append(np.ones(n_job), room))
    assert (speed * share).sum() == pytest.approx(-best.fun, rel=1e-6)


def test_gavel_by_hand():
    """Two jobs of one GPU on two pools of one GPU each.

    A is three times as fast on pool 0, B as fast on both. With equal weights for what they would
    have on equal shares (A: 2, B: 1) the least of A/2 and B is largest if A has pool 0 and B pool
    1: A gets 3/2, B 1; more for B is not to be had, since it runs on one pool at a time.
    """
    speed = np.array([[3.0, 1.0], [1.0, 1.0]])
    share = time_shares(speed, np.ones(2), np.ones(2), np.array([0.5, 1.0]), True)
    np.testing.assert_allclose(share, [[1, 0], [0, 1]], atol=1e-6)
    # One pool of one GPU and three jobs alike: a third of the time each.
    share = time_shares(np.ones((3, 1)), np.ones(3), np.ones(1), np.ones(3), True)
    np.testing.assert_allclose(share, np.full((3, 1), 1 / 3), atol=1e-6)
    # Two jobs on one GPU, one half as fast: equal throughput takes two thirds of the time.
    share = time_shares(np.array([[1.0], [0.5]]), np.ones(2), np.ones(1), np.ones(2), True)
    np.testing.assert_allclose(share, [[1 / 3], [2 / 3]], atol=1e-6)
    # Of three jobs on a fast and a slow GPU, all twice as fast on the fast one, each gets 1
    # (x0 * 2 + x1 with x0 = x1 = 1/3).
    share = time_shares(np.tile([2.0, 1.0], (3, 1)), np.ones(3), np.ones(2), np.ones(3), True)
    np.testing.assert_allclose(share @ [2.0, 1.0], np.ones(3), atol=1e-6)


@settings(max_examples=50)
@given(st.integers(1, 4), st.sampled_from([-1.0, 1.0]), st.integers(0, 2**32))
def test_sia_finds_the_best_choices_of_all(n_job, sign, seed):
    rng = np.random.default_rng(seed)
    room = rng.integers(0, 7, 2)
    choices = [
        (job, pool, gpus) for job in range(n_job) for pool in (0, 1) for gpus in (1, 2, 4)
        if rng.random() < 0.6
    ]  # fmt: skip
    if not choices:
        return
    value = rng.uniform(0.1, 2.0, len(choices))
    idle_cost = 1.1

    def worth(picked):
        """What is to be large; -inf if it does not fit."""
        held = [sum(choices[c][2] for c in picked if choices[c][1] == pool) for pool in (0, 1)]
        if (held > room).any():
            return -np.inf
        return sum(sign * value[c] for c in picked) - idle_cost * (n_job - len(picked))

    of_job = [[None, *(c for c, (at, _, _) in enumerate(choices) if at == job)]
              for job in range(n_job)]  # fmt: skip
    best = max(worth([c for c in picked if c is not None]) for picked in product(*of_job))
    found = best_choices(np.array(choices), value, sign, idle_cost, n_job, room.astype(float))
    assert len({choices[c][0] for c in found}) == len(found)
    # HiGHS stops within a thousandth of the best of what it is given, idle jobs apart.
    assert worth(found) >= best - 1e-3 * (abs(best) + idle_cost * n_job) - 1e-9


def test_gavel_gives_each_job_its_share_of_time_in_the_long_run():
    """Three jobs of one GPU on one GPU: after many rounds a third of the time each."""
    jobs = work((0, 1e5, 1), (0, 1e5, 1), (0, 1e5, 1))
    record = play(ONE_GPU, jobs, made("gavel", round="10 s"), horizon_s=9000.0)
    held = record.allocations
    had_s = np.bincount(held["job"], held["end_s"] - held["start_s"], 3)
    np.testing.assert_allclose(had_s, [3000, 3000, 3000], atol=20)
