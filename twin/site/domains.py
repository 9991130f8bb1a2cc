"""Failure domains: which nodes go down together, level by level."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.scenario.levels import LEVELS
from twin.site.layout import Ids, Site

__all__ = ["LEVELS", "Domains", "sum_by"]

Array = NDArray[np.float64]


class Domains:
    """Units of every level of a site, and the nodes in each."""

    def __init__(self, site: Site) -> None:
        self.site = site
        sizes = {pool.gpus_per_node for pool in site.pools}
        self._same_size = sizes.pop() if len(sizes) == 1 else 0  # GPUs of every node
        self._nodes: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def units(self, level: str) -> int:
        """How many units a level has."""
        if level == "gpu":
            return self.site.n_gpus
        return int(self.unit_of(level).max()) + 1

    def unit_of(self, level: str) -> Ids:
        """(n_node,) the unit of a level that each node belongs to."""
        return self._unit_of[level]

    def nodes(self, level: str, unit: int) -> list[int]:
        """Ids of the nodes of one unit, ascending; for a GPU its one node."""
        if level == "node":
            return [unit]
        if level == "gpu":
            return [self.gpu(unit)[0]]
        if level not in self._nodes:
            of = self.unit_of(level)
            order = np.argsort(of, kind="stable")
            starts = np.searchsorted(of[order], np.arange(self.units(level) + 1))
            self._nodes[level] = order, starts
        order, starts = self._nodes[level]
        found: list[int] = order[starts[unit] : starts[unit + 1]].tolist()
        return found

    def gpu(self, unit: int) -> tuple[int, int]:
        """The node of a GPU, and its number within it."""
        if self._same_size:
            return divmod(unit, self._same_size)
        node = int(np.searchsorted(self.site.first_gpu, unit, side="right")) - 1
        return node, unit - int(self.site.first_gpu[node])

    def name(self, level: str, unit: int) -> str:
        """A unit as people say it: ``rack 7``; halls and regions by their names."""
        if level == "hall":
            return self.site.halls[unit]
        if level == "region":
            return self.site.regions[unit]
        return self.site.name if level == "site" else f"{level} {unit}"

    @cached_property
    def _unit_of(self) -> dict[str, Ids]:
        site = self.site
        nodes = np.arange(site.n_nodes, dtype=np.int32)
        leaf, rack_cdu, row_ups = [], [], []
        leaves = cdus = upses = 0
        for p, pool in enumerate(site.pools):
            ids = site.pool_nodes(p)
            here = np.arange(pool.nodes) // pool.nodes_per_leaf
            leaf.append(leaves + here)
            leaves += int(here[-1]) + 1
            racks = np.unique(site.node_rack[ids.start : ids.stop])
            groups = np.arange(len(racks)) // pool.racks_per_cdu
            rack_cdu.append(cdus + groups)
            cdus += int(groups[-1]) + 1
            rows = np.unique(site.rack_row[racks])
            blocks = np.arange(len(rows)) // pool.rows_per_ups
            row_ups.append(upses + blocks)
            upses += int(blocks[-1]) + 1
        row = site.rack_row[site.node_rack]
        hall = site.row_hall[row]
        return {
            "gpu": nodes,
            "node": nodes,
            "scale-up": site.node_domain,
            "leaf": np.concatenate(leaf).astype(np.int32),
            "rack": site.node_rack,
            "cdu": np.concatenate(rack_cdu).astype(np.int32)[site.node_rack],
            "row": row,
            "ups": np.concatenate(row_ups).astype(np.int32)[row],
            "hall": hall,
            "region": site.hall_region[hall],
            "site": np.zeros(site.n_nodes, np.int32),
        }


def sum_by(unit_of: NDArray[np.integer[Any]], values: Array, units: int) -> Array:
    """(n_unit,) sums of values by the unit that each belongs to."""
    return np.asarray(np.bincount(unit_of, weights=values, minlength=units), float)
