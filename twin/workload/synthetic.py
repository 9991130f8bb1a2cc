"""Jobs drawn from a fitted model: the built-in workload, and as many variations as one likes.

Each cause has a random stream of its own (`twin.streams`), and each stream is drawn in one order
whatever the number of jobs: asking for other sizes leaves the arrivals as they were, and a higher
load brings the same jobs closer together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from twin.distributions import Array
from twin.errors import InputError
from twin.scenario.workload import Bursty, Synthetic, Weekly
from twin.units import format_duration
from twin.workload.arrivals import Pace, unit_arrivals
from twin.workload.jobs import Intake, Workload, job_table
from twin.workload.model import SubmissionModel, load_model
from twin.workload.sessions import Jobs, draw_jobs, draw_sessions, draw_submitters

# Some 50 GB of jobs while they are made: more is a mistake in the input, and would fill the memory.
MOST_JOBS = 200_000_000


def generate(spec: Synthetic, seed: int, site_gpus: int, start: datetime | None = None) -> Workload:
    """Draw a workload.

    Parameters
    ----------
    spec : Synthetic
        What the scenario asks for; what it leaves out is as the model was fitted.
    seed : int
        The run's seed.
    site_gpus : int
        GPUs of the site, which a ``load`` refers to.
    start : datetime or None
        Calendar time of second 0; None is a Monday at 00:00.

    Returns
    -------
    Workload
        Jobs submitted within [0, span): ``duration`` if given, else the time that ``jobs`` take.

    Raises
    ------
    InputError
        If no job would arrive, or more than memory could hold.

    Notes
    -----
    Without ``arrivals``, jobs come in sessions as fitted; with them, singly, sizes and run times
    in the proportions that jobs have. A session that outlasts the span continues at its beginning,
    in place of those that began before it, so that the span is stationary and loses no job.

    ``load`` sets the span, or the number of jobs, so that the GPU-time of the very jobs drawn is
    that share of the site's: exactly with ``jobs``, to the nearest job with ``duration``. GPU-time
    is so heavy-tailed that setting only its expectation would miss by half at a thousand jobs.
    """
    return draw(load_model(spec.model), spec, seed, site_gpus, start)


def draw(
    model: SubmissionModel,
    spec: Synthetic,
    seed: int,
    site_gpus: int,
    start: datetime | None = None,
) -> Workload:
    """`generate` from any submission model, such as one just fitted."""
    fitted = spec.arrivals is None
    pace = Pace(
        model, seed, start, weekly=fitted or isinstance(spec.arrivals, Weekly), wanders=fitted
    )
    plan = _Plan(spec, model, seed, site_gpus, pace)
    n_session = plan.likely_sessions()
    while True:
        unit = unit_arrivals(n_session + 1, seed, cv=plan.cv)
        sessions = draw_sessions(spec, model, seed, n_session)
        jobs = draw_jobs(spec, model, seed, sessions)
        n_job = plan.jobs_wanted(unit, jobs)
        if n_job is not None:
            break
        n_session *= 2  # the streams begin alike, so that the jobs drawn before come again
    if n_job == 0:
        raise InputError(
            f"workload.synthetic: no job arrives within {format_duration(spec.duration_s or 0.0)};"
            " give a longer duration, a higher rate or load, or a number of jobs"
        )
    jobs = jobs.first(n_job)
    starts_s, span_s = plan.starts(unit, jobs)
    submit_s = starts_s[jobs.session] + jobs.offset_s
    group, user = draw_submitters(spec, model, seed, sessions, jobs.session)
    table = job_table(
        {
            "submit_s": submit_s % span_s if span_s > 0 else submit_s,
            "run_s": jobs.run_s,
            "gpus": jobs.gpus,
            "group": group,
            "user": user,
        }
    )
    intake = Intake(
        source=f"synthetic: {spec.model}",
        format="synthetic",
        rows_read=n_job,
        notes=_notes(spec, model, jobs, span_s, site_gpus),
    )
    return Workload(table, intake, start)


@dataclass(frozen=True)
class _Plan:
    """How many sessions to draw, how many of their jobs to keep, and when each session starts."""

    spec: Synthetic
    model: SubmissionModel
    seed: int
    site_gpus: int
    pace: Pace

    @property
    def cv(self) -> float:
        return self.spec.arrivals.cv if isinstance(self.spec.arrivals, Bursty) else 1.0

    @property
    def rate_per_s(self) -> float:
        """Mean rate of sessions, or of jobs where they come singly. [1/s]"""
        if self.spec.arrivals is None:
            return self.model.sessions_per_s
        return self.spec.arrivals.rate_per_s or (
            self.model.sessions_per_s * self.model.mean_session_jobs
        )

    def likely_sessions(self) -> int:
        """Sessions that will probably do; a wrong guess costs time only."""
        spec = self.spec
        by_session = self.model.mean_session_jobs if spec.arrivals is None else 1.0
        if spec.jobs is not None:
            n = spec.jobs / by_session
        elif spec.load is None:
            n = self.pace.mean_arrivals(spec.duration_s or 0.0, rate_per_s=self.rate_per_s)
        else:
            trial = draw_sessions(spec, self.model, self.seed, 1000)
            work_gpu_s = _work(draw_jobs(spec, self.model, self.seed, trial)) / 1000
            n = self._asked_gpu_s(spec.duration_s or 0.0) / work_gpu_s
        if n * by_session > MOST_JOBS:
            raise InputError(
                f"workload.synthetic: about {n * by_session:.3g} jobs would be drawn, more than"
                f" {MOST_JOBS:,}; ask for fewer jobs, a shorter duration, or a lower load or rate"
            )
        return int(1.1 * n + 5 * n**0.5) + 20

    def jobs_wanted(self, unit: Array, jobs: Jobs) -> int | None:
        """How many of the jobs drawn to keep, from the first on; None if they are too few."""
        spec, n_drawn = self.spec, len(jobs.session)
        if spec.jobs is not None:
            return spec.jobs if n_drawn >= spec.jobs else None
        assert spec.duration_s is not None  # the schema asks for one of both
        if spec.load is None:
            due = self.pace.mean_arrivals(spec.duration_s, rate_per_s=self.rate_per_s)
            if unit[-2] < due:
                return None
            return int(np.searchsorted(jobs.session, np.searchsorted(unit, due)))
        done_gpu_s = np.cumsum(jobs.work_gpu_s)
        asked_gpu_s = self._asked_gpu_s(spec.duration_s)
        if done_gpu_s[-1] < asked_gpu_s:
            return None
        last = int(np.searchsorted(done_gpu_s, asked_gpu_s))
        short_gpu_s = asked_gpu_s - (done_gpu_s[last - 1] if last else 0.0)
        return last + int(done_gpu_s[last] - asked_gpu_s <= short_gpu_s)

    def starts(self, unit: Array, jobs: Jobs) -> tuple[Array, float]:
        """When each session starts, and the span of all. [s], [s]"""
        spec, n = self.spec, int(jobs.session[-1]) + 1
        if spec.load is None:
            times_s = self.pace.seconds(unit[: n + 1], rate_per_s=self.rate_per_s)
            return times_s[:n], float(times_s[n]) if spec.duration_s is None else spec.duration_s
        span_s = spec.duration_s
        if span_s is None:
            span_s = _work(jobs) / (spec.load * self.site_gpus)
        # Gaps of an extreme cv can all round to zero: then all come at once.
        shares = unit[:n] / unit[n] if unit[n] > 0 else np.zeros(n)
        return self.pace.fill(shares, span_s), span_s

    def _asked_gpu_s(self, span_s: float) -> float:
        return (self.spec.load or 0.0) * self.site_gpus * span_s


def _work(jobs: Jobs) -> float:
    """GPU-time of all jobs together, which a load needs above zero. [GPU s]"""
    work_gpu_s = float(jobs.work_gpu_s.sum())
    if work_gpu_s <= 0:
        raise InputError(
            "workload.synthetic.load: jobs that take no time offer no load;"
            " give longer durations, or a rate of arrivals in place of the load"
        )
    return work_gpu_s


def _notes(
    spec: Synthetic, model: SubmissionModel, jobs: Jobs, span_s: float, site_gpus: int
) -> tuple[str, ...]:
    """What the reader of a report should know of where the jobs come from."""
    work_gpu_s = float(jobs.work_gpu_s.sum())
    offered = f"; offered load {work_gpu_s / (span_s * site_gpus):.3g}" if span_s > 0 else ""
    own = [name for name in ("arrivals", "sizes", "durations") if getattr(spec, name) is not None]
    return (
        f"{len(jobs.session):,} synthetic jobs over {format_duration(span_s)}{offered}",
        f"model {spec.model}: {model.source}",
        *([f"not as fitted but as the scenario says: {', '.join(own)}"] if own else []),
        "assumed: who the users are (the trace names none); that all jobs are training jobs",
    )
