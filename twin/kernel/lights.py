"""Which nodes are powered: dark ones, why they are dark, and waking them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.errors import PolicyError
from twin.facility.model import PowerModel
from twin.kernel import power_tree
from twin.kernel.caps import Caps
from twin.kernel.clock import CAPS, COMPLETIONS, Clock, Moment
from twin.kernel.cluster import Cluster
from twin.kernel.power_tree import PowerTree
from twin.kernel.queue import Queue
from twin.policies.base import LightingPolicy
from twin.policies.lighting.all_on import AllOn
from twin.policies.power_view import DEMAND_DARK, LIT, Curve, Hall
from twin.site.domains import LEVELS, Domains

Array = NDArray[np.float64]


def _nothing(nodes: list[int]) -> None:
    """Nobody wants to know."""


class Lights:
    """Asks the lighting policy, and switches nodes.

    A node goes dark once it is wholly free. One that is switched on takes its time to wake: it is
    dark until it is in service.

    Attributes
    ----------
    are_trivial : bool
        Whether nothing ever goes dark.
    caps, hall_degc, on_lit
        The caps; how warm each hall is at a time [degC]; called with nodes that are in service
        again. Set by whoever makes them.
    dark_gpus : list of int
        GPUs by reason: indices are the answers of a lighting policy.
    """

    def __init__(
        self,
        policy: LightingPolicy,
        model: PowerModel,
        tree: PowerTree,
        clock: Clock,
        cluster: Cluster,
        queue: Queue,
        domains: Domains,
    ) -> None:
        self._policy = policy
        self._model = model
        self._tree = tree
        self._clock = clock
        self._cluster = cluster
        self._fleet = cluster.fleet
        self._queue = queue
        self._domains = domains
        self.are_trivial = isinstance(policy, AllOn)
        n = cluster.fleet.site.n_nodes
        self._wanted = np.full(n, LIT, np.int8)
        self._why: dict[int, int] = {}  # dark nodes -> reason
        self._waking: dict[int, Moment] = {}  # nodes -> when they are in service
        self._lit_s = np.zeros(n)
        self._lit_since_s = np.zeros(n)
        self._idle_since_s = np.zeros(n)
        self._to_darken: set[int] = set()
        self.dark_gpus = [0, 0, 0, 0]
        self.dark_for_pool = [0] * len(model.nodes)  # demand-dark GPUs of each pool
        self._due = not self.are_trivial
        self._built: dict[str, object] = {}
        self.caps: Caps
        self.hall_degc: Callable[[float], list[float]]
        self.on_lit: Callable[[list[int]], None] = _nothing

    def begin(self) -> None:
        """Ask for the first time, before anything runs."""
        if not self.are_trivial:
            self._cluster.left = []
            self._switch(self._clock._now)
            if self._policy.review_s < inf:
                self._plan_review()

    def ask_again(self) -> None:
        """Caps, cooling or weather are others now."""
        self._due = True

    def settle(self, now_s: float) -> None:
        """The policy's turn, if it has one; nodes that were to go dark go if they are free."""
        if self.are_trivial:
            return
        if left := self._cluster.left:
            self._idle_since_s[left] = now_s
            left.clear()
            self._due |= self._policy.heeds_load
        if self._due or (self._policy.heeds_load and self._queue.jobs and self._why):
            self._switch(now_s)
        elif self._to_darken:
            self._darken_free(now_s)

    @property
    def are_waking(self) -> bool:
        """Whether some node is on its way into service."""
        return bool(self._waking)

    # -- switching

    def _plan_review(self) -> None:
        due_s = self._clock._now + self._policy.review_s
        self._clock.call_at(due_s, CAPS, self._review, None)

    def _review(self, event: Event) -> None:
        self._due = True
        self._plan_review()

    def _switch(self, now_s: float) -> None:
        self._due = False
        answer = np.asarray(self._policy.light(self._hall(now_s)))
        if answer.shape != self._wanted.shape or not np.isin(answer, (0, 1, 2, 3)).all():
            raise PolicyError(
                f"lighting policy {type(self._policy).__name__} at {now_s} s: must answer LIT, "
                f"POWER_DARK, HEAT_DARK or DEMAND_DARK for each of {len(self._wanted)} nodes"
            )
        self._wanted = answer.astype(np.int8)
        for node in [node for node in self._why if answer[node] == LIT]:
            self._wake(node, now_s)
        for node in [node for node, why in self._why.items() if answer[node] not in (LIT, why)]:
            self._recount(node, int(answer[node]))
        off = self._why.keys() - self._waking.keys()
        self._to_darken = set(np.flatnonzero(answer != LIT).tolist()) - off
        self._darken_free(now_s)

    def _darken_free(self, now_s: float) -> None:
        fleet, gone = self._fleet, []
        for node in sorted(self._to_darken):
            if self._cluster.residents[node] or fleet.down_mask[node] or node in fleet.spare_nodes:
                continue
            gone.append(node)
            self._to_darken.discard(node)
            if node in self._waking:
                self._stop_waking(node)  # it never came into service
            else:
                fleet.darken(node)
                self._lit_s[node] += now_s - self._lit_since_s[node]
                self._why[node] = LIT
            self._recount(node, int(self._wanted[node]))
            self._tree.set_state(node, power_tree.OFF)
        if gone:
            self._cluster.nodes_changed(gone)

    def _recount(self, node: int, why: int) -> None:
        pool = self._fleet.node_pool[node]
        gpus = self._fleet.site.pools[pool].gpus_per_node
        before = self._why[node]
        for reason, sign in ((before, -1), (why, 1)):
            if reason != LIT:
                self.dark_gpus[reason] += sign * gpus
            if reason == DEMAND_DARK:
                self.dark_for_pool[pool] += sign * gpus
        self._why[node] = why

    def _wake(self, node: int, now_s: float) -> None:
        if node in self._waking:
            return
        wake_s = self._model.nodes[self._fleet.node_pool[node]].wake_s
        if not (wake_s and now_s > 0):
            self._in_service(node, now_s)
            return
        ready_s = now_s + wake_s
        self._waking[node] = self._clock.call_at(ready_s, COMPLETIONS, self._awake, node)
        self._fleet.up_s[node] = ready_s
        self._tree.set_state(node, power_tree.WAKING)
        self._cluster.nodes_changed([node])  # schedulers know when it will be there

    def _awake(self, event: Event) -> None:
        node: int = event._value
        if self._waking.get(node) is event:
            self._in_service(node, self._clock._now)

    def _stop_waking(self, node: int) -> None:
        if self._waking.pop(node, None) is not None:
            self._fleet.up_s.pop(node, None)

    def _in_service(self, node: int, now_s: float) -> None:
        self._stop_waking(node)
        self._recount(node, LIT)
        del self._why[node]
        self._fleet.lighten(node)
        self._tree.set_state(node, power_tree.LIT)
        self._lit_since_s[node] = self._idle_since_s[node] = now_s
        self._cluster.nodes_changed([node])
        self.on_lit([node])

    def failed(self, node: int) -> None:
        """A dark node failed: it is dark no longer, but down."""
        self._stop_waking(node)
        self._recount(node, LIT)
        del self._why[node]
        if self._wanted[node] != LIT:
            self._to_darken.add(node)
        self._lit_since_s[node] = self._clock._now

    def dark_s(self, end_s: float) -> Array:
        """(n_node,) for how long each node was dark. [s]"""
        lit = np.ones(len(self._lit_s), bool)
        lit[list(self._why)] = False
        return end_s - self._lit_s - np.where(lit, end_s - self._lit_since_s, 0.0)

    # -- what the policy sees

    def _hall(self, now_s: float) -> Hall:
        site, model, tree = self._fleet.site, self._model, self._tree
        pool = site.node_pool
        if not self._built:
            nodes = model.nodes
            usual = [self._usual(p) for p in range(len(nodes))]
            self._built = {
                "age_s": np.array([each.age_s for each in site.pools])[pool],
                "gpus": site.node_gpus,
                "pool": pool,
                "off_w": np.array([n.off_w for n in nodes])[pool],
                "idle_w": np.array([n.idle_w for n in nodes])[pool],
                "floor_w": np.array(
                    [n.input_w(n.gpus * c.power_w[0]) for n, c in zip(nodes, usual, strict=True)]
                )[pool],
                "nameplate_w": np.array([n.nameplate_w for n in nodes])[pool],
                "tdp_w": np.array([n.tdp_w for n in nodes])[pool],
                "gpu_idle_w": np.array([n.gpu_idle_w for n in nodes])[pool],
                "curves": usual,
                "node_w": [node.with_each_w for node in nodes],
                "units": {
                    level: self._domains.unit_of(level) for level in LEVELS if level != "gpu"
                },
            }
        caps = [
            (level.level, unit, cap_w)
            for level in tree.levels
            for unit, cap_w in enumerate(self.caps.of_power(level.level).tolist())
            if cap_w < inf
        ]
        lit = np.ones(site.n_nodes, bool)
        lit[list(self._why)] = False
        busy = np.array([bool(jobs) for jobs in self._cluster.residents])
        lit_s = self._lit_s + np.where(lit, now_s - self._lit_since_s, 0.0)
        waiting = self._queue.waiting_gpus(len(model.nodes))
        built: dict[str, object] = dict(self._built)
        built["age_s"] = self._built["age_s"] + np.float64(now_s)  # type: ignore[operator]
        return Hall(
            now_s=now_s,
            lit=lit,
            busy=busy,
            down=np.array(self._fleet.down_mask) != 0,
            idle_since_s=np.where(busy, nan, self._idle_since_s),
            lit_s=lit_s,
            inlet_degc=np.array(self.hall_degc(now_s))[self._domains.unit_of("hall")],
            cap_level=[level for level, _, _ in caps],
            cap_unit=[unit for _, unit, _ in caps],
            cap_w=np.array([cap_w for *_, cap_w in caps]),
            drawn_w=self._drawn_w,
            heat_cap_w=self._heat_caps_w(now_s),
            queued_gpus=self._queue.gpus,
            waiting_gpus=np.array(waiting, np.int64),
            **built,  # type: ignore[arg-type]
        )

    def _heat_caps_w(self, now_s: float) -> Array:
        """(n_node,) each node's share of what its hall or its coolant can carry away now. [W]"""
        cooling = self._model.cooling
        caps_w: Array = cooling.node_heat_w.copy()
        halls = self._domains.unit_of("hall")
        for hall in np.flatnonzero(self.caps.is_warm("hall")).tolist():
            here = halls == hall
            # Of the heat of a hall a part comes from losses on the way to the nodes.
            nameplate_w = self._tree.nameplate_w["hall"][hall]
            of_nodes = nameplate_w / float(cooling.most_heat_w[hall])
            share_w = cooling.capacity_w(hall, now_s) * of_nodes / int(here.sum())
            caps_w[here] = np.minimum(caps_w[here], share_w)
        return caps_w

    def _usual(self, pool: int) -> Curve:
        model = self._model
        work = model.work[pool, model.profile_of["training"]]
        return Curve(work.curve.power_w, work.curve.rate)

    def _drawn_w(self, node_w: Array) -> dict[str, Array]:
        """(n_unit,) what all units of each level would draw for that. [W]"""
        tree = self._tree
        ins = tree.flow(node_w)[1]
        return {level.level: in_w for level, in_w in zip(tree.levels, ins, strict=True)}
