"""Race to idle: nodes without work are switched off, and woken when work waits."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.base import LightingPolicy
from twin.policies.power_view import DEMAND_DARK, LIT, Hall
from twin.registry import policy


@policy("sleep")
@dataclass(frozen=True, kw_only=True)
class Sleep(LightingPolicy):
    """A node that was free for ``after`` goes dark; ``reserve`` free ones of each pool stay lit.

    As many nodes are woken, or kept awake, as the waiting jobs ask for. It looks when jobs wait,
    when nodes come free, and every ``review``. What waking takes, in time and energy, is a property
    of the node. Caps are left to the sharing of power.

    Notes
    -----
    A job that may go to several pools wakes nodes of the first one. Jobs that wait for something
    else than nodes, such as power or a price, keep nodes awake all the same.
    """

    heeds_load: ClassVar[bool] = True

    after_s: float = 600.0  # free time after which a node goes dark
    reserve: int = 0  # free nodes of each pool that stay lit
    review_s: float = 60.0  # how often it looks

    def __post_init__(self) -> None:
        if self.after_s < 0:
            raise DomainError(f"after: must be 0 s or above, found {self.after_s:g} s")
        if self.reserve < 0:
            raise DomainError(f"reserve: must be 0 or above, found {self.reserve}")
        if not 0 < self.review_s < inf:
            raise DomainError(f"review: must be above 0 s, found {self.review_s:g} s")

    def light(self, hall: Hall) -> NDArray[np.int8]:
        answer = np.full(len(hall.lit), LIT, np.int8)
        free = ~hall.busy & ~hall.down
        # Comparing times, not their difference, which rounding could leave below `after`.
        rested = ~hall.lit | (hall.idle_since_s + self.after_s <= hall.now_s)
        for pool, waiting in enumerate(hall.waiting_gpus.tolist()):
            here = np.flatnonzero(free & (hall.pool == pool))
            needed = self.reserve + _nodes(waiting, hall.gpus[here])
            # Who stays awake first: those that must, then those in use last, then the lowest.
            since_s = np.where(hall.lit[here], -hall.idle_since_s[here], inf)
            ranked = here[np.lexsort((here, since_s, rested[here]))]
            awake = max(needed, int((~rested[here]).sum()))
            answer[ranked[awake:]] = DEMAND_DARK
        return answer


def _nodes(waiting_gpus: int, gpus: NDArray[np.int32]) -> int:
    """Nodes that hold so many GPUs; all nodes of a pool are alike."""
    return -(-waiting_gpus // int(gpus[0])) if len(gpus) else 0
