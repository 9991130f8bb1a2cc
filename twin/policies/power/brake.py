"""Nothing until the cap is exceeded, then everything at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import PowerPolicy
from twin.policies.power_view import Demand
from twin.policies.sharing import by_seniority, crowded, draws, kept, risen
from twin.registry import policy


@policy("brake")
@dataclass(frozen=True, kw_only=True)
class Brake(PowerPolicy):
    """An emergency brake: where a cap is exceeded, all jobs of the domain go to their floors.

    It is released only when full power fits again. Where not even the floors fit, jobs are paused:
    those of the least priority, then the youngest, first.
    """

    def share(self, demand: Demand) -> NDArray[np.float64]:
        return braked(demand, demand.top_w)


def braked(demand: Demand, power_w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those powers, but the floor for all jobs of domains in which they do not fit. [W]"""
    full = crowded(demand, power_w)
    rise_w = power_w - demand.floor_w
    rise_w[draws(demand.share, power_w, full).item] = 0.0
    return risen(demand, kept(demand, full, by_seniority(demand)), rise_w)
