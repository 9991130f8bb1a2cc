"""How many nodes can be powered under caps and cooling, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.policies.power_view import HEAT_DARK, LIT, POWER_DARK, Hall
from twin.policies.sharing import Draws, first_fit

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

_COOLING = "cdu"  # nodes of one such unit share what it can carry away


class Room:
    """What the caps, and after them the cooling units, leave for lit nodes.

    Attributes
    ----------
    domain, node : (n_entry,) arrays
        Which nodes stand in which domain: the caps in the order of the hall, then the cooling
        units that have a limit.
    n_cap : int
    room_w : (n_domain,) array
        What lit nodes may draw there more than dark ones. [W] Negative where even those are too
        much.
    """

    def __init__(self, hall: Hall) -> None:
        self.n_cap = len(hall.cap_w)
        level, unit = np.array(hall.cap_level), np.array(hall.cap_unit, np.int64)
        domains, nodes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for name in sorted(set(hall.cap_level)):
            caps = np.flatnonzero(level == name)
            cap, node = _where(unit[caps], hall.units[name])
            domains.append(caps[cap])
            nodes.append(node)
        limited = np.flatnonzero(np.isfinite(hall.heat_cap_w))
        cooling, of = np.unique(hall.units[_COOLING][limited], return_inverse=True)
        domains.append(self.n_cap + of)
        nodes.append(limited)
        self.domain, self.node = np.concatenate(domains), np.concatenate(nodes)
        share_w = hall.heat_cap_w[limited]
        heat_w = np.bincount(of, share_w, len(cooling))
        power_w = (hall.cap_w - hall.overhead[:, 0]) / hall.overhead[:, 1]
        off_w = np.bincount(self.domain, hall.off_w[self.node], self.n_cap + len(cooling))
        self.room_w: Array = np.concatenate([power_w, heat_w]) - off_w
        self._off_w = hall.off_w

    def draws(self, need_w: Array) -> Draws:
        """What nodes that draw so much when lit take of each domain beyond being dark."""
        above_w = np.maximum(need_w - self._off_w, 0.0)
        return Draws(self.domain, self.node, above_w[self.node])

    def answers(self, on: Draws, choose: Callable[[Draws], Mask]) -> NDArray[np.int8]:
        """(n_node,) lit, or dark: for lack of cooling if the caps alone would have left it lit.

        Parameters
        ----------
        on : Draws
        choose : callable
            Which nodes are lit, given what they draw on the domains to heed.
        """
        lit = choose(on)
        of_caps = on.domain < self.n_cap
        powered = lit if of_caps.all() else choose(on.of(of_caps))
        dark = np.where(powered, HEAT_DARK, POWER_DARK)
        return np.where(lit, LIT, dark).astype(np.int8)


def node_w(hall: Hall, gpu_w: Array, nodes: Ids | None = None) -> Array:
    """Power of nodes, all or these, whose GPUs draw so much: a line from rest to nameplate. [W]"""
    at = np.arange(len(hall.pool)) if nodes is None else nodes
    part = (gpu_w - hall.gpu_idle_w[at]) / (hall.tdp_w[at] - hall.gpu_idle_w[at])
    return np.asarray(hall.idle_w[at] + part * (hall.nameplate_w[at] - hall.idle_w[at]), float)


def in_units(on: Draws, room_w: Array, unit_of: Ids, order: Ids) -> Mask:
    """(n_node,) nodes of the units that can be lit, in ``order``, each unit whole or not at all."""
    n = len(order)
    key, entry = np.unique(on.domain * n + unit_of[on.item], return_inverse=True)
    on_unit_w = np.asarray(np.bincount(entry, on.watts, len(key)), float)
    units = Draws(key // n, key % n, on_unit_w)
    mask: Mask = first_fit(units, room_w, order)[unit_of]
    return mask


def whole_beside_busy(hall: Hall, on: Draws, room_w: Array, level: str) -> Mask:
    """(n_node,) nodes of units that can be lit whole beside all busy nodes, lowest ids first."""
    unit_of = hall.units[level].astype(np.int64)
    free_w = room_w - on.sum_w(hall.busy.astype(float), len(room_w))
    order = np.arange(int(unit_of.max()) + 1)
    return in_units(on.of(~hall.busy[on.item]), free_w, unit_of, order)


def _where(units: Ids, unit_of: NDArray[np.int32]) -> tuple[Ids, Ids]:
    """All pairs of a place in ``units`` and a node of that unit."""
    order = np.argsort(units, kind="stable")
    first = np.searchsorted(units[order], unit_of, side="left")
    count = np.searchsorted(units[order], unit_of, side="right") - first
    node = np.repeat(np.arange(len(unit_of)), count)
    offset = np.arange(len(node)) - np.repeat(np.cumsum(count) - count, count)
    return order[first[node] + offset], node
