"""No control: caps are met by luck alone, and what exceeds them is counted."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import PowerPolicy
from twin.policies.power_view import Demand
from twin.registry import policy


@policy("uncapped")
@dataclass(frozen=True, kw_only=True)
class Uncapped(PowerPolicy):
    """Every job draws what it likes; violations of caps are counted, and breakers may trip."""

    alarm: ClassVar[float] = inf

    def share(self, demand: Demand) -> NDArray[np.float64]:
        return demand.top_w
