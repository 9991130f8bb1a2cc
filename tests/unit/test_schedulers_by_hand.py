"""Schedulers on cases of a few jobs in which every start is known by hand."""

import re

import numpy as np
import pytest
from schedulers_case import costly, hall, made, play, spells, work

from twin.errors import PolicyError

ONE, TWO = hall(1), hall(2)


def test_tiresias_demotes_at_the_very_time_of_crossing():
    """Thresholds of 10 and 30 GPU s on one GPU.

    A (100 s) runs from 0 and crosses at 10; B, there since 5, is younger in service: it runs from
    10 and crosses at 20. Both in the second queue: the older one goes first, but nobody there is
    preempted, so B runs to its end at 25.
    """
    scheduler = made("tiresias", thresholds_gpu_h=[10 / 3600, 30 / 3600])
    record = play(ONE, work((0, 100, 1), (5, 15, 1)), scheduler)
    assert spells(record, 0) == [(0, 10), (25, 115)]
    assert spells(record, 1) == [(10, 25)]
    # Two dimensions: on two GPUs the same crossing comes after half the time. B crosses at 10, and
    # gives way when C comes at 12. Then A, the oldest of the second queue, runs until it has had
    # 30 GPU s, at 25, and B to its end, since A is in no better queue when it has had them too.
    rows = (0, 40, 2), (2, 40, 2), (12, 3, 2)
    record = play(TWO, work(*rows), scheduler)
    assert spells(record, 0)[0] == (0, 5)
    assert spells(record, 1)[0] == (5, 12)  # demoted at 10; nobody in the first queue until 12
    assert spells(record, 2) == [(12, 15)]
    assert spells(record, 0)[1] == (15, 25)
    assert spells(record, 1)[1] == (25, 58)
    assert spells(record, 0)[2] == (58, 83)


def test_tiresias_puts_who_starves_back_into_the_first_queue():
    """A is demoted at 10, B at 20; A has waited far more than it ran by 300, and takes its turn."""
    options = {"thresholds_gpu_h": [10 / 3600, 1.0]}
    jobs = work((0, 40, 1), (5, 1000, 1))
    record = play(ONE, jobs, made("tiresias", **options))
    assert spells(record, 0) == [(0, 10), (1010, 1040)]
    record = play(ONE, jobs, made("tiresias", promote=2.0, **options))
    # Looked at every 300 s from the first time that somebody waited.
    (_, first), (start_s, end_s), *_ = spells(record, 0)
    assert first == 10
    assert 300 <= start_s <= 310 and end_s == pytest.approx(start_s + 30)
    # And B waits at most five minutes and a bit before it is its turn again.
    assert record.end_s[1] == 1040


def test_time_slice_gives_equal_turns():
    """Each of n jobs on m GPUs gets m/n of the time, to within a quantum."""
    for n, m in ((2, 1), (3, 1), (3, 2), (5, 2)):
        jobs = work(*((0, 1e4, 1) for _ in range(n)))
        record = play(hall(m), jobs, made("time-slice", quantum="10 s"), horizon_s=1000.0)
        held = record.allocations
        had_s = np.bincount(held["job"], held["end_s"] - held["start_s"], n)
        assert np.abs(had_s - 1000.0 * m / n).max() <= 10.0, (n, m)


def test_drf_of_the_paper():
    """9 CPUs and 18 GB: users of <1 CPU, 4 GB> and <3 CPUs, 1 GB> run 3 and 2 tasks [ghodsi2011].

    By the paper's table 1 they are picked in the order B, A, A, B, A from empty shares; ties go to
    the first by name here, so that A is picked first: A, B, A, B, A. GPUs are not short.
    """
    n = 10
    jobs = work(
        *((0, 100, 1) for _ in range(2 * n)),
        user=["a"] * n + ["b"] * n,
        cpus=[1.0] * n + [3.0] * n,
        memory_bytes=[4 * 2.0**30] * n + [1 * 2.0**30] * n,
    )
    record = play(hall(1, 5), jobs, made("drf", cpus=9, memory_gib=18))
    first = np.flatnonzero(record.start_s == 0.0)
    # Five GPUs are what three tasks and two need: the shares decide who gets them.
    assert [int((first < n).sum()), int((first >= n).sum())] == [3, 2]


