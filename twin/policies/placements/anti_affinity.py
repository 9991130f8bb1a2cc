"""Anti-affinity: away from jobs of the same group, user or model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twin.policies.labelled import LabelledPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("anti-affinity")
@dataclass(frozen=True, kw_only=True)
class AntiAffinity(LabelledPlacement):
    """Best fit in units of ``level`` with no job of the same ``by``, then where fewest run.

    So a unit that fails takes few jobs of one group, user or model. A preference, not a demand, as
    Kubernetes knows both [k8s-affinity]; the nodes of one job may be in one unit.
    """

    def nodes(self, gpus: int, pool: PoolView, labelled: Mapping[int, int]) -> Iterator[int]:
        yield from self.elsewhere(gpus, pool, labelled)
        near = pool.with_room(self.level, labelled, gpus)
        near.sort(key=lambda group: (labelled[group], group))
        yield from self.within(gpus, pool, near)
