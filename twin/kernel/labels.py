"""Who runs where by label, for placements that tell jobs apart by user, group or model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from twin.kernel.job import Job
from twin.site.fleet import Fleet


class Labels:
    """How many running jobs of each label there are on each node."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._jobs: dict[tuple[int, tuple[str, ...]], dict[int, int]] = {}
        for pool, index in enumerate(fleet.index):
            index.nodes_with = partial(self._on, pool)

    def change(self, job: Job, nodes: Iterable[int], step: int) -> None:
        """A job is on these nodes from now on (1), or no longer (-1)."""
        fleet = self._fleet
        for node in nodes:
            pool = fleet.node_pool[node]
            jobs = self._jobs.setdefault((pool, job.shape.labels), {})
            at = node - fleet.first_node[pool]
            jobs[at] = jobs.get(at, 0) + step
            if not jobs[at]:
                del jobs[at]

    def _on(self, pool: int, labels: tuple[str, ...]) -> Mapping[int, int]:
        """Jobs with these labels by node of a pool, counted from 0 within it."""
        return self._jobs.get((pool, labels), {})
