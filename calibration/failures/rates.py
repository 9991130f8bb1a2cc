"""How often nodes fail: by class, by time, and by node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from faults import NODES, TOGETHER_D, Array, counts_by_node, happenings
from scipy import stats
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln

BLOCK_D, PERIOD_D = 10, 30


def up_node_days(faults: pd.DataFrame, until_d: float) -> float:
    """Time in service of all nodes: a node that is out has no faults in these records."""
    return float(NODES * until_d - faults.lasts_d.sum())


def block_counts(faults: pd.DataFrame, until_d: float, block_d: float = BLOCK_D) -> Array:
    """Faults that begin in each block of days."""
    return np.histogram(faults.start_d, np.arange(0, until_d + 1, block_d))[0]


def dispersion(counts: Array) -> float:
    """Variance over mean; 1 for a Poisson process."""
    return float(counts.var(ddof=1) / counts.mean())


def rate_interval(faults: pd.DataFrame, until_d: float) -> tuple[float, float, float]:
    """Faults per 1000 node-days in service, and 95 %, wide enough for how counts of blocks vary."""
    rate = 1000 * len(faults) / up_node_days(faults, until_d)
    spread = max(dispersion(block_counts(faults, until_d)), 1.0)
    half = np.exp(1.96 * np.sqrt(spread / len(faults)))
    return rate, rate / half, rate * half


def first_of_happenings(faults: pd.DataFrame) -> pd.DataFrame:
    """One fault of those that begin together, and none soon after a repair of its node."""
    ended_d = faults.sort_values("start_d").groupby("node").end_d.shift()
    alone = faults[~(faults.start_d - ended_d < 1.0)].reset_index(drop=True)
    return alone.groupby(happenings(alone, ("start_d",)), as_index=False).first()


@dataclass(frozen=True)
class Trend:
    """Whether the rate of the fleet is constant: 30-day periods against one rate."""

    counts: Array
    ratio: float  # likelihood ratio statistic, Poisson
    p_poisson: float
    p_dispersed: float  # F test that allows for clumps within the periods
    exponent: float  # of the power law: expected faults ~ t^exponent; 1 is constant
    exponent_se: float


def trend(faults: pd.DataFrame, until_d: float) -> Trend:
    """Test a constant rate of the fleet."""
    counts = block_counts(faults, until_d, PERIOD_D)
    days = np.diff(np.minimum(np.arange(0, until_d + PERIOD_D, PERIOD_D), until_d))
    counts = np.append(counts, len(faults) - counts.sum())[: len(days)]
    blocks = block_counts(faults, until_d)
    periods = np.arange(len(blocks)) * BLOCK_D // PERIOD_D
    within = np.array([blocks[periods == i].mean() for i in range(len(counts))])[periods]
    free = len(blocks) - len(counts)
    clumps = float(((blocks - within) ** 2 / within).sum() / free)
    ratio = float(2 * (counts * np.log(counts / (days * len(faults) / until_d))).sum())
    df = len(counts) - 1
    exponent = len(faults) / float(np.log(until_d / faults.start_d).sum())
    return Trend(
        counts,
        ratio,
        float(stats.chi2.sf(ratio, df)),
        float(stats.f.sf(ratio / df / max(clumps, 1.0), df, free)),
        exponent,
        exponent / float(np.sqrt(len(faults))),
    )


@dataclass(frozen=True)
class Lemons:
    """Gamma factor of each node, mean 1, from counts per node: negative binomial."""

    shape: float
    low: float
    high: float
    ratio: float  # twice the log-likelihood gained over one rate for all (Poisson)
    ratio_two_point: float  # the same for 15 % of nodes at 5 times the rate of the others

    @property
    def p(self) -> float:
        """Of one rate for all; half a chi-square, as the shape lies on its bound there."""
        return float(stats.chi2.sf(self.ratio, 1) / 2)


def log_negative_binomial(counts: Array, mean: Array | float, shape: Array | float) -> Array:
    """Log-probability of counts of a Poisson process whose rate is gamma."""
    return (
        gammaln(counts + shape)
        - gammaln(shape)
        - gammaln(counts + 1)
        + shape * np.log(shape / (shape + mean))
        + counts * np.log(mean / (shape + mean))
    )


def two_point(counts: Array, share: float = 0.15, times: float = 5.0) -> float:
    """Log-likelihood of a share of bad nodes, at so many times the rate of the good ones."""
    good = counts.mean() / (1 - share + share * times)
    chances = (1 - share) * stats.poisson.pmf(counts, good)
    return float(np.log(chances + share * stats.poisson.pmf(counts, times * good)).sum())


def lemons(faults: pd.DataFrame) -> Lemons:
    """Fit the gamma factor to counts per node, those without a fault included."""
    counts = counts_by_node(faults)
    plain = float(stats.poisson.logpmf(counts, counts.mean()).sum())

    def likelihood(log_shape: float) -> float:
        return float(log_negative_binomial(counts, counts.mean(), np.exp(log_shape)).sum())

    best = minimize_scalar(
        lambda x: -likelihood(x), bounds=(-4, 5), method="bounded", options={"xatol": 1e-8}
    )

    def beyond(log_shape: float) -> float:
        return likelihood(log_shape) + best.fun + stats.chi2.ppf(0.95, 1) / 2

    low = brentq(beyond, best.x - 4, best.x)
    high = brentq(beyond, best.x, 8) if beyond(8) < 0 else np.inf
    return Lemons(
        float(np.exp(best.x)),
        float(np.exp(low)),
        float(np.exp(high)),
        2 * (-float(best.fun) - plain),
        2 * (two_point(counts) - plain),
    )


def together(faults: pd.DataFrame) -> dict[str, float]:
    """Faults of several nodes that begin within ten minutes of one another."""
    sizes = np.bincount(happenings(faults, ("start_d",)))
    several = sizes[sizes > 1]
    return {
        "within_min": TOGETHER_D * 1440,
        "happenings": len(several),
        "share_of_faults": float(several.sum() / len(faults)),
        "mean_nodes": float(several.mean()),
        "most_nodes": int(several.max()),
    }
