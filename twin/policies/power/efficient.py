"""Cap where the least speed is lost for each watt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.allocation import Pieces, best_rise_w
from twin.policies.base import PowerPolicy
from twin.policies.power_view import Demand
from twin.policies.sharing import above_floor_w, by_seniority, crowded, draws, kept, risen
from twin.registry import policy


@policy("efficient")
@dataclass(frozen=True, kw_only=True)
class Efficient(PowerPolicy):
    """The greatest sum of GPUs times their speed that the budgets allow.

    Speed against power is taken as concave (`twin.policies.hull`). What is best is then found
    exactly where one budget binds, and to a thousandth where several do
    (`twin.policies.allocation`). Watts that bring no speed are not spent in a domain that is short
    of them. Jobs are paused only if the floors do not fit: those with the least speed for each watt
    at their floors.

    Notes
    -----
    A higher budget never gives less, but for that thousandth, as long as the same jobs run. Which
    of them to pause is a knapsack, answered by order: with more budget a job may get a place that
    it had not, and what its floor takes may be worth less than what the others made of it.
    """

    def share(self, demand: Demand) -> NDArray[np.float64]:
        full = crowded(demand, demand.top_w)
        if not (full.any() and len(demand.gpus)):
            return demand.top_w.copy()
        pieces = Pieces(demand)
        running = kept(demand, full, _by_use(demand, full, pieces.floor_rate))
        on = draws(demand.share, np.where(running, 1.0, 0.0), full)
        rise_w = best_rise_w(pieces, on.of(on.watts > 0), above_floor_w(demand, running))
        return risen(demand, running, rise_w)


def _by_use(
    demand: Demand, full: NDArray[np.bool_], floor_rate: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Jobs by speed for each watt at the floor, most first; of equals the senior one."""
    on = draws(demand.share, demand.floor_w - demand.idle_w, full)
    # Watts count for what they are of a budget, in that domain in which they are most of it.
    budget_w = demand.budget_w[on.domain]
    part = np.divide(on.watts, budget_w, out=np.full(len(budget_w), np.inf), where=budget_w > 0)
    most = np.zeros(len(floor_rate))
    np.maximum.at(most, on.item, part)
    use = np.divide(demand.gpus * floor_rate, most, out=np.full(len(most), np.inf), where=most > 0)
    seniors = by_seniority(demand)
    return seniors[np.argsort(-use[seniors], kind="stable")]
