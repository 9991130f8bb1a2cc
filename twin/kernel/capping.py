"""The control loop: meters are looked at, a policy shares the watts, clocks follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import floor, inf

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.errors import PolicyError
from twin.kernel.clock import CAPS, Clock
from twin.kernel.draws import WORKING, Draw, Draws
from twin.kernel.power_tree import PowerTree
from twin.kernel.what_if import WhatIf
from twin.policies.base import PowerPolicy
from twin.policies.power_view import Curve, Demand

Array = NDArray[np.float64]

# A job is not given back less than this share of its power at a time: clocks would never rest.
_NOT_WORTH = 0.01
_SLACK = 1e-9
_REFINEMENTS = 3
_MANY = 400  # nodes of jobs
_ENOUGH = 0.01  # of a budget: less is not worth asking again
_CARE = 0.15


class Capping:
    """Keeps every domain under its cap, as far as the policy knows how.

    The meters are looked at at the next multiple of the policy's period after something changed,
    while a domain is above its alarm or some job is held back. Clocks have followed its delay
    later, for the jobs that run then: so no domain exceeds its cap for longer than period and
    delay together, unless all jobs paused would still draw more. A job that starts at the very
    instant of a decision is for the next one.

    Parameters
    ----------
    settle : callable
        Called with the time: jobs and nodes draw what they draw then.
    repace : callable
        Called with a draw whose limit is another now; it is followed at once.
    follows_at_once : bool
        Whether the tree may be told of all of that at once.
    """

    def __init__(
        self,
        policy: PowerPolicy,
        tree: PowerTree,
        draws: Draws,
        clock: Clock,
        settle: Callable[[float], None],
        repace: Callable[[Draw, float, float], None],
        *,
        follows_at_once: bool,
    ) -> None:
        self._policy = policy
        self._tree = tree
        self._draws = draws
        self._clock = clock
        self._settle = settle
        self._repace = repace
        self._follows_at_once = follows_at_once
        self._pending = False
        self._caps_changed = True
        self._seen = -1  # changes that the last decision knew of, and made
        self._curve_of: dict[int, int] = {}
        self._curves: list[Curve] = []
        self.decisions = 0

    @property
    def is_pending(self) -> bool:
        """Whether a decision is to come."""
        return self._pending

    def look(self, now_s: float) -> None:
        """Something has changed: plan a decision if one may be needed."""
        tree, throttled = self._tree, self._draws.throttled
        if not throttled and not tree.may_be_over():
            return  # most often
        if self._pending or self._policy.alarm == inf:
            return
        if not self._caps_changed and self._changes == self._seen:
            return  # only what the last decision did
        if not throttled:
            tree.settle(now_s)
            if not any(level.over for level in tree.levels):
                return
        period_s = self._policy.period_s
        at_s = (floor(now_s / period_s) + 1) * period_s if period_s else now_s
        self._pending = True
        due_s = max(at_s, now_s) + self._policy.delay_s
        # A run begins in the middle of things: what starts with it has long been under control.
        self._clock.call_at(due_s if now_s > 0 else 0.0, CAPS, self._decide, None)

    def heed(self) -> None:
        """Caps or cooling are others now."""
        self._caps_changed = True

    @property
    def _changes(self) -> int:
        return self._draws.changes + self._tree.switches

    def _decide(self, event: Event) -> None:
        self._pending = self._caps_changed = False
        self.decisions += 1
        now_s = self._clock._now
        self._settle(now_s)
        self._tree.settle(now_s)
        self._act(now_s)
        self._seen = self._changes

    def _act(self, now_s: float) -> None:
        draws = [draw for draw in self._draws.by_row.values() if draw.phase == WORKING]
        if not draws:
            return
        what_if = WhatIf(self._tree, draws)
        shared_w = self._shared(what_if, draws, now_s)
        # Where much changes the tree is told of all of it at once.
        at_once = self._follows_at_once and what_if.places > _MANY
        self._draws.is_held_back = at_once
        for draw, to_w in zip(draws, shared_w, strict=True):
            top_w, from_w = draw.curves.top_w, draw.limit_w
            least_w = _NOT_WORTH * top_w
            if from_w <= to_w < min(from_w + least_w, top_w) and from_w >= draw.curves.floor_w:
                continue  # unlike a job that is paused, which goes on if it may
            if to_w != from_w:
                self._repace(draw, to_w, now_s)
        if at_once:
            self._draws.is_held_back = False
            now_w: Array = np.array([draw.power_w for draw in draws])
            self._tree.set_all(what_if.gpu_w(now_w))

    def _shared(self, what_if: WhatIf, draws: list[Draw], now_s: float) -> list[float]:
        """Power of one GPU of each job, by the policy where not everything fits.

        The policy sees domains as linear. In truth they are convex and draw less: it is asked again
        with what they would draw, until little is left over; what draws too much is only a step.
        """
        if not what_if.is_limited:
            return [draw.curves.top_w for draw in draws]
        if what_if.all_fits and self._policy.alarm >= 1.0:
            return [draw.curves.top_w for draw in draws]
        demand = self._demand(what_if, draws, now_s)
        best = answer = self._answer(demand)
        fits = True
        for _ in range(_REFINEMENTS):
            drawn_w = what_if.loads_w(answer) - what_if.rest_w
            meant_w = np.asarray(demand.share @ (answer - demand.idle_w))
            binds = meant_w > (1 - _ENOUGH) * demand.budget_w
            ratio = np.divide(drawn_w, meant_w, out=np.ones_like(drawn_w), where=meant_w > 0)
            if fits and (not binds.any() or ratio[binds].min() > 1 - _ENOUGH):
                break
            # Not all the way: the next watt draws more than the mean one.
            steepened = ratio + _CARE * (1 - ratio)
            share = demand.share.multiply(steepened[:, None]).tocsr()
            demand = replace(demand, share=share)
            answer = self._answer(demand)
            fits = bool((what_if.loads_w(answer) <= demand.cap_w).all())
            best = answer if fits else best
        powers_w: list[float] = best.tolist()
        return powers_w

    def _answer(self, demand: Demand) -> Array:
        """(n_job,) what the policy says, as jobs can follow it. [W]"""
        answer = np.asarray(self._policy.share(demand), float)
        name = type(self._policy).__name__
        if answer.shape != demand.gpus.shape or not np.isfinite(answer).all():
            raise PolicyError(
                f"power policy {name} at {demand.now_s} s: must answer one finite power for each "
                f"of the {len(demand.gpus)} jobs, answered an array of shape {answer.shape}"
            )
        within = np.clip(answer, demand.floor_w, demand.top_w)
        paused = answer <= demand.idle_w + _SLACK * demand.top_w
        paused &= demand.idle_w < demand.floor_w
        powers_w: Array = np.where(paused, demand.idle_w, within)
        return powers_w

    def _demand(self, what_if: WhatIf, draws: list[Draw], now_s: float) -> Demand:
        return Demand(
            now_s=now_s,
            gpus=what_if.gpus,
            kind=[draw.job.job_kind for draw in draws],
            phase=[draw.curves.work.profile for draw in draws],
            priority=np.array([draw.job.priority for draw in draws], np.int64),
            start_s=np.array([draw.job.start_s for draw in draws]),
            idle_w=what_if.idle_w,
            floor_w=np.array([draw.curves.floor_w for draw in draws]),
            top_w=what_if.top_w,
            tdp_w=np.array([draw.curves.tdp_w for draw in draws]),
            power_w=what_if.power_w,
            curve=np.array([self._curve(draw) for draw in draws], np.int64),
            curves=self._curves,
            share=what_if.share(),
            budget_w=what_if.cap_w - what_if.rest_w,
            load=what_if.load_w / np.maximum(what_if.cap_w, 1e-12),
            cap_w=what_if.cap_w,
        )

    def _curve(self, draw: Draw) -> int:
        found = self._curve_of.get(id(draw.curves))
        if found is None:
            found = self._curve_of[id(draw.curves)] = len(self._curves)
            curve = draw.curves.work.curve
            self._curves.append(Curve(curve.power_w, curve.rate))
        return found
