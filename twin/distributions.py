"""Probability laws that a scenario may name: drawn from, asked for their mean, cdf and quantiles.

Values are plain floats in SI units; the schema has turned "50000 h" into seconds before it gets
here. ``scipy.special`` is imported where needed, so that asking for help stays quick.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import DomainError

Array = NDArray[np.float64]


class Distribution(ABC):
    """A law of one non-negative real quantity."""

    @property
    @abstractmethod
    def mean(self) -> float:
        """Expected value, in the unit of the quantity."""

    @abstractmethod
    def cdf(self, x: ArrayLike) -> Array:
        """P(X <= x), elementwise."""

    @abstractmethod
    def quantile(self, p: ArrayLike) -> Array:
        """The smallest x with P(X <= x) >= p, elementwise, for p in [0, 1]."""

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw ``n`` values by inversion: one uniform a value, so that streams stay aligned."""
        return self.quantile(rng.random(n))


def _positive(law: str, **parameters: float) -> None:
    for name, value in parameters.items():
        if not (math.isfinite(value) and value > 0):
            raise DomainError(f"{law}: {name} must be above zero and finite, found {value}")


def _exponential_quantile(p: ArrayLike) -> Array:
    """Quantiles of the exponential law of mean 1: infinity at 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log1p(-np.asarray(p, float)), float)


@dataclass(frozen=True)
class Constant(Distribution):
    """Always ``value``."""

    value: float

    def __post_init__(self) -> None:
        if not 0 <= self.value < math.inf:
            raise DomainError(f"constant: must be zero or above and finite, found {self.value}")

    @property
    def mean(self) -> float:
        return self.value

    def cdf(self, x: ArrayLike) -> Array:
        return (np.asarray(x, float) >= self.value).astype(float)

    def quantile(self, p: ArrayLike) -> Array:
        return np.full(np.shape(p), self.value)


@dataclass(frozen=True)
class Exponential(Distribution):
    """No memory; cv = 1."""

    mean_: float

    def __post_init__(self) -> None:
        _positive("exponential", mean=self.mean_)

    @property
    def mean(self) -> float:
        return self.mean_

    def cdf(self, x: ArrayLike) -> Array:
        return np.asarray(-np.expm1(-np.maximum(np.asarray(x, float), 0.0) / self.mean_), float)

    def quantile(self, p: ArrayLike) -> Array:
        return np.asarray(self.mean_ * _exponential_quantile(p), float)


@dataclass(frozen=True)
class Weibull(Distribution):
    """``shape`` below 1: infant mortality; above 1: wear-out. Scale = mean / Gamma(1 + 1/shape)."""

    shape: float
    mean_: float

    def __post_init__(self) -> None:
        _positive("weibull", shape=self.shape, mean=self.mean_)
        if self.shape < 0.01:  # Gamma(1 + 1/shape) is beyond floating point soon after
            raise DomainError(f"weibull: shape must be 0.01 or above, found {self.shape}")

    @property
    def scale(self) -> float:
        """Characteristic life: the 63.2 % quantile."""
        return self.mean_ / math.gamma(1 + 1 / self.shape)

    @property
    def mean(self) -> float:
        return self.mean_

    def cdf(self, x: ArrayLike) -> Array:
        with np.errstate(over="ignore"):  # far beyond the scale: infinity, hence 1
            hazard = (np.maximum(np.asarray(x, float), 0.0) / self.scale) ** self.shape
        return np.asarray(-np.expm1(-hazard), float)

    def quantile(self, p: ArrayLike) -> Array:
        return np.asarray(self.scale * _exponential_quantile(p) ** (1 / self.shape), float)


@dataclass(frozen=True)
class Lognormal(Distribution):
    """``ln X`` normal about ``ln median`` with standard deviation ``sigma``."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        _positive("lognormal", median=self.median)
        if not 0 <= self.sigma <= 30:  # e^(30²/2) is the last mean that floating point holds well
            raise DomainError(f"lognormal: sigma must lie in 0..30, found {self.sigma}")

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.sigma**2 / 2)

    def cdf(self, x: ArrayLike) -> Array:
        from scipy.special import ndtr

        x = np.asarray(x, float)
        if self.sigma == 0:
            return (x >= self.median).astype(float)
        with np.errstate(divide="ignore"):
            z = (np.log(np.maximum(x, 0.0)) - math.log(self.median)) / self.sigma
        return np.asarray(ndtr(z), float)

    def quantile(self, p: ArrayLike) -> Array:
        from scipy.special import ndtri

        if self.sigma == 0:
            return np.full(np.shape(p), self.median)
        return np.asarray(self.median * np.exp(self.sigma * ndtri(np.asarray(p, float))), float)


@dataclass(frozen=True)
class Gamma(Distribution):
    """Shape k: cv = 1/sqrt(k)."""

    shape: float
    mean_: float

    def __post_init__(self) -> None:
        _positive("gamma", shape=self.shape, mean=self.mean_)

    @property
    def mean(self) -> float:
        return self.mean_

    def cdf(self, x: ArrayLike) -> Array:
        from scipy.special import gammainc

        scale = self.mean_ / self.shape
        return np.asarray(
            gammainc(self.shape, np.maximum(np.asarray(x, float), 0.0) / scale), float
        )

    def quantile(self, p: ArrayLike) -> Array:
        from scipy.special import gammaincinv

        return np.asarray(gammaincinv(self.shape, np.asarray(p, float)), float) * (
            self.mean_ / self.shape
        )


