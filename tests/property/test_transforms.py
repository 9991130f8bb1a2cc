"""Transforms: what they must keep for any workload, and what they must do to the arrivals."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import InputError
from twin.scenario import workload as asked
from twin.streams import stream
from twin.tables import WORKLOAD
from twin.workload import transforms as t
from twin.workload.jobs import Workload, job_table

MONDAY = datetime(2024, 1, 1)  # 00:00


def workload_of(submit_s, *, gpus=None, users=None, epoch=None) -> Workload:
    n = len(submit_s)
    return Workload(
        job_table(
            {
                "job_id": [f"j{i}" for i in range(n)],
                "submit_s": np.asarray(submit_s, float),
                "run_s": np.arange(n) + 1.0,
                "gpus": np.asarray(gpus if gpus is not None else np.arange(n) % 8 + 1),
                "user": users if users is not None else [f"u{i % 3}" for i in range(n)],
            }
        ),
        epoch=epoch,
    )


@st.composite
def workloads(draw):
    submit = draw(st.lists(st.floats(0, 5e6), min_size=1, max_size=60))
    epoch = draw(st.none() | st.just(datetime(2017, 9, 4, 10, 30, 41)))
    return workload_of(np.asarray(submit) - min(submit), epoch=epoch)


def rate(low, high):
    return st.none() | st.floats(low, high)


arrivals = st.one_of(
    st.builds(lambda r: asked.Poisson(rate=f"{r} per h" if r else None), rate(0.5, 1e4)),
    st.builds(lambda r: asked.Weekly(rate=f"{r} per h" if r else None), rate(0.5, 1e4)),
    st.builds(
        lambda r, cv: asked.Bursty(rate=f"{r} per h" if r else None, cv=cv),
        rate(0.5, 1e4),
        st.floats(0.01, 20),
    ),
)
some_transforms = st.lists(
    st.one_of(
        st.builds(lambda f: asked.TimeScale(factor=f), st.floats(0.01, 100)),
        st.builds(lambda f: asked.LoadScale(factor=f), st.floats(0.1, 4)),
        st.builds(lambda g: asked.MaxGpus(gpus=g), st.integers(1, 9)),
        st.builds(
            lambda a, b: asked.Window(start=f"{a} s", end=f"{b + a} s"), *[st.floats(1, 4e6)] * 2
        ),
        st.just(asked.Shuffle()),
        st.builds(lambda a: asked.ResampleArrivals(arrivals=a), arrivals),
    ),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(workloads(), some_transforms, st.integers(0, 2**40))
def test_every_workload_stays_a_workload(before, transforms, seed):
    """Columns, queue order, no negative times; each job is one of the trace's, whole."""
    kept = before.jobs.copy(deep=True)
    try:
        after = t.apply(before, transforms, seed)
    except InputError as refused:  # scaled time upon scaled time ends beyond any calendar
        assert "the last job would come after" in str(refused)
        return
    pd.testing.assert_frame_equal(before.jobs, kept)  # inputs untouched
    jobs = after.jobs
    assert list(jobs.columns) == WORKLOAD.names()
    assert jobs.dtypes.astype(str).tolist() == before.jobs.dtypes.astype(str).tolist()
    assert list(jobs.index) == list(range(len(jobs)))
    assert np.isfinite(jobs.submit_s).all()
    assert (jobs.submit_s >= 0).all()
    assert jobs.submit_s.is_monotonic_increasing
    facts = ["run_s", "gpus", "user"]
    origin = jobs.job_id.str.split("~").str[0]
    original = before.jobs.set_index("job_id").loc[origin]
    for fact in facts:
        assert jobs[fact].astype(str).tolist() == original[fact].astype(str).tolist()
    assert jobs.job_id.is_unique or any(isinstance(x, asked.LoadScale) for x in transforms)
    if not any(isinstance(x, asked.LoadScale) and x.factor > 1 for x in transforms):
        assert len(jobs) + sum(after.intake.dropped.values()) == len(before.jobs)
    again = t.apply(before, transforms, seed)
    pd.testing.assert_frame_equal(again.jobs, jobs)