def test_drf_of_gpus_alone_is_max_min():
    """Users of 1, 2 and 4 GPUs a job on 12 GPUs hold 4 each."""
    rows = [(0, 50, gpus) for gpus in (1, 2, 4) for _ in range(12)]
    jobs = work(*rows, user=[user for user in "abc" for _ in range(12)])
    record = play(hall(12), jobs, "drf")
    now = record.start_s == 0.0
    held = [int(jobs["gpus"][now & (jobs["user"] == user)].sum()) for user in "abc"]
    assert held == [4, 4, 4]


def test_drf_counts_what_has_been_given_at_once():
    """Of two users the one with less goes on, job by job, oldest first."""
    jobs = work((0, 9, 2), (0, 9, 1), (0, 9, 1), (0, 9, 1), user=list("abbb"))
    record = play(hall(4), jobs, "drf")
    assert record.start_s.tolist() == [0, 0, 0, 9]


def groups(*names):
    return {"group": list(names)}


def test_quotas_lend_what_is_idle_and_take_it_back():
    """a: 2 GPUs, b: 2. a borrows all four; b's job takes one back from the last that started."""
    scheduler = made("quotas", gpus={"a": 2, "b": 2})
    rows = [(at, 100, 1) for at in range(4)] + [(10, 5, 1)]
    record = play(hall(4), work(*rows, **groups(*"aaaab")), scheduler)
    assert spells(record, 4) == [(10, 15)]
    assert spells(record, 3) == [(3, 10), (15, 108)]  # the last that started gave way
    assert spells(record, 2) == [(2, 102)]
    # Without reclaiming it waits for the first to end, without borrowing there is room.
    record = play(hall(4), work(*rows, **groups(*"aaaab")),
                  made("quotas", gpus={"a": 2, "b": 2}, reclaim=False))  # fmt: skip
    assert spells(record, 4) == [(100, 105)]
    record = play(hall(4), work(*rows, **groups(*"aaaab")),
                  made("quotas", gpus={"a": 2, "b": 2}, borrow=False))  # fmt: skip
    assert record.start_s.tolist() == [0, 1, 100, 101, 10]


@pytest.mark.parametrize("write_s", [0.0, 2.0])
def test_jobs_that_come_together_are_given_back_theirs_together(write_s):
    """b has borrowed two GPUs; two jobs of a get them at one time, and b keeps its own."""
    rows = [(0, 100, 1)] * 4 + [(10, 5, 1), (10, 5, 1)]
    record = play(
        hall(4), work(*rows, **groups(*"bbbbaa")), made("quotas", gpus={"a": 2, "b": 2}),
        reliability=costly(write_s, restart_s=0.0),
    )  # fmt: skip
    assert record.start_s[4:].tolist() == [10 + write_s, 10 + write_s]
    assert record.lives["preemptions"].sum() == 2


def test_nobody_within_quota_gives_way():
    """a holds just its quota: b, beyond its own, waits for it to end."""
    scheduler = made("quotas", gpus={"a": 2, "b": 1})
    rows = [(0, 50, 1), (0, 50, 1), (1, 50, 1), (2, 50, 1)]
    record = play(hall(3), work(*rows, **groups("a", "a", "b", "b")), scheduler)
    assert record.start_s.tolist() == [0, 0, 1, 50]
    assert [len(spells(record, job)) for job in range(4)] == [1, 1, 1, 1]


def test_quotas_nest():
    """lab has 3 GPUs, lab/vision 1 of them, other 1. lab/speech has no quota but the lab's.

    vision asks for three: one is within its own quota and the lab's, two are borrowed at one
    level. speech, within the lab's quota as long as that is not used up, takes one of them back;
    so does other.
    """
    scheduler = made("quotas", gpus={"lab": 3, "lab/vision": 1, "other": 1})
    rows = [(0, 100, 1)] * 4 + [(10, 20, 1), (11, 20, 1)]
    names = groups(*["lab/vision"] * 4, "other", "lab/speech")
    record = play(hall(4), work(*rows, **names), scheduler)
    assert (record.start_s[:4] == 0).all()
    assert spells(record, 4) == [(10, 30)]
    # The lab is back at 3 of 3: speech would be a fourth.
    assert record.start_s[5] == 30


