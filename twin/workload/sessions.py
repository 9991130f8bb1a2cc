"""What is drawn of each session and of each job in it, apart from when the session starts.

A workload whose jobs come singly is one of sessions with one job each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.distributions import Array, Choice, Distribution
from twin.errors import InputError
from twin.scenario.workload import Synthetic
from twin.streams import stream
from twin.workload.model import SubmissionModel

Ints = NDArray[np.int64]

MOST_USERS = 10_000_000  # each has a weight in a table


@dataclass(frozen=True)
class Sessions:
    """(n_session,) arrays in order of start.

    ``arrives_as`` is the class that gives the gaps between a session's jobs and its group;
    ``runs_as`` the one that gives their run times: another where the scenario sets the sizes.
    """

    jobs: Ints
    gpus: Ints
    arrives_as: Ints
    runs_as: Ints


@dataclass(frozen=True)
class Jobs:
    """(n_job,) arrays, session after session."""

    session: Ints  # index into the sessions
    offset_s: Array  # submit since the start of the session
    run_s: Array
    gpus: Ints

    def first(self, n: int) -> Jobs:
        """The first ``n`` of them."""
        return Jobs(self.session[:n], self.offset_s[:n], self.run_s[:n], self.gpus[:n])

    @property
    def work_gpu_s(self) -> Array:
        """GPU-time of each job: (n_job,). [GPU s]"""
        return self.run_s * self.gpus


def draw_sessions(spec: Synthetic, model: SubmissionModel, seed: int, n: int) -> Sessions:
    """Sizes, numbers of jobs and classes of the first ``n`` sessions."""
    of_size, of_number = stream(seed, "sessions").random(n), stream(seed, "sessions/jobs").random(n)
    singly = spec.arrivals is not None
    fitted = model.sizes if spec.sizes is not None else up_to(model.sizes, spec.max_gpus)
    if singly:  # each size as often as it has jobs, not sessions
        fitted = Choice(fitted.values, tuple(fitted.probabilities * model.mean_jobs(fitted)))
    own_gpus = gpus = fitted.quantile(of_size).astype(np.int64)
    if spec.sizes is not None:
        # Apart from the sessions' own sizes, so that arrivals stay, and with them the number of
        # jobs: a size then has the share of jobs, not only of sessions, that it is given.
        values = sorted(spec.sizes)
        asked = Choice(tuple(map(float, values)), tuple(spec.sizes[value] for value in values))
        drawn = up_to(asked, spec.max_gpus).quantile(stream(seed, "sizes").random(n))
        gpus = drawn.astype(np.int64)
    plain, own_plain = (model.class_of(size, np.zeros(n, bool)) for size in (gpus, own_gpus))
    if singly:
        jobs = np.ones(n, np.int64)
        swept, own_swept = (of_number < model.sweep_share[i] for i in (plain, own_plain))
    else:
        jobs = np.empty(n, np.int64)
        for i, rows in _rows_by(own_plain):
            jobs[rows] = model.classes[i].session_jobs.quantile(of_number[rows])
        swept = own_swept = jobs > model.sweep_above
    return Sessions(jobs, gpus, model.class_of(own_gpus, own_swept), model.class_of(gpus, swept))


def draw_jobs(spec: Synthetic, model: SubmissionModel, seed: int, sessions: Sessions) -> Jobs:
    """Run times of all jobs and their places in their sessions."""
    n = int(sessions.jobs.sum())
    session = np.repeat(np.arange(len(sessions.jobs)), sessions.jobs)
    alike = np.asarray([one.likeness for one in model.classes])[sessions.runs_as]
    level = _levels(seed, "durations", session, alike)
    run_s = np.empty(n)
    for i, rows in _rows_by(sessions.runs_as[session]):
        law: Distribution = spec.durations if spec.durations is not None else model.classes[i].run_s
        run_s[rows] = law.quantile(level[rows])

    offset_s = np.zeros(n)
    if spec.arrivals is None:
        alike = np.asarray([one.pace for one in model.classes])[sessions.arrives_as]
        level = _levels(seed, "arrivals/gaps", session, alike)
        gap_s = np.empty(n)
        for i, rows in _rows_by(sessions.arrives_as[session]):
            gap_s[rows] = model.classes[i].gap_s.quantile(level[rows])
        since_first_s = np.cumsum(gap_s)
        first = np.cumsum(sessions.jobs) - sessions.jobs
        offset_s = since_first_s - since_first_s[first][session]
    return Jobs(session, offset_s, run_s, sessions.gpus[session])


def _levels(seed: int, cause: str, session: Ints, alike: Array) -> Array:
    """Where each job stands in its law, uniform in [0, 1], alike within a session: (n_job,).

    A Gaussian copula, so that each law is kept as it is; ``alike`` is the correlation of the
    normal scores, by session.
    """
    from scipy.special import ndtr

    common = stream(seed, f"{cause}/sessions").standard_normal(len(alike)) * np.sqrt(alike)
    own = stream(seed, cause).standard_normal(len(session))
    return np.asarray(ndtr(common[session] + np.sqrt(1 - alike)[session] * own), float)


def draw_submitters(
    spec: Synthetic, model: SubmissionModel, seed: int, sessions: Sessions, session: Ints
) -> tuple[pd.Categorical[str], pd.Categorical[str]]:
    """Group and user of each job, by its session: (n_job,) each.

    A user belongs to one group, and each next one of a group submits less (Zipf). Fewer users
    than groups share them.
    """
    n, n_group = len(sessions.jobs), len(model.groups)
    group, user = np.empty(n, np.int64), np.empty(n, np.int64)
    of_group, of_user = stream(seed, "groups").random(n), stream(seed, "users").random(n)
    for i, rows in _rows_by(sessions.arrives_as):
        group[rows] = _pick(np.asarray(model.classes[i].group_weights), of_group[rows])
    users = spec.users if spec.users is not None else model.users_per_group * n_group
    if users > MOST_USERS:
        raise InputError(f"workload.synthetic.users: {users:,}; the most is {MOST_USERS:,}")
    edges = np.arange(n_group + 1) * users // n_group
    for g, rows in _rows_by(group):
        rank = np.arange(1, max(1, edges[g + 1] - edges[g]) + 1)
        user[rows] = edges[g] + _pick(rank**-model.user_exponent, of_user[rows])
    # Only the users that occur: a million may be asked for.
    found, user = np.unique(user, return_inverse=True)
    names = [f"user-{i + 1:0{len(str(users))}d}" for i in found]
    return (
        pd.Categorical.from_codes(group[session], categories=pd.Index(model.groups)),
        pd.Categorical.from_codes(user[session], categories=pd.Index(names)),
    )


def up_to(sizes: Choice, most: int | None) -> Choice:
    """Sizes conditioned on ``most`` GPUs."""
    if most is None:
        return sizes
    kept = sum(value <= most for value in sizes.values)
    return Choice(sizes.values[:kept], sizes.weights[:kept])


def _pick(weights: Array, uniform: Array) -> Ints:
    """Index drawn with these weights, by inversion."""
    steps = np.cumsum(weights)
    return np.minimum(np.searchsorted(steps / steps[-1], uniform, side="right"), len(steps) - 1)


def _rows_by(codes: Ints) -> list[tuple[int, Ints]]:
    """Rows of each code that occurs, codes ascending."""
    return [(int(code), np.flatnonzero(codes == code)) for code in np.unique(codes)]
