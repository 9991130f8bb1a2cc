"""The fit of each part of the submission model, to jobs cut into sessions."""

from __future__ import annotations

from typing import Any

import data
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize
from scipy.special import logsumexp, ndtri
from scipy.stats import norm

from twin.workload.laws import LognormalMixture, SessionSize

SOURCE = (
    "Philly clusters, 2017-09-25 to 2017-12-10 [jeon2019], as published with Sia [sia2023];"
    " fitted in calibration/philly"
)
LONGEST_S = 60 * data.DAY_S  # the longest of the whole trace ran for 53.6 days
MOST_JOBS = 3000  # the trace's largest session has 2,888 jobs
HARMONICS = 3  # of the day; the number with the smallest error out of sample
# Name, least GPUs, sweep, kinds of run time: crashes and trials, hours, days. `--kinds` shows what
# each more gains; the 149 sessions of 16 GPUs and more do not tell three apart.
CLASSES = [
    ("1 GPU", 1, False, 3),
    ("1 GPU, sweep", 1, True, 3),
    ("2 GPUs", 2, False, 3),
    ("4 GPUs", 4, False, 3),
    ("8 GPUs", 8, False, 3),
    ("16 GPUs and more", 16, False, 2),
]
SIZE_BINS = [1, 2, 4, 8]  # GPUs; from 8 on sessions have 1.8 jobs and are too few to tell apart


def class_index(gpus: pd.Series, n: pd.Series) -> NDArray[np.int64]:
    """Index in CLASSES of each job or session."""
    plain = np.asarray([0, 2, 3, 4, 5])
    index = plain[np.searchsorted([1, 2, 4, 8, 16], gpus, side="right") - 1]
    return np.where((gpus == 1) & (n > data.SWEEP_ABOVE), 1, index)


def fit(jobs: pd.DataFrame, n_weeks: int, first_week: int = 0) -> dict[str, Any]:
    """All parameters from jobs with sessions, as the YAML file has them."""
    sessions = data.session_table(jobs)
    starts_s = sessions.start_s.to_numpy() - first_week * data.WEEK_S
    hours, weekend = fit_week(starts_s)
    sigma, memory_s = fit_wander(starts_s, n_weeks, hours, weekend)
    groups = sessions.cluster.value_counts()
    groups = list(groups[groups >= 30].index)  # smaller ones: 15 sessions in all
    weights = sessions.gpus.value_counts(sort=False).sort_index()
    job_class = class_index(jobs.gpus, jobs.n)
    session_class = class_index(sessions.gpus, sessions.n)
    size_bin = np.searchsorted(SIZE_BINS, sessions.gpus, side="right") - 1
    session_sizes = [fit_session_size(sessions.n[size_bin == i].to_numpy()) for i in range(4)]
    gap, pace = {}, {}
    for sweep in (False, True):
        gaps = jobs[((jobs.n > data.SWEEP_ABOVE) == sweep) & jobs.gap_s.notna()]
        gap_s = gaps.gap_s.clip(lower=0.5)  # the log has whole seconds
        gap[sweep] = fit_mixture(gap_s.to_numpy(), 2)
        law = LognormalMixture(**gap[sweep], longest=data.SESSION_GAP_S)
        pace[sweep] = likeness(gap_s, gaps.session, law)
    classes = []
    for i, (name, least, sweep, kinds) in enumerate(CLASSES):
        mine = jobs[job_class == i]
        run_s = fit_mixture(mine.run_s.to_numpy(), kinds)
        clusters = sessions.cluster[session_class == i].value_counts()
        classes.append(
            {
                "name": name,
                "least_gpus": least,
                "sweep": sweep,
                "session_jobs": session_sizes[SIZE_BINS.index(min(least, SIZE_BINS[-1]))],
                "run_s": run_s,
                "likeness": likeness(
                    mine.run_s, mine.session, LognormalMixture(**run_s, longest=LONGEST_S)
                ),
                "gap_s": gap[sweep],
                "pace": pace[sweep],
                "group_weights": [int(clusters.get(g, 0)) for g in groups],
            }
        )
    return rounded(
        {
            "source": SOURCE,
            "sessions": {
                "per_day": len(sessions) / (7 * n_weeks),
                "hours": hours,
                "weekend": weekend,
                "rate_sigma": sigma,
                "rate_memory_s": memory_s,
                "sweep_above": data.SWEEP_ABOVE,
                "most_jobs": MOST_JOBS,
                "longest_gap_s": data.SESSION_GAP_S,
            },
            "sizes": {"gpus": weights.index.tolist(), "weights": weights.tolist()},
            "longest_s": LONGEST_S,
            "classes": classes,
            "groups": [f"vc-{i}" for i in range(1, len(groups) + 1)],
            # Assumed, not fitted: the trace names no users.
            "users": {"per_group": 20, "exponent": 1.0},
        }
    )


