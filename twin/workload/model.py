"""The submission model: who submits what, how often, and how long it runs; read from YAML.

People submit in *sessions*: jobs of one size from one group, each soon after the last, mostly one
and now and then thousands. Sessions start independently, at a rate that follows the hour and the
weekday; jobs of a session resemble each other. `calibration/philly` fits it and tells the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.distributions import Array, Choice
from twin.errors import InputError, did_you_mean
from twin.workload.laws import LognormalMixture, SessionSize

HOUR_S = 3600.0
HOURS_PER_WEEK = 168


@dataclass(frozen=True)
class JobClass:
    """Jobs alike in size and in the way they come.

    Parameters
    ----------
    name : str
        As in the calibration's tables.
    least_gpus : int
        Jobs of this many GPUs and more, up to the next class.
    sweep : bool
        True for the class of sessions with more than `SubmissionModel.sweep_above` jobs.
    session_jobs : SessionSize
        Jobs per session of this size, sweep or not.
    run_s : LognormalMixture
        Run times of jobs. [s]
    likeness : float
        Correlation of the normal scores of two run times in one session. [0..1]
    gap_s : LognormalMixture
        Time from one job of a session to the next. [s]
    pace : float
        Correlation of the normal scores of two such gaps in one session. [0..1]
    group_weights : tuple of float
        How often a session is of each group of `SubmissionModel.groups`.
    """

    name: str
    least_gpus: int
    sweep: bool
    session_jobs: SessionSize
    run_s: LognormalMixture
    likeness: float
    gap_s: LognormalMixture
    pace: float
    group_weights: tuple[float, ...]


@dataclass(frozen=True)
class SubmissionModel:
    """All parameters of a synthetic workload.

    Parameters
    ----------
    source : str
        What it was fitted to, for the report.
    sessions_per_s : float
        Mean rate at which sessions start. [1/s]
    week : (168,) tuple
        Rate by hour of the week, Monday midnight first, over its mean.
    rate_sigma, rate_memory_s : float
        The rate also wanders by a factor ``exp(X - rate_sigma²/2)``, X a stationary
        Ornstein-Uhlenbeck process of this standard deviation and correlation time. [-], [s]
    sizes : Choice
        GPUs asked for, by session.
    sweep_above : int
        Sessions of more jobs than this are sweeps.
    classes : tuple of JobClass
        In ascending order of size, the class of sweeps after the one of its size.
    groups : tuple of str
        Virtual clusters.
    users_per_group, user_exponent : int, float
        Users of a group, and the Zipf exponent of their sessions.
    """

    source: str
    sessions_per_s: float
    week: tuple[float, ...]
    rate_sigma: float
    rate_memory_s: float
    sizes: Choice
    sweep_above: int
    classes: tuple[JobClass, ...]
    groups: tuple[str, ...]
    users_per_group: int
    user_exponent: float

    def class_of(self, gpus: NDArray[np.int64], in_sweep: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Index of the class of jobs of ``gpus`` GPUs, in a sweep or not; shapes (n,)."""
        plain = [i for i, one in enumerate(self.classes) if not one.sweep]
        edges = [self.classes[i].least_gpus for i in plain]
        found = np.asarray(plain)[np.maximum(np.searchsorted(edges, gpus, side="right") - 1, 0)]
        for i, one in enumerate(self.classes):
            if one.sweep:
                found[in_sweep & (gpus == one.least_gpus)] = i
        return found

    def mean_jobs(self, sizes: Choice) -> Array:
        """Expected jobs of a session of each of these sizes: (n_size,)."""
        gpus = np.asarray(sizes.values, np.int64)
        by_class = np.asarray([one.session_jobs.mean for one in self.classes])
        return by_class[self.class_of(gpus, np.zeros(len(gpus), bool))]

    @property
    def sweep_share(self) -> Array:
        """Share of jobs in sessions large enough to be sweeps, by class: (n_class,)."""
        laws, above = [one.session_jobs for one in self.classes], self.sweep_above + 1
        return np.asarray([law.mean_between(above, law.most) / law.mean for law in laws])

    @property
    def mean_session_jobs(self) -> float:
        """Expected jobs of a session."""
        return float(self.mean_jobs(self.sizes) @ self.sizes.probabilities)

    def job_mix(self) -> tuple[NDArray[np.int64], Array, Array]:
        """Class, GPUs and share of each sort of job: sizes outside of sweeps, then in them."""
        gpus = np.asarray(self.sizes.values)
        whole = gpus.astype(np.int64)
        plain = self.class_of(whole, np.zeros(len(gpus), bool))
        swept = self.class_of(whole, np.ones(len(gpus), bool))
        jobs = self.sizes.probabilities * self.mean_jobs(self.sizes)
        in_sweep = self.sweep_share[plain]
        shares = np.concatenate([jobs * (1 - in_sweep), jobs * in_sweep]) / jobs.sum()
        return np.concatenate([plain, swept]), np.tile(gpus, 2), shares

    @property
    def mean_work_gpu_s(self) -> float:
        """Expected GPU-time of a job. [GPU s]"""
        sort, gpus, shares = self.job_mix()
        mean_s = np.asarray([one.run_s.mean for one in self.classes])
        return float(shares @ (gpus * mean_s[sort]))


