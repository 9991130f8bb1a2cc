"""Laws of the time to repair, fitted by maximum likelihood to repairs some of which are open.

Times are in days. An open repair counts by the survival to its age; one that ended within the tick
of the clock by the chance of that, as its logarithm means nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from faults import TICK_D, Array, happenings
from scipy.optimize import minimize
from scipy.special import expit, gamma, log_ndtr, ndtri


class Law(ABC):
    """A law whose parameters come from unbounded numbers: logarithms, or logits of chances."""

    START: ClassVar[tuple[float, ...]]

    @classmethod
    def of(cls, free: Array) -> Self:
        values = [
            expit(x) if field.name == "escalates" else np.exp(x)
            for field, x in zip(fields(cls), free, strict=True)  # type: ignore[arg-type]
        ]
        return cls(*map(float, values))

    @abstractmethod
    def log_density(self, t: Array) -> Array:
        """ln of the density at t > 0."""

    @abstractmethod
    def log_cdf(self, t: Array) -> Array:
        """ln P(T <= t), for t > 0."""

    def log_survival(self, t: Array) -> Array:
        return np.log1p(-np.exp(self.log_cdf(t)))

    def survival(self, t: Array) -> Array:
        """P(T > t), also for t of zero and below."""
        t = np.asarray(t, float)
        return np.where(t > 0, np.exp(self.log_survival(np.maximum(t, 1e-9))), 1.0)

    def quantile(self, p: Array) -> Array:
        """By bisection of ln t, which serves every law."""
        p = np.asarray(p, float)
        low, high = np.full(p.shape, -25.0), np.full(p.shape, 15.0)
        for _ in range(60):
            middle = (low + high) / 2
            below = np.exp(self.log_cdf(np.exp(middle))) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.exp(high)


@dataclass(frozen=True)
class Weibull(Law):
    scale_d: float
    shape: float
    START = (1.0, -0.7)

    def log_density(self, t: Array) -> Array:
        x = t / self.scale_d
        return np.log(self.shape / self.scale_d) + (self.shape - 1) * np.log(x) - x**self.shape

    def log_survival(self, t: Array) -> Array:
        return -((t / self.scale_d) ** self.shape)

    def log_cdf(self, t: Array) -> Array:
        return np.log(-np.expm1(self.log_survival(t)))

    @property
    def mean_d(self) -> float:
        return float(self.scale_d * gamma(1 + 1 / self.shape))


@dataclass(frozen=True)
class Lognormal(Law):
    median_d: float
    sigma: float
    START = (0.0, 0.9)

    def _z(self, t: Array) -> Array:
        return (np.log(t) - np.log(self.median_d)) / self.sigma

    def log_density(self, t: Array) -> Array:
        return -(self._z(t) ** 2) / 2 - np.log(self.sigma * t * np.sqrt(2 * np.pi))

    def log_survival(self, t: Array) -> Array:
        return log_ndtr(-self._z(t))

    def log_cdf(self, t: Array) -> Array:
        return log_ndtr(self._z(t))

    @property
    def mean_d(self) -> float:
        return float(self.median_d * np.exp(self.sigma**2 / 2))


@dataclass(frozen=True)
class Mixture(Law):
    """Either of two lognormal repairs."""

    escalates: float  # chance of the second
    soft_median_d: float
    soft_sigma: float
    hard_median_d: float
    hard_sigma: float
    START = (0.0, -1.5, 0.9, 1.4, 0.4)

    @property
    def soft(self) -> Lognormal:
        return Lognormal(self.soft_median_d, self.soft_sigma)

    @property
    def hard(self) -> Lognormal:
        return Lognormal(self.hard_median_d, self.hard_sigma)

    def _mix(self, a: Array, b: Array) -> Array:
        return np.logaddexp(np.log1p(-self.escalates) + a, np.log(self.escalates) + b)

    def log_density(self, t: Array) -> Array:
        return self._mix(self.soft.log_density(t), self.hard.log_density(t))

    def log_survival(self, t: Array) -> Array:
        return self._mix(self.soft.log_survival(t), self.hard.log_survival(t))

    def log_cdf(self, t: Array) -> Array:
        return self._mix(self.soft.log_cdf(t), self.hard.log_cdf(t))

    @property
    def mean_d(self) -> float:
        return (1 - self.escalates) * self.soft.mean_d + self.escalates * self.hard.mean_d


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


@dataclass(frozen=True)
class Pipeline(Mixture):
    """The soft repair always; then, by chance, the hardware's on top: stages of a pipeline."""

    def _sum(self, of: Callable[[Lognormal], Callable[[Array], Array]], t: Array) -> Array:
        """Convolution of one stage with a function of the other, each over its own lower half.

        In the quantiles of the shorter stage, where the integrand is smooth.
        """
        total = np.zeros_like(t)
        for short, other in ((self.soft, self.hard), (self.hard, self.soft)):
            mass = np.exp(short.log_cdf(t / 2))
            lasts = short.median_d * np.exp(short.sigma * ndtri(mass[..., None] * _NODES))
            total += mass * (np.exp(of(other)(t[..., None] - lasts)) @ _WEIGHTS)
        return total

    def log_density(self, t: Array) -> Array:
        both = self._sum(lambda stage: stage.log_density, t)
        return self._mix(self.soft.log_density(t), np.log(both))

    def log_cdf(self, t: Array) -> Array:
        t = np.asarray(t, float)
        both = self._sum(lambda stage: stage.log_cdf, t)
        both -= np.exp(self.soft.log_cdf(t / 2) + self.hard.log_cdf(t / 2))  # counted twice
        return self._mix(self.soft.log_cdf(t), np.log(both))

    def log_survival(self, t: Array) -> Array:
        return np.log1p(-np.exp(self.log_cdf(t)))

    @property
    def mean_d(self) -> float:
        return self.soft.mean_d + self.escalates * self.hard.mean_d


