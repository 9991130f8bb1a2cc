"""Who runs where by label, for placements that tell jobs apart by user, group or model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from twin.kernel.job import Job
from twin.site.fleet import Fleet


class Labels:
    """How many running jobs of each label there are on each node, and in each group of nodes.

    Groups of a level are counted from the first question about a label and the level on.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        # By pool and labels, and then by level: jobs by group, where there are any.
        self._jobs: dict[tuple[int, tuple[str, ...]], dict[str, dict[int, int]]] = {}
        for pool, index in enumerate(fleet.index):
            index.nodes_with = partial(self._in, pool, "node")
            index.jobs_in = partial(self._in, pool)

    def change(self, job: Job, nodes: Iterable[int], step: int) -> None:
        """A job is on these nodes from now on (1), or no longer (-1)."""
        fleet = self._fleet
        for node in nodes:
            pool = fleet.node_pool[node]
            at = node - fleet.first_node[pool]
            levels = self._jobs.setdefault((pool, job.shape.labels), {"node": {}})
            for level, jobs in levels.items():
                group = fleet.index[pool].groups(level).of[at]
                jobs[group] = jobs.get(group, 0) + step
                if not jobs[group]:
                    del jobs[group]

    def _in(self, pool: int, level: str, labels: tuple[str, ...]) -> Mapping[int, int]:
        """Jobs with these labels by group of a pool, one for each node that they hold there."""
        levels = self._jobs.get((pool, labels))
        if levels is None:
            return {}
        if level not in levels:
            of = self._fleet.index[pool].groups(level).of
            jobs: dict[int, int] = {}
            for node, here in levels["node"].items():
                jobs[of[node]] = jobs.get(of[node], 0) + here
            levels[level] = jobs
        return levels[level]
