"""Everybody gives up the same part of what they could do without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import PowerPolicy
from twin.policies.power_view import Demand
from twin.policies.sharing import shared
from twin.registry import policy


@policy("proportional")
@dataclass(frozen=True, kw_only=True)
class Proportional(PowerPolicy):
    """The power of all jobs of a domain above their floors is scaled by one factor.

    The highest that fits; a job has the least factor of the domains that it stands in.
    """

    def share(self, demand: Demand) -> NDArray[np.float64]:
        n = len(demand.gpus)
        return shared(demand, np.zeros(n), np.ones(n))
