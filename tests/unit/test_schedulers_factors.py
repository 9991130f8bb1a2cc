"""Multifactor priority factor by factor, and Sia's choices, on numbers known by hand."""

from math import log
from types import SimpleNamespace

import numpy as np
import pytest
from schedulers_case import costly, hall, made, play, spells, work

from twin.policies.schedulers.multifactor import Multifactor
from twin.policies.schedulers.sia import sizes

ONE, FOUR = hall(1), hall(4)


class Seen(Multifactor):
    """It takes down the keys of waiting jobs: (time, row) -> what it weighs."""

    def order(self, jobs, cluster):
        keys = super().order(jobs, cluster)
        if not jobs.running.any():
            for row, key in zip(jobs.rows.tolist(), keys.tolist(), strict=True):
                SEEN[cluster.now_s, row] = -key
        return keys


SEEN: dict[tuple[float, int], float] = {}
NOTHING = {f"{name}_weight": 0.0 for name in ("age", "size", "fair_share", "qos", "partition")}


def weighed(jobs, site=ONE, horizon_s=None, **options):
    SEEN.clear()
    play(site, jobs, Seen(**(NOTHING | options)), horizon_s)
    return dict(SEEN)


def test_age_grows_to_its_limit_and_no_further():
    """Weighed at each completion after a minute: at 100, 200 and 400 s; the limit is 250 s."""
    jobs = work((0, 100, 1), (0, 100, 1), (0, 200, 1), (0, 1, 1))
    seen = weighed(jobs, age_weight=1000.0, max_age_s=250.0, calculate_every_s=60.0)
    assert seen[100.0, 3] == pytest.approx(400.0)
    assert seen[200.0, 3] == pytest.approx(800.0)
    assert seen[400.0, 3] == pytest.approx(1000.0)


def test_size_is_the_share_of_all_gpus_or_what_it_leaves():
    jobs = work((0, 9, 4), (1, 9, 1), (1, 9, 3))
    seen = weighed(jobs, FOUR, size_weight=8.0)
    assert [seen[1.0, 1], seen[1.0, 2]] == [2.0, 6.0]
    seen = weighed(jobs, FOUR, size_weight=8.0, favour_small=True)
    assert [seen[1.0, 1], seen[1.0, 2]] == [6.0, 2.0]


def test_qos_and_partition_over_the_largest_by_name():
    jobs = work((0, 9, 1), (1, 9, 1), (1, 9, 1), qos=["high", "low", "none"], pool=["p0", "p0", ""])
    seen = weighed(jobs, qos_weight=100.0, qos={"high": 8, "low": 2})
    assert [seen[1.0, 1], seen[1.0, 2]] == [25.0, 0.0]
    seen = weighed(jobs, partition_weight=10.0, partitions={"p0": 3, "other": 6})
    assert [seen[1.0, 1], seen[1.0, 2]] == [5.0, 0.0]


def test_fair_share_halves_for_each_share_that_was_used():
    """u used all there was, of two equal shares: 2^-(1 / 0.5); v and w nothing: 2^0."""
    jobs = work((0, 100, 1), (10, 9, 1), (10, 9, 1), user=list("uuv"))
    options = {"fair_share_weight": 64.0, "calculate_every_s": 10.0}
    seen = weighed(jobs, **options)
    assert [seen[10.0, 1], seen[10.0, 2]] == [16.0, 64.0]
    # With three of four shares it used 1 / 0.75 of its own.
    seen = weighed(jobs, **options, shares={"u": 3.0, "v": 1.0})
    assert seen[10.0, 1] == pytest.approx(64.0 * 2 ** -(1 / 0.75))
    # Nobody without a share has a right to any.
    seen = weighed(jobs, **options, shares={"u": 0.0})
    assert seen[10.0, 1] == 0.0