def fit_week(starts_s: np.ndarray, harmonics: int = HARMONICS) -> tuple[list[float], float]:
    """Rate by hour of the day (mean 1, smoothed) and on a weekend day over a weekday."""
    hour = (starts_s % data.DAY_S // 3600).astype(int)
    spectrum = np.fft.rfft(np.bincount(hour, minlength=24))
    spectrum[harmonics + 1 :] = 0
    hours = np.fft.irfft(spectrum, 24)
    on_weekend = starts_s % data.WEEK_S >= 5 * data.DAY_S
    weekend = (on_weekend.sum() / 2) / ((~on_weekend).sum() / 5)
    return list(hours / hours.mean()), float(weekend)


def fit_wander(
    starts_s: np.ndarray, n_weeks: int, hours: list[float], weekend: float
) -> tuple[float, float]:
    """Spread and memory of the rate's logarithm, from the autocovariance of hourly counts.

    A Cox process with a lognormal Ornstein-Uhlenbeck rate has the relative autocovariance
    ``exp(sigma² e^(-k/tau)) - 1`` at lags k > 0; the Poisson noise stays at lag 0.
    """
    week = np.outer([1.0] * 5 + [weekend] * 2, hours).ravel()
    counts = np.bincount((starts_s // 3600).astype(int), minlength=168 * n_weeks)
    relative = counts / (np.tile(week / week.mean(), n_weeks) * counts.mean()) - 1
    lag_h = np.arange(1, 168)
    covariance = np.asarray([(relative[k:] * relative[:-k]).mean() for k in lag_h])
    variance, memory_h = least_squares(
        lambda q: np.exp(q[0] * np.exp(-lag_h / q[1])) - 1 - covariance,
        [0.1, 24.0],
        bounds=([0, 1], [4, 1000]),
    ).x
    return float(np.sqrt(variance)), float(3600 * memory_h)


def fit_session_size(n: np.ndarray) -> dict[str, float]:
    """Exponent and scale of the number of jobs by maximum likelihood."""
    values, counts = np.unique(n, return_counts=True)

    def loss(q: np.ndarray) -> float:
        law = SessionSize(*np.exp(np.clip(q, -5, 5)), most=MOST_JOBS)
        return -float(counts @ np.log(law.survival(values - 1) - law.survival(values) + 1e-300))

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6})
    exponent, scale = np.exp(np.clip(best.x, -5, 5))
    return {"exponent": float(exponent), "scale": float(scale)}


def fit_mixture(x: np.ndarray, kinds: int) -> dict[str, list[float]]:
    """Lognormal mixture by expectation maximisation, kinds in ascending order of their median."""
    # In steps of 1 %, so that a class of 50,000 jobs has a thousand values.
    values, counts = np.unique(np.round(np.log(x), 2), return_counts=True)
    mu = np.quantile(np.log(x), (np.arange(kinds) + 0.5) / kinds)
    sigma, weight = np.full(kinds, np.log(x).std() / kinds + 0.3), np.full(kinds, 1 / kinds)
    previous = -np.inf
    for _ in range(2000):
        log_part = np.log(weight) + norm.logpdf(values[:, None], mu, sigma)
        log_sum = logsumexp(log_part, axis=1)
        part = np.exp(log_part - log_sum[:, None]) * counts[:, None]
        total = part.sum(axis=0)
        weight, mu = total / total.sum(), (part * values[:, None]).sum(axis=0) / total
        spread = np.sqrt((part * (values[:, None] - mu) ** 2).sum(axis=0) / total)
        sigma = np.maximum(spread, 0.1)  # a kind narrower than 10 % is a spike, not a kind
        score = float(counts @ log_sum / counts.sum())
        if score - previous < 1e-7:
            break
        previous = score
    order = np.argsort(mu)
    return {
        "weights": weight[order].tolist(),
        "medians": np.exp(mu[order]).tolist(),
        "sigmas": sigma[order].tolist(),
    }


def log_density(x: np.ndarray, found: dict[str, list[float]]) -> np.ndarray:
    """Log density of ``ln x`` under a mixture."""
    parts = zip(found["weights"], found["medians"], found["sigmas"], strict=True)
    return np.log(sum(w * norm.pdf(np.log(x), np.log(m), s) for w, m, s in parts) + 1e-300)


def cross_validated(jobs: pd.DataFrame, kinds: int) -> float:
    """Log density of ``ln run_s`` a job, five-fold; jobs of one session stay together."""
    fold = pd.factorize(jobs.session)[0] % 5
    run_s = jobs.run_s.to_numpy()
    held_out = [
        log_density(run_s[fold == i], fit_mixture(run_s[fold != i], kinds)).sum() for i in range(5)
    ]
    return float(sum(held_out)) / len(jobs)


def likeness(times_s: pd.Series, session: pd.Series, law: LognormalMixture) -> float:
    """Correlation of two times of one session: one less the variance of normal scores within."""
    score = pd.Series(ndtri(np.clip(law.cdf(times_s), 1e-6, 1 - 1e-6)), index=times_s.index)
    by = score.groupby(session)
    within = ((score - by.transform("mean")) ** 2).sum() / (len(score) - by.ngroups)
    return float(np.clip(1 - within, 0.0, 0.99))


def rounded(value: Any) -> Any:
    """The same with numbers to four digits, which is more than the data can tell."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
