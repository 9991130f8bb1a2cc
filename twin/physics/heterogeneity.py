"""Speed of a model on one type of GPU against another: a roofline of two terms and the host's part.

A `WorkPerSample` is one model. Of the GPU only the rates of its data sheet count, and one number
for what share of them its generation reaches; so speeds on types that were never measured follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from twin.errors import DomainError
from twin.physics.domain import Array, finite, positive


@dataclass(frozen=True, kw_only=True)
class WorkPerSample:
    """What one model asks of a GPU, as far as its speed tells.

    Attributes
    ----------
    host_s : float
        Part of a step that no GPU shortens: launches, input, waits. [s]
    flop, bytes : float
        Of one sample, forward and backward; effective: at the rates of the data sheet. [FLOP, B]

    Raises
    ------
    DomainError
        If one is negative, or the GPU has nothing to do.
    """

    host_s: float
    flop: float
    bytes: float

    def __post_init__(self) -> None:
        finite(host_s=self.host_s, flop=self.flop, bytes=self.bytes)
        if self.flop + self.bytes == 0:
            raise DomainError("flop, bytes: one of them must be above zero")


@dataclass(frozen=True, kw_only=True)
class GpuSpeed:
    """A type of GPU, as far as the speed of work goes.

    Attributes
    ----------
    flop_per_s, bytes_per_s : float
        Peak of its cores in the work's precision, and of its memory. [FLOP/s, B/s]
    achieved : float
        Share of both that its generation reaches, relative to the reference type. [-]
    """

    flop_per_s: float
    bytes_per_s: float
    achieved: float = 1.0

    def __post_init__(self) -> None:
        positive(flop_per_s=self.flop_per_s, bytes_per_s=self.bytes_per_s, achieved=self.achieved)


def gpu_s(work: WorkPerSample, gpu: GpuSpeed, batch: ArrayLike) -> Array:
    """Time at the GPU of a step of ``batch`` samples. [s]"""
    (samples,) = finite(batch=batch)
    of_one = work.flop / gpu.flop_per_s + work.bytes / gpu.bytes_per_s
    return np.asarray(samples * of_one / gpu.achieved)


def step_s(work: WorkPerSample, gpu: GpuSpeed, batch: ArrayLike) -> Array:
    """Time of a step of ``batch`` samples on one GPU. [s]

    Notes
    -----
    ``host_s + batch (flop / F + bytes / B) / achieved``. The terms add up, since a step has kernels
    of both kinds, one after the other; a single kernel would take the longer of both. Where the
    host runs ahead of the GPU its part hides behind the GPU's, and the sum is too long for batches
    at which both take the same time. Slower hosts, and parts of the GPU's work that do not grow
    with the batch, are not in it.

    Sources
    -------
    [williams2009] for the roofline; the sum and what it misses in calibration/heterogeneity.
    """
    return np.asarray(work.host_s + gpu_s(work, gpu, batch))


def busy_share(work: WorkPerSample, gpu: GpuSpeed, batch: ArrayLike) -> Array:
    """Share of a step that is spent at the GPU. [0..1]"""
    at_gpu = gpu_s(work, gpu, batch)
    return np.asarray(at_gpu / (work.host_s + at_gpu))


def relative_speed(
    work: WorkPerSample, gpu: GpuSpeed, reference: GpuSpeed, batch: ArrayLike
) -> Array:
    """Speed on ``gpu`` over that on ``reference`` at the same batch. [-]"""
    return np.asarray(step_s(work, reference, batch) / step_s(work, gpu, batch))
