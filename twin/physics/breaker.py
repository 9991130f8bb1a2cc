"""When a breaker trips: an inverse-time characteristic by its thermal image.

Throughout, and all may be arrays that broadcast:

``ratio`` (r)
    Current over the rating; at a steady voltage and power factor, power over rated power. [-]
``theta``
    Thermal image: heat of the conductor over what it has at its rating in the steady state, so
    0 when cold, 1 after long at the rating. [-]
``trips_at``
    Ratio above which it trips in the end. [-]
``tau_s``
    Time constant of the image. [s]

It follows ``theta' = (r^2 - theta) / tau`` and trips at ``theta >= trips_at^2``; short circuits,
``r >= at_once``, trip the magnetic part without delay. Constant load between two events makes both
exact. The band of tolerance about a real curve is a quarter of the time and more: these are the
times of one breaker in the middle of it. Every function raises `DomainError` where an argument is
out of range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from twin.physics.domain import Array, finite, positive


def advance(theta: ArrayLike, ratio: ArrayLike, dt_s: ArrayLike, tau_s: ArrayLike) -> Array:
    """The thermal image after a time at a constant load.

    Parameters
    ----------
    theta : array_like
        Before. [-]
    dt_s : array_like
        Zero or above. [s]

    Returns
    -------
    array
        ``r^2 + (theta - r^2) exp(-dt / tau)``. [-]

    Sources
    -------
    [iec60255-149] for the form.
    """
    before, r, dt = finite(theta=theta, ratio=ratio, dt_s=dt_s)
    (tau,) = positive(tau_s=tau_s)
    return np.asarray(before - np.expm1(-dt / tau) * (r * r - before), float)


def time_to_trip_s(
    theta: ArrayLike,
    ratio: ArrayLike,
    *,
    trips_at: ArrayLike,
    tau_s: ArrayLike,
    at_once: ArrayLike = np.inf,
) -> Array:
    """From now until the trip, if the load stays.

    Parameters
    ----------
    theta : array_like
        Now. [-]
    at_once : array_like
        Ratio at which it trips without delay; ``inf`` for never. [-]

    Returns
    -------
    array
        ``tau ln((r^2 - theta) / (r^2 - trips_at^2))``; 0 if it trips now; ``inf`` if it never does,
        as at ``trips_at`` itself. [s]

    Notes
    -----
    After `advance` by this time the image may lie a rounding below ``trips_at^2``: whoever has
    waited for it should take it as tripped, and not ask again.

    Sources
    -------
    [iec60255-149] for the form.
    """
    now, r = finite(theta=theta, ratio=ratio)
    limit, tau, magnetic = positive(trips_at=trips_at, tau_s=tau_s, at_once=at_once)
    limit = limit * limit
    short, beyond = limit - now, r * r - limit
    trips, overloaded = (short <= 0) | (r >= magnetic), beyond > 0
    overload = np.where(overloaded, beyond, 1.0)
    with np.errstate(invalid="ignore", over="ignore"):  # where trips or not overloaded: not taken
        waits_s = tau * np.log1p(np.maximum(short, 0.0) / overload)
    return np.asarray(np.where(trips, 0.0, np.where(overloaded, waits_s, np.inf)), float)
