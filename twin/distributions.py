"""Probability laws that a scenario may name: drawn from, asked for their mean, cdf and quantiles.

Values are plain floats in SI units; the schema has turned "50000 h" into seconds before it gets
here. ``scipy.special`` is imported where needed, so that asking for help stays quick.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
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

    def log_survival(self, x: ArrayLike) -> Array:
        """``ln P(X > x)``, elementwise; laws override it where ``1 - cdf`` loses the tail."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log1p(-self.cdf(x)), float)

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
        return np.asarray(-np.expm1(self.log_survival(x)), float)

    def quantile(self, p: ArrayLike) -> Array:
        return np.asarray(self.mean_ * _exponential_quantile(p), float)

    def log_survival(self, x: ArrayLike) -> Array:
        return np.asarray(-np.maximum(np.asarray(x, float), 0.0) / self.mean_, float)


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
        return np.asarray(-np.expm1(self.log_survival(x)), float)

    def quantile(self, p: ArrayLike) -> Array:
        return np.asarray(self.scale * _exponential_quantile(p) ** (1 / self.shape), float)

    def log_survival(self, x: ArrayLike) -> Array:
        with np.errstate(over="ignore"):  # far beyond the scale: no survivor
            hazard = (np.maximum(np.asarray(x, float), 0.0) / self.scale) ** self.shape
        return np.asarray(-hazard, float)


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

        return np.asarray(ndtr(self._z(x)), float)

    def log_survival(self, x: ArrayLike) -> Array:
        from scipy.special import log_ndtr

        return np.asarray(log_ndtr(-self._z(x)), float)

    def _z(self, x: ArrayLike) -> Array:
        """Where x stands on the standard normal axis."""
        x = np.asarray(x, float)
        if self.sigma == 0:
            return np.where(x >= self.median, math.inf, -math.inf)
        with np.errstate(divide="ignore"):
            z = (np.log(np.maximum(x, 0.0)) - math.log(self.median)) / self.sigma
        return np.asarray(z, float)

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

        return np.asarray(gammainc(self.shape, self._of_scale(x)), float)

    def log_survival(self, x: ArrayLike) -> Array:
        from scipy.special import gammaincc

        with np.errstate(divide="ignore"):
            return np.asarray(np.log(gammaincc(self.shape, self._of_scale(x))), float)

    def _of_scale(self, x: ArrayLike) -> Array:
        return np.asarray(np.maximum(np.asarray(x, float), 0.0) / (self.mean_ / self.shape), float)

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


@dataclass(frozen=True)
class Earliest(Distribution):
    """The first of several independent lives: infant mortality and wear-out of one part."""

    laws: tuple[Distribution, ...]

    def __post_init__(self) -> None:
        if len(self.laws) < 2:
            raise DomainError(f"earliest: needs two or more laws, found {len(self.laws)}")

    @property
    def mean(self) -> float:
        # The integral of the survival over ln x, by Simpson's rule: good to 1e-8 where the laws
        # are smooth, to 1e-3 where they have steps.
        first = min(float(law.quantile(1e-10)) for law in self.laws)
        last = min(float(law.quantile(1 - 2.0**-53)) for law in self.laws)
        if first >= last:
            return last
        first = first or last * 1e-15  # until then, all survive
        x = np.geomspace(first, last, 2**14 + 1)
        survivors = np.exp(self.log_survival(x)) * x
        weights = np.full(len(x), 2.0)
        weights[1::2] = 4.0
        weights[[0, -1]] = 1.0
        step = (math.log(last) - math.log(first)) / (len(x) - 1)
        return first + float(weights @ survivors) * step / 3

    def cdf(self, x: ArrayLike) -> Array:
        return np.asarray(-np.expm1(self.log_survival(x)), float)

    def quantile(self, p: ArrayLike) -> Array:
        """By bisection to the last bit, between bounds that hold for any n laws."""
        p = np.asarray(p, float)
        gone = _exponential_quantile(p)
        # Where every law has less than the n-th part of this hazard, all together have less.
        share = -np.expm1(-gone / len(self.laws))
        low = np.min([law.quantile(share) for law in self.laws], axis=0)
        high = np.min([law.quantile(p) for law in self.laws], axis=0)
        return _smallest(lambda x: self.log_survival(x) <= -gone.reshape(-1), low, high)

    def log_survival(self, x: ArrayLike) -> Array:
        return np.asarray(np.sum([law.log_survival(x) for law in self.laws], axis=0), float)


def residual_quantile(law: Distribution, age: float, p: ArrayLike) -> Array:
    """Quantiles of what is left of a life that has lasted ``age`` already.

    Parameters
    ----------
    law : Distribution
        The law of the whole life.
    age : float
        How long it has lasted, in the unit of the law.
    p : array_like
        Probabilities in [0, 1].

    Returns
    -------
    array
        The smallest r with ``P(X <= age + r | X > age) >= p``.

    Raises
    ------
    DomainError
        If no life of the law lasts that long.

    Notes
    -----
    ``ln S(age + r) = ln S(age) + ln(1 - p)``: in logarithms, so that it holds where the survival
    itself is below what ``1 - cdf`` can tell from zero. Exact for exponential and Weibull lives,
    by bisection to the last bit of ``age + r`` for others.
    """
    p = np.asarray(p, float)
    if age <= 0 or isinstance(law, Exponential):
        return law.quantile(p)
    gone = _exponential_quantile(p)  # of the hazard still to come
    so_far = float(law.log_survival(age))
    if so_far == 0.0:  # so young that nothing has happened yet
        return law.quantile(p)
    if isinstance(law, Weibull):
        return np.asarray(age * np.expm1(np.log1p(gone / -so_far) / law.shape), float)
    if so_far == -math.inf:
        raise DomainError(f"age: no life lasts {age:g}; give a lower age or a longer life")
    target = so_far - gone.reshape(-1)
    ages = np.full(p.shape, float(age))
    never = np.full(p.shape, math.inf)
    return _smallest(lambda x: law.log_survival(x) <= target, ages, never) - age


def _smallest(holds: Callable[[Array], NDArray[np.bool_]], low: Array, high: Array) -> Array:
    """Elementwise the smallest float from ``low`` to ``high`` where a test holds that stays so.

    ``high`` is taken to pass. The test is given a flat array.
    """
    shape = np.shape(low)
    # Floats of zero and above are in the order of their bits, so halving those ends at the last.
    bottom = (np.ravel(low) + 0.0).view(np.int64)
    top = (np.ravel(high) + 0.0).view(np.int64)
    while (bottom < top).any():
        middle = bottom + (top - bottom) // 2
        with np.errstate(over="ignore"):
            passed = holds(middle.view(np.float64))
        top = np.where(passed, middle, top)
        bottom = np.where(passed, bottom, middle + 1)
    return top.view(np.float64).reshape(shape)