def gaps(record, job):
    """How long a job waited before each of its turns."""
    mine = spells(record, job)
    return [b[0] - a[1] for a, b in zip([(0.0, 0.0), *mine], mine, strict=False)]


@pytest.mark.parametrize(("n", "m"), [(2, 1), (5, 1), (5, 2), (7, 3)])
def test_nobody_waits_longer_than_a_round_of_turns(n, m):
    """All have come together: who waits is served before anyone has a second turn."""
    jobs = work(*((0, 300, 1) for _ in range(n)))
    record = play(hall(m), jobs, made("time-slice", quantum="10 s"))
    assert max(max(gaps(record, job)) for job in range(n)) <= 10.0 * -(-(n - m) // m)


@pytest.mark.parametrize(("n", "m"), [(2, 1), (5, 1), (5, 2), (7, 3)])
def test_themis_serves_everyone_within_as_many_leases_as_there_are_jobs(n, m):
    """Jobs alike: who waits fares worse with every lease, who runs does not."""
    jobs = work(*((0, 300, 1) for _ in range(n)))
    record = play(hall(m), jobs, made("themis", round="10 s", filter=0.0))
    assert not np.isnan(record.end_s).any()
    assert max(max(gaps(record, job)) for job in range(n)) <= 10.0 * n


@pytest.mark.parametrize(
    ("scheduler", "labels", "words"),
    [
        (("quotas", {"gpus": {"vison": 2}}), groups("lab/vision", "speech"),
         "quotas.gpus: no job has the group vison; did you mean 'lab/vision'"),
        (("multifactor", {"qos": {"hihg": 2.0}}), {"qos": ["high", "low"]},
         "multifactor.qos: no job has the qos hihg; did you mean 'high'"),
        (("multifactor", {"shares": {"ada": 2.0}}), {"user": ["bob", "eve"]},
         "multifactor.shares: no job has the user ada; Known: bob, eve"),
    ],
)  # fmt: skip
def test_names_of_which_no_job_has_any_are_refused(scheduler, labels, words):
    name, options = scheduler
    with pytest.raises(PolicyError, match=re.escape(words)):
        play(hall(4), work((0, 9, 2), (0, 9, 1), **labels), made(name, **options))
    # Some of them may be without jobs, and jobs without a label say nothing of names.
    option = {key: value | {next(iter(labels.values()))[0]: 2} for key, value in options.items()}
    assert play(hall(4), work((0, 9, 2), (0, 9, 1), **labels), made(name, **option)).end_s.all()
    assert play(hall(4), work((0, 9, 2), (0, 9, 1)), made(name, **options)).end_s.all()


def test_easy_looks_no_deeper_and_no_further_ahead_than_it_is_told():
    """The head waits for 100 s; the third would delay it, the fourth would not."""
    rows = (0, 100, 3), (1, 50, 4), (2, 200, 1), (3, 20, 1)
    assert play(hall(4), work(*rows), made("easy-backfill")).start_s.tolist() == [0, 100, 150, 3]
    for depth, last in ((2, 3), (1, 150), (0, 150)):
        record = play(hall(4), work(*rows), made("easy-backfill", depth=depth))
        assert record.start_s.tolist() == [0, 100, 150, last]
    # At 2 s the head is 98 s away: with less in sight nothing is held for it.
    record = play(hall(4), work(*rows), made("easy-backfill", window="98 s"))
    assert record.start_s.tolist() == [0, 100, 150, 3]
    record = play(hall(4), work(*rows), made("easy-backfill", window="50 s"))
    assert record.start_s.tolist() == [0, 202, 2, 100]
    for options, words in (
        ({"depth": -1}, "depth: must be 0"),
        ({"window": "0 s"}, "window: must"),
    ):
        with pytest.raises(PolicyError, match=words):
            made("easy-backfill", **options)
