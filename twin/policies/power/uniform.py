"""One cap for all jobs of a domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import PowerPolicy
from twin.policies.power_view import Demand
from twin.policies.sharing import shared
from twin.registry import policy


@policy("uniform")
@dataclass(frozen=True, kw_only=True)
class Uniform(PowerPolicy):
    """One cap, as a share of the rated power, for all jobs of an overloaded domain.

    The highest that fits. A job has the least cap of the domains that it stands in; what it leaves
    in the others goes to their other jobs. Work that draws less than the cap does not notice it.
    """

    def share(self, demand: Demand) -> NDArray[np.float64]:
        return shared(demand, demand.floor_w / demand.tdp_w, demand.top_w / demand.tdp_w)
