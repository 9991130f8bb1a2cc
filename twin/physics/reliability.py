"""How often things fail, how many are out at a time, and how many spares that takes.

Rates are per second of one unit, times are means. Unless a function says otherwise its arguments
may be arrays that broadcast, and `DomainError` names the one outside the stated range.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import DomainError
from twin.physics.domain import Array, celsius, finite, fraction, positive, whole


def job_mttf_s(rates_per_s: ArrayLike) -> Array:
    """Mean time to failure of a job that any one of its parts can stop.

    Parameters
    ----------
    rates_per_s : (..., n_part) array_like
        Failure rates of all that the job needs: nodes, NICs, leaf, feed, cooling loop. [1/s]

    Returns
    -------
    (...) array
        ``1 / sum(rates)``; ``inf`` if nothing fails. [s]

    Notes
    -----
    Exact for independent exponential lives. Parts that wear in, and nodes that fail much more often
    than others, make it an average over time and over the choice of nodes.
    """
    (rates,) = finite(rates_per_s=rates_per_s)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.atleast_1d(rates).sum(axis=-1), float)


def availability(mtbf_s: ArrayLike, mttr_s: ArrayLike) -> Array:
    """Share of the time that a unit is up, which fails and is repaired for ever.

    Parameters
    ----------
    mtbf_s : array_like
        Mean time up, from a repair to the next failure; above zero, ``inf`` for never. [s]
    mttr_s : array_like
        Mean time down, zero or above. [s]

    Returns
    -------
    array
        ``mtbf / (mtbf + mttr)``, whatever the laws of both. [0..1]
    """
    (up,), (down,) = positive(mtbf_s=mtbf_s), finite(mttr_s=mttr_s)
    return np.asarray(1 / (1 + down / up), float)


def k_of_n_availability(k: ArrayLike, n: ArrayLike, a: ArrayLike) -> Array:
    """Probability that at least ``k`` of ``n`` units are up, each with availability ``a``.

    Returns
    -------
    array
        ``sum_{i >= k} C(n, i) a^i (1 - a)^(n - i)``; ``a^n`` where all are needed. [0..1]

    Notes
    -----
    Units fail and are repaired independently: as many repair crews as it takes, and no common
    cause. A switch, feed or cooling loop that all n share is another factor.
    """
    from scipy.special import betainc

    k_, n_ = np.broadcast_arrays(*whole(k=k, n=n))
    (up,) = fraction(a=a)
    if np.any(k_ > n_):
        raise DomainError(f"k: cannot need {k_[k_ > n_].flat[0]:g} of {n_[k_ > n_].flat[0]:g}")
    # The tail of the binomial law is an incomplete beta function, which keeps small tails exact.
    tail = betainc(np.maximum(k_, 1), n_ - k_ + 1, up)
    return np.asarray(np.where(k_ == 0, 1.0, tail), float)


def birth_death(
    n_working: int,
    spares: int,
    failure_rate_per_s: float,
    repair_rate_per_s: float,
    crews: float = inf,
    *,
    hot: bool = True,
) -> Array:
    """Long-run law of the number of failed units, of ``n_working`` needed and some spares.

    Parameters
    ----------
    n_working, spares : int
        Units that work when all are well, 1 or more; units that stand by for them.
    failure_rate_per_s : float
        Of one unit that can fail, zero or above. [1/s]
    repair_rate_per_s : float
        Of one crew at work on one unit, above zero and finite. [1/s]
    crews : float
        Units that can be under repair at once, 1 or more; ``inf`` for as many as it takes.
    hot : bool
        Whether spares fail like units at work. Cold ones do not fail until they are needed.

    Returns
    -------
    (n_working + spares + 1,) array
        Probability of 0, 1, ..., all units failed; ``law[: spares + 1].sum()`` is the probability
        that ``n_working`` are up. [0..1]

    Notes
    -----
    In state j, ``n_working + spares - j`` units are up. Failures come at ``rate times`` that number
    (hot), or at most ``n_working`` of them (cold); repairs at ``min(j, crews)`` times theirs. The
    law balances both across each cut. A spare takes over at once. Units up that are too few for the
    job go on failing, as in a hall where they do other work; a job that rests when it is short
    fails less. With crews to spare the law holds for hot units whatever the law of repair times;
    for few crews they must be exponential.

    Sources
    -------
    [kleinrock1975], chapter 3.
    """
    n, s = (int(value) for value in whole(n_working=n_working, spares=spares))
    (failure_rate,), (repair_rate,) = (
        finite(failure_rate_per_s=failure_rate_per_s),
        positive(repair_rate_per_s=repair_rate_per_s),
    )
    if n < 1:
        raise DomainError(f"n_working: must be 1 or more, found {n}")
    if np.isinf(repair_rate):
        raise DomainError("repair_rate_per_s: must be finite; give a rate far above the failures'")
    if not (crews >= 1 and (crews == inf or crews == int(crews))):
        raise DomainError(f"crews: must be a whole number, 1 or more, or inf; found {crews:g}")

    failed = np.arange(n + s + 1)
    up = n + s - failed[:-1]
    can_fail = up if hot else np.minimum(up, n)
    with np.errstate(divide="ignore"):  # nothing fails: all mass at 0
        up_step = np.log(failure_rate * can_fail)
        down_step = np.log(repair_rate * np.minimum(failed[1:], crews))
    # In logarithms: thousands of factors would leave the range of floating point.
    log_law = np.concatenate([[0.0], np.cumsum(up_step - down_step)])
    law = np.exp(log_law - log_law.max())
    return np.asarray(law / law.sum(), float)


def spares_for(confidence: ArrayLike, mean_out: ArrayLike) -> NDArray[np.int64]:
    """Fewest spares that cover all units out of service, with a given probability.

    Parameters
    ----------
    confidence : array_like
        Share of the time in which the spares suffice; 0 or above and below 1.
    mean_out : array_like
        Units out of service in the mean: units times failure rate times mean repair time. [-]

    Returns
    -------
    array of int
        The smallest s with ``P(Poisson(mean_out) <= s) >= confidence``.

    Notes
    -----
    The number out of service is Poisson whatever the law of repair times (M/G/infinity), as long as
    failures are independent, every unit that is out is replaced so that the rate of failures stays
    as it is, and no repair waits for another. A common cause takes out many at once: count it in
    units of its own size.

    Sources
    -------
    [kleinrock1975] for M/G/infinity.
    """
    from scipy.special import pdtr

    (sure,), (mean,) = fraction(confidence=confidence), finite(mean_out=mean_out)
    if np.any(sure == 1):
        raise DomainError("confidence: no number of spares is always enough; give less than 1")
    sure, mean = np.broadcast_arrays(sure, mean)
    top = np.ceil(mean)
    while np.any(short := pdtr(top, mean) < sure):
        top = np.where(short, 2 * top + 8, top)
    bottom = np.zeros_like(top)
    while np.any(bottom < top):
        middle = np.floor((bottom + top) / 2)
        enough = pdtr(middle, mean) >= sure
        top = np.where(enough, middle, top)
        bottom = np.where(enough, bottom, middle + 1)
    return np.asarray(top, np.int64)


def temperature_factor(
    temperature_degc: ArrayLike, reference_degc: ArrayLike, doubling_k: ArrayLike = 10.0
) -> Array:
    """Failure rate at a temperature over the rate at the reference temperature.

    Parameters
    ----------
    temperature_degc, reference_degc : array_like
        Of the same point of the machine, above absolute zero. [degC]
    doubling_k : array_like
        Warming that doubles the rate; above zero, ``inf`` for no dependence. [K]

    Returns
    -------
    array
        ``2^((T - T0) / doubling)``. [-]

    Notes
    -----
    A rule of thumb for hardware, not for software: use it some 20 K about the reference. An
    Arrhenius law doubles in 10 K near 55 degC at an activation energy of 0.64 eV, and less quickly
    when hotter.

    Sources
    -------
    [from-memory]
    """
    t, t0 = celsius(temperature_degc=temperature_degc, reference_degc=reference_degc)
    (doubling,) = positive(doubling_k=doubling_k)
    return np.asarray(2 ** ((t - t0) / doubling), float)


def straggler_factor(cv: ArrayLike, n: ArrayLike) -> Array:
    """Time of a synchronous step over that of the mean rank: all wait for the slowest.

    Parameters
    ----------
    cv : array_like
        Standard deviation over mean of one rank's time, zero or above.
    n : array_like
        Ranks, 1 or more.

    Returns
    -------
    array
        ``1 + cv sqrt(2 ln n)``. [-]

    Notes
    -----
    For ranks with normal times, drawn anew each step, this bounds the mean of the largest from
    above (by Jensen's inequality for ``exp(t max)``, with the best t). The excess over 1 is 15 %
    too large at 1,000 ranks and 11 % at 16,000. A few slow nodes are another law, and are worse.
    """
    (spread,), (ranks,) = finite(cv=cv), whole(n=n)
    if np.any(ranks < 1):
        raise DomainError("n: must be 1 rank or more, found 0")
    return np.asarray(1 + spread * np.sqrt(2 * np.log(ranks)), float)