@given(workloads(), st.floats(1, 5), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_copies(before, factor, seed):
    """As many as asked for, near their originals, inside the span, with ids of their own."""
    after = t.replicate(before, factor, stream(seed, "x"))
    copies = after.jobs.groupby(after.jobs.job_id.str.split("~").str[0]).size()
    assert set(copies) <= {int(factor), int(np.ceil(factor))}
    assert len(copies) == len(before.jobs)
    assert after.jobs.job_id.is_unique
    was = before.jobs.set_index("job_id").submit_s
    moved = after.jobs.submit_s - was.loc[after.jobs.job_id.str.split("~").str[0]].to_numpy()
    assert moved.abs().max() <= t.COPY_JITTER_S * (1 + 1e-9)
    assert after.jobs.submit_s.max() <= before.jobs.submit_s.max()
    original = ~after.jobs.job_id.str.contains("~")
    assert (moved[original] == 0).all()


def test_copies_keep_bursts_and_hours():
    """A sweep of one user within an hour moves as one; the hours keep their shares of the load."""
    rng = np.random.default_rng(1)
    days = rng.integers(0, 60, 20_000) * 86400
    submit = np.sort(days + rng.normal(14, 2, 20_000).clip(0, 23.9) * 3600)
    before = workload_of(submit - submit[0], users=np.repeat("one", 20_000))
    after = t.replicate(before, 3.0, stream(1, "x"))
    assert len(after.jobs) == 60_000
    hours = lambda w: np.bincount((w.jobs.submit_s // 3600 % 24).astype(int), minlength=24)  # noqa: E731
    assert np.abs(hours(after) / 3 - hours(before)).max() < 0.02 * 20_000
    copies = after.jobs[after.jobs.job_id.str.endswith("~2")]
    gaps = np.diff(copies.sort_values("job_id", key=lambda s: s.str[1:-2].astype(int)).submit_s)
    true = np.diff(before.jobs.submit_s)
    same_hour = np.diff(before.jobs.submit_s // 3600) == 0
    inside = same_hour & (before.jobs.submit_s.to_numpy()[1:] > 3600)
    inside &= before.jobs.submit_s.to_numpy()[1:] < before.jobs.submit_s.max() - 3600
    assert inside.sum() > 10_000
    np.testing.assert_allclose(gaps[inside], true[inside], atol=1e-6)


def test_thinning_is_nested_and_unbiased():
    before = workload_of(np.arange(20_000.0))
    half = t.thin(before, 0.5, stream(3, "x"))
    fifth = t.thin(before, 0.2, stream(3, "x"))
    assert set(fifth.jobs.job_id) < set(half.jobs.job_id)
    # Binomial: five standard deviations
    assert abs(len(half.jobs) - 10_000) < 5 * np.sqrt(20_000 / 4)
    assert half.intake.dropped == {"load_scale": 20_000 - len(half.jobs)}


def test_window_in_seconds_and_dates():
    before = workload_of([0, 10, 20, 30, 40], epoch=MONDAY)
    for start, end in (
        (10.0, 40.0),
        (MONDAY + timedelta(seconds=10), MONDAY + timedelta(seconds=40)),
    ):
        after = t.window(before, start, end)
        assert after.jobs.job_id.tolist() == ["j1", "j2", "j3"]
        assert after.jobs.submit_s.tolist() == [0, 10, 20]
        assert after.epoch == MONDAY + timedelta(seconds=10)
        assert after.intake.dropped == {"window": 2}
    later = t.window(before, 5.0, None)
    assert later.jobs.submit_s.tolist() == [5, 15, 25, 35]  # second 0 is the window's start
    assert t.window(before, None, 20.0).jobs.submit_s.tolist() == [0, 10]
    early = t.window(before, MONDAY - timedelta(seconds=60), None)
    assert early.jobs.submit_s.tolist() == [60, 70, 80, 90, 100]
    assert early.intake.dropped == {"window": 0}


@given(workload=workloads(), transforms=some_transforms)
def test_a_deadline_stays_as_long_after_its_submit(workload, transforms):
    jobs = workload.jobs
    due_s = 10.0 * jobs["run_s"].to_numpy()  # the duration tells which job it was
    before = Workload(jobs.assign(deadline_s=jobs["submit_s"] + due_s), epoch=workload.epoch)
    try:
        after = t.apply(before, transforms, 3).jobs
    except InputError:
        return
    left_s = (after["deadline_s"] - after["submit_s"]).to_numpy()
    np.testing.assert_allclose(left_s, 10.0 * after["run_s"].to_numpy(), rtol=1e-6, atol=1e-4)


def test_window_leaves_no_ghost_categories():
    before = workload_of([0, 10], users=["a", "b"])
    assert t.window(before, None, 5.0).jobs.user.cat.categories.tolist() == ["a"]


def test_errors_name_the_place_in_the_scenario():
    before = workload_of([0, 10])
    bad = [asked.MaxGpus(gpus=8), asked.Window(start="2024-01-01")]
    with pytest.raises(InputError, match=r"workload.transforms\[1\].window: start is a date, but"):
        t.apply(before, bad, 1)
    mixed = [asked.Window(start="10 s", end="2024-01-01")]
    with pytest.raises(InputError, match=r"window: ends 10 s before it starts"):
        t.apply(workload_of([0, 10], epoch=MONDAY), mixed, 1)
    with pytest.raises(InputError, match=r"are over 50,000,000; choose a smaller factor"):
        t.apply(before, [asked.LoadScale(factor=1e9)], 1)
    with pytest.raises(InputError, match=r"time_scale: the last job would come after"):
        t.apply(before, [asked.TimeScale(factor=1e300)], 1)
    with pytest.raises(InputError, match=r"choose a higher rate"):
        slow = asked.ResampleArrivals(arrivals=asked.Poisson(rate="1e-9 per day"))
        t.apply(before, [slow], 1)
    with pytest.raises(InputError, match=r"cv 1e-200 must lie between"):
        t.apply(before, [asked.ResampleArrivals(arrivals=asked.Bursty(cv=1e-200))], 1)


def test_max_gpus_counts_what_it_drops():
    after = t.max_gpus(workload_of(range(16)), 4)
    assert after.jobs.gpus.max() == 4
    assert after.intake.dropped == {"max_gpus": 8}


def test_shuffle_deals_whole_jobs():
    before = workload_of(np.arange(1000.0))
    after = t.shuffle(before, stream(1, "x"))
    assert after.jobs.submit_s.tolist() == before.jobs.submit_s.tolist()
    assert sorted(after.jobs.job_id) == sorted(before.jobs.job_id)
    place = after.jobs.job_id.str[1:].astype(int)
    assert abs(np.corrcoef(place, np.arange(1000))[0, 1]) < 0.15  # 5 standard errors of 1/sqrt(n)


def test_time_scale():
    after = t.time_scale(workload_of([0, 10, 30]), 0.5)
    assert after.jobs.submit_s.tolist() == [0, 5, 15]
    assert after.jobs.run_s.tolist() == [1, 2, 3]


@pytest.mark.parametrize("cv", [0.3, 1.0, 3.0])
def test_resampled_gaps_have_their_cv(cv):
    n = 40_000
    before = workload_of(np.arange(n) * 10.0)
    after = t.resample_arrivals(before, stream(5, "x"), cv=cv)
    gaps = np.diff(after.jobs.submit_s)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.06)
    assert gaps.mean() == pytest.approx(10, rel=0.06)
    assert after.jobs.job_id.tolist() == before.jobs.job_id.tolist()


def test_resampled_at_a_rate():
    before = workload_of(np.arange(40_000) * 10.0)
    after = t.resample_arrivals(before, stream(5, "x"), rate_per_s=2.0)
    # The last of n arrivals: n / rate, within five standard deviations sqrt(n) / rate
    assert after.jobs.submit_s.max() == pytest.approx(20_000, abs=5 * np.sqrt(40_000) / 2)


def weekly_trace(weeks, start):
    """Ten times as many arrivals on weekdays from 9 to 17 as otherwise, every 36 s or 360 s."""
    seconds = np.arange(0, weeks * 7 * 86400, 36.0)
    since = seconds + (start - MONDAY).total_seconds()
    busy = (since // 86400 % 7 < 5) & (since // 3600 % 24 >= 9) & (since // 3600 % 24 < 17)
    return workload_of(seconds[busy | (seconds % 360 == 0)], epoch=start), busy.mean()


def test_weekly_rate_is_measured():
    start = MONDAY + timedelta(days=2, hours=3, minutes=20)
    workload, share = weekly_trace(3, start)
    rate = t.weekly_rate(workload)
    mean = share * 100 + (1 - share) * 10  # arrivals an hour
    assert rate[9:17] == pytest.approx(100 / mean, rel=0.02)
    assert rate[5 * 24 :] == pytest.approx(10 / mean, rel=0.12)  # whole arrivals an hour: 10 or 11
    assert rate.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("rate_per_s", [None, 0.004])
def test_weekly_arrivals_follow_the_week(rate_per_s):
    start = MONDAY + timedelta(days=2, hours=3, minutes=20)
    before, _ = weekly_trace(3, start)
    after = t.resample_arrivals(before, stream(2, "x"), rate_per_s=rate_per_s, weekly=True)
    assert len(after.jobs) == len(before.jobs)
    if rate_per_s is None:
        assert after.jobs.submit_s.max() <= before.jobs.submit_s.max()
    else:
        rate = len(before.jobs) / after.jobs.submit_s.max()
        assert rate == pytest.approx(rate_per_s, rel=0.1)
    measured = t.weekly_rate(after)
    np.testing.assert_allclose(measured[9:17], t.weekly_rate(before)[9:17], rtol=0.35)
    assert measured[9:17].mean() / measured[5 * 24 :].mean() == pytest.approx(9.8, rel=0.12)


def test_streams_are_apart():
    """Another transform of another kind before it changes nothing about a transform's draws."""
    before = workload_of(np.arange(100.0))
    thin = asked.LoadScale(factor=0.5)
    alone = t.apply(before, [thin], 7)
    behind = t.apply(before, [asked.MaxGpus(gpus=8), thin], 7)
    assert alone.jobs.job_id.tolist() == behind.jobs.job_id.tolist()
    twice = t.apply(before, [thin, thin], 7)
    assert len(twice.jobs) < 40  # the second thins again, with draws of its own
    assert t.apply(before, [thin], 8).jobs.job_id.tolist() != alone.jobs.job_id.tolist()
