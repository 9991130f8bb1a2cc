"""Affinity: near to jobs of the same group, user or model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twin.policies.labelled import LabelledPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("affinity")
@dataclass(frozen=True, kw_only=True)
class Affinity(LabelledPlacement):
    """Units of ``level`` in which most jobs of the same ``by`` run, then best fit in the others.

    A preference, not a demand, as Kubernetes knows both [k8s-affinity].
    """

    def nodes(self, gpus: int, pool: PoolView, labelled: Mapping[int, int]) -> Iterator[int]:
        near = pool.with_room(self.level, labelled, gpus)
        near.sort(key=lambda group: (-labelled[group], group))
        yield from self.within(gpus, pool, near)
        yield from self.elsewhere(gpus, pool, labelled)
