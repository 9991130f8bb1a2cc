"""One level of the power tree: what its units pass on, draw, and may draw."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.facility.model import DomainModel
from twin.physics.cooling import CoolingCurve

Array = NDArray[np.float64]
Rows = NDArray[np.integer[Any]]


class Level:
    """Lists by unit, because units change one at a time, and arrays of what never changes.

    Attributes
    ----------
    level : str
    units, unit_of : (n_node,) array and list of int
        The unit that each node stands in.
    parent_of : (n,) array
        The unit of this level by the unit of the level below, or by node at the lowest level.
    out_w, in_w : list of float
        What each unit passes on, and what it draws for that. [W]
    cooling_w : list of float
        What carrying away the heat of each takes, in halls. [W]
    cap_w, alarm_w : list of float
        What each may draw, and from where on somebody wants to know. [W]
    over : set of int
        Units above their alarm.
    slack_w : float
        How far the unit nearest to its alarm was from it at the last sum. [W]
    steepest : float
        Watts that a unit draws more at most for one that a GPU does.
    """

    def __init__(self, model: DomainModel, unit_of: NDArray[np.int32], n: int, at: int) -> None:
        self.model = model
        self.level = model.level
        self.at = at
        self.units = unit_of
        self.unit_of: list[int] = unit_of.tolist()
        self.parent_of: Rows = unit_of
        self.n = n
        self.nameplate_w = model.nameplate_w
        self.linear_, self.quadratic_ = model.linear, model.quadratic_per_w
        self.fixed_w: list[float] = model.fixed_w.tolist()
        self.linear: list[float] = model.linear.tolist()
        self.quadratic_per_w: list[float] = model.quadratic_per_w.tolist()
        self.out_w = [0.0] * n
        self.in_w = [0.0] * n
        self.cooling_w = [0.0] * n
        self.cap_w = [inf] * n
        self.alarm_w = [inf] * n
        self.over: set[int] = set()
        self.steepest = inf
        self.is_capped = False
        self.slack_w = inf

    def stand_on(self, lower: Level) -> None:
        """Its units are made of those of the level below."""
        parent = np.zeros(lower.n, np.int32)
        parent[lower.units] = self.units
        self.parent_of = parent

    def set(self, out_w: Array, in_w: Array) -> None:
        """All units pass on and draw this from now on."""
        self.out_w, self.in_w = out_w.tolist(), in_w.tolist()
        self.find_over()

    def set_caps(self, cap_w: Array, alarm: float) -> None:
        """What each unit may draw from now on, and the share of it that calls for attention."""
        self.cap_w, self.alarm_w = cap_w.tolist(), (cap_w * alarm).tolist()
        self.is_capped = bool(np.isfinite(cap_w).any())
        self.find_over()
        self.find_slack()

    def find_over(self) -> None:
        """Which units are above their alarm."""
        if self.is_capped:
            self.over = set(np.flatnonzero(np.array(self.in_w) > np.array(self.alarm_w)).tolist())
        else:
            self.over.clear()

    def find_slack(self) -> None:
        """How far the unit nearest to its alarm is from it."""
        if self.is_capped:
            self.slack_w = min(a - w for a, w in zip(self.alarm_w, self.in_w, strict=True))
        else:
            self.slack_w = inf

    def replay(
        self, unit: Rows, step_w: Array, cool: Sequence[CoolingCurve] | None
    ) -> tuple[Array, Array, Array]:
        """Changes of what units pass on, in the order of time.

        Returns
        -------
        (n,) arrays
            What the unit of each change draws after it, how much more that is than before, and
            the same of its cooling. [W]
        """
        order = np.argsort(unit, kind="stable")
        u = unit[order]
        first = np.flatnonzero(np.append(True, u[1:] != u[:-1]))
        group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(u))))
        present: list[int] = u[first].tolist()
        rise = np.cumsum(step_w[order])
        start = np.concatenate([[0.0], rise])[first]
        out_w = np.array([self.out_w[v] for v in present])[group] + (rise - start[group])
        through_w, cooling = out_w, np.zeros(0)
        if cool is not None:
            coefficients = np.array([(c.fixed_w, c.linear, c.cubic_per_w2) for c in cool])
            fixed, linear, cubic = coefficients[u].T
            cooling = fixed + out_w * (linear + cubic * out_w * out_w)
            through_w = out_w + cooling
        model = self.model
        in_w = (
            through_w
            + model.fixed_w[u]
            + through_w * (model.linear[u] + through_w * model.quadratic_per_w[u])
        )
        last = np.append(first[1:], len(u)) - 1
        step = _steps(in_w, first, [self.in_w[v] for v in present])
        cooling_step = step
        if cool is not None:
            cooling_step = _steps(cooling, first, [self.cooling_w[v] for v in present])
            _put(self.cooling_w, present, cooling[last])
        _put(self.out_w, present, out_w[last])
        _put(self.in_w, present, in_w[last])
        for v, w in zip(present, in_w[last].tolist(), strict=True):
            if w > self.alarm_w[v]:
                self.over.add(v)
            else:
                self.over.discard(v)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return in_w[back], step[back], cooling_step[back]


def _steps(values: Array, first: Rows, before: list[float]) -> Array:
    step = np.diff(values, prepend=0.0)
    step[first] = values[first] - np.array(before)
    return step


def _put(into: list[float], units: list[int], values: Array) -> None:
    for unit, value in zip(units, values.tolist(), strict=True):
        into[unit] = value
