"""The control loop: meters are looked at, a policy shares the watts, clocks follow."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, inf

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.errors import PolicyError
from twin.kernel.clock import CAPS, Clock
from twin.kernel.draws import WORKING, Draw, Draws
from twin.kernel.power_tree import PowerTree
from twin.policies.base import PowerPolicy
from twin.policies.power_view import Curve, Demand
from twin.site.domains import sum_by

Array = NDArray[np.float64]

# A job is not given back less than this share of its power at a time: clocks would never rest.
_NOT_WORTH = 0.01
_SLACK = 1e-9


class Capping:
    """Keeps every domain under its cap, as far as the policy knows how.

    The meters are looked at at the next multiple of the policy's period after something changed,
    while a domain is above its alarm or some job is held back. Clocks have followed its delay
    later, for the jobs that run then: so no domain exceeds its cap for longer than period and
    delay together, unless all jobs paused would still draw more.

    Parameters
    ----------
    repace : callable
        Called with a draw whose limit is another now.
    """

    def __init__(
        self,
        policy: PowerPolicy,
        tree: PowerTree,
        draws: Draws,
        clock: Clock,
        repace: Callable[[Draw, float, float], None],
    ) -> None:
        self._policy = policy
        self._tree = tree
        self._draws = draws
        self._clock = clock
        self._repace = repace
        self._pending = False
        self._caps_changed = True
        self._seen = -1  # changes of the draws that the last decision knew of
        self._curve_of: dict[int, int] = {}
        self._curves: list[Curve] = []
        self.decisions = 0

    def look(self, now_s: float) -> None:
        """Something has changed: plan a decision if one may be needed."""
        if self._pending or self._policy.alarm == inf:
            return
        if not self._caps_changed and self._draws.changes == self._seen:
            return  # only what the last decision did
        tree = self._tree
        if not self._draws.throttled:
            if not tree.may_be_over():
                return
            tree.settle(now_s)
            if not any(level.over for level in tree.levels):
                return
        period_s = self._policy.period_s
        at_s = (floor(now_s / period_s) + 1) * period_s if period_s else now_s
        self._pending = True
        due_s = max(at_s, now_s) + self._policy.delay_s
        self._clock.call_at(due_s, CAPS, self._decide, None)

    def heed(self) -> None:
        """Caps, cooling or what nodes draw beside jobs are others now."""
        self._caps_changed = True

    def _decide(self, event: Event) -> None:
        self._pending = self._caps_changed = False
        self._seen = self._draws.changes
        self.decisions += 1
        now_s = self._clock._now
        self._tree.settle(now_s)
        draws = [draw for draw in self._draws.by_row.values() if draw.phase == WORKING]
        if not draws:
            return
        for draw, to_w in zip(draws, self._shared(draws, now_s), strict=True):
            top_w, from_w = draw.curves.top_w, draw.limit_w
            if to_w >= from_w and to_w - from_w < _NOT_WORTH * top_w and to_w < top_w:
                continue
            if to_w != from_w:
                self._repace(draw, to_w, now_s)

    def _shared(self, draws: list[Draw], now_s: float) -> list[float]:
        """Power of one GPU of each job, by the policy where not everything fits."""
        demand, all_fits = self._demand(draws, now_s)
        if all_fits and self._policy.alarm >= 1.0:
            return [draw.curves.top_w for draw in draws]
        answer = np.asarray(self._policy.share(demand), float)
        name = type(self._policy).__name__
        if answer.shape != demand.gpus.shape or not np.isfinite(answer).all():
            raise PolicyError(
                f"power policy {name} at {now_s} s: must answer one finite power for each of the "
                f"{len(draws)} jobs, answered an array of shape {answer.shape}"
            )
        within = np.clip(answer, demand.floor_w, demand.top_w)
        paused = answer <= demand.idle_w + _SLACK * demand.top_w
        paused &= demand.idle_w < demand.floor_w
        powers: list[float] = np.where(paused, demand.idle_w, within).tolist()
        return powers

    def _demand(self, draws: list[Draw], now_s: float) -> tuple[Demand, bool]:
        """What is to be shared, and whether all of it could be had.

        Domains are linear here and convex in truth: each watt counts as the mean slope between all
        jobs at rest and all at their most, so no domain draws more than the linear form says.
        """
        from scipy.sparse import csr_array

        tree = self._tree
        n = len(draws)
        gpus = np.array([draw.gpus for draw in draws], np.int64)
        idle_w = np.array([draw.curves.idle_w for draw in draws])
        power_w = np.array([draw.power_w for draw in draws])
        floor_w = np.array([draw.curves.floor_w for draw in draws])
        top_w = np.array([draw.curves.top_w for draw in draws])
        edges = [place for draw in draws for place in draw.places]
        edge_node, edge_gpus = np.array(edges, np.int64).T
        edge_job = np.repeat(np.arange(n), [len(draw.places) for draw in draws])
        n_node = len(tree.gpu_w)
        drawn_w = sum_by(edge_node, edge_gpus * (power_w - idle_w)[edge_job], n_node)
        rest_gpu_w: Array = np.maximum(np.array(tree.gpu_w) - drawn_w, 0.0)
        top_gpu_w = rest_gpu_w + sum_by(edge_node, edge_gpus * (top_w - idle_w)[edge_job], n_node)
        rest_node_w, top_node_w = tree.node_power_w(rest_gpu_w), tree.node_power_w(top_gpu_w)
        rest_out, rest_in, _ = tree.flow(rest_node_w)
        top_out, top_in, _ = tree.flow(top_node_w)
        slope = _slopes(top_node_w - rest_node_w, top_gpu_w - rest_gpu_w)
        edge_w = edge_gpus * slope[edge_node]
        rows, columns, values, budgets, caps, loads = [], [], [], [], [], []
        domains, all_fits = 0, True
        for at, level in enumerate(tree.levels):
            edge_w = (
                edge_w
                * _slopes(top_in[at] - rest_in[at], top_out[at] - rest_out[at])[
                    level.units[edge_node]
                ]
            )
            cap_w = np.array(level.cap_w)
            capped = np.flatnonzero(cap_w < inf)
            if not len(capped):
                continue
            all_fits = all_fits and bool((top_in[at][capped] <= cap_w[capped]).all())
            index = np.full(level.n, -1)
            index[capped] = domains + np.arange(len(capped))
            row = index[level.units[edge_node]]
            seen = row >= 0
            rows.append(row[seen])
            columns.append(edge_job[seen])
            values.append(edge_w[seen])
            budgets.append(cap_w[capped] - rest_in[at][capped])
            caps.append(cap_w[capped])
            loads.append(np.array(level.in_w)[capped] / np.maximum(cap_w[capped], 1e-12))
            domains += len(capped)
        none = [np.zeros(0)]
        share = csr_array(
            (
                np.concatenate(values or none),
                (
                    np.concatenate(rows or none).astype(np.int64),
                    np.concatenate(columns or none).astype(np.int64),
                ),
            ),
            shape=(domains, n),
        )
        return (
            Demand(
                now_s=now_s,
                gpus=gpus,
                kind=[draw.job.job_kind for draw in draws],
                phase=[draw.curves.work.profile for draw in draws],
                priority=np.array([draw.job.priority for draw in draws], np.int64),
                start_s=np.array([draw.job.start_s for draw in draws]),
                idle_w=idle_w,
                floor_w=floor_w,
                top_w=top_w,
                tdp_w=np.array([draw.curves.tdp_w for draw in draws]),
                power_w=power_w,
                curve=np.array([self._curve(draw) for draw in draws], np.int64),
                curves=self._curves,
                share=share,
                budget_w=np.concatenate(budgets or none),
                load=np.concatenate(loads or none),
                cap_w=np.concatenate(caps or none),
            ),
            all_fits,
        )

    def _curve(self, draw: Draw) -> int:
        found = self._curve_of.get(id(draw.curves))
        if found is None:
            found = self._curve_of[id(draw.curves)] = len(self._curves)
            curve = draw.curves.work.curve
            self._curves.append(Curve(curve.power_w, curve.rate))
        return found


def _slopes(rise: Array, run: Array) -> Array:
    """Rise over run; where nothing changes, nothing is asked."""
    return np.divide(rise, run, out=np.ones_like(rise), where=run > 0)
