"""Every node is powered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import LightingPolicy
from twin.policies.power_view import LIT, Hall
from twin.registry import policy


@policy("all-on")
@dataclass(frozen=True, kw_only=True)
class AllOn(LightingPolicy):
    """Every node is powered, at work or not."""

    def light(self, hall: Hall) -> NDArray[np.int8]:
        return np.full(len(hall.lit), LIT, np.int8)
