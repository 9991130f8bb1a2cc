"""When sessions or single jobs start: unit-rate arrivals, stretched by a rate that may vary.

Arrivals are drawn once at unit rate ("operational time"). A rate, or a span to fill, then only
stretches them, so that the same seed meets the same pattern of arrivals at any load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

import numpy as np

from twin.distributions import Array
from twin.errors import InputError
from twin.streams import stream
from twin.units import format_duration
from twin.workload.model import HOUR_S, HOURS_PER_WEEK, SubmissionModel

# 228 years of hours: a longer span is a mistake in the input, and would fill the memory.
MOST_HOURS = 2_000_000


def unit_arrivals(n: int, seed: int, *, cv: float = 1.0) -> Array:
    """Times of ``n`` arrivals at unit rate, the gaps gamma with coefficient of variation ``cv``.

    Parameters
    ----------
    n : int
        Number of arrivals.
    seed : int
        The run's seed; the first arrivals are the same whatever ``n``.
    cv : float
        1 is Poisson; above 1 arrivals cluster, below 1 they space out. [-]

    Returns
    -------
    (n,) array
        Ascending times. [mean gaps]
    """
    rng = stream(seed, "arrivals")
    if cv == 1.0:
        return np.cumsum(rng.standard_exponential(n))
    shape = cv**-2
    return np.cumsum(rng.standard_gamma(shape, n) / shape)


@dataclass(frozen=True)
class Pace:
    """How the rate of arrivals moves about its mean of 1, from second 0 on.

    Parameters
    ----------
    model : SubmissionModel
        Gives the week and how the rate wanders.
    seed : int
        The run's seed.
    start : datetime or None
        Calendar time of second 0; None is a Monday at 00:00.
    weekly, wanders : bool
        Whether the rate follows the week, and whether it wanders as fitted. Neither: constant.
    """

    model: SubmissionModel
    seed: int
    start: datetime | None = None
    weekly: bool = False
    wanders: bool = False

    def seconds(self, due: Array, *, rate_per_s: float) -> Array:
        """When the mean number of arrivals since second 0 reaches ``due``, at a mean rate. [s]"""
        if not self.weekly:
            return due / rate_per_s
        most = float(due[-1]) / rate_per_s if len(due) else 0.0
        span_s = most + HOURS_PER_WEEK * HOUR_S
        edges_s, cumulated = self._cumulated(span_s)
        while cumulated[-1] < most:  # a slow start: look further ahead
            span_s *= 2
            edges_s, cumulated = self._cumulated(span_s)
        return np.interp(due / rate_per_s, cumulated, edges_s)

    def mean_arrivals(self, span_s: float, *, rate_per_s: float) -> float:
        """Mean number of arrivals from second 0 to ``span_s``."""
        if not self.weekly:
            return span_s * rate_per_s
        edges_s, cumulated = self._cumulated(span_s)
        return float(np.interp(span_s, edges_s, cumulated)) * rate_per_s

    def fill(self, shares: Array, span_s: float) -> Array:
        """When the given shares of the arrivals between second 0 and ``span_s`` are in. [s]"""
        if not self.weekly:
            return shares * span_s
        edges_s, cumulated = self._cumulated(span_s)
        whole = np.interp(span_s, edges_s, cumulated)
        return np.interp(shares * whole, cumulated, edges_s)

    def _cumulated(self, span_s: float) -> tuple[Array, Array]:
        """Edges of the hours to ``span_s`` and beyond, and the rate cumulated at each. [s], [s]"""
        since_monday_s = _since_monday_s(self.start)
        into_hour_s = since_monday_s % HOUR_S
        hours = math.ceil((span_s + into_hour_s) / HOUR_S) + 1
        if hours > MOST_HOURS:
            raise InputError(
                f"workload.synthetic: the arrivals would take {format_duration(span_s)};"
                " raise the load or the rate, or ask for fewer jobs or a shorter duration"
            )
        first = int(since_monday_s // HOUR_S)
        rate = np.asarray(self.model.week)[(first + np.arange(hours)) % HOURS_PER_WEEK]
        if self.wanders:
            rate = rate * self._wander(hours)
        edges_s = np.concatenate([[0.0], np.arange(1, hours + 1) * HOUR_S - into_hour_s])
        return edges_s, np.concatenate([[0.0], np.cumsum(rate * np.diff(edges_s))])

    def _wander(self, hours: int) -> Array:
        """A lognormal factor of mean 1 for each hour; its logarithm is a stationary AR(1)."""
        sigma, keep = self.model.rate_sigma, math.exp(-HOUR_S / self.model.rate_memory_s)
        shocks = stream(self.seed, "arrivals/wander").standard_normal(hours)
        shocks[1:] *= math.sqrt(1 - keep**2)
        # A loop over hours takes a tenth of the time that importing a filter does.
        level = np.fromiter(accumulate(shocks.tolist(), lambda x, shock: keep * x + shock), float)
        return np.asarray(np.exp(sigma * level - sigma**2 / 2), float)


def _since_monday_s(start: datetime | None) -> float:
    if start is None:
        return 0.0
    return start.weekday() * 86400.0 + start.hour * 3600 + start.minute * 60 + start.second
