"""How often to save, and what it costs: closed forms for a job under exponential failures.

Throughout, and all may be arrays that broadcast:

``write_s`` (w)
    Time that a checkpoint stops the job; the copy that blocks it, where the rest is written behind
    it. [s]
``job_mttf_s`` (M)
    Mean time to failure of the whole job; ``inf`` if nothing fails. [s]
``restart_s`` (R)
    From a failure to work again: to detect, wait in the queue, start and load. [s]
``interval_s`` (tau)
    Work between two checkpoints; ``inf`` for none. [s]

Failures are a Poisson process of rate 1/M all the time: while the job computes, writes and restarts
alike. Every function raises `DomainError` where M or tau is not above zero, or another time is
negative or not finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from twin.physics.domain import Array, finite, positive

# Of M: for shorter writes rounding spoils W0 near -1 more than Daly's series is off, by 2e-11.
_SMALL_WRITE = 1e-6


def young_interval_s(write_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """Work between checkpoints, optimal to first order.

    Returns
    -------
    array
        ``sqrt(2 w M)``; ``inf`` if nothing fails. [s]

    Notes
    -----
    Longer than the exact optimum: by 1 % at ``w = M/2500``, by 17 % at ``w = M/10``.

    Sources
    -------
    [young1974]
    """
    (w,), (m,) = finite(write_s=write_s), positive(job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):  # 0 inf, where any interval is as good as another
        return np.asarray(np.where(np.isinf(m), np.inf, np.sqrt(2 * w * m)), float)


def daly_interval_s(write_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """Work between checkpoints, optimal to higher order.

    Returns
    -------
    array
        ``sqrt(2 w M) (1 + sqrt(w/2M)/3 + (w/2M)/9) - w`` for ``w < 2 M``, else ``M``; ``inf`` if
        nothing fails. [s]

    Notes
    -----
    The first three terms of the exact optimum in powers of ``sqrt(2 w/M)``: 0.04 % short of it at
    ``w = M/10``, 6 % just below ``w = 2 M``, where the form as published jumps up by an eighth.

    Sources
    -------
    [daly2006], equation 37.
    """
    (w,), (m,) = finite(write_s=write_s), positive(job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):
        small = w / (2 * m)
        near = np.sqrt(2 * w * m) * (1 + np.sqrt(small) / 3 + small / 9) - w
    return np.asarray(np.where(np.isinf(m), np.inf, np.where(w < 2 * m, near, m)), float)


def best_interval_s(write_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """Work between checkpoints that makes `expected_ettr` greatest.

    Returns
    -------
    array
        ``M (1 + W0(-exp(-1 - w/M)))``; ``inf`` if nothing fails. [s]

    Notes
    -----
    The derivative of ``(exp((tau + w)/M) - 1) / tau`` is zero where
    ``(1 - tau/M) exp(tau/M) = exp(-w/M)``. The restart time does not matter. A last segment without
    a checkpoint (`expected_wall_exact_s`) is left out of account: for a job of few intervals
    another division can be better.

    Sources
    -------
    [daly2006] for the cost; its minimum by the Lambert function, of which Daly's is the series.
    """
    from scipy.special import lambertw

    (w,), (m,) = finite(write_s=write_s), positive(job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):
        exact = m * (1 + np.real(lambertw(np.asarray(-np.exp(-1 - w / m)), 0)))
    return np.asarray(np.where(w < _SMALL_WRITE * m, daly_interval_s(w, m), exact), float)


def expected_wall_s(
    work_s: ArrayLike,
    interval_s: ArrayLike,
    write_s: ArrayLike,
    restart_s: ArrayLike,
    job_mttf_s: ArrayLike,
) -> Array:
    """Mean time to do ``work_s`` of work with a checkpoint after every interval, the last too.

    Returns
    -------
    array
        ``M exp(R/M) (exp((tau + w)/M) - 1) S/tau``, ``inf`` beyond floating point. [s]

    Notes
    -----
    Each interval costs the mean time to get through ``L = tau + w`` without a failure. Write ``X``
    for it. The first attempt is made at once, with no restart before it, and lasts
    ``M (1 - exp(-L/M))`` in the mean, whether it fails or not. With probability
    ``1 - exp(-L/M)`` it fails; then follow a restart, which takes ``M (exp(R/M) - 1)`` because it
    can fail too and then begins anew, and another ``X``. Solved for ``X`` this is
    ``M exp(R/M) (exp(L/M) - 1)``. Where ``S/tau`` is not whole, the broken interval counts in
    proportion: the mean of a long job.

    Sources
    -------
    [daly2006], equation 20.
    """
    (work,) = finite(work_s=work_s)
    ettr = expected_ettr(interval_s, write_s, restart_s, job_mttf_s)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.asarray(np.where(work > 0, work / ettr, 0.0), float)


def expected_wall_exact_s(
    work_s: ArrayLike,
    interval_s: ArrayLike,
    write_s: ArrayLike,
    restart_s: ArrayLike,
    job_mttf_s: ArrayLike,
) -> Array:
    """Mean time to do ``work_s`` of work in whole segments, with no checkpoint after the last.

    Returns
    -------
    array
        ``M exp(R/M) [(n - 1) (exp((tau + w)/M) - 1) + (exp(last/M) - 1)]`` with
        ``n = ceil(S/tau)`` segments and ``last = S - (n - 1) tau``. [s]

    Notes
    -----
    The assumptions of `expected_wall_s`, of which the important one is: a restart follows each
    failure and nothing else, so the job starts without one. A time to start up is not in here. A
    failure in the first segment costs the same ``R``, although nothing was saved to load. Since the
    segments follow one another at once and failures have no memory, their mean times add up.

    Sources
    -------
    [daly2006] for one segment; the sum over segments is its own derivation.
    """
    work, w, r = finite(work_s=work_s, write_s=write_s, restart_s=restart_s)
    tau, m = positive(interval_s=interval_s, job_mttf_s=job_mttf_s)
    # A quotient that rounding has left an ulp above a whole number is that number.
    before = np.maximum(np.ceil(work / tau * (1 - 4 * np.finfo(float).eps)) - 1, 0.0)
    with np.errstate(invalid="ignore"):  # 0 inf: nothing before the last segment
        last = np.where(before > 0, np.maximum(work - before * tau, 0.0), work)
        saved = np.where(before > 0, before * _through_s(tau + w, r, m), 0.0)
    return np.asarray(saved + _through_s(last, r, m), float)


def _through_s(length_s: Array, restart_s: Array, job_mttf_s: Array) -> Array:
    """Mean time to get through a stretch, begun anew after each failure and restart. [s]"""
    with np.errstate(over="ignore", invalid="ignore"):  # more than floating point holds: inf
        grown = job_mttf_s * np.exp(restart_s / job_mttf_s) * np.expm1(length_s / job_mttf_s)
    calm = np.isinf(job_mttf_s) | (length_s == 0)
    return np.asarray(np.where(calm, length_s, grown), float)


def expected_ettr(
    interval_s: ArrayLike, write_s: ArrayLike, restart_s: ArrayLike, job_mttf_s: ArrayLike
) -> Array:
    """Share of the time that is work not lost again, in the long run.

    Returns
    -------
    array
        ``tau / (M exp(R/M) (exp((tau + w)/M) - 1))``, the work over `expected_wall_s`. [0..1]

    Notes
    -----
    A wait in the queue before each restart belongs into R; its failures then count as well,
    although a job that waits cannot fail.

    Sources
    -------
    [daly2006], equation 20.
    """
    w, r = finite(write_s=write_s, restart_s=restart_s)
    tau, m = positive(interval_s=interval_s, job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):  # inf / inf without checkpoints and failures
        cycles = np.where(np.isinf(m), 0.0, (tau + w) / m)
    return np.asarray(_first_try(cycles) * np.exp(-r / m) / (1 + w / tau), float)


def _first_try(cycles: Array) -> Array:
    """``y / (exp(y) - 1)``, with its limits 1 at 0 and 0 at infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = cycles / np.expm1(cycles)
    return np.asarray(np.where(cycles == 0, 1.0, np.where(np.isinf(cycles), 0.0, ratio)), float)