@dataclass(frozen=True)
class Uniform(Distribution):
    """Every value from ``low`` to ``high`` alike."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (0 <= self.low < self.high < math.inf):
            raise DomainError(f"uniform: needs 0 <= low < high, found {self.low} and {self.high}")

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    def cdf(self, x: ArrayLike) -> Array:
        return np.clip((np.asarray(x, float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def quantile(self, p: ArrayLike) -> Array:
        return self.low + (self.high - self.low) * np.asarray(p, float)


@dataclass(frozen=True)
class Choice(Distribution):
    """One of ``values`` (ascending), with ``weights`` that need not sum to one."""

    values: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.weights):
            raise DomainError("choice: needs as many weights as values, at least one of each")
        if list(self.values) != sorted(set(self.values)):
            raise DomainError("choice: values must be in ascending order, each once")
        if not (self.values[0] >= 0 and self.values[-1] < math.inf):
            raise DomainError("choice: values must be zero or above and finite")
        if min(self.weights) < 0 or not 0 < sum(self.weights) < math.inf:
            raise DomainError("choice: weights must be zero or above, with a sum above zero")

    @property
    def probabilities(self) -> Array:
        """The weights over their sum, in the order of ``values``."""
        shares: Array = np.asarray(self.weights, float) / sum(self.weights)
        return shares

    @property
    def mean(self) -> float:
        return float(self.probabilities @ np.asarray(self.values, float))

    def cdf(self, x: ArrayLike) -> Array:
        steps = np.concatenate([[0.0], np.minimum(np.cumsum(self.probabilities), 1.0)])
        steps[-1] = 1.0
        below = np.searchsorted(self.values, np.asarray(x, float), side="right")
        return np.asarray(steps[below], float)

    def quantile(self, p: ArrayLike) -> Array:
        # Values without weight are left out: rounding of the sum must not let them in.
        possible = self.probabilities > 0
        steps = np.cumsum(self.probabilities[possible])
        at = np.searchsorted(steps, np.asarray(p, float), side="left")
        return np.asarray(self.values, float)[possible][np.minimum(at, len(steps) - 1)]


@dataclass(frozen=True)
class Empirical(Distribution):
    """Evenly spaced quantiles of a sample, from the smallest to the largest, joined by lines."""

    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        values = self.quantiles
        ascending = len(values) >= 2 and all(a <= b for a, b in pairwise(values))
        if not (ascending and values[0] >= 0 and values[-1] < math.inf):
            raise DomainError(
                "empirical: needs two or more ascending quantiles, zero or above and finite"
            )

    @property
    def mean(self) -> float:
        # The mean of a piecewise linear quantile function: the trapezoid rule is exact.
        values = np.asarray(self.quantiles, float)
        return float((values[1:] + values[:-1]).mean() / 2)

    def cdf(self, x: ArrayLike) -> Array:
        grid = np.linspace(0, 1, len(self.quantiles))
        values = np.asarray(self.quantiles, float)
        # Where quantiles repeat, the cdf jumps; `right` of the last repeat is its value.
        x = np.asarray(x, float)
        below = np.clip(np.searchsorted(values, x, side="right") - 1, 0, len(values) - 2)
        width = values[below + 1] - values[below]
        part = np.divide(x - values[below], width, out=np.ones_like(x), where=width > 0)
        return np.where(
            x < values[0], 0.0, np.where(x >= values[-1], 1.0, grid[below] + part * grid[1])
        )

    def quantile(self, p: ArrayLike) -> Array:
        grid = np.linspace(0, 1, len(self.quantiles))
        return np.asarray(np.interp(np.asarray(p, float), grid, self.quantiles), float)


@dataclass(frozen=True)
class Truncated(Distribution):
    """A law kept within [low, high] by conditioning, not by clipping."""

    law: Distribution
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise DomainError(f"truncated: needs low < high, found {self.low} and {self.high}")
        if not self._mass > 0:
            raise DomainError(f"truncated: the law has no mass between {self.low} and {self.high}")

    @property
    def _below(self) -> float:
        """P(X < low): a law with steps may have weight at ``low`` itself, which stays."""
        return float(self.law.cdf(np.nextafter(self.low, -math.inf)))

    @property
    def _mass(self) -> float:
        return float(self.law.cdf(self.high)) - self._below

    @property
    def mean(self) -> float:
        # No closed form for every law: the midpoint rule over quantiles, good to about 1e-4.
        p = (np.arange(200_000) + 0.5) / 200_000
        return float(self.quantile(p).mean())

    def cdf(self, x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        inside = (self.law.cdf(np.clip(x, self.low, self.high)) - self._below) / self._mass
        return np.where(x < self.low, 0.0, np.minimum(inside, 1.0))

    def quantile(self, p: ArrayLike) -> Array:
        level = np.minimum(self._below + np.asarray(p, float) * self._mass, 1.0)
        return np.clip(self.law.quantile(level), self.low, self.high)