def models() -> list[str]:
    """Names of the built-in models, sorted."""
    files = resources.files(__package__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


@cache
def load_model(name: str) -> SubmissionModel:
    """A built-in model by name.

    Raises
    ------
    InputError
        If there is none of that name; lists the known ones.
    """
    import yaml

    if name not in models():
        raise InputError(f"unknown workload model {name!r}; {did_you_mean(name, models())}")
    text = (resources.files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")
    return model_from(yaml.load(text, Loader=yaml.CSafeLoader))


def model_from(data: Mapping[str, Any]) -> SubmissionModel:
    """The model that a mapping of parameters describes, as in ``philly.yaml``."""
    arrivals, sizes, users = data["sessions"], data["sizes"], data["users"]
    hours = np.asarray(arrivals["hours"], float)
    days = np.repeat([1.0, arrivals["weekend"]], [5, 2])
    week = np.outer(days, hours).ravel()
    most, longest_s = int(arrivals["most_jobs"]), float(data["longest_s"])
    longest_gap_s = float(arrivals["longest_gap_s"])
    return SubmissionModel(
        source=str(data["source"]),
        sessions_per_s=float(arrivals["per_day"]) / 86400,
        week=tuple(week / week.mean()),
        rate_sigma=float(arrivals["rate_sigma"]),
        rate_memory_s=float(arrivals["rate_memory_s"]),
        sizes=Choice(tuple(map(float, sizes["gpus"])), tuple(map(float, sizes["weights"]))),
        sweep_above=int(arrivals["sweep_above"]),
        classes=tuple(
            JobClass(
                name=str(one["name"]),
                least_gpus=int(one["least_gpus"]),
                sweep=bool(one["sweep"]),
                session_jobs=SessionSize(most=most, **one["session_jobs"]),
                run_s=_mixture(one["run_s"], longest_s),
                likeness=float(one["likeness"]),
                gap_s=_mixture(one["gap_s"], longest_gap_s),
                pace=float(one["pace"]),
                group_weights=tuple(map(float, one["group_weights"])),
            )
            for one in data["classes"]
        ),
        groups=tuple(map(str, data["groups"])),
        users_per_group=int(users["per_group"]),
        user_exponent=float(users["exponent"]),
    )


def _mixture(data: Mapping[str, Any], longest: float) -> LognormalMixture:
    return LognormalMixture(
        weights=tuple(map(float, data["weights"])),
        medians=tuple(map(float, data["medians"])),
        sigmas=tuple(map(float, data["sigmas"])),
        longest=longest,
    )
