"""The mean difference between two runs over the same jobs, and how sure it is: a block bootstrap.

Jobs that come close together share a queue, so their differences are alike, and an interval that
took them for independent would be far too narrow. Blocks of arrivals are drawn instead of jobs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

Array = NDArray[np.float64]

_DAY_S = 86400.0
_FEWEST = 8  # blocks that the arrivals are to be cut into
_STEPS = 24  # places in a block where a drawn block may begin
_DRAWS = 4000


@dataclass(frozen=True)
class PairedMean:
    """A mean difference over jobs with its interval.

    Attributes
    ----------
    jobs : int
        Pairs that it is a mean over.
    mean, low, high : float
        NaN where there are no pairs; the interval is NaN too where arrivals cannot be cut.
    blocks : int
        Blocks that the arrivals make, side by side.
    block_s : float
        Length of one. [s]
    correlation : float
        Of the means of neighbouring blocks; NaN where they do not differ. Far above zero, the
        effect of a block lasts into the next, and the interval is too narrow.
    """

    jobs: int
    mean: float
    low: float
    high: float
    blocks: int
    block_s: float
    correlation: float


def paired_means(
    submit_s: ArrayLike,
    differences: ArrayLike,
    *,
    block_s: float | None = None,
    level: float = 0.95,
    draws: int = _DRAWS,
    seed: int = 0,
) -> list[PairedMean]:
    """Mean differences with intervals from a moving-block bootstrap over submit times.

    Parameters
    ----------
    submit_s : (n_job,) array
        When each job was submitted, in any order. [s]
    differences : (n_quantity, n_job) array
        One run's value less the other's; NaN where one of them has none.
    block_s : float, optional
        Length of a block; `block_length_s` of the arrivals if not given. [s]
    level : float
        How often the interval is to hold the true mean, 0..1.
    draws : int
        Resamples.
    seed : int
        Of the draws; the same seed gives the same interval, and all quantities the same blocks.

    Returns
    -------
    list of PairedMean
        One a quantity.

    Notes
    -----
    Arrivals are laid on a circle of 24 steps a block, so that the first and the last hours weigh
    as much as the rest; as many blocks as fit are drawn from it with replacement, each beginning
    at any step, and the jobs in them give a mean. The interval is between quantiles of such means,
    moved outwards as Student's t is wider than the normal for so few blocks [hesterberg2015].

    It says what other weeks of the same kind of arrivals would do to the mean difference. It knows
    nothing of other failures, of a trend, or of a queue that outlasts a block: then the interval is
    too narrow, and ``correlation`` shows it. In tests with 40 days of arrivals, 95 % intervals hold
    the truth in 95 % of cases if differences are independent, in 93 % if they are alike for 4 h and
    in 87 % if they are alike for 12 h.

    Sources
    -------
    Blocks: [kunsch1989]; on a circle: [politis1992]. Width for few blocks: [hesterberg2015].
    """
    at_s = np.asarray(submit_s, float)
    values = np.atleast_2d(np.asarray(differences, float))
    if not at_s.size:
        return [_nothing(0, float("nan")) for _ in values]
    first_s, span_s = float(at_s.min()), float(np.ptp(at_s))
    length_s = block_s or block_length_s(span_s)
    steps = int(np.ceil(span_s / length_s * _STEPS)) if length_s > 0 else 0
    blocks = round(steps / _STEPS)
    if blocks < 2:
        return [_nothing(*_count_and_mean(row)) for row in values]
    step = np.minimum(((at_s - first_s) / length_s * _STEPS).astype(np.intp), steps - 1)
    starts = np.random.default_rng(seed).integers(steps, size=(draws, blocks))
    # Further out than the plain quantile, as t with so many degrees of freedom is than the normal.
    outward = t.ppf((1 - level) / 2, blocks - 1) * np.sqrt(blocks / (blocks - 1))
    tail = float(norm.cdf(outward))
    found = []
    for row in values:
        known = np.isfinite(row)
        jobs = np.bincount(step[known], minlength=steps).astype(np.float64)
        sums = np.bincount(step[known], weights=row[known], minlength=steps).astype(np.float64)
        n, mean = _count_and_mean(row)
        drawn_jobs = _round(jobs)[starts].sum(axis=1)
        drawn = _round(sums)[starts].sum(axis=1)[drawn_jobs > 0.5] / drawn_jobs[drawn_jobs > 0.5]
        if not drawn.size:
            found.append(_nothing(n, mean))
            continue
        low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
        alike = _neighbours(sums, jobs, blocks)
        found.append(PairedMean(n, mean, low, high, blocks, length_s, alike))
    return found


def block_length_s(span_s: float) -> float:
    """Weeks if arrivals span eight or more, else days if eight or more, else an eighth. [s]

    >>> block_length_s(100 * 86400.0) / 86400, block_length_s(10 * 86400.0) / 86400
    (7.0, 1.0)
    >>> block_length_s(800.0)
    100.0
    """
    for length_s in (7 * _DAY_S, _DAY_S):
        if span_s >= _FEWEST * length_s:
            return length_s
    return span_s / _FEWEST


def _round(values: Array) -> Array:
    """Sums of the block that begins at each step, the circle closed."""
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[:_STEPS]]))])
    block: Array = sums[_STEPS : _STEPS + len(values)] - sums[: len(values)]
    return block


def _neighbours(sums: Array, jobs: Array, blocks: int) -> float:
    """Correlation of the means of blocks side by side with those that come next."""
    edges = np.arange(len(sums)) * blocks // len(sums)
    n = np.bincount(edges, weights=jobs)
    means = (np.bincount(edges, weights=sums) / np.where(n > 0, n, 1.0))[n > 0]
    away = means - means.mean() if means.size else means
    spread = float((away**2).sum())
    if means.size < 3 or spread <= 1e-18 * float((means**2).sum()):
        return float("nan")
    return float((away[1:] * away[:-1]).sum() / spread)


def _count_and_mean(row: Array) -> tuple[int, float]:
    known = row[np.isfinite(row)]
    return known.size, float(known.mean()) if known.size else float("nan")


def _nothing(jobs: int, mean: float) -> PairedMean:
    nan = float("nan")
    return PairedMean(jobs, mean, nan, nan, 0, nan, nan)
