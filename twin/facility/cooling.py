# PLACEHOLDER by the lead so that the kernel can be tried; helper B: overwrite this file.
from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twin.physics.cooling import CoolingCurve


@dataclass(frozen=True)
class Cooling:
    supply_degc: float = 24.0

    def curve(self, hall: int, now_s: float) -> CoolingCurve:
        return CoolingCurve(0.0, 0.1, 0.0)

    def next_change_s(self, now_s: float) -> float:
        return inf


def cooling_model(*a: object) -> Cooling:
    return Cooling()
