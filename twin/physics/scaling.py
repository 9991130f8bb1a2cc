"""Throughput and progress of synchronous training on any number of GPUs, and the best batch.

A `ScalingLaw` is one model on one type of GPU and network. `step_s` is its step; `efficiency` says
what a sample is worth in a larger batch; `goodput` is samples per second times their worth. An
elastic scheduler asks for `best_goodput` of every number of GPUs it could give.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from twin.errors import DomainError
from twin.physics.domain import Array, finite, positive, whole

_BATCHES = 256  # tried between the least and the largest: neighbours differ by a few percent
_PASSES = 64  # up to which batches that just fill the GPUs are tried as well


@dataclass(frozen=True, kw_only=True)
class ScalingLaw:
    """Times of a data-parallel step; gradients are summed over all GPUs once a step.

    Attributes
    ----------
    step_s, sample_s : float
        Forward and backward pass on one GPU: fixed, and for each sample of its own. [s]
    node_s, node_gpu_s : float
        Exchange of gradients within one node: on 2 GPUs, and for each further GPU. [s]
    cluster_s, cluster_gpu_s : float
        The same over several nodes. [s]
    overlap : float
        1 where exchange follows computation, larger the more one hides the other. [1..inf)

    Raises
    ------
    DomainError
        If a time is negative, the pass takes none, or ``overlap`` is below 1.
    """

    step_s: float
    sample_s: float
    node_s: float = 0.0
    node_gpu_s: float = 0.0
    cluster_s: float = 0.0
    cluster_gpu_s: float = 0.0
    overlap: float = 1.0

    def __post_init__(self) -> None:
        times = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "overlap"}
        finite(**times)
        if self.sample_s == 0:
            raise DomainError("sample_s: must be above 0, found 0")
        if not self.overlap >= 1:
            raise DomainError(f"overlap: must be 1 or above, found {self.overlap:g}")


def compute_s(law: ScalingLaw, local_batch: ArrayLike) -> Array:
    """Forward and backward pass of ``local_batch`` samples on one GPU. [s]"""
    (samples,) = finite(local_batch=local_batch)
    return np.asarray(law.step_s + law.sample_s * samples)


def exchange_s(law: ScalingLaw, gpus: ArrayLike, nodes: ArrayLike) -> Array:
    """Exchange of gradients among ``gpus`` GPUs on ``nodes`` nodes; 0 on one GPU. [s]"""
    count, on = _places(gpus, nodes)
    more = np.maximum(count - 2, 0)
    within, across = law.node_s + law.node_gpu_s * more, law.cluster_s + law.cluster_gpu_s * more
    return np.asarray(np.where(count == 1, 0.0, np.where(on == 1, within, across)))


def step_s(
    law: ScalingLaw,
    gpus: ArrayLike,
    nodes: ArrayLike,
    local_batch: ArrayLike,
    passes: ArrayLike = 1,
) -> Array:
    """Time of one step, which ends with one exchange of gradients.

    Parameters
    ----------
    law : ScalingLaw
    gpus, nodes : array of int
        GPUs of the job, and the nodes that they are on.
    local_batch : array
        Samples of one GPU in one pass. [samples]
    passes : array of int
        Passes of a step: gradients are added up on the GPU before they are exchanged.

    Returns
    -------
    array
        [s]

    Raises
    ------
    DomainError
        If there are more nodes than GPUs, or no pass.

    Notes
    -----
    ``(passes - 1) C + (C^g + E^g)^(1/g)`` with computation C, exchange E and overlap g: their sum
    at g = 1, the longer of both as g grows. The exchange grows with the number of GPUs, as it does
    where latency or stragglers rule; how evenly GPUs are spread over nodes is not in it.

    Sources
    -------
    [pollux2021], section 3: system throughput.
    """
    (times,) = whole(passes=passes)
    if np.any(times == 0):
        raise DomainError("passes: must be 1 or above, found 0")
    one, exchange = compute_s(law, local_batch), exchange_s(law, gpus, nodes)
    longer, shorter = np.maximum(one, exchange), np.minimum(one, exchange)
    # The longer is drawn out, so that no power overflows.
    ratio = np.divide(shorter, longer, out=np.zeros_like(longer * shorter), where=longer > 0)
    last = longer * (1 + ratio**law.overlap) ** (1 / law.overlap)
    return np.asarray((times - 1) * one + last)


def throughput_per_s(
    law: ScalingLaw, gpus: ArrayLike, nodes: ArrayLike, batch: ArrayLike, local_limit: float
) -> Array:
    """Samples per second of a job whose GPUs share a batch.

    Parameters
    ----------
    batch : array
        Samples of a step over all GPUs. [samples]
    local_limit : float
        Samples that fit into one GPU at once; a larger share takes several passes. [samples]

    Returns
    -------
    array
        [1/s]
    """
    (count, _), (samples, limit) = _places(gpus, nodes), positive(batch=batch, limit=local_limit)
    share = samples / count
    passes = np.ceil(share / limit * (1 - 1e-12))
    return np.asarray(samples / step_s(law, gpus, nodes, share / passes, passes))


def efficiency(batch: ArrayLike, nominal_batch: ArrayLike, noise: ArrayLike) -> Array:
    """What a sample is worth in a larger batch, relative to one in the nominal batch.

    Parameters
    ----------
    batch, nominal_batch : array
        Samples of a step; those for which the job was tuned. [samples]
    noise : array
        Noise scale: variance of the gradient of one sample over the square of its mean. [samples]

    Returns
    -------
    array
        1 at the nominal batch, towards 0 far above the noise scale. [-]

    Notes
    -----
    ``(noise + nominal) / (noise + batch)``. It holds for learning rates scaled with the batch as
    AdaScale does, and for batches of at least the nominal one. The noise scale grows as training
    goes on: late in a run large batches waste less.

    Sources
    -------
    [pollux2021], section 3: statistical efficiency; [mccandlish2018] for the noise scale.
    """
    samples, nominal, scale = finite(batch=batch, nominal_batch=nominal_batch, noise=noise)
    if np.any(nominal == 0) or np.any(samples < nominal):
        raise DomainError("batch: must be nominal_batch or above, and that above zero")
    return np.asarray((scale + nominal) / (scale + samples))


class Best(NamedTuple):
    """The best batch for each number of GPUs, and what it yields."""

    batch: Array  # [samples]
    goodput_per_s: Array  # samples per second, each weighed by its worth


def best_goodput(
    law: ScalingLaw,
    gpus: ArrayLike,
    nodes: ArrayLike,
    *,
    nominal_batch: float,
    noise: float,
    local_limit: float,
    most_batch: float,
) -> Best:
    """Best batch and goodput for each place that a job could have.

    Parameters
    ----------
    gpus, nodes : (n,) arrays of int
        Places to compare.
    nominal_batch, noise : float
        As of `efficiency`. [samples]
    local_limit, most_batch : float
        Samples that fit into a GPU at once; largest batch with which the job learns. [samples]

    Returns
    -------
    Best
        Two arrays of shape (n,).

    Notes
    -----
    Goodput is throughput times efficiency. Batches on a geometric grid are tried, and those at
    which the number of passes changes: goodput lies within 0.1 % of the best. With one pass and
    overlap 1 the best batch is ``sqrt(noise K A / sample_s)``, where A is all time of a step that
    does not grow with the batch.

    Sources
    -------
    [pollux2021], section 4: the batch of a job.
    """
    if not nominal_batch <= most_batch:
        raise DomainError(f"most_batch: must be nominal_batch or above, found {most_batch:g}")
    count, on = (np.atleast_1d(each)[:, None] for each in _places(gpus, nodes))
    grid = np.geomspace(nominal_batch, most_batch, _BATCHES)[None, :]
    full = count * local_limit  # batches that fill the GPUs in one pass, two, ...
    most = int(np.clip(np.ceil(most_batch / full.min()), 1, _PASSES))
    steps = np.arange(1, most + 1)[None, :] * full
    tried = np.concatenate(
        [
            np.broadcast_to(grid, (count.shape[0], _BATCHES)),
            np.clip(steps, nominal_batch, most_batch),
        ],
        axis=1,
    )
    value = throughput_per_s(law, count, on, tried, local_limit)
    value = value * efficiency(tried, nominal_batch, noise)
    at = np.argmax(value, axis=1)
    rows = np.arange(count.shape[0])
    return Best(tried[rows, at], value[rows, at])


def _places(gpus: ArrayLike, nodes: ArrayLike) -> list[Array]:
    count, on = whole(gpus=gpus, nodes=nodes)
    if np.any(on == 0) or np.any(on > count):
        raise DomainError("nodes: must be 1 or above, and no more than the GPUs")
    return [count, on]
