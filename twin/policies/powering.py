"""How many nodes can be powered under caps and cooling, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.policies.power_view import HEAT_DARK, LIT, POWER_DARK, Hall
from twin.policies.sharing import Draws, first_fit, fits

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ROUNDS = 20  # of looking for room; most often five do
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
        much. Rather less than there is until `fill` has found it.
    """

    def __init__(self, hall: Hall) -> None:
        self.n_cap = len(hall.cap_w)
        self._hall = hall
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
        off_w = np.bincount(of, hall.off_w[limited], len(cooling))
        self.room_w: Array = np.concatenate([np.zeros(self.n_cap), heat_w - off_w])

    def draws(self, need_w: Array) -> Draws:
        """What nodes that draw so much when lit take of each domain beyond being dark."""
        above_w = np.maximum(need_w - self._hall.off_w, 0.0)
        return Draws(self.domain, self.node, above_w[self.node])

    def fill(self, need_w: Array, choose: Callable[[Draws], Mask]) -> Draws:
        """Find `room_w` for nodes that draw so much when lit, and what they take of it.

        Parameters
        ----------
        need_w : (n_node,) array
            [W]
        choose : callable
            Which nodes are lit, given what they draw, in the room as it stands.

        Notes
        -----
        Domains draw more than their nodes, and the more so the more these draw: they are convex. A
        chord from what is lit to all lit lies above that, so what it leaves room for fits. That is
        lit next, and so on until it is the same: the regula falsi. One node more may fit, if it
        just does: it is measured with that chord.
        """
        on, cap_w = self.draws(need_w), self._hall.cap_w
        caps, n = slice(self.n_cap), len(need_w)
        least_w = low_w = self._drawn_w(need_w, np.zeros(n, bool))
        high_w = self._drawn_w(need_w, np.ones(n, bool))
        on_low_w, on_high_w = np.zeros(self.n_cap), on.sum_w(np.ones(n), len(self.room_w))[caps]
        fitting_w, before = np.minimum(cap_w - least_w, 0.0), np.zeros(n, bool)
        for _ in range(_ROUNDS if self.n_cap else 0):
            rise_w = high_w - low_w
            each = np.divide(
                on_high_w - on_low_w, rise_w, out=np.ones_like(rise_w), where=rise_w > 0
            )
            self.room_w[caps] = room_w = on_low_w + (cap_w - low_w) * each
            lit = choose(on)
            drawn_w = self._drawn_w(need_w, lit)
            on_lit_w = on.sum_w(lit.astype(float), len(self.room_w))[caps]
            over = ~fits(drawn_w, np.maximum(cap_w, least_w))
            if over.any():  # those lit stand where they cost more than all do on the mean
                high_w, on_high_w = np.where(over, (drawn_w, on_lit_w), (high_w, on_high_w))
                continue
            fitting_w, low_w, on_low_w = room_w, drawn_w, on_lit_w
            if (lit == before).all():
                break
            before = lit
        self.room_w[caps] = fitting_w
        return on

    def _drawn_w(self, need_w: Array, lit: Mask) -> Array:
        """(n_cap,) what domains with a cap draw if these nodes are lit. [W]"""
        hall = self._hall
        drawn_w = hall.drawn_w(np.where(lit, np.maximum(need_w, hall.off_w), hall.off_w))
        caps = zip(hall.cap_level, hall.cap_unit, strict=True)
        return np.array([drawn_w[level][unit] for level, unit in caps], float)

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


def node_w(hall: Hall, gpu_w: Array) -> Array:
    """(n_node,) power of nodes each of whose GPUs draws so much. [W]"""
    power_w = np.zeros(len(hall.pool))
    for pool, of_gpus in enumerate(hall.node_w):
        here = hall.pool == pool
        power_w[here] = of_gpus(gpu_w[here])
    return power_w


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
