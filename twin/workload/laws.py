"""Two laws that submissions follow: how long jobs run, and how many come in one go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.distributions import Array, Distribution
from twin.errors import DomainError


@dataclass(frozen=True)
class LognormalMixture(Distribution):
    """Run times of several kinds at once: crashes and trials, jobs of hours, jobs of days.

    Parameters
    ----------
    weights, medians, sigmas : tuples of equal length
        Share of each kind (they need not sum to one), its median in the unit of the quantity,
        and the standard deviation of its logarithm.
    longest : float
        No value lies above: the law is conditioned on it, not clipped. Same unit as the medians.

    Notes
    -----
    Quantiles come from a table of the cdf at `TABLE` points of ``ln x``, 1e-5 relative or better
    within 8 standard deviations of the kinds; a closed form does not exist.
    """

    weights: tuple[float, ...]
    medians: tuple[float, ...]
    sigmas: tuple[float, ...]
    longest: float

    TABLE = 1 << 14

    def __post_init__(self) -> None:
        if not len(self.weights) == len(self.medians) == len(self.sigmas) > 0:
            raise DomainError("lognormal mixture: needs as many weights as medians and sigmas")
        if min(self.weights) < 0 or not 0 < sum(self.weights) < math.inf:
            raise DomainError("lognormal mixture: weights must be zero or above, their sum above")
        if not all(0 < value < math.inf for value in (*self.medians, *self.sigmas)):
            raise DomainError("lognormal mixture: medians and sigmas must be above zero and finite")
        if not min(self.medians) < self.longest < math.inf:
            raise DomainError(f"lognormal mixture: no value fits below longest = {self.longest}")

    @cached_property
    def _shares(self) -> Array:
        shares: Array = np.asarray(self.weights, float) / sum(self.weights)
        return shares

    @cached_property
    def _mass(self) -> float:
        """Probability of the mixture up to ``longest``, before conditioning."""
        return float(self._open_cdf(np.asarray([self.longest]))[0])

    def _open_cdf(self, x: Array) -> Array:
        from scipy.special import ndtr

        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(x, 0.0))
        parts = zip(self._shares, np.log(self.medians), self.sigmas, strict=True)
        return np.asarray(sum(w * ndtr((logs - mu) / sigma) for w, mu, sigma in parts), float)

    @property
    def mean(self) -> float:
        from scipy.special import ndtr

        mu, sigma = np.log(self.medians), np.asarray(self.sigmas)
        # Mean of each kind below the limit: E[X; X <= c] = e^(mu + s²/2) Phi((ln c - mu)/s - s).
        below = ndtr((math.log(self.longest) - mu) / sigma - sigma)
        return float(self._shares @ (np.exp(mu + sigma**2 / 2) * below)) / self._mass

    def cdf(self, x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        return np.where(x >= self.longest, 1.0, self._open_cdf(x) / self._mass)

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        mu, sigma = np.log(self.medians), np.asarray(self.sigmas)
        low = float((mu - 8 * sigma).min())
        high = min(math.log(self.longest), float((mu + 8 * sigma).max()))
        logs = np.linspace(low, high, self.TABLE)
        p = self.cdf(np.exp(logs))
        p[0], p[-1] = 0.0, 1.0
        return p, logs

    def quantile(self, p: ArrayLike) -> Array:
        logs: Array = np.interp(np.asarray(p, float), *self._table)
        return np.exp(logs)


@dataclass(frozen=True)
class SessionSize:
    """How many jobs come in one session: one mostly, thousands at times.

    Parameters
    ----------
    exponent, scale : float
        ``P(N > k) = (1 + k / scale)^-exponent``, a Lomax (Pareto II) law on whole numbers from 1.
        At exponents of 1 and below the mean exists by ``most`` alone.
    most : int
        Largest number of jobs; the law is conditioned on it.

    Sources
    -------
    [lomax1954]; fitted in calibration/philly.
    """

    exponent: float
    scale: float
    most: int

    def __post_init__(self) -> None:
        if not (0 < self.exponent < math.inf and 0 < self.scale < math.inf and self.most >= 1):
            raise DomainError("session size: exponent, scale and most must be above zero")

    def survival(self, k: ArrayLike) -> Array:
        """P(N > k) for whole numbers k from 0 on, elementwise."""
        over = self._open_survival(np.minimum(np.asarray(k, float), self.most))
        rest = self._open_survival(np.asarray(float(self.most)))
        return (over - rest) / (1 - rest)

    def _open_survival(self, k: Array) -> Array:
        return np.asarray((1 + k / self.scale) ** -self.exponent, float)

    @property
    def mean(self) -> float:
        return self.mean_between(1, self.most)

    def mean_between(self, low: int, high: int) -> float:
        """E[N; low <= N <= high]: the jobs that sessions of these sizes bring, per session."""
        k = np.arange(low, min(high, self.most) + 1)
        return float(k @ (self.survival(k - 1) - self.survival(k)))

    def quantile(self, p: ArrayLike) -> NDArray[np.int64]:
        """The smallest n with P(N <= n) >= p, elementwise, for p in [0, 1]."""
        rest = float(self._open_survival(np.asarray(float(self.most))))
        over = 1 - np.asarray(p, float) * (1 - rest)
        with np.errstate(divide="ignore"):  # at p = 1 of a law whose tail is beyond a number
            k = self.scale * (over ** (-1 / self.exponent) - 1)
        return np.clip(np.ceil(k), 1, self.most).astype(np.int64)
