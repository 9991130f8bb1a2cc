"""How often to save: closed forms for a job under exponential failures.

``write_s`` is the time that saving stops the job, ``interval_s`` the work between two checkpoints,
``job_mttf_s`` the mean time to failure of the whole job, ``restart_s`` the time from a failure to
work again. All may be arrays that broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import DomainError

Array = NDArray[np.float64]


def _checked(**values: ArrayLike) -> list[Array]:
    """The values as arrays; `DomainError` if one is negative or not a number."""
    found = []
    for name, value in values.items():
        array = np.asarray(value, float)
        if not np.all(array >= 0):
            raise DomainError(f"{name}: must be zero or above, found {value!r}")
        found.append(array)
    return found


def young_interval_s(write_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """``sqrt(2 w M)``, the first-order optimum [young1974]. [s]"""
    w, m = _checked(write_s=write_s, job_mttf_s=job_mttf_s)
    return np.asarray(np.sqrt(2 * w * m), float)


def daly_interval_s(write_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """The higher-order optimum [daly2006, eq. 37]: good while ``w < 2 M``, else ``M``. [s]"""
    w, m = _checked(write_s=write_s, job_mttf_s=job_mttf_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.where(m > 0, w / (2 * m), np.inf)
        near = np.sqrt(2 * w * m) * (1 + np.sqrt(small) / 3 + small / 9) - w
    near = np.where(np.isinf(m) & (w > 0), np.inf, near)
    return np.asarray(np.where(w < 2 * m, near, m), float)


def best_interval_s(write_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """The exact optimum for exponential failures: ``M (1 + W0(-exp(-1 - w/M)))``. [s]

    It makes the expected wall time of `expected_wall_s` least.
    """
    from scipy.special import lambertw

    w, m = _checked(write_s=write_s, job_mttf_s=job_mttf_s)
    with np.errstate(invalid="ignore"):
        exact = m * (1 + np.real(lambertw(np.asarray(-np.exp(-1 - w / m)), 0)))
    return np.asarray(np.where(np.isinf(m) & (w > 0), np.inf, exact), float)


def expected_wall_s(
    work_s: ArrayLike,
    interval_s: ArrayLike,
    write_s: ArrayLike,
    restart_s: ArrayLike,
    job_mttf_s: ArrayLike,
) -> Array:
    """Mean time to do ``work_s`` of work, exactly [daly2006, eq. 20]. [s]

    ``M exp(R/M) (exp((tau + w)/M) - 1) S/tau``: every interval is followed by a checkpoint, the
    last one too, restarts may fail and begin anew, and one restart comes before the first interval
    in the mean, as in the long run.
    """
    s, tau, w, r, m = _checked(
        work_s=work_s,
        interval_s=interval_s,
        write_s=write_s,
        restart_s=restart_s,
        job_mttf_s=job_mttf_s,
    )
    return np.asarray(m * np.exp(r / m) * np.expm1((tau + w) / m) * s / tau, float)


def expected_ettr(
    interval_s: ArrayLike, write_s: ArrayLike, restart_s: ArrayLike, job_mttf_s: ArrayLike
) -> Array:
    """Share of the time that is useful work, in the long run, exactly."""
    return np.asarray(1 / expected_wall_s(1.0, interval_s, write_s, restart_s, job_mttf_s), float)


def expected_lost_s(cycle_s: ArrayLike, job_mttf_s: ArrayLike) -> Array:
    """Mean time since the last checkpoint at a failure: ``M - L/(exp(L/M) - 1)``. [s]"""
    cycle, m = _checked(cycle_s=cycle_s, job_mttf_s=job_mttf_s)
    return np.asarray(m - cycle / np.expm1(cycle / m), float)
