"""A job in the gaps of another that has right of way on the same GPUs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from twin.physics.domain import Array, fraction


def host_share(busy: ArrayLike, harm: ArrayLike = 0.0) -> Array:
    """Share of the time of its GPUs that a host takes while a guest is beside it.

    Parameters
    ----------
    busy : array
        Share of its time that it needs its GPUs. [0..1]
    harm : array
        Time that it loses to the guest, over the time that it works. [0..1]

    Returns
    -------
    array
        ``min(1, busy (1 + harm))``; of it ``1 / (1 + harm)`` is work. The guest has the rest.

    Raises
    ------
    DomainError
        If an argument leaves [0, 1].

    Notes
    -----
    The host goes first whenever it has something to do (preemptive priority), so a guest that
    could always compute has all the time that the host leaves, and no more: by work conservation,
    whatever the lengths of the host's turns. A guest that waits for its own input now and then
    gets more out of a GPU than this says, because its waits fall into the host's turns. ``harm`` is
    what is not preempted at once: kernels of the guest that have begun, caches that it has filled.

    Where the host would need more than there is, it is late: that is not followed here.

    Sources
    -------
    The form as in [xiao2020], opportunistic jobs behind jobs with a guarantee.
    """
    need, lost = fraction(busy=busy, harm=harm)
    return np.minimum(need * (1 + lost), 1.0)


def guest_rate(busy: ArrayLike, harm: ArrayLike = 0.0, cost: ArrayLike = 0.0) -> Array:
    """Speed of a guest against having the same GPUs alone.

    Parameters
    ----------
    busy, harm : array
        As in `host_share`.
    cost : array
        Share of the guest's time that goes into making room and coming back. [0..1]

    Returns
    -------
    array
        ``(1 - host_share) (1 - cost)``, in [0, 1].

    Raises
    ------
    DomainError
        If an argument leaves [0, 1].
    """
    (spent,) = fraction(cost=cost)
    return (1 - host_share(busy, harm)) * (1 - spent)
