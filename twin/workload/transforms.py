"""Changes to a workload: pure functions from one job table to another, counted in its intake.

None of them makes or breaks a job's own facts (size, duration, user); they choose which jobs come,
and when. Random ones take their draws from a stream of their own, so that the same seed gives the
same jobs whatever else is random in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError
from twin.streams import stream
from twin.units import format_duration
from twin.workload.jobs import Workload
from twin.workload.labels import label

if TYPE_CHECKING:
    from twin.scenario import workload as asked

Array = NDArray[np.float64]
Generator = np.random.Generator

HOUR_S = 3600.0
HOURS_PER_WEEK = 168
COPY_JITTER_S = 1800.0  # copies of a job come at most this long before or after it
MAX_JOBS = 50_000_000
LEAST_CV, MOST_CV = 1e-3, 30.0
MAX_SPAN_S = 7e9  # 222 years; hours of it still fit the memory
STAYS_S = 1e12  # longer than any horizon


def apply(
    workload: Workload, transforms: Sequence[asked.Transform], seed: int, n_gpus: int = 0
) -> Workload:
    """The workload after all transforms, in the order written.

    Parameters
    ----------
    workload : Workload
        Read or drawn.
    transforms : sequence
        Of `twin.scenario.workload`.
    seed : int
        The run's seed. The n-th transform of a kind has its own stream, so one more of another
        kind changes nothing about its draws.
    n_gpus : int
        GPUs installed, for transforms that go by them.

    Raises
    ------
    InputError
        If one cannot be done with this workload, naming its place in the scenario.
    """
    seen: dict[str, int] = {}
    for index, transform in enumerate(transforms):
        name = _yaml_name(transform)
        seen[name] = seen.get(name, 0) + 1
        rng = stream(seed, f"transforms/{name}/{seen[name]}")
        try:
            workload = _one(workload, transform, rng, n_gpus)
        except InputError as error:
            raise InputError(f"workload.transforms[{index}].{name}: {error}") from None
    return workload


def _one(workload: Workload, transform: Any, rng: Generator, n_gpus: int) -> Workload:
    from twin.scenario import workload as asked
    from twin.scenario.labels import Label

    match transform:
        case asked.Window():
            return window(workload, transform.start, transform.end)
        case asked.TimeScale():
            return time_scale(workload, transform.factor)
        case asked.LoadScale() if transform.factor <= 1:
            return thin(workload, transform.factor, rng)
        case asked.LoadScale():
            return replicate(workload, transform.factor, rng)
        case asked.MaxGpus():
            return max_gpus(workload, transform.gpus)
        case asked.Fill():
            return fill(workload, transform.until * n_gpus, transform.every_s, rng)
        case Label():
            return label(workload, transform, rng)
        case asked.Shuffle():
            return shuffle(workload, rng)
        case asked.ResampleArrivals(arrivals=asked.Weekly(rate_per_s=rate_per_s)):
            return resample_arrivals(workload, rng, rate_per_s=rate_per_s, weekly=True)
        case asked.ResampleArrivals(arrivals=asked.Bursty(rate_per_s=rate_per_s, cv=cv)):
            return resample_arrivals(workload, rng, rate_per_s=rate_per_s, cv=cv)
        case asked.ResampleArrivals(arrivals=asked.Poisson(rate_per_s=rate_per_s)):
            return resample_arrivals(workload, rng, rate_per_s=rate_per_s)
    raise TypeError(f"no such transform: {type(transform).__name__}")


def window(
    workload: Workload, start: datetime | float | None, end: datetime | float | None
) -> Workload:
    """The jobs submitted in [start, end); ``start`` becomes second 0.

    Parameters
    ----------
    start, end : datetime, float or None
        A calendar time in the trace's own zone, or seconds since second 0. [s] None leaves that
        side open; without a start, second 0 stays where it is.

    Raises
    ------
    InputError
        If a date is given and the workload has no calendar, or the end does not follow the start.
    """
    since_s = _seconds(workload, start, "start") if start is not None else 0.0
    until_s = _seconds(workload, end, "end") if end is not None else np.inf
    if until_s <= since_s:
        raise InputError(f"ends {format_duration(since_s - until_s)} before it starts; swap them")
    submit_s = workload.jobs["submit_s"].to_numpy()
    inside = submit_s < until_s
    if start is not None:
        inside &= submit_s >= since_s
    jobs = _take(workload.jobs, np.flatnonzero(inside))
    if start is not None:
        jobs = _submitted(jobs, jobs["submit_s"].to_numpy() - since_s)
    epoch = workload.epoch and workload.epoch + timedelta(seconds=since_s)
    return replace(workload.with_jobs(jobs, window=int((~inside).sum())), epoch=epoch)


def time_scale(workload: Workload, factor: float) -> Workload:
    """All gaps between submits times ``factor``: 0.5 makes jobs come twice as fast.

    Notes
    -----
    Durations stay, so the load changes by 1 / factor. Hours and weekdays stretch too: at any factor
    but 1 the daily pattern is no longer one of 24 h.

    Raises
    ------
    InputError
        If the last submit would lie thousands of years ahead.
    """
    submit_s = workload.jobs["submit_s"].to_numpy()
    _require_span(float(submit_s.max(initial=0.0)) * factor, "a smaller factor")
    jobs = _submitted(workload.jobs, submit_s * factor)
    note = f"Times between submits are those of the trace x {factor:g}."
    return _noted(workload.with_jobs(jobs), note)


def thin(workload: Workload, fraction: float, rng: Generator) -> Workload:
    """Each job with probability ``fraction``, independent of the others.

    Notes
    -----
    Under one seed, what a smaller fraction keeps is part of what a larger one keeps.
    """
    keep = rng.random(len(workload.jobs)) < fraction
    jobs = _take(workload.jobs, np.flatnonzero(keep))
    return workload.with_jobs(jobs, load_scale=int((~keep).sum()))


def replicate(workload: Workload, factor: float, rng: Generator) -> Workload:
    """All jobs, and copies of them until there are ``factor`` times as many on average.

    Notes
    -----
    Each job has floor(factor) - 1 copies, and one more with the probability of the remainder. A
    copy comes up to half an hour before or after its original, and everything that one user (group,
    where users are not known) submitted within one hour of the trace moves by the same amount: the
    hours of the day, and bursts of jobs, stay what they were. Copies belong to the same users;
    their ids end in ``~2``, ``~3`` and so on. Submits never leave the span of the trace.

    Raises
    ------
    InputError
        If that makes more jobs than anyone can simulate.
    """
    jobs = workload.jobs
    n = len(jobs)
    if n * factor > MAX_JOBS:
        raise InputError(f"{n:,} jobs x {factor:g} are over {MAX_JOBS:,}; choose a smaller factor")
    whole = int(factor)
    wanted = whole - 1 + (rng.random(n) < factor - whole)  # (n,) copies of each job
    submit_s = jobs["submit_s"].to_numpy()
    burst, n_bursts = _bursts(jobs)
    first_s, last_s = (submit_s.min(), submit_s.max()) if n else (0.0, 0.0)
    width_s = min(COPY_JITTER_S, last_s - first_s)
    parts, made_s = [jobs], [submit_s]
    for copy in range(1, int(wanted.max(initial=0)) + 1):
        shift_s = rng.uniform(-width_s, width_s, n_bursts)[burst]
        chosen = np.flatnonzero(wanted >= copy)
        moved_s = first_s + np.abs(submit_s[chosen] + shift_s[chosen] - first_s)
        made_s.append(last_s - np.abs(last_s - moved_s))  # reflected at both ends of the span
        parts.append(jobs.iloc[chosen].assign(job_id=jobs["job_id"].iloc[chosen] + f"~{copy + 1}"))
    every = _submitted(pd.concat(parts, ignore_index=True), np.concatenate(made_s))
    note = (
        f"{len(every) - n:,} jobs are copies of others, each within half an hour of its original."
    )
    return _noted(workload.with_jobs(_in_order(every)), note)


def max_gpus(workload: Workload, gpus: int) -> Workload:
    """The jobs that ask for at most ``gpus`` GPUs."""
    keep = workload.jobs["gpus"].to_numpy() <= gpus
    jobs = _take(workload.jobs, np.flatnonzero(keep))
    return workload.with_jobs(jobs, max_gpus=int((~keep).sum()))


def shuffle(workload: Workload, rng: Generator) -> Workload:
    """The jobs dealt to the submit times at random, each job whole.

    Notes
    -----
    Load and arrivals stay the same; what goes is that jobs submitted together resemble each other.
    """
    jobs = workload.jobs
    dealt = jobs.iloc[rng.permutation(len(jobs))].reset_index(drop=True)
    return workload.with_jobs(_submitted(dealt, jobs["submit_s"].to_numpy()))


def fill(workload: Workload, gpus: float, every_s: float, rng: Generator) -> Workload:
    """Jobs drawn with replacement, ``every_s`` apart, that stay: until they ask for ``gpus`` GPUs.

    Parameters
    ----------
    gpus : float
        The last job is the one that brings the GPUs asked for, parts counted as such, to this.
    every_s : float
        Time between submits; the first comes at second 0. [s]

    Notes
    -----
    Each job is drawn independently of the others, whatever its duration and submit time were. The
    second and later copies of a job have ids that end in ``~2``, ``~3`` and so on.

    Raises
    ------
    InputError
        If no job asks for any GPU, or it would take more jobs than anyone can simulate.
    """
    jobs = workload.jobs
    each = (jobs["gpus"] * jobs["gpu_fraction"]).to_numpy()
    mean = float(each.mean()) if len(each) else 0.0
    if not mean or not gpus / mean <= MAX_JOBS:
        why = "no job asks for GPUs" if not mean else f"takes over {MAX_JOBS:,} jobs"
        raise InputError(f"{why}; give another workload or a lower share")
    drawn = np.zeros(0, np.int64)
    while each[drawn].sum() < gpus:
        drawn = np.concatenate([drawn, rng.integers(len(jobs), size=4096)])
    drawn = drawn[: int(np.searchsorted(np.cumsum(each[drawn]), gpus)) + 1]
    made = _take(jobs, drawn)
    copy = made.groupby("job_id").cumcount() + 1
    made["job_id"] = made["job_id"].where(copy == 1, made["job_id"] + "~" + copy.astype(str))
    made = made.assign(submit_s=every_s * np.arange(len(made)), run_s=STAYS_S)
    note = (
        f"{len(made):,} jobs are drawn with replacement from {len(jobs):,}, come "
        f"{format_duration(every_s)} apart and stay to the end."
    )
    return replace(_noted(workload.with_jobs(made), note), epoch=None)


def resample_arrivals(
    workload: Workload,
    rng: Generator,
    *,
    rate_per_s: float | None = None,
    cv: float = 1.0,
    weekly: bool = False,
) -> Workload:
    """New submit times for the same jobs in the same order.

    Parameters
    ----------
    rate_per_s : float or None
        Mean rate of the new arrivals. [1/s] None keeps the trace's span, and so its rate.
    cv : float
        Standard deviation of the gaps over their mean: 1 is Poisson, above 1 clusters. [-]
    weekly : bool
        Let the rate follow the hours of the week as the trace has them; hour 0 is Monday 00:00,
        which is also second 0 where the trace has no calendar.

    Notes
    -----
    Gaps are gamma. Without a rate they are divided by their sum and fill the span of the trace,
    which for cv = 1 is a Poisson process given its number of events. Weekly arrivals are those of
    a steady process, moved to where the rate accumulated over the hours of the trace (beyond its
    end: over the hours of the week) reaches the same value.

    Raises
    ------
    InputError
        If the arrivals would take centuries, or cv is beyond reason.
    """
    jobs = workload.jobs
    n = len(jobs)
    if not n:
        return workload
    if not LEAST_CV <= cv <= MOST_CV:
        raise InputError(f"cv {cv:g} must lie between {LEAST_CV:g} and {MOST_CV:g}")
    shape = cv**-2
    due = np.cumsum(rng.standard_gamma(shape, n + 1) / shape)  # at unit mean rate
    span_s = float(jobs["submit_s"].iloc[-1])
    # Extreme gaps can all round to zero; then everything comes at once.
    pace = rate_per_s or (due[n] or 1.0) / max(span_s, 1e-9)
    due_s = due[:n] / pace
    _require_span(float(due_s[-1]), "a higher rate")
    if weekly and span_s > 0:
        due_s = _along_the_week(workload, due_s, fill=rate_per_s is None)
    return workload.with_jobs(_submitted(jobs, due_s))


def hour_of_week(workload: Workload, at_s: Array) -> NDArray[np.int64]:
    """Hour of the week at the given seconds, 0 to 167; 0 is Monday 00:00, or second 0 at need."""
    return ((at_s + _since_monday_s(workload)) // HOUR_S).astype(np.int64) % HOURS_PER_WEEK


def weekly_rate(workload: Workload) -> Array:
    """Arrivals by hour of the week over their mean: (168,) with mean 1 where the trace covers all.

    Notes
    -----
    Arrivals in each hour over the time for which the trace covers that hour. Hours that it does not
    cover have the mean rate.
    """
    submit_s = workload.jobs["submit_s"].to_numpy()
    edges_s = _hours(workload, float(submit_s.max()))
    which = hour_of_week(workload, (edges_s[:-1] + edges_s[1:]) / 2)
    covered_s = np.bincount(which, np.diff(edges_s), HOURS_PER_WEEK)
    arrivals = np.bincount(hour_of_week(workload, submit_s), minlength=HOURS_PER_WEEK)
    mean = arrivals.sum() / covered_s.sum()
    rate = np.divide(arrivals, covered_s, out=np.full(HOURS_PER_WEEK, mean), where=covered_s > 0)
    return np.asarray(rate / mean, float)


def _along_the_week(workload: Workload, due_s: Array, *, fill: bool) -> Array:
    """Times of a steady process moved along the week; ``fill`` keeps the span as a whole."""
    week = weekly_rate(workload)
    span_s = float(workload.jobs["submit_s"].iloc[-1])
    week_s = HOURS_PER_WEEK * HOUR_S
    # Whole weeks grow at the mean rate, so one week more than that takes is always enough.
    edges_s = _hours(workload, span_s if fill else float(due_s[-1]) + week_s)
    rate = week[hour_of_week(workload, (edges_s[:-1] + edges_s[1:]) / 2)]
    grown_s = np.concatenate([[0.0], np.cumsum(rate * np.diff(edges_s))])
    scale = grown_s[-1] / span_s if fill else week.mean()
    return np.asarray(np.interp(due_s * scale, grown_s, edges_s), float)


def _hours(workload: Workload, span_s: float) -> Array:
    """Second 0, the full hours of the calendar, and the end of the span. [s]"""
    first_s = HOUR_S - _since_monday_s(workload) % HOUR_S
    return np.concatenate([[0.0], np.arange(first_s, span_s, HOUR_S), [max(span_s, 1.0)]])


def _since_monday_s(workload: Workload) -> float:
    epoch = workload.epoch
    if epoch is None:
        return 0.0
    midnight = datetime(epoch.year, epoch.month, epoch.day)
    return epoch.weekday() * 24 * HOUR_S + (epoch - midnight).total_seconds()


def _require_span(last_s: float, advice: str) -> None:
    if not last_s <= MAX_SPAN_S:
        raise InputError(f"the last job would come after {last_s:.3g} s; choose {advice}")


def _seconds(workload: Workload, moment: datetime | float, side: str) -> float:
    if not isinstance(moment, datetime):
        return float(moment)
    if workload.epoch is None:
        raise InputError(
            f"{side} is a date, but {workload.intake.source or 'the workload'} has no calendar; "
            "give a duration since the first submit, for example 3 days"
        )
    return (moment - workload.epoch).total_seconds()


def _bursts(jobs: pd.DataFrame) -> tuple[NDArray[np.int64], int]:
    """What one user (or group) submitted within one hour: a number for each job, and how many."""
    people = jobs["user"] if jobs["user"].nunique() > 1 else jobs["group"]
    hour = (jobs["submit_s"].to_numpy() // HOUR_S).astype(np.int64)
    code = hour * (len(people.cat.categories) + 1) + people.cat.codes.to_numpy()
    numbers, burst = np.unique(code, return_inverse=True)
    return burst, len(numbers)


def _take(jobs: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    """These rows, numbered anew, without categories that no job has any more."""
    taken = jobs.iloc[rows].reset_index(drop=True)
    for name in taken.columns:
        if isinstance(taken[name].dtype, pd.CategoricalDtype):
            taken[name] = taken[name].cat.remove_unused_categories()
    return taken


def _submitted(jobs: pd.DataFrame, submit_s: Array) -> pd.DataFrame:
    """The jobs with other submit times; a deadline stays as long after its submit as it was."""
    after_s = jobs["deadline_s"].to_numpy() - jobs["submit_s"].to_numpy()
    return jobs.assign(submit_s=submit_s, deadline_s=submit_s + after_s)


def _in_order(jobs: pd.DataFrame) -> pd.DataFrame:
    """In queue order: by submit, ties as they were."""
    return jobs.sort_values("submit_s", kind="stable", ignore_index=True)


def _noted(workload: Workload, note: str) -> Workload:
    intake = workload.intake
    return replace(workload, intake=replace(intake, notes=(*intake.notes, note)))


def _yaml_name(transform: Any) -> str:
    """``LoadScale`` -> ``load_scale``, as it stands in the scenario."""
    name = type(transform).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
