"""The power tree: what every node and domain draws, from the GPUs to the site's meter."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.facility.model import PowerModel
from twin.kernel.power_level import Level, Rows
from twin.physics.cooling import CoolingCurve
from twin.site.domains import Domains, sum_by

Array = NDArray[np.float64]

LIT, OFF, WAKING = range(3)  # states of a node
_FEW = 32  # changes that are quicker one by one
_MANY = 20_000  # changes that are kept at most
_ALL = 400  # nodes that change at one time from which on the whole tree is summed anew

TOTALS = ("time_s", "gpu_w", "load_w", "node_w", "dark_w", "cooling_w", "site_w")


class PowerTree:
    """Sums of power from the nodes to the site's meter.

    A change of what a node draws is only noted. The sums are made when somebody needs them, all
    changes at once: for the control of caps that is when a bound says that one may be exceeded. So
    a site with room under its caps costs little, and the readings are exact all the same.

    Halls carry the cooling of what is in them besides it.

    Attributes
    ----------
    levels : list of Level
        From below: those of the model, up to the site.
    gpu_w : (n_node,) array
        What the GPUs of a node draw if it is lit. [W]
    state : (n_node,) array
        `LIT`, `OFF` or `WAKING`; a node that is down is off.
    switches : int
        How often a node has changed its state.
    readings : Readings
        All that was seen.
    """

    def __init__(self, model: PowerModel, domains: Domains) -> None:
        site = domains.site
        self._model = model
        self._site = site
        self.pool_of: list[int] = site.node_pool.tolist()
        self.levels = [
            Level(built, domains.unit_of(built.level), domains.units(built.level), at)
            for at, built in enumerate(model.domains)
        ]
        for lower, upper in zip(self.levels, self.levels[1:], strict=False):
            upper.stand_on(lower)
        self.by_name = {level.level: level for level in self.levels}
        self.nameplate_w = {built.level: built.nameplate_w for built in model.domains}
        self._hall, self._top = self.by_name["hall"], self.by_name["site"]
        self._idle_gpu_w = [node.gpus * node.gpu_idle_w for node in model.nodes]
        # Numbers one by one are quicker from typed arrays; numpy sees the same memory.
        self._gpu_w = array("d", np.array(self._idle_gpu_w)[site.node_pool].tolist())
        self.gpu_w: Array = np.frombuffer(self._gpu_w)
        self._state = array("b", [LIT]) * site.n_nodes
        self.state: NDArray[np.int8] = np.frombuffer(self._state, np.int8)
        # Polynomials of nodes by pool: of the load in the GPUs' power, of the input in the load.
        self._poly = [
            (
                node.rest_w - node.per_w * node.gpus * node.gpu_idle_w,
                1 + node.per_w,
                node.fan_per_w3,
                node.supply.fixed_w,
                1 + node.supply.linear,
                node.supply.quadratic_per_w,
                node.off_w,
                node.wake_w,
            )
            for node in model.nodes
        ]
        self._poly_by_pool = np.array(self._poly)
        self._network_of = np.array([node.network_w for node in model.nodes])[site.node_pool]
        self.network_w = float(self._network_of.sum())
        # Of each node as counted so far: GPUs, load, input, and input if it is off or waking.
        self._counted: Array = np.zeros((site.n_nodes, 4))
        self._totals = [0.0] * 4
        self.curves: list[CoolingCurve] = []
        self._dirty: set[int] = set()
        self._buffer: list[float] = []  # time, node, GPU power, state of each change
        self._rise_w = self._fall_w = 0.0
        self._flattest = 0.0
        self.switches = 0
        self._capped: list[Level] = []
        self.readings = Readings()

    @property
    def site_w(self) -> float:
        """Power at the meter when it was last summed. [W]"""
        return self._top.in_w[0]

    # -- changes

    def add(self, node: int, gpu_w: float) -> None:
        """The GPUs of a node draw so much more."""
        self._gpu_w[node] += gpu_w
        self._dirty.add(node)
        if gpu_w > 0:
            self._rise_w += gpu_w
        elif self._state[node] == LIT:
            self._fall_w -= gpu_w

    def set_all(self, gpu_w: Array) -> None:
        """The GPUs of all nodes draw this from now on."""
        self.gpu_w[:] = gpu_w
        self._dirty.update(range(len(gpu_w)))
        self._rise_w = inf

    def set_state(self, node: int, state: int) -> None:
        """A node is lit, off or waking from now on."""
        if self._state[node] != state:
            self._state[node] = state
            self.switches += 1
            self._dirty.add(node)
            self._rise_w = inf

    def note(self, now_s: float) -> None:
        """An instant is over: what has changed in it is so from now on."""
        dirty = self._dirty
        if not dirty:
            return
        if len(dirty) > _ALL:
            self._flush()
            self.sum_up(now_s)
            return
        gpu_w, state, buffer = self._gpu_w, self._state, self._buffer
        for node in dirty:
            buffer += (now_s, node, gpu_w[node], state[node])
        dirty.clear()
        if len(buffer) > 4 * _MANY:
            self._flush()

    def settle(self, now_s: float) -> None:
        """All sums are those of now."""
        self.note(now_s)
        if self._buffer:
            self._flush()

    def may_be_over(self) -> bool:
        """Whether a domain may be above its alarm: certain where it says no."""
        top, rise_w = self._top, self._rise_w
        most_w = rise_w * top.steepest - self._fall_w * self._flattest
        if most_w > top.slack_w or top.over:
            return True
        for level in self._capped:  # noqa: SIM110 # asked at every instant, any() is slower
            if rise_w * level.steepest > level.slack_w or level.over:
                return True
        return False

    def set_caps(self, name: str, cap_w: Array, alarm: float, now_s: float) -> None:
        """What units of a level may draw from now on, and what share of it calls for attention."""
        self.settle(now_s)
        self.by_name[name].set_caps(cap_w, alarm)
        self._capped = [level for level in self.levels[:-1] if level.is_capped]

    def over_with(
        self, more: Sequence[tuple[int, float]], besides: Sequence[tuple[int, float]] = ()
    ) -> tuple[str, int] | None:
        """The lowest domain that would exceed its cap if GPUs of these nodes drew so much more.

        Parameters
        ----------
        more, besides : sequences of (node, W)
            Lit nodes; `settle` first. Only domains of the former are looked at.
        """
        rises: dict[int, float] = {}
        for node, gpu_w in (*more, *besides):
            rises[node] = rises.get(node, 0.0) + gpu_w
        steps: dict[int, float] = {}
        asked = {int(self.levels[0].parent_of[node]) for node, _ in more}
        for node, gpu_w in rises.items():
            rest_w, per_w, cubic, fixed_w, linear, quadratic, *_ = self._poly[self.pool_of[node]]
            drawn_w = float(self.gpu_w[node]) + gpu_w
            load_w = rest_w + drawn_w * (per_w + cubic * drawn_w * drawn_w)
            node_w = fixed_w + load_w * (linear + quadratic * load_w)
            unit = int(self.levels[0].parent_of[node])
            steps[unit] = steps.get(unit, 0.0) + node_w - float(self._counted[node, 2])
        for at, level in enumerate(self.levels):
            above: dict[int, float] = {}
            for unit, step_w in steps.items():
                through_w = level.out_w[unit] + step_w
                if level is self._hall:
                    curve, heat_w = self.curves[unit], through_w
                    through_w += curve.fixed_w
                    through_w += heat_w * (curve.linear + curve.cubic_per_w2 * heat_w * heat_w)
                in_w = (
                    through_w
                    + level.fixed_w[unit]
                    + through_w * (level.linear[unit] + through_w * level.quadratic_per_w[unit])
                )
                if in_w > level.cap_w[unit] and unit in asked:
                    return level.level, unit
                if at + 1 < len(self.levels):
                    parent = int(self.levels[at + 1].parent_of[unit])
                    above[parent] = above.get(parent, 0.0) + in_w - level.in_w[unit]
            steps = above
            if at + 1 < len(self.levels):
                asked = {int(self.levels[at + 1].parent_of[unit]) for unit in asked}
        return None

    def set_cooling(self, curves: list[CoolingCurve], now_s: float) -> None:
        """Each hall is cooled so from now on."""
        self.settle(now_s)
        self.curves = curves
        self._find_steepest()
        self.sum_up(now_s)

    def _find_steepest(self) -> None:
        """Watts that domains draw more at most for one of a GPU; and the site at least."""
        steepest, flattest = 0.0, inf
        for (_, per_w, cubic, _, linear, quadratic, *_), node in zip(
            self._poly, self._model.nodes, strict=True
        ):
            gpus_w = node.gpus * node.tdp_w
            load = per_w + 3 * cubic * gpus_w**2
            steepest = max(steepest, load * (linear + 2 * quadratic * node.load_w(gpus_w)))
            flattest = min(flattest, per_w * linear)
        for level in self.levels:
            most_w = level.nameplate_w * 1.5  # losses and cooling are less than half
            if level is self._hall:
                cooling = [
                    1 + c.linear + 3 * c.cubic_per_w2 * w * w
                    for c, w in zip(self.curves, most_w.tolist(), strict=True)
                ]
                steepest *= max(cooling)
                flattest *= 1 + min(c.linear for c in self.curves)
            steepest *= float((1 + level.linear_ + 2 * level.quadratic_ * most_w).max())
            flattest *= float(1 + level.linear_.min())
            level.steepest = steepest
        self._flattest = max(flattest, 0.0)

    # -- sums

    def _flush(self) -> None:
        buffer = self._buffer
        if len(buffer) > 4 * _FEW:
            self._replay(np.array(buffer).reshape(-1, 4))
        else:
            for at in range(0, len(buffer), 4):
                time_s, node, gpu_w, state = buffer[at : at + 4]
                self._step(time_s, int(node), gpu_w, int(state))
        buffer.clear()
        self._settled()

    def _settled(self) -> None:
        self._rise_w = self._fall_w = 0.0
        for level in self.levels:
            level.find_slack()

    def _step(self, time_s: float, node: int, gpu_w: float, state: int) -> None:
        """One change of one node, up the tree."""
        rest_w, per_w, cubic, fixed_w, linear, quadratic, off_w, wake_w = self._poly[
            self.pool_of[node]
        ]
        if state == LIT:
            load_w = rest_w + gpu_w * (per_w + cubic * gpu_w * gpu_w)
            node_w = fixed_w + load_w * (linear + quadratic * load_w)
            counted = gpu_w, load_w, node_w, 0.0
        else:
            dark_w = off_w if state == OFF else wake_w
            counted = 0.0, dark_w, dark_w, dark_w
        before = self._counted[node].tolist()
        self._counted[node] = counted
        totals = self._totals
        for at in range(4):
            totals[at] += counted[at] - before[at]
        step_w = counted[2] - before[2]
        log, hall = self.readings.domains, self._hall
        cooling_w = 0.0
        for at, level in enumerate(self.levels):
            unit = level.unit_of[node]
            out_w = level.out_w[unit] + step_w
            level.out_w[unit] = out_w
            through_w = out_w
            if level is hall:
                curve = self.curves[unit]
                unit_w = curve.fixed_w + out_w * (curve.linear + curve.cubic_per_w2 * out_w * out_w)
                hall.cooling_w[unit] = unit_w
                through_w += unit_w
            in_w = (
                through_w
                + level.fixed_w[unit]
                + through_w * (level.linear[unit] + through_w * level.quadratic_per_w[unit])
            )
            step_w = in_w - level.in_w[unit]
            level.in_w[unit] = in_w
            log.extend((time_s, at, unit, in_w))
            if in_w > level.alarm_w[unit]:
                level.over.add(unit)
            elif level.over:
                level.over.discard(unit)
        cooling_w = sum(hall.cooling_w)
        self.readings.totals.extend((time_s, *totals, cooling_w, self._top.in_w[0]))

    def _replay(self, rows: Array) -> None:
        """Many changes, in the order of time, up the tree together."""
        time_s, node, gpu_w = rows[:, 0].copy(), rows[:, 1].astype(np.int64), rows[:, 2]
        counted = self._count(node, gpu_w, rows[:, 3])
        order = np.argsort(node, kind="stable")
        first = _firsts(node[order])
        before = np.empty_like(counted)
        before[:, order[1:]] = counted[:, order[:-1]]
        starts = order[first]
        before[:, starts] = self._counted[node[starts]].T
        steps = counted - before
        lasts = order[np.append(first[1:], len(order)) - 1]
        self._counted[node[lasts]] = counted[:, lasts].T
        totals = np.cumsum(steps, axis=1) + np.array(self._totals)[:, None]
        self._totals = totals[:, -1].tolist()
        step_w, cooling_w = steps[2], np.zeros(0)
        unit: Rows = node
        for at, level in enumerate(self.levels):
            cool = self.curves if level is self._hall else None
            unit = level.parent_of[unit]
            before_w = sum(level.cooling_w) if cool else 0.0
            in_w, step_w, cooling_step_w = level.replay(unit, step_w, cool)
            if cool:
                cooling_w = before_w + np.cumsum(cooling_step_w)
            self.readings.add_domains(time_s, at, unit, in_w)
        self.readings.add_totals(np.vstack([time_s, totals, cooling_w, in_w]).T)

    def sum_up(self, now_s: float) -> None:
        """Sum everything anew."""
        nodes, is_first = np.arange(self._site.n_nodes), not self.readings.totals
        counted = self._count(nodes, self.gpu_w, self.state)
        self._counted = np.ascontiguousarray(counted.T)
        self._totals = counted.sum(axis=1).tolist()
        outs, ins, cooling = self.flow(counted[2])
        self._hall.cooling_w = cooling.tolist()
        for at, level in enumerate(self.levels):
            changed = np.flatnonzero((np.array(level.in_w) != ins[at]) | is_first)
            level.set(outs[at], ins[at])
            times_s = np.full(len(changed), now_s)
            self.readings.add_domains(times_s, at, changed, ins[at][changed])
        self.readings.totals.extend((now_s, *self._totals, float(cooling.sum()), self._top.in_w[0]))
        self._dirty.clear()
        self._settled()

    # -- what if

    def _count(self, node: Rows, gpu_w: Array, state: NDArray[Any]) -> Array:
        """(4, n) GPUs, load, input, and input if dark, of nodes whose GPUs draw this. [W]"""
        rest_w, per_w, cubic, fixed_w, linear, quadratic, off_w, wake_w = self._poly_by_pool[
            self._site.node_pool[node]
        ].T
        load_w = rest_w + gpu_w * (per_w + cubic * gpu_w * gpu_w)
        node_w = fixed_w + load_w * (linear + quadratic * load_w)
        lit = state == LIT
        if lit.all():
            return np.stack([gpu_w, load_w, node_w, np.zeros_like(gpu_w)])
        dark_w = np.where(lit, 0.0, np.where(state == OFF, off_w, wake_w))
        return np.stack(
            [
                np.where(lit, gpu_w, 0.0),
                np.where(lit, load_w, dark_w),
                np.where(lit, node_w, dark_w),
                dark_w,
            ]
        )

    def node_power_w(self, gpu_w: Array) -> Array:
        """(n_node,) what nodes would draw if their GPUs drew this. [W]"""
        nodes = np.arange(self._site.n_nodes)
        power_w: Array = self._count(nodes, gpu_w, self.state)[2]
        return power_w

    def flow(self, node_w: Array) -> tuple[list[Array], list[Array], Array]:
        """What every unit would pass on and draw, by level, and the cooling of each hall. [W]"""
        outs: list[Array] = []
        ins: list[Array] = []
        below = node_w
        cooling: Array = np.zeros(self._hall.n)
        for level in self.levels:
            out_w = sum_by(level.parent_of, below, level.n)
            if level.level == "rack":
                out_w += sum_by(level.units, self._network_of, level.n)
            through_w = out_w
            if level is self._hall:
                cooling = self.cool(out_w)
                through_w = out_w + cooling
            in_w = level.model.input_w(through_w)
            outs.append(out_w)
            ins.append(in_w)
            below = in_w
        return outs, ins, cooling

    def cool(self, heat_w: Array) -> Array:
        """(n_hall,) what carrying this heat away takes. [W]"""
        fixed, linear, cubic = np.array(
            [(c.fixed_w, c.linear, c.cubic_per_w2) for c in self.curves]
        ).T
        power_w: Array = fixed + heat_w * (linear + cubic * heat_w * heat_w)
        return power_w


def _firsts(sorted_keys: Rows) -> NDArray[np.int64]:
    """Where each group of equal keys begins."""
    return np.flatnonzero(np.append(True, sorted_keys[1:] != sorted_keys[:-1]))


class Readings:
    """What the meters of all domains, and those of the site, showed: logs that only grow."""

    def __init__(self) -> None:
        self.domains = array("d")  # time, level, unit, input
        self.totals = array("d")  # TOTALS

    def add_domains(self, time_s: Array, at: int, unit: Rows, in_w: Array) -> None:
        """Readings of many domains of one level."""
        rows = np.empty((len(time_s), 4))
        rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = time_s, at, unit, in_w
        self.domains.frombytes(rows.tobytes())

    def add_totals(self, rows: Array) -> None:
        """Many readings of the site."""
        self.totals.frombytes(np.ascontiguousarray(rows).tobytes())
