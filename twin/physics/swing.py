"""Power that swings with the steps of a job, and what smoothing leaves of it.

All GPUs of a training job compute together and then wait for each other together, so their power
adds up to a square wave. Throughout, and all may be arrays that broadcast, a job for each entry:

``peak_w``, ``trough_w``
    Power at the top and at the bottom of a step. [W]
``at_peak``
    Share of the step's time at the top. [0..1]
``step_s``
    Time of a step, the period of the swing. [s]

`floored` leaves a square wave of the same times, so `ramped` can follow it, and `stored` the last.
After `ramped` the wave is a trapezium, which `stored` takes for a square of the same amplitude.
Every function raises `DomainError` where an argument is out of range. They hold while steps are
alike: a job that starts or fails is an edge of its own, which none of them smooths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from twin.errors import DomainError
from twin.physics.domain import Array, finite, fraction, positive


@dataclass(frozen=True, eq=False)
class Swing:
    """Power over a step: at the top, at the bottom and on average. [W]"""

    peak_w: Array
    trough_w: Array
    mean_w: Array

    @property
    def amplitude_w(self) -> Array:
        """From the bottom to the top. [W]"""
        return np.asarray(self.peak_w - self.trough_w, float)


@dataclass(frozen=True, eq=False)
class Stored:
    """What a store leaves of a swing, from bottom to top, and what it loses on average. [W]"""

    amplitude_w: Array
    loss_w: Array


def square(peak_w: ArrayLike, trough_w: ArrayLike, at_peak: ArrayLike) -> Swing:
    """A swing as the job makes it, without smoothing.

    Returns
    -------
    Swing
        ``mean = trough + at_peak (peak - trough)``.
    """
    peak, trough, share = _square(peak_w, trough_w, at_peak)
    return Swing(peak, trough, trough + share * (peak - trough))


def floored(
    peak_w: ArrayLike, trough_w: ArrayLike, at_peak: ArrayLike, floor_w: ArrayLike
) -> Swing:
    """A swing whose bottom is held up by filler work.

    Parameters
    ----------
    floor_w : array_like
        Least power; 0 for none. [W]

    Returns
    -------
    Swing
        The square wave of ``max(peak, floor)`` and ``max(trough, floor)``. What it draws more on
        average than `square` is burnt to no use.

    Notes
    -----
    Filler work is taken to stop at once when real work comes, so that steps are as long as before.

    Sources
    -------
    [choukse2025] for the kind of smoothing.
    """
    peak, trough, share = _square(peak_w, trough_w, at_peak)
    (floor,) = finite(floor_w=floor_w)
    return square(np.maximum(peak, floor), np.maximum(trough, floor), share)


def ramped(
    peak_w: ArrayLike,
    trough_w: ArrayLike,
    at_peak: ArrayLike,
    step_s: ArrayLike,
    ramp_w_per_s: ArrayLike,
) -> Swing:
    """A swing whose power changes no faster than so much a second.

    Parameters
    ----------
    ramp_w_per_s : array_like
        Fastest change, either way: TDP over the time from none to TDP; ``inf`` for no limit. [W/s]

    Returns
    -------
    Swing
        With amplitude ``A``, bottom time ``L = (1 - at_peak) step`` and ramp ``r``: the amplitude
        left is ``B = min(A, r L / 2)``, and ``B (L - B / r)`` of the ``A L`` between top and bottom
        in a step is not drawn. What it draws more on average than `square` is burnt to no use.

    Notes
    -----
    The least power that is never below what the work needs: it falls along the ramp after the top
    and rises along it before the next, since steps recur and the next is foreseen. No work waits,
    and peaks stay. Hardware that does not foresee the step holds work back on the way up instead:
    it burns less, and steps are longer.

    Sources
    -------
    [choukse2025] for the kind of smoothing; the form is derived, and built point by point in the
    tests.
    """
    peak, trough, share = _square(peak_w, trough_w, at_peak)
    step, (ramp,) = _lasting(step_s=step_s), positive(ramp_w_per_s=ramp_w_per_s)
    low_s = (1 - share) * step
    half_s = low_s / 2
    reach = np.where(half_s > 0, ramp * np.where(half_s > 0, half_s, 1.0), 0.0)
    left = np.minimum(peak - trough, reach)
    not_drawn_j = left * (low_s - left / ramp)
    return Swing(*np.broadcast_arrays(peak, peak - left, peak - not_drawn_j / step))


def stored(
    amplitude_w: ArrayLike,
    period_s: ArrayLike,
    *,
    energy_j: ArrayLike,
    power_w: ArrayLike,
    efficiency: ArrayLike,
    at_peak: ArrayLike = 0.5,
) -> Stored:
    """What a battery or capacitors leave of a square wave.

    Parameters
    ----------
    amplitude_w : array_like
        From bottom to top. [W]
    period_s : array_like
        [s]
    energy_j : array_like
        What the store gives from full to empty, within the charge that it may use. [J]
    power_w : array_like
        The most that it takes or gives. [W]
    efficiency : array_like
        What it gives over what it took for that, above 0. [0..1]

    Returns
    -------
    Stored
        The store gives ``d`` all through the top and takes ``d at_peak / (1 - at_peak) /
        efficiency`` all through the bottom, so that it ends a period as it began; the amplitude
        falls by both. ``d`` is the most that power, energy and the swing itself allow.

    Notes
    -----
    No other use that ends the period as it began leaves less, unless the store burns power by
    taking and giving at once. Its control is taken to be perfect, and its state of charge to stay:
    in reality some is kept for the edges of the job.

    Sources
    -------
    [choukse2025] for the kind of smoothing; the form is derived, and compared in the tests with a
    linear program.
    """
    amplitude, energy, power = finite(amplitude_w=amplitude_w, energy_j=energy_j, power_w=power_w)
    share, kept = fraction(at_peak=at_peak, efficiency=efficiency)
    period = _lasting(period_s=period_s)
    if np.any(kept == 0):
        raise DomainError("efficiency: must be above 0, found 0")
    # Of the amplitude taken away, the part that is given at the top; the rest is taken below.
    given = kept * (1 - share) / (kept * (1 - share) + share)
    by_power = np.minimum(_over(power, given), _over(power, 1 - given))
    by_energy = _over(energy, share * period * given)
    taken = np.minimum(amplitude, np.minimum(by_power, by_energy))
    loss = taken * given * share * (1 / kept - 1)
    return Stored(*np.broadcast_arrays(amplitude - taken, loss))


def combined_w(amplitudes_w: ArrayLike) -> Array:
    """Swing of several jobs that are not in step with each other.

    Parameters
    ----------
    amplitudes_w : (..., n_job) array_like
        Zero or above. [W]

    Returns
    -------
    (...) array
        ``sqrt(sum of squares)`` over the last axis; 0 for no jobs. [W]

    Notes
    -----
    Exact for the variance where phases are independent, and so for the root mean square of the
    swing; of the amplitude it is the one usual rather than the largest: for moments, jobs that meet
    by chance swing by up to the plain sum. Jobs in step add plainly: sum them first.
    """
    (amplitudes,) = finite(amplitudes_w=amplitudes_w)
    return np.asarray(np.sqrt(np.sum(amplitudes * amplitudes, axis=-1)), float)


def _square(
    peak_w: ArrayLike, trough_w: ArrayLike, at_peak: ArrayLike
) -> tuple[Array, Array, Array]:
    """The three, broadcast and checked."""
    (peak, trough), (share,) = finite(peak_w=peak_w, trough_w=trough_w), fraction(at_peak=at_peak)
    if np.any(trough > peak):
        raise DomainError("trough_w: must be at most peak_w; exchange them, and the share of time")
    peak, trough, share = np.broadcast_arrays(peak, trough, share)
    return peak, trough, share


def _lasting(**time_s: ArrayLike) -> Array:
    """A time above zero that ends."""
    finite(**time_s)
    return positive(**time_s)[0]


def _over(most: Array, share: Array) -> Array:
    """``most / share``, and no limit where the share is zero."""
    some = share > 0
    with np.errstate(over="ignore"):  # as good as zero
        return np.asarray(np.where(some, most / np.where(some, share, 1.0), np.inf), float)
