"""What holds of schedulers on any work: nothing idles that could work, promises are kept."""

from itertools import pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from schedulers_case import costly, hall, made, play, work

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
    found: list[tuple[float, int]] = []
    for now_s, then_s in pairwise(times):
        here = (held["start_s"] <= now_s) & (held["end_s"] >= then_s)  # spells of 0 s are none
        free = [size] * site.n_nodes
        for node, mask in zip(held["node"][here], held["gpu_mask"][here], strict=True):
            free[node] -= int(mask).bit_count()
        running = set(held["job"][here].tolist())
        there = np.flatnonzero((jobs["submit_s"] <= now_s) & ~(record.end_s <= now_s))
        waiting = [job for job in there.tolist() if job not in running]
        found += [(now_s, job) for job in waiting if fits(int(jobs["gpus"][job]), free, size)]
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


class Listening:
    """A cluster that takes down the first promise made to each job."""

    def __init__(self, cluster, promised_s):
        self._cluster = cluster
        self._promised_s = promised_s

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def reserve(self, job):
        reservation = self._cluster.reserve(job)
        self._promised_s.setdefault(job.row, reservation.start_s)
        return reservation


def promises(site, jobs, scheduler):
    """What a scheduler promised first to each job, and the run."""
    promised_s = {}
    choose = type(scheduler).choose

    class Heard(type(scheduler)):
        def choose(self, queue, cluster):
            yield from choose(self, queue, Listening(cluster, promised_s))

    heard = Heard(**{name: getattr(scheduler, name) for name in scheduler.__dataclass_fields__})
    return promised_s, play(site, jobs, heard)


@settings(max_examples=60)
@given(loads(most_jobs=20))
def test_backfill_never_delays_the_first_in_the_order_of_submission(load):
    site, jobs = load
    promised_s, record = promises(site, jobs, made("greedy", backfill="easy"))
    for row, at_s in promised_s.items():
        assert record.start_s[row] <= at_s


@settings(max_examples=80)
@given(loads(most_jobs=20), st.sampled_from(["sjf", "smallest-first", "qssf"]))
def test_backfill_never_delays_the_first_in_any_order_that_stays(load, name):
    """Nobody comes later who goes before it: all are there at the beginning."""
    site, jobs = load
    jobs["submit_s"] = 0.0
    first_guess = {"memory": 3} if name == "qssf" else {}
    promised_s, record = promises(site, jobs, made(name, backfill="easy", **first_guess))
    for row, at_s in promised_s.items():
        assert record.start_s[row] <= at_s


@settings(max_examples=80)
@given(loads(most_jobs=20), st.data())
def test_oldest_first_with_easy_backfill_is_easy_backfill(load, data):
    site, jobs = load
    times = st.lists(st.integers(1, 20).map(float), min_size=len(jobs), max_size=len(jobs))
    estimate_s = np.array(data.draw(times))
    ordered = play(site, jobs, made("greedy", backfill="easy"), estimate_s=estimate_s)
    easy = play(site, jobs, "easy-backfill", estimate_s=estimate_s)
    np.testing.assert_array_equal(ordered.start_s, easy.start_s)
    fifo = play(site, jobs, made("greedy", backfill="none"))
    np.testing.assert_array_equal(fifo.start_s, play(site, jobs, "fifo").start_s)


@settings(max_examples=80)
@given(loads(), st.integers(1, 25), st.sampled_from(["none", "easy", "any"]), st.data())
def test_qssf_knows_nothing_of_jobs_that_have_not_ended(load, then_s, backfill, data):
    """With other durations of the jobs that end later, everything before is as it was.

    EASY looks at estimates; those stay as they were.
    """
    site, jobs = load
    estimate_s = jobs["run_s"].to_numpy().copy()
    scheduler = made("qssf", memory=3, first_guess="5 s", backfill=backfill)
    before = play(site, jobs, scheduler, estimate_s=estimate_s)
    late = before.end_s > then_s
    longer = data.draw(st.lists(st.integers(0, 9), min_size=len(jobs), max_size=len(jobs)))
    later = jobs.copy()
    # They may end at any time from then on.
    later.loc[late, "run_s"] = np.maximum(
        before.end_s - before.start_s + np.array(longer), then_s + 0.5 - before.start_s
    )[late]
    after = play(site, later, scheduler, estimate_s=estimate_s)
    early = before.start_s <= then_s
    np.testing.assert_array_equal(before.start_s[early], after.start_s[early])
    assert (after.start_s[~early] > then_s).all()


@settings(max_examples=60)
@given(loads(most_gpus=1, most_jobs=16))
def test_groups_within_their_quota_wait_only_while_borrowers_save(load):
    """Of jobs of one GPU; and nobody gives way while all others have what they are owed."""
    site, jobs = load
    n = site.n_gpus
    quota = {"a": n // 2, "b": n - n // 2}
    assume(jobs["group"].isin(list(quota)).any())  # quotas of nobody are refused
    save_s = 2.0
    levels = costly(write_s=save_s, restart_s=1.0)
    record = play(site, jobs, made("quotas", gpus=quota), reliability=levels)
    assert not np.isnan(record.end_s).any()
    group = jobs["group"].astype(str).to_numpy()
    held = record.allocations
    gave_way = held["end_s"] < record.end_s[held["job"]]
    saves_s = held["end_s"][gave_way] - save_s
    times = sorted({*jobs["submit_s"], *held["start_s"], *held["end_s"], *saves_s})
    for now_s, then_s in pairwise(times):
        here = (held["start_s"] <= now_s) & (held["end_s"] >= then_s)
        running = set(held["job"][here].tolist())
        short = 0
        for name, gpus in quota.items():
            mine = np.flatnonzero(group == name)
            there = mine[(jobs["submit_s"][mine] <= now_s) & (record.end_s[mine] > now_s)]
            short += max(min(len(there), gpus) - len(running & set(mine.tolist())), 0)
        assert short <= ((saves_s <= now_s) & (saves_s + save_s >= then_s)).sum()
    # Nobody gave way where the others never wanted more than was free or owed.
    if not (group == "b").any() and not (group == "c").any():
        assert (record.lives["preemptions"] == 0).all()
