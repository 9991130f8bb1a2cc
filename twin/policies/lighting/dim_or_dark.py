"""Few GPUs at full speed or many at less: what gives the most work for the power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.policies.base import LightingPolicy
from twin.policies.hull import concave
from twin.policies.power_view import Curve, Hall
from twin.policies.powering import Room, whole_beside_busy
from twin.policies.sharing import Draws, first_fit
from twin.registry import policy

Array = NDArray[np.float64]

_LEAST_W = 1e-9  # instead of none, to divide by


@policy("dim-or-dark")
@dataclass(frozen=True, kw_only=True)
class DimOrDark(LightingPolicy):
    """Light as many nodes as give the most speed in all, what each node draws anyway included.

    All nodes are dimmed as long as that leaves them the power at which speed for each watt of a
    node is best; below that nodes go dark. To be used with ``uniform``, which then dims to that
    power.

    Notes
    -----
    For ``N`` alike nodes, a budget ``B`` and a concave speed ``r(P)`` at node power ``P`` above
    being dark, ``n r(B/n)`` is concave in ``n`` with its maximum at ``n = min(N, B/P*)``, where
    ``r(P)/P`` is greatest at ``P*``, that is ``r'(P*) = r(P*)/P*``. Of the two whole numbers beside
    it the better one is taken, so one cap over alike nodes is solved exactly. With nested caps each
    is solved for itself and all must hold. Where nodes of several pools stand under one cap they
    count with their ``P*``, and the pool with the most GPU speed for a watt comes first. The curve
    is that of the pool's usual work, whatever runs.
    """

    def light(self, hall: Hall) -> NDArray[np.int8]:
        room = Room(hall)
        curves = [_node_curve(hall, pool) for pool in range(len(hall.curves))]
        best = [int(np.argmax(c.rate / np.maximum(c.power_w, _LEAST_W))) for c in curves]
        each_w = np.array([c.power_w[k] for c, k in zip(curves, best, strict=True)])  # above dark
        rate = np.array([c.rate[k] for c, k in zip(curves, best, strict=True)])
        worth = hall.gpus * (rate / np.maximum(each_w, _LEAST_W))[hall.pool]

        def choose(on: Draws) -> NDArray[np.bool_]:
            whole = whole_beside_busy(hall, on, room.room_w, "rack")
            order = np.lexsort((~whole, -worth, hall.down, ~hall.busy))
            return first_fit(on, room.room_w, order)

        on = room.fill(hall.off_w + each_w[hall.pool], choose)
        whole_w = _for_whole_nodes(hall, room, curves, each_w)
        watts = np.minimum(on.watts, whole_w[on.domain])
        return room.answers(Draws(on.domain, on.item, watts), choose)


def _node_curve(hall: Hall, pool: int) -> Curve:
    """Speed of a pool's nodes against what they draw above being dark, concave."""
    curve = hall.curves[pool]
    hull = concave(curve, curve.power_w[0], curve.power_w[-1])
    one = np.flatnonzero(hall.pool == pool)[:1]
    return Curve(hall.node_w[pool](hull.power_w) - hall.off_w[one], hull.rate)


def _for_whole_nodes(hall: Hall, room: Room, curves: Sequence[Curve], each_w: Array) -> Array:
    """(n_domain,) power at which one node more is better than fewer at their best; else inf. [W]"""
    n_domain = len(room.room_w)
    nodes = np.bincount(room.domain, minlength=n_domain)
    found = np.full(n_domain, np.inf)
    for pool, (curve, best_w) in enumerate(zip(curves, each_w.tolist(), strict=True)):
        mine = np.bincount(room.domain, hall.pool[room.node] == pool, n_domain)
        alone = (mine == nodes) & (room.room_w > 0) & (room.room_w < nodes * best_w)
        room_w = room.room_w[alone]
        fewer = np.floor(room_w / max(best_w, _LEAST_W) * (1 + 1e-12))

        def work(n: Array, room_w: Array = room_w, curve: Curve = curve) -> Array:
            each = room_w / np.maximum(n, 1)
            return np.asarray(n * np.interp(each, curve.power_w, curve.rate, left=-1.0), float)

        more = (fewer < nodes[alone]) & (work(fewer + 1) > work(fewer))
        found[alone] = np.where(more, room_w / (fewer + 1), np.inf)
    return found
