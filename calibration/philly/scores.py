"""How well a fit describes the weeks it saw, and the weeks it did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import data
import numpy as np
import pandas as pd
import parameters
from scipy.stats import ks_2samp

from twin.distributions import Array
from twin.workload.laws import SessionSize
from twin.workload.model import SubmissionModel


class Weeks:
    """Jobs and sessions that start in weeks [first, last), with their classes."""

    def __init__(self, jobs: pd.DataFrame, first: int, last: int) -> None:
        self.jobs = data.weeks(jobs, first, last)
        self.sessions = data.session_table(self.jobs)
        self.n_weeks = last - first
        self.submit_s = self.jobs.submit_s.to_numpy() - first * data.WEEK_S
        self.job_class = parameters.class_index(self.jobs.gpus, self.jobs.n)

    def run_s(self, index: int) -> pd.Series:
        """Run times of one class."""
        return self.jobs.run_s[self.job_class == index]

    def likeness(self, index: int, model: SubmissionModel) -> float:
        """Likeness of one class's jobs under the model's law."""
        mine = self.jobs[self.job_class == index]
        return parameters.likeness(mine.run_s, mine.session, model.classes[index].run_s)

    def gap_s(self, sweep: bool) -> pd.Series:
        """Gaps inside sessions that are sweeps, or are not."""
        return self.jobs.gap_s[(self.jobs.n > data.SWEEP_ABOVE) == sweep].dropna().clip(lower=0.5)

    def numbers(self, low: int, high: int) -> pd.Series:
        """Jobs per session of sizes in [low, high]."""
        return self.sessions.n[self.sessions.gpus.between(low, high)]

    @property
    def work_gpu_s(self) -> pd.Series:
        """GPU-time of each job."""
        return self.jobs.run_s * self.jobs.gpus


def ks(sample: pd.Series, cdf: Callable[[Array], Array]) -> float:
    """Kolmogorov-Smirnov distance of a sample, kept in whole seconds, from a law."""
    x, counts = np.unique(np.round(sample), return_counts=True)
    return float(np.abs(np.cumsum(counts) / counts.sum() - cdf(x + 0.5)).max())


def ks_whole(sample: pd.Series, law: SessionSize) -> float:
    """The same for whole numbers, where the law steps as well."""
    k = np.arange(1, law.most + 1)
    steps = np.searchsorted(np.sort(sample), k, side="right") / len(sample)
    return float(np.abs(steps - (1 - law.survival(k))).max())


def variation(a: pd.Series, b: pd.Series) -> float:
    """Total variation distance of two lots of weights: the share that sits in the wrong place."""
    both = pd.concat([a / a.sum(), b / b.sum()], axis=1).fillna(0.0)
    return float((both.iloc[:, 0] - both.iloc[:, 1]).abs().sum() / 2)


def all_run_s_cdf(model: SubmissionModel) -> Callable[[Array], Array]:
    """Distribution of the run times of all jobs: the classes' own, by their share of jobs."""
    sort, _, shares = model.job_mix()
    by_class = np.bincount(sort, shares, minlength=len(model.classes))
    return lambda x: sum(s * c.run_s.cdf(x) for s, c in zip(by_class, model.classes, strict=True))


@dataclass(frozen=True)
class Row:
    """One error: of a model against some weeks, and of the data of earlier weeks against later."""

    name: str
    of_model: Callable[[SubmissionModel, Weeks], float]
    of_data: Callable[[SubmissionModel, Weeks, Weeks], float]
    form: str = "{:.3f}"


def relative(
    name: str, expected: Callable[[SubmissionModel], float], seen: Callable[[Weeks], float]
) -> Row:
    """What the model expects over what was seen, less one."""
    return Row(
        f"{name}: model / data − 1",
        lambda m, w: expected(m) / seen(w) - 1,
        lambda m, old, new: seen(old) / seen(new) - 1,
        "{:+.0%}",
    )


def distance(
    name: str,
    of_model: Callable[[SubmissionModel, pd.Series], float],
    seen: Callable[[Weeks], pd.Series],
    between: Callable[[pd.Series, pd.Series], float] = lambda a, b: float(ks_2samp(a, b).statistic),
) -> Row:
    """Distance of a law from a sample, and of two samples from each other."""
    return Row(
        name,
        lambda m, w: of_model(m, seen(w)),
        lambda m, old, new: between(seen(old), seen(new)),
    )


def size_rows() -> list[Row]:
    """Shares of the sizes."""

    def shares(m: SubmissionModel) -> pd.Series:
        return pd.Series(m.sizes.probabilities, index=np.asarray(m.sizes.values, int))

    return [
        distance(
            "sizes, by session: total variation",
            lambda m, seen: variation(shares(m), seen),
            lambda w: w.sessions.gpus.value_counts(),
            variation,
        ),
        distance(
            "sizes, by job: total variation",
            lambda m, seen: variation(shares(m) * m.mean_jobs(m.sizes), seen),
            lambda w: w.jobs.gpus.value_counts(),
            variation,
        ),
    ]


