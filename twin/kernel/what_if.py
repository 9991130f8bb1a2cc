"""What every domain would draw if running jobs drew something else."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.kernel.draws import Draw
from twin.kernel.power_tree import PowerTree
from twin.site.domains import sum_by

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]


class WhatIf:
    """Running jobs, and the domains that have caps.

    Attributes
    ----------
    gpus, idle_w, top_w, power_w : (n_job,) arrays
        GPUs of each job; what one of them draws at rest, without a cap, and now. [W]
    cap_w, load_w, rest_w : (n_domain,) arrays
        Of each domain with a cap: that cap, what it draws now, and with all jobs at rest. [W]
    is_limited : bool
        Whether any domain has a cap.
    all_fits : bool
        Whether all jobs could draw what they like.
    """

    def __init__(self, tree: PowerTree, draws: Sequence[Draw]) -> None:
        self._tree = tree
        self.gpus: Array = np.array([draw.gpus for draw in draws], float)
        self.idle_w: Array = np.array([draw.curves.idle_w for draw in draws])
        self.top_w: Array = np.array([draw.curves.top_w for draw in draws])
        self.power_w: Array = np.array([draw.power_w for draw in draws])
        node, self._here = np.concatenate([draw.place_array for draw in draws], axis=1)
        self._node = node.astype(np.int64)
        self._job = np.repeat(np.arange(len(draws)), [len(draw.places) for draw in draws])
        self._capped = [
            (at, np.flatnonzero(np.array(level.cap_w) < inf))
            for at, level in enumerate(tree.levels)
            if level.is_capped
        ]
        self._rest_gpu_w: Array = np.maximum(tree.gpu_w - self._gpu_w(self.power_w), 0.0)
        self._top_gpu_w = self._rest_gpu_w + self._gpu_w(self.top_w)
        self._rest_node_w = tree.node_power_w(self._rest_gpu_w)
        self._top_node_w = tree.node_power_w(self._top_gpu_w)
        self._rest = tree.flow(self._rest_node_w)
        self._top = tree.flow(self._top_node_w)
        levels = tree.levels
        self.is_limited = bool(self._capped)
        self.cap_w = self._of_capped([np.array(level.cap_w) for level in levels])
        self.load_w = self._of_capped([np.array(level.in_w) for level in levels])
        self.rest_w = self._of_capped(self._rest[1])
        self.all_fits = bool((self._of_capped(self._top[1]) <= self.cap_w).all())

    def loads_w(self, power_w: Array) -> Array:
        """(n_domain,) what each domain would draw if one GPU of each job drew this. [W]"""
        gpu_w = self.gpu_w(power_w)
        return self._of_capped(self._tree.flow(self._tree.node_power_w(gpu_w))[1])

    @property
    def places(self) -> int:
        """Nodes of all jobs together."""
        return len(self._node)

    def gpu_w(self, power_w: Array) -> Array:
        """(n_node,) what the GPUs of each node would draw. [W]"""
        return self._rest_gpu_w + self._gpu_w(power_w)

    def share(self) -> csr_array:
        """(n_domain, n_job) watts of each domain for a watt of one GPU of each job.

        Domains are convex in what jobs draw. Here each counts by its mean slope between all jobs at
        rest and all at their most, which never says too little of what lies between.
        """
        from scipy.sparse import csr_array

        slope = _slopes(self._top_node_w - self._rest_node_w, self._top_gpu_w - self._rest_gpu_w)
        edge_w = self._here * slope[self._node]
        capped = dict(self._capped)
        rows, columns, values, domains = [], [], [], 0
        for at, level in enumerate(self._tree.levels):
            rest_in, rest_out = self._rest[1][at], self._rest[0][at]
            rise = _slopes(self._top[1][at] - rest_in, self._top[0][at] - rest_out)
            edge_w = edge_w * rise[level.units[self._node]]
            if at not in capped:
                continue
            index = np.full(level.n, -1)
            index[capped[at]] = domains + np.arange(len(capped[at]))
            row = index[level.units[self._node]]
            seen = row >= 0
            rows.append(row[seen])
            columns.append(self._job[seen])
            values.append(edge_w[seen])
            domains += len(capped[at])
        return csr_array(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
            shape=(domains, len(self.gpus)),
        )

    def _gpu_w(self, power_w: Array) -> Array:
        """(n_node,) what jobs draw above rest. [W]"""
        above_w = (power_w - self.idle_w)[self._job] * self._here
        return sum_by(self._node, above_w, len(self._tree.gpu_w))

    def _of_capped(self, by_level: Sequence[Array]) -> Array:
        """(n_domain,) values of the domains that have caps."""
        parts = [by_level[at][units] for at, units in self._capped]
        return np.concatenate(parts) if parts else np.zeros(0)


def _slopes(rise: Array, run: Array) -> Array:
    """Rise over run; where nothing changes, nothing is asked."""
    return np.divide(rise, run, out=np.ones_like(rise), where=run > 0)
