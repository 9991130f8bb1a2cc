"""The GPU-time ledger: exact integrals between changes; each interval goes to one share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvariantError
from twin.kernel.life import SHARES
from twin.kernel.recorder import Record
from twin.tables import GPU_TIME_SHARES

Array = NDArray[np.float64]

# Sums of a million terms, in another order on either side, agree to about 1e-12 of the total.
TOLERANCE = 1e-9


def job_shares(record: Record, gpus: NDArray[np.int32] | Array) -> dict[str, Array]:
    """GPU-time that each job held, by share.

    Parameters
    ----------
    record : Record
        What the simulation took down.
    gpus : (n_job,) array
        GPUs that each job asked for, parts as such where GPUs are shared.

    Returns
    -------
    dict of (n_job,) arrays
        Share -> GPU-seconds, for every share; those that never apply to a job are zero.
    """
    shares: dict[str, Array] = {share.name: np.zeros(len(gpus)) for share in GPU_TIME_SHARES}
    if record.lives is not None:
        return shares | {name: record.lives[name] for name in SHARES}
    end_s = np.where(np.isnan(record.end_s), record.horizon_s, record.end_s)
    ran_s = np.where(np.isnan(record.start_s), 0.0, end_s - record.start_s)
    asked: Array = np.asarray(gpus, float)
    shares["useful"] = ran_s * asked
    if record.power is not None:
        shares["throttled"] = record.power.throttled_gpu_s
        shares["useful"] = shares["useful"] - shares["throttled"]
    shares["stranded"] = ran_s * np.maximum(record.held_gpus - asked, 0)
    return shares


def gpu_time(record: Record, held: dict[str, Array], n_gpus: int) -> dict[str, float]:
    """The shares of all GPU-time bought: what jobs held, and what was free.

    Parameters
    ----------
    record : Record
        What the simulation took down.
    held : dict of (n_job,) arrays
        From `job_shares`.
    n_gpus : int
        GPUs installed.

    Returns
    -------
    dict
        Share -> GPU-seconds, in the order of `twin.tables.GPU_TIME_SHARES`.

    Raises
    ------
    InvariantError
        If the shares do not sum to installed GPUs times simulated time, or if the time that jobs
        held differs from the time that the hall's counters saw as held.

    Notes
    -----
    Held time comes from the starts and ends of jobs, free time from the log of the hall's counters.
    The two are independent, so their sum is a check and not a tautology.
    """
    shares = {name: float(values.sum()) for name, values in held.items()}
    log, time_s = record.log, record.log["time_s"]
    lasted_s = np.diff(time_s, append=record.horizon_s)
    in_gangs = sum(shares.values()) - shares["stranded"] - shares["spare"]
    balance("GPU-time held by jobs", in_gangs, float(lasted_s @ log["busy_gpus"]), record)
    # Seen by the hall's counters; jobs hold a part of two of them.
    for name in ("idle", "stranded", "down", "spare", "dark"):
        of_jobs, seen = shares[name], float(lasted_s @ log[f"{name}_gpus"])
        if of_jobs > seen * (1 + TOLERANCE):
            balance(f"GPU-time held by jobs as {name}", of_jobs, seen, record)
        shares[name] = seen
    if record.incidents is not None:
        of_incidents = sum(record.incidents.down_gpu_s)
        balance("GPU-time down by incident", of_incidents, shares["down"], record)
    balance("the GPU-time ledger", sum(shares.values()), n_gpus * record.horizon_s, record)
    return shares


def balance(what: str, found: float, expected: float, record: Record, unit: str = "GPU s") -> None:
    """Raise `InvariantError` if two ways to one number differ by more than rounding."""
    # Not the same as `>`: a sum that is NaN does not balance either.
    if not abs(found - expected) <= TOLERANCE * max(abs(expected), 1.0):
        raise InvariantError(
            f"{what} does not balance at {record.horizon_s} s: {found!r} {unit}, not {expected!r}"
        )