def number_row(name: str, low: int, high: int, index: int) -> Row:
    """Jobs per session of sizes in [low, high], which are those of the class of this index."""
    return distance(
        f"jobs a session, {name}: KS",
        lambda m, seen: ks_whole(seen, m.classes[index].session_jobs),
        lambda w: w.sessions.n[w.sessions.gpus.between(low, high)],
    )


def class_rows(i: int, name: str) -> list[Row]:
    """Run times of one class."""
    return [
        distance(
            f"run time, {name}: KS",
            lambda m, seen: ks(seen, m.classes[i].run_s.cdf),
            lambda w: w.run_s(i),
        ),
        relative(
            f"mean run time, {name}", lambda m: m.classes[i].run_s.mean, lambda w: w.run_s(i).mean()
        ),
        Row(
            f"likeness in a session, {name}: model − data",
            lambda m, w: m.classes[i].likeness - w.likeness(i, m),
            lambda m, old, new: old.likeness(i, m) - new.likeness(i, m),
            "{:+.2f}",
        ),
    ]


def rows() -> list[Row]:
    """All errors of the table."""
    return [
        relative(
            "sessions a day",
            lambda m: m.sessions_per_s * 86400,
            lambda w: len(w.sessions) / (7 * w.n_weeks),
        ),
        *size_rows(),
        number_row("1 GPU", 1, 1, 0),
        number_row("2 GPUs", 2, 3, 2),
        number_row("4 GPUs", 4, 7, 3),
        number_row("8 GPUs and more", 8, 999, 4),
        relative(
            "mean jobs a session", lambda m: m.mean_session_jobs, lambda w: w.sessions.n.mean()
        ),
        distance(
            "gap in a sweep: KS",
            lambda m, seen: ks(seen, m.classes[1].gap_s.cdf),
            lambda w: w.gap_s(sweep=True),
        ),
        distance(
            "gap in other sessions: KS",
            lambda m, seen: ks(seen, m.classes[0].gap_s.cdf),
            lambda w: w.gap_s(sweep=False),
        ),
        *(row for i, one in enumerate(parameters.CLASSES) for row in class_rows(i, one[0])),
        distance(
            "run time, all jobs: KS",
            lambda m, seen: ks(seen, all_run_s_cdf(m)),
            lambda w: w.jobs.run_s,
        ),
        relative(
            "mean GPU-time a job",
            lambda m: m.mean_work_gpu_s,
            lambda w: (w.jobs.run_s * w.jobs.gpus).mean(),
        ),
    ]


def error_table(jobs: pd.DataFrame, kept: SubmissionModel, trained: SubmissionModel) -> str:
    """Errors within the weeks fitted to and beyond, as Markdown."""
    old, new = Weeks(jobs, 0, data.TRAIN_WEEKS), Weeks(jobs, data.TRAIN_WEEKS, data.WEEKS)
    every = Weeks(jobs, 0, data.WEEKS)
    lines = [
        "| error | fit of 8 weeks, on them | on the 3 weeks after"
        " | the 8 weeks' own data on those 3 | kept fit, of all 11 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows():
        values = (
            row.of_model(trained, old),
            row.of_model(trained, new),
            row.of_data(trained, old, new),
            row.of_model(kept, every),
        )
        cells = " | ".join(row.form.format(value) for value in values).replace("+0.00", "0.00")
        lines.append(f"| {row.name} | {cells} |".replace("-0.00", "0.00").replace("-0%", "+0%"))
    return "\n".join(lines)


def week_table(jobs: pd.DataFrame) -> str:
    """How many harmonics of the day: log-likelihood gained over a constant rate, a session."""
    old, new = Weeks(jobs, 0, data.TRAIN_WEEKS), Weeks(jobs, data.TRAIN_WEEKS, data.WEEKS)
    lines = [
        "| harmonics of the day | 8 weeks fitted to | 3 weeks after |",
        "| ---: | ---: | ---: |",
    ]
    for harmonics in range(7):
        hours, weekend = parameters.fit_week(old.sessions.start_s.to_numpy(), harmonics)
        week = np.outer([1.0] * 5 + [weekend] * 2, hours).ravel()
        gains = [
            np.log(week / week.mean())[
                (w.sessions.start_s % data.WEEK_S // 3600).astype(int)
            ].mean()
            for w in (old, new)
        ]
        lines.append(f"| {harmonics} | {gains[0]:.4f} | {gains[1]:.4f} |")
    return "\n".join(lines)


def kinds_table(jobs: pd.DataFrame) -> str:
    """Cross-validated log density of run times, by the number of kinds in the mixture."""
    every = Weeks(jobs, 0, data.WEEKS)
    lines = [
        "| class | sessions | 1 | 2 | 3 | 4 kinds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for i, (name, *_) in enumerate(parameters.CLASSES):
        mine = every.jobs[every.job_class == i]
        scores = " | ".join(f"{parameters.cross_validated(mine, k):.3f}" for k in (1, 2, 3, 4))
        lines.append(f"| {name} | {mine.session.nunique()} | {scores} |")
    return "\n".join(lines)
