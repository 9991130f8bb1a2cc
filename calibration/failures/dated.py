"""Whether repairs changed with time: one law before a day, another for what begins after it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import laws
import numpy as np
import pandas as pd
from faults import NODES, Array
from scipy.stats import chi2

LEAST = 30  # faults on either side of a change


@dataclass(frozen=True)
class Dated:
    """Two laws and the day that parts them."""

    from_d: float
    before: laws.Fit
    after: laws.Fit
    ratio: float  # likelihood ratio statistic over one law
    p: float  # Wald test with faults that go together as one, for the number of days tried

    def law(self, start_d: float) -> laws.Law:
        """The law of a repair by the day that its fault began."""
        return (self.before if start_d < self.from_d else self.after).law

    @property
    def aic(self) -> float:
        """The day counts as a parameter."""
        return self.before.aic + self.after.aic + 2


def best_change(kind: type[laws.Law], faults: pd.DataFrame, until_d: float) -> Dated:
    """The most likely day of a change, on a grid of ten days."""
    whole = laws.fit(kind, faults)
    found = []
    for day in np.arange(10.0, until_d, 10.0):
        early = faults.start_d < day
        if min(early.sum(), (~early).sum()) < LEAST:
            continue
        a = laws.fit(kind, faults[early].reset_index(drop=True))
        b = laws.fit(kind, faults[~early].reset_index(drop=True))
        gap = a.free - b.free
        wald = float(gap @ np.linalg.solve(a.covariance + b.covariance, gap))
        gain = 2 * (a.log_likelihood + b.log_likelihood - whole.log_likelihood)
        found.append((gain, float(chi2.sf(wald, len(gap))), float(day), a, b))
    gain, p, day, a, b = max(found, key=lambda each: each[0])
    return Dated(day, a, b, gain, min(1.0, p * len(found)))


def expected_out(
    law_of: Dated | laws.Law, daily: Array, times_d: Array, known: pd.DataFrame | None = None
) -> Array:
    """Mean number of nodes out of service at some times: M/G/infinity with a dated law.

    Parameters
    ----------
    law_of : Dated or Law
        Law of the repair, which may go by the day of the fault.
    daily : array (day,)
        Faults expected on each day of the records; zero where ``known`` tells.
    times_d : array (time,)
        When to look.
    known : DataFrame, optional
        Faults open on the first day that ``daily`` is for, with ``start_d`` and ``lasts_d``.

    Returns
    -------
    array (time,)
    """

    def law(start_d: float) -> laws.Law:
        return law_of.law(start_d) if isinstance(law_of, Dated) else law_of

    out = np.zeros(len(times_d))
    for day in np.flatnonzero(daily):
        moments = day + (np.arange(4) + 0.5) / 4
        ages = times_d[:, None] - moments
        out += daily[day] * ((ages > 0) * law(day).survival(ages)).mean(axis=1)
    for each in () if known is None else known.itertuples():
        still = law(each.start_d).survival(times_d - each.start_d)
        out += still / law(each.start_d).survival(np.asarray(each.lasts_d))
    return np.minimum(out, NODES)


def by_period(values: Array, times_d: Array, edges_d: Array) -> Array:
    """Means of values over the times of each period."""
    return np.array([values[(times_d >= a) & (times_d < b)].mean() for a, b in pairwise(edges_d)])