def log_likelihoods(law: Law, faults: pd.DataFrame) -> Array:
    """What each repair adds to the log-likelihood."""
    t, still = faults.lasts_d.to_numpy(), faults.open.to_numpy()
    at_once = (t < TICK_D / 2) & ~still
    result = np.empty(len(t))
    result[still] = law.log_survival(t[still])
    result[at_once] = law.log_cdf(np.full(at_once.sum(), TICK_D))
    ended = ~still & ~at_once
    result[ended] = law.log_density(t[ended])
    return result


@dataclass(frozen=True)
class Fit:
    """A fitted law."""

    law: Law
    free: Array
    faults: pd.DataFrame

    @cached_property
    def log_likelihood(self) -> float:
        return float(log_likelihoods(self.law, self.faults).sum())

    @property
    def aic(self) -> float:
        return 2 * len(self.free) - 2 * self.log_likelihood

    @cached_property
    def covariance(self) -> Array:
        """Of the free parameters; faults that begin or end together count as one observation.

        The sandwich H⁻¹ G H⁻¹, where G sums the squares of the scores of happenings.
        """
        step = 1e-3 * np.eye(len(self.free))

        def each(free: Array) -> Array:
            return log_likelihoods(type(self.law).of(free), self.faults)

        scores = np.stack([each(self.free + h) - each(self.free - h) for h in step], axis=1) / 2e-3
        hessian = np.array(
            [
                [
                    each(self.free + h + g).sum()
                    - each(self.free + h - g).sum()
                    - each(self.free - h + g).sum()
                    + each(self.free - h - g).sum()
                    for g in step
                ]
                for h in step
            ]
        ) / (4e-6)
        which = happenings(self.faults)
        by = np.stack([np.bincount(which, column) for column in scores.T], axis=1)
        inverse = np.linalg.inv(hessian)
        return np.asarray(inverse @ (by.T @ by) @ inverse)

    def intervals(self) -> list[tuple[float, float]]:
        """95 % of each parameter."""
        half = 1.96 * np.sqrt(np.diag(self.covariance))
        low, high = type(self.law).of(self.free - half), type(self.law).of(self.free + half)
        names = [field.name for field in fields(self.law)]  # type: ignore[arg-type]
        return [(getattr(low, name), getattr(high, name)) for name in names]


def fit(kind: type[Law], faults: pd.DataFrame) -> Fit:
    """The most likely law of a kind."""

    def cost(free: Array) -> float:
        with np.errstate(all="ignore"):
            value = -log_likelihoods(kind.of(free), faults).sum()
        return float(value) if np.isfinite(value) else 1e9

    free = np.asarray(kind.START)
    for _ in range(2):  # started anew once, as the simplex may have collapsed early
        free = minimize(
            cost,
            free,
            method="Nelder-Mead",
            options={"maxiter": 5000, "xatol": 1e-5, "fatol": 1e-6},
        ).x
    return Fit(kind.of(free), free, faults)


def kaplan_meier(faults: pd.DataFrame) -> tuple[Array, Array]:
    """Ascending times of ends, and the survival just after each, open repairs allowed for."""
    t, closed = faults.lasts_d.to_numpy(), ~faults.open.to_numpy()
    ends = np.unique(t[closed])
    at_risk = (t[None, :] >= ends[:, None]).sum(axis=1)
    ended = ((t[None, :] == ends[:, None]) & closed).sum(axis=1)
    return ends, np.cumprod(1 - ended / at_risk)


def ks(law: Law, faults: pd.DataFrame) -> float:
    """Largest distance of the law from the Kaplan-Meier estimate."""
    ends, after = kaplan_meier(faults)
    before = np.concatenate([[1.0], after[:-1]])
    by_law = law.survival(ends)
    return float(np.maximum(np.abs(by_law - after), np.abs(by_law - before)).max())


def observed_quantile(faults: pd.DataFrame, p: float) -> float:
    """Quantile of the Kaplan-Meier estimate. [d]"""
    ends, after = kaplan_meier(faults)
    return float(ends[np.argmax(after <= 1 - p)])