def first_order_ettr(
    interval_s: ArrayLike, write_s: ArrayLike, restart_s: ArrayLike, job_mttf_s: ArrayLike
) -> Array:
    """Share of the time that is work not lost again, by adding up the small losses.

    Returns
    -------
    array
        ``1 - w/tau - (tau/2 + w + R)/M``; below zero where it no longer means anything. [-]

    Notes
    -----
    Good for results above about 0.8. It never exceeds `expected_ettr` and lies 0.009 below it at
    0.89. Not clipped, so that leaving the range is seen.

    Sources
    -------
    [kokolis2025] for the additive kind of form.
    """
    w, r = finite(write_s=write_s, restart_s=restart_s)
    tau, m = positive(interval_s=interval_s, job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):
        per_failure = np.where(np.isinf(m), 0.0, (tau / 2 + w + r) / m)
    return np.asarray(1 - w / tau - per_failure, float)


def expected_lost_s(cycle_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """Mean time since the last checkpoint, at a failure while the job computes or writes.

    Parameters
    ----------
    cycle_s : array_like
        ``L = tau + w``, from the end of a checkpoint to the end of the next; ``inf`` if there is
        none. [s]
    job_mttf_s : array_like
        ``inf`` for failures so rare that they are even over the cycle. [s]

    Returns
    -------
    array
        ``M - L/(exp(L/M) - 1)``: ``L/2`` for cycles that are short against M, M for long ones. [s]

    Notes
    -----
    The mean of an exponential law cut off at L. Where the write is not short, part of this time is
    writing and not work.

    Sources
    -------
    [daly2006] has it as the fraction of an interval that is lost at a failure.
    """
    cycle, m = positive(cycle_s=cycle_s, job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):
        y = np.where(np.isinf(m), 0.0, cycle / m)
        # The difference of two nearly equal numbers gives way to its series.
        small = np.minimum(y, 0.01)
        series = cycle * (0.5 - small / 12 + small**3 / 720)
        lost = np.where(y < 0.01, series, m * (1 - _first_try(y)))
    return np.asarray(lost, float)