def test_usage_decays_with_its_half_life():
    """The integral of 2^(-age / h) of what each user held, in closed form, at any time.

    Usage is taken every second, half of a step of a half-life of 50 s being the error: 0.7 %.
    """
    half_s = 50.0
    decay = log(2) / half_s
    scheduler = Multifactor(half_life_s=half_s, calculate_every_s=1.0)
    held = {"u": (0.0, 100.0), "v": (100.0, 400.0)}  # from when until when one GPU each

    class Usage:
        names = ("u", "v")

        def attained_gpu_s(self, now_s):
            return np.array([min(max(now_s - a, 0.0), b - a) for a, b in held.values()])

    cluster = SimpleNamespace(notes={}, usage=lambda column: Usage(), now_s=0.0)
    for now_s in range(301):
        cluster.now_s = float(now_s)
        scheduler._fair_share(cluster)
    decayed = cluster.notes["fair-share"]["decayed_gpu_s"]
    exact = [
        (np.exp(-decay * max(300.0 - b, 0.0)) - np.exp(-decay * (300.0 - a))) / decay
        for a, b in held.values()
    ]
    np.testing.assert_allclose(decayed, exact, rtol=0.01)


def test_only_those_of_lower_quality_give_way():
    qos = {"low": 1, "mid": 2, "high": 3}
    jobs = work((0, 100, 1), (1, 100, 1), (2, 10, 2), qos=["low", "mid", "mid"])
    record = play(hall(2), jobs, made("multifactor", qos=qos))
    # mid needs both GPUs, and only the low one may be taken: it waits for all.
    assert [len(spells(record, job)) for job in range(3)] == [1, 1, 1]
    jobs = work((0, 100, 1), (1, 100, 1), (2, 10, 2), qos=["low", "mid", "high"])
    record = play(hall(2), jobs, made("multifactor", qos=qos))
    assert spells(record, 2) == [(2, 12)]
    assert record.lives["preemptions"].tolist() == [1, 1, 0]
    # Without names of qualities nobody gives way.
    record = play(hall(2), jobs, "multifactor")
    assert record.lives["preemptions"].sum() == 0


def test_ageing_leaves_nobody_behind():
    """A large old job among a stream of small ones of more value starts once it is old enough."""
    small = [(10.0 * at, 20.0, 1) for at in range(100)]
    jobs = work(*small, (5.0, 10.0, 2), user=["s"] * 100 + ["l"])
    big = int(np.flatnonzero(jobs["gpus"] == 2)[0])
    options = {"fair_share_weight": 0.0, "favour_small": True, "size_weight": 1000.0,
               "calculate_every": "10 s", "backfill": "any"}  # fmt: skip
    young = play(hall(2), jobs, made("multifactor", **options, age_weight=0.0))
    old = play(
        hall(2), jobs,
        made("multifactor", **options | {"backfill": "easy"}, age_weight=5000.0, max_age="500 s"),
    )  # fmt: skip
    assert young.start_s[big] >= 990
    # 500 points behind, it gains 10 a second on newcomers; then it is first and gets a promise.
    assert old.start_s[big] <= 5.0 + 50.0 + 10.0 + 2 * 20.0


def test_sizes_are_powers_of_two_up_to_a_node_and_whole_nodes_beyond():
    def job(least, most):
        return SimpleNamespace(min_gpus=least, max_gpus=most)

    assert sizes(job(4, 4), 8) == [4]
    assert sizes(job(1, 8), 8) == [1, 2, 4, 8]
    assert sizes(job(2, 6), 8) == [2, 4, 6]
    assert sizes(job(3, 32), 8) == [3, 4, 8, 16, 24, 32]
    assert sizes(job(1, 4), 4) == [1, 2, 4]
    for most in (40, 64, 100, 512):
        found = sizes(job(1, most), 8)
        assert found[-1] == most and all(n % 8 == 0 for n in found[:-1] if n > 8)


def test_sia_divides_what_there_is_and_moves_nobody_for_little():
    """Two elastic jobs that gain nothing from more GPUs stay as they are, round after round."""
    jobs = work((0, 500, 2), (0, 500, 2), min_gpus=[1, 1], max_gpus=[4, 4])
    record = play(hall(1, 4), jobs, made("sia", round="10 s"), reliability=costly(5.0, 5.0))
    assert record.lives["preemptions"].max() <= 1
    # Rigid jobs that all fit start at once, and nobody is ever moved.
    jobs = work((0, 500, 2), (0, 500, 1), (0, 500, 1))
    record = play(hall(1, 4), jobs, made("sia", round="10 s"))
    assert record.start_s.tolist() == [0, 0, 0]
    assert record.lives["preemptions"].sum() == 0
