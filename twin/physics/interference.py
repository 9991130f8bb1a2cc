"""How fast jobs run that share a GPU: in turns, side by side, or in slices of their own.

A job alone goes back and forth between its host (input, launches, waits) and the GPU, and is at
the GPU for a share ``busy`` of its time. Two jobs meet there. This is the machine-repair model of
queueing theory with the GPU as its one shared station: jobs that leave the GPU idle for half of
their time fit beside each other and are still slowed, since they do not take turns by agreement.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from twin.errors import DomainError
from twin.physics.domain import Array, finite, fraction

Sharing = Literal["time-sliced", "concurrent"]
MOST_JOBS = 8  # of one GPU: the chain has 2^n states
_LEAST = 1e-9  # of a cycle: what a job that never leaves the GPU, or never needs it, still does


def shared_rates(
    busy: ArrayLike, weight: ArrayLike = 1.0, *, sharing: Sharing = "time-sliced"
) -> Array:
    """Speed of each of the jobs on one GPU, relative to having it alone.

    Parameters
    ----------
    busy : (..., n_job) array
        Share of its time that a job alone spends at the GPU. [0..1]
    weight : (..., n_job) array
        Time-sliced: length of a job's turns, in any unit: a job with long kernels gets more of the
        GPU. Concurrent: share of the GPU (cores or bandwidth, whichever is more) that it fills
        while it is there. [-]
    sharing : {"time-sliced", "concurrent"}
        Whether one job runs at a time, or all at once as under MPS.

    Returns
    -------
    (..., n_job) array
        In (0, 1].

    Raises
    ------
    DomainError
        If ``busy`` leaves [0, 1], a weight is zero or below, or there are more than 8 jobs.

    Notes
    -----
    With a set S of jobs at the GPU, job i of S goes at ``w_i / sum_S w`` (time-sliced: a
    discriminatory processor-sharing station) or at ``1 / max(1, sum_S w)`` (concurrent). Times at
    host and GPU are taken as exponential, and the chain of 2^n states is solved. For two jobs of
    equal weight, time-sliced, it is ``1 / (1 + busy_1 busy_2)`` for both; always-busy jobs get
    their weight's share. Two concurrent jobs both go at
    ``1 / (1 + busy_1 busy_2 (max(1, w_1 + w_2) - 1))``. Caches, the copy engines and the host's
    own limits are not in it: jobs that share slow input slow each other more.

    Sources
    -------
    [reiser1980] for the station with equal weights; weights as in calibration/interference.
    """
    (share,) = fraction(busy=busy)
    (weights,) = finite(weight=weight)
    if np.any(weights == 0):
        raise DomainError("weight: must be above zero, found 0")
    share, weights = np.broadcast_arrays(np.atleast_1d(share), weights)
    n = share.shape[-1]
    if n > MOST_JOBS:
        raise DomainError(f"busy: at most {MOST_JOBS} jobs share a GPU, found {n}")
    share = np.clip(share, _LEAST, 1 - _LEAST)
    speed = _speeds(weights, sharing)  # of each job in each state
    states = np.arange(2**n)
    generator = np.zeros((*share.shape[:-1], 2**n, 2**n))
    for job in range(n):
        away = states[(states >> job) & 1 == 0]
        there = away | 1 << job
        generator[..., away, there] = 1 / (1 - share[..., job, None])
        generator[..., there, away] = speed[..., there, job] / share[..., job, None]
    generator[..., states, states] = -generator.sum(-1)
    # pi Q = 0 with one balance replaced by sum(pi) = 1, scaled so that no rate is large.
    balance = np.swapaxes(generator, -1, -2) / np.abs(generator).max((-1, -2), keepdims=True)
    balance[..., -1, :] = 1.0
    right = np.zeros((*share.shape[:-1], 2**n, 1))
    right[..., -1, 0] = 1.0
    probability = np.linalg.solve(balance, right)[..., 0]
    finished: Array = np.einsum("...s,...sj->...j", probability, speed) / share
    return np.minimum(finished, 1.0)


def _speeds(weights: Array, sharing: Sharing) -> Array:
    """Speed at the GPU of every job in every state, (..., 2^n, n); 0 where it is not there."""
    n = weights.shape[-1]
    there = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
    present = there * weights[..., None, :]
    total = present.sum(-1, keepdims=True)
    if sharing == "concurrent":
        at_once: Array = there / np.maximum(total, 1.0)
        return at_once
    in_turns: Array = present / np.where(total > 0, total, 1.0)
    return in_turns


def slice_rate(busy: ArrayLike, share: ArrayLike, fill: ArrayLike = 1.0) -> Array:
    """Speed of a job in a slice of a GPU that is its own, relative to the whole GPU.

    Parameters
    ----------
    busy : array
        Share of its time that the job spends at the whole GPU. [0..1]
    share : array
        Of the GPU's cores and bandwidth in the slice, in (0, 1]: 1/7, 2/7, ... of a MIG GPU.
    fill : array
        Share of the GPU that its kernels fill. [0..1]

    Returns
    -------
    array
        In (0, 1]; neighbours in other slices do not change it.

    Notes
    -----
    Kernels take ``max(1, fill / share)`` times as long, the host's part stays:
    ``1 / (1 - busy + busy max(1, fill / share))``. Slices are taken to be cut in proportion;
    a MIG slice's share of memory may differ from that of its cores.

    Sources
    -------
    [miso2022] for the steps that it was tested on, in calibration/interference.
    """
    (at_gpu, filled, part) = fraction(busy=busy, fill=fill, share=share)
    if np.any(part == 0):
        raise DomainError("share: must be above zero, found 0")
    return np.asarray(1 / (1 - at_gpu + at_gpu * np.maximum(1.0, filled / part)))
