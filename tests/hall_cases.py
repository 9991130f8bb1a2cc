"""Halls of nodes made by hand and at random, and what they draw when lit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from twin.policies.power_view import LIT, Curve, Hall

# A node of 8 GPUs from 100 to 700 W: 2 kW at rest, 8 kW at most, nothing when it is off.
REST_W, MOST_W = 2000.0, 8000.0


def hall(
    nodes: int,
    caps: Sequence[tuple[str, int, float]] = (),
    per_rack: int = 4,
    **more: Any,
) -> Hall:
    """Racks of ``per_rack`` nodes, two racks to a row, in one hall; caps are level, unit, watts."""
    ids = np.arange(nodes, dtype=np.int32)
    rack, site = ids // per_rack, np.zeros(nodes, np.int32)
    row = rack // 2
    busy = np.array(more.get("busy", np.zeros(nodes, bool)))
    units = {
        **{"node": ids, "scale-up": ids, "leaf": rack, "rack": rack, "cdu": rack},
        **{"row": row, "ups": row, "hall": site, "site": site},
    }
    made = Hall(
        now_s=0.0,
        lit=np.ones(nodes, bool),
        busy=busy,
        down=np.zeros(nodes, bool),
        idle_since_s=np.where(busy, np.nan, 0.0),
        lit_s=np.zeros(nodes),
        age_s=np.zeros(nodes),
        inlet_degc=np.full(nodes, 25.0),
        gpus=np.full(nodes, 8, np.int32),
        pool=np.zeros(nodes, np.int32),
        off_w=np.zeros(nodes),
        idle_w=np.full(nodes, REST_W),
        floor_w=np.full(nodes, 3000.0),
        nameplate_w=np.full(nodes, MOST_W),
        tdp_w=np.full(nodes, 700.0),
        gpu_idle_w=np.full(nodes, 100.0),
        curves=[Curve(np.array([200.0, 700.0]), np.array([0.5, 1.0]))],
        units=units,
        cap_level=[level for level, _, _ in caps],
        cap_unit=[unit for _, unit, _ in caps],
        cap_w=np.array([cap_w for *_, cap_w in caps], float),
        node_w=[],
        drawn_w=Sums(units),
        heat_cap_w=np.full(nodes, np.inf),
        queued_gpus=0,
        waiting_gpus=np.zeros(1, np.int64),
    )
    lists = ("curves", "cap_level", "cap_unit")
    kept = {
        k: v if k in lists or isinstance(v, int | float | dict) else np.array(v)
        for k, v in more.items()
    }
    made = replace(made, **kept)
    nodes = [np.flatnonzero(made.pool == pool) for pool in range(int(made.pool.max()) + 1)]
    return replace(
        made,
        node_w=[
            Line(float(made.idle_w[here[0]]), float(made.nameplate_w[here[0]])) for here in nodes
        ],
    )


@dataclass(frozen=True)
class Line:
    """Power of a node, straight from 100 W to 700 W of its GPUs."""

    idle_w: float
    most_w: float

    def __call__(self, gpu_w: Any) -> Any:
        return self.idle_w + (self.most_w - self.idle_w) * (gpu_w - 100.0) / 600.0


@dataclass(frozen=True, eq=False)
class Sums:
    """What units draw: their nodes, something besides, and losses that grow with the square."""

    units: dict[str, Any]
    fixed_w: float = 0.0
    each: float = 1.0
    quadratic_per_w: float = 0.0

    def __call__(self, node_w: Any) -> Any:
        sums = {level: np.bincount(of, node_w, len(of) + 4) for level, of in self.units.items()}
        return {
            level: self.fixed_w + w * (self.each + self.quadratic_per_w * w)
            for level, w in sums.items()
        }


def drawn_w(seen: Hall, answer: Any, need_w: Any) -> Any:
    """(n_cap,) what each domain with a cap draws, overhead included. [W]"""
    by_level = seen.drawn_w(np.where(answer == LIT, need_w, seen.off_w))
    caps = zip(seen.cap_level, seen.cap_unit, strict=True)
    return np.array([by_level[level][unit] for level, unit in caps])


@st.composite
def halls(draw: st.DrawFn, quadratic_per_w: float = 0.0) -> Hall:
    """Two pools, caps at some levels, some nodes busy, down, dark; cooling short at times."""
    n = draw(st.integers(2, 24))

    def each(values: st.SearchStrategy[Any]) -> Any:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)))

    levels = st.sampled_from(["node", "rack", "row", "site"])
    watts = st.integers(-5, 220).map(lambda kw: 1000.0 * kw)
    caps = draw(st.lists(st.tuples(levels, st.integers(0, 3), watts), max_size=4))
    second = np.arange(n) >= draw(st.integers(1, n - 1))
    busy = each(st.booleans())
    steps = st.integers(0, 9)
    cooling = draw(st.sampled_from([np.inf, 20_000.0, 5000.0, 0.0]))
    most_w = np.where(second, draw(st.integers(3, 20)) * 1000.0, MOST_W)
    made = hall(
        n,
        caps,
        draw(st.integers(1, 6)),
        busy=busy,
        down=each(st.booleans()) & ~busy,
        lit=each(st.booleans()) | busy,
        now_s=9000.0,
        idle_since_s=np.where(busy, np.nan, 1000.0 * each(steps)),
        lit_s=1e5 * each(steps),
        age_s=1e7 * each(steps),
        inlet_degc=20.0 + each(steps),
        pool=second.astype(np.int32),
        gpus=np.where(second, 4, 8).astype(np.int32),
        off_w=np.where(second, draw(st.sampled_from([0.0, 300.0])), 0.0),
        nameplate_w=most_w,
        floor_w=np.where(second, most_w - 500.0, 3000.0),
        curves=[
            Curve(np.array([200.0, 400.0, 700.0]), np.array([0.4, 0.8, 1.0])),
            Curve(np.array([200.0, 600.0]), np.array([0.9, 1.0])),
        ],
        heat_cap_w=np.full(n, cooling),
        queued_gpus=9,
        waiting_gpus=draw(st.lists(st.integers(0, 40), min_size=2, max_size=2)),
    )
    fixed_w = draw(st.sampled_from([0.0, 5000.0]))
    return replace(made, drawn_w=Sums(made.units, fixed_w, 1.1, quadratic_per_w))
