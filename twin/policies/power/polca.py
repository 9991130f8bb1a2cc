"""Two thresholds and a brake, after POLCA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.base import PowerPolicy
from twin.policies.power.brake import braked
from twin.policies.power_view import Demand
from twin.policies.sharing import draws
from twin.registry import policy


@policy("polca")
@dataclass(frozen=True, kw_only=True)
class Polca(PowerPolicy):
    """Cap low priority from one share of a domain's cap on, high priority from another, then brake.

    A domain that would draw more than ``first`` of its cap caps its jobs of low priority at
    ``low[0]`` of their full power. If it would still draw more than ``second``, they go to
    ``low[1]`` and the others to ``high``; if even that is more than the cap, all go to their
    floors. Jobs with a priority of ``high_from`` or above are of high priority.

    Notes
    -----
    Kept of POLCA [polca2024]: the two thresholds, the order, fixed settings instead of a search for
    the best ones, and the brake. Different: it locks clocks (1275, then 1110 MHz; 1305 MHz for high
    priority; of 1410), here powers that such clocks would lead to, by ``0.3 + 0.7 clock^2.7``; and
    it lets go some way below a threshold, here as soon as full power would lie below it, which does
    not swing to and fro either. Thresholds and clocks [unverified: from memory].
    """

    alarm: ClassVar[float] = 0.80

    first: float = 0.80  # share of a cap from which on low priority is capped
    second: float = 0.89  # share from which on high priority is, too
    low: tuple[float, float] = (0.83, 0.67)  # power left to low priority, first and second
    high: float = 0.87  # power left to high priority
    high_from: int = 1  # least priority that counts as high

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.first <= self.second <= 1:
            raise DomainError(
                "first: must be above 0 and at most second, and that at most 1; "
                f"found {self.first:g} and {self.second:g}"
            )
        if not 0 < self.low[1] <= self.low[0] <= 1:
            raise DomainError(
                "low: must be two shares of full power, the second not above the first; "
                f"found {self.low[0]:g}, {self.low[1]:g}"
            )
        if not 0 < self.high <= 1:
            raise DomainError(f"high: must be above 0 and at most 1, found {self.high:g}")
        # A policy is asked from its own threshold on, whatever the class says.
        object.__setattr__(self, "alarm", self.first)

    def share(self, demand: Demand) -> NDArray[np.float64]:
        is_low = demand.priority < self.high_from
        power_w = demand.top_w.copy()
        capped = _above(demand, power_w, self.first) & is_low
        power_w[capped] = np.maximum(self.low[0] * demand.top_w, demand.floor_w)[capped]
        capped = _above(demand, power_w, self.second)
        deep_w = np.where(is_low, self.low[1], self.high) * demand.top_w
        power_w[capped] = np.maximum(deep_w, demand.floor_w)[capped]
        return braked(demand, power_w)


def _above(demand: Demand, power_w: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """(n_job,) which jobs stand in a domain that would draw more than this share of its cap."""
    rest_w = demand.cap_w - demand.budget_w
    drawn_w = rest_w + demand.share @ (power_w - demand.idle_w)
    jobs = np.zeros(len(power_w), bool)
    jobs[draws(demand.share, power_w, drawn_w > threshold * demand.cap_w).item] = True
    return jobs
