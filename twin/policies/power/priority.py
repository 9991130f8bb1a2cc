"""Cap batch before serving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.base import PowerPolicy
from twin.policies.power_view import Demand
from twin.policies.sharing import by_seniority, shared
from twin.registry import policy

_ORDER = ("batch", "training", "interactive", "serving/decode", "serving/prefill", "serving")


@policy("priority")
@dataclass(frozen=True, kw_only=True)
class Priority(PowerPolicy):
    """Whole classes are capped one after the other, and within a class by the job's priority.

    ``order`` names kinds of jobs, or kinds with the phase of their work, from the class that is
    capped first to the one that is capped last; a job of none of them is capped before all. Serving
    comes last, and its decoding, which waits for memory and hardly slows, before its prefill. Jobs
    of one class and priority have the same factor, as under ``proportional``.
    """

    order: tuple[str, ...] = _ORDER  # kinds of jobs, the first to be capped first

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.order or len(set(self.order)) < len(self.order):
            raise DomainError(
                f"order: must name each class once, for example {', '.join(_ORDER)}; "
                f"found {', '.join(self.order) or 'nothing'}"
            )

    def share(self, demand: Demand) -> NDArray[np.float64]:
        n = len(demand.gpus)
        place = np.array(
            [self._place(k, p) for k, p in zip(demand.kind, demand.phase, strict=True)]
        )
        ranked = np.lexsort((-demand.priority, -place))  # who is capped last comes first
        new = np.diff(place[ranked], prepend=place[ranked[:1]]) != 0
        new |= np.diff(demand.priority[ranked], prepend=demand.priority[ranked[:1]]) != 0
        rank = np.empty(n)
        rank[ranked] = np.cumsum(new)
        oldest = by_seniority(demand)
        return shared(demand, rank, rank + 1, oldest[np.argsort(rank[oldest], kind="stable")])

    def _place(self, kind: str, phase: str) -> int:
        for name in (f"{kind}/{phase}", kind):
            if name in self.order:
                return self.order.index(name)
        return -1
