"""What happens after a fault is found: the recovery policy decides, and it is done here."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan

from simpy import Event

from twin.errors import InvariantError
from twin.kernel.clock import COMPLETIONS, Clock
from twin.kernel.cluster import Cluster
from twin.kernel.job import Job
from twin.kernel.life import IDLED, RUNNING, SAVING, Life
from twin.kernel.queue import Queue
from twin.kernel.training import Training
from twin.policies.actions import Action, GiveUp, Hold, Requeue, Restart, Shrink
from twin.policies.base import RecoveryPolicy

_ENDLESS = 100_000  # interruptions of one job


class Hit:
    """A job that has lost part of its gang, as recovery policies see it."""

    def __init__(self, life: Life, now_s: float, acts: RecoveryActs) -> None:
        self._life = life
        self._acts = acts
        self.job = life.job
        self.now_s = now_s
        self.since_s = now_s if isnan(life.interrupted_s) else life.interrupted_s
        self.retries = life.hits
        self.missing_gpus = life.missing_gpus
        self.missing_nodes = -(-life.missing_gpus // life.node_gpus)
        self.gang_nodes = -(-life.whole_gpus // life.node_gpus)
        self.shrunk = life.shrunk and life.phase == RUNNING

    @property
    def back_s(self) -> float:
        """When its own nodes are expected back in service; ``inf`` if nobody knows."""
        return max(map(self._acts.up_s, self._life.lost_nodes), default=inf)

    @property
    def are_back(self) -> bool:
        """Whether all nodes that it lost are in service again."""
        return not any(map(self._acts.is_down, self._life.lost_nodes))

    def can_take(self, sources: Sequence[str], borrow_from: str = "") -> bool:
        """Whether what is missing could be had now from these places."""
        return self._acts.nodes_for(self._life, sources, borrow_from) is not None

    def can_get(self, sources: Sequence[str]) -> int:
        """Nodes of those that are missing that could be had now from these places."""
        return self._acts.count(self._life, sources)


class RecoveryActs:
    """Asks the recovery policy for each job that stands still, and does what it says."""

    def __init__(
        self,
        policy: RecoveryPolicy,
        training: Training,
        clock: Clock,
        cluster: Cluster,
        queue: Queue,
        retries: float,
    ) -> None:
        self._policy = policy
        self._training = training
        self._clock = clock
        self._cluster = cluster
        self._queue = queue
        self._retries = retries
        self._waiting: dict[int, Life] = {}  # jobs that wait for nodes, by row
        self.nodes_came = False
        self._pool_names = [pool.name for pool in cluster.fleet.site.pools]
        training.on_idle = self.decide
        training.on_shrunk = self._runs_shrunk
        training.on_end = self._forget

    def up_s(self, node: int) -> float:
        """When a node is expected in service: now, if it is."""
        fleet = self._cluster.fleet
        return fleet.expected_up_s(node) if fleet.down_mask[node] else self._cluster.now_s

    def is_down(self, node: int) -> bool:
        """Whether a node, or a part of it, is out of service."""
        return self._cluster.fleet.down_mask[node] != 0

    def found(self, jobs: Sequence[Job], incident: int, now_s: float) -> None:
        """Somebody knows of the fault that interrupted these jobs."""
        for job in jobs:
            life = self._training.lives.get(job.row)
            if life is not None and life.phase == IDLED and incident in life.troubled:
                self.decide(life, now_s)

    def offer(self, now_s: float) -> None:
        """Nodes came free or back: ask again for the jobs that wait for some, oldest first."""
        self.nodes_came = False
        for row in sorted(self._waiting):
            life = self._waiting.get(row)
            if life is None or life.rejoining is not None:
                continue
            if life.phase == RUNNING or (life.phase == IDLED and life.known):
                self.decide(life, now_s)

    def decide(self, life: Life, now_s: float) -> None:
        """Ask what is to be done with a job now, and do it."""
        life.known = True
        if life.is_guest and life.missing_gpus:
            return  # its host has stopped with it, and it is to go
        if life.hits > self._retries:
            self._fail(life, now_s)
            return
        if life.hits > _ENDLESS:
            raise InvariantError(
                f"{life.job} was interrupted {_ENDLESS} times by {now_s} s and will never end: it "
                "fails faster than it saves; save more often, or give the scenario a horizon"
            )
        action = self._policy.recover(Hit(life, now_s, self))
        if life.phase == RUNNING:
            if isinstance(action, Restart) and life.missing_gpus:
                self._fill_up(life, action, now_s)
            elif isinstance(action, Shrink) and self._scale(life, action)[0] > life.scale:
                self._stop_to_grow(life, now_s)
            return
        life.event = None
        if isinstance(action, Restart):
            took = self._take(life, action, now_s)
            self._forget(life)
            life.lost_nodes.clear()
            life.shrunk, life.scale = False, 1.0
            self._training.restart(life, now_s, took)
        elif isinstance(action, Hold):
            self._hold(life, action, now_s)
        elif isinstance(action, Requeue):
            self.requeue(life, now_s, keeps_place=action.keeps_place)
        elif isinstance(action, Shrink):
            self._shrink(life, action, now_s)
        elif isinstance(action, GiveUp):
            self._fail(life, now_s)
        else:
            raise self._wrong(life, action, now_s, "which is no action of twin.policies.actions")

    def _wrong(self, life: Life, action: Action, now_s: float, why: str) -> InvariantError:
        name = type(self._policy).__name__
        return InvariantError(f"{name} answered {action} for {life.job} at {now_s} s, {why}")

    def _forget(self, life: Life) -> None:
        self._waiting.pop(life.job.row, None)
        self.nodes_came = True

    def _runs_shrunk(self, life: Life) -> None:
        """Nodes may have come while it began again, or have been there all along."""
        self.nodes_came = True

    def _fail(self, life: Life, now_s: float) -> None:
        self._training.accounts.settle(life, now_s)
        self._training.accounts.roll_back(life, now_s)
        self._training.end(life, now_s, failed=True)

    # -- holding and giving back

    def _hold(self, life: Life, action: Hold, now_s: float) -> None:
        if not action.until_s > now_s:
            raise self._wrong(life, action, now_s, "a time that is not ahead")
        self._waiting[life.job.row] = life
        if action.until_s < inf:
            life.event = self._clock.call_at(action.until_s, COMPLETIONS, self._held_on, life)

    def _held_on(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            life.event = None
            self.decide(life, self._clock._now)

    def leave_host(self, life: Life, now_s: float) -> None:
        """A guest whose host has stopped waits in its old place, unless it was hit too often."""
        if life.hits > self._retries:
            self._fail(life, now_s)
        else:
            self.requeue(life, now_s, keeps_place=True)

    def requeue(self, life: Life, now_s: float, *, keeps_place: bool) -> None:
        """A job gives everything back and waits; what it has not saved is lost."""
        job, training = life.job, self._training
        training.accounts.settle(life, now_s)
        life.hit.add("gang")  # copies in the memory or on the disks of its nodes are gone
        training.accounts.roll_back(life, now_s)
        self._forget(life)
        training.release(life, now_s)
        training.wait_again(life)
        if keeps_place:
            self._queue.put_back(job)
        else:
            self._queue.put_last(job)

    # -- fewer replicas, and more again

    def _shrink(self, life: Life, action: Shrink, now_s: float) -> None:
        scale, nodes = self._scale(life, action)
        if not scale > 0:
            raise self._wrong(life, action, now_s, "with no replica left whole")
        self._give(life, nodes, now_s)
        life.scale = scale
        life.shrunk = life.missing_gpus > 0
        life.rejoins = not action.rolls_back
        self._waiting[life.job.row] = life
        if action.rolls_back:
            self._training.restart(life, now_s, action.stall_s)
        else:
            self._training.go_on(life, now_s, action.stall_s)

    def _scale(self, life: Life, action: Shrink) -> tuple[float, list[tuple[int, str]]]:
        """The share of its gang that a job could work with, and the nodes to be taken for it."""
        left = min(life.held_gpus, life.whole_gpus) // life.node_gpus
        more = self._gather(life, action.sources, "")
        whole = (left + len(more)) // action.replica_nodes * action.replica_nodes
        # Of a last node that was not asked for in full, the rest goes on being surplus.
        surplus_gpus = life.whole_gpus - life.job.gpus
        scale = (whole * life.node_gpus - surplus_gpus) / life.job.gpus
        return scale, more[: max(whole - left, 0)]

    def _stop_to_grow(self, life: Life, now_s: float) -> None:
        """A running job saves; then it is asked again."""
        levels = life.progress.levels
        self._training.stop(life, now_s, by_fault=False)
        self._training.save_first(life, levels[-1].write_s if levels else 0.0, now_s)

    def _fill_up(self, life: Life, action: Restart, now_s: float) -> None:
        """Nodes for the replicas that a running job lacks."""
        training = self._training
        if not life.rejoins:
            self._stop_to_grow(life, now_s)
            return
        training.accounts.settle(life, now_s)
        took_s = self._take(life, action, now_s)
        ready_s = now_s + took_s + training.model.restart_s
        life.rejoining = self._clock.call_at(ready_s, COMPLETIONS, self._rejoined, life)

    def _rejoined(self, event: Event) -> None:
        life: Life = event._value
        if life.rejoining is not event:
            return
        life.rejoining = None
        life.lost_nodes.clear()
        self._forget(life)
        life.shrunk = False
        self._training.rescale(life, 1.0, self._clock._now)

    # -- nodes for what is missing

    def nodes_for(
        self, life: Life, sources: Sequence[str], borrow_from: str
    ) -> list[tuple[int, str]] | None:
        """Nodes to take for what is missing, each with where from; None if they do not suffice."""
        with self._cluster.without_reserved(life.job.expected_end_s):
            found = self._gather(life, sources, borrow_from)
        return found if len(found) == -(-life.missing_gpus // life.node_gpus) else None

    def count(self, life: Life, sources: Sequence[str]) -> int:
        """How many of the nodes that a job misses could be had from these places."""
        with self._cluster.without_reserved(life.job.expected_end_s):
            return len(self._gather(life, sources, ""))

    def _gather(
        self, life: Life, sources: Sequence[str], borrow_from: str
    ) -> list[tuple[int, str]]:
        """Nodes for what is missing, as many of them as there are."""
        missing_gpus = life.missing_gpus
        if not missing_gpus:
            return []
        fleet = self._cluster.fleet
        first = fleet.first_node[life.pool]
        if life.whole_gpus < life.node_gpus:  # a part of one node
            if "free" in sources:
                node = fleet.index[life.pool].tightest(missing_gpus)
                return [(first + node, "free")] if node >= 0 else []
            return []
        n = -(-missing_gpus // life.node_gpus)
        found: list[tuple[int, str]] = []
        for source in sources:
            left = n - len(found)
            if not left:
                break
            if source == "spare":
                nodes = fleet.spares_near(life.pool, life.lost_nodes, left)
            elif source == "free":
                nodes = self._free_nodes(life, left)
            else:
                nodes = self._borrowable(borrow_from, life, left)
            found += [(node, source) for node in nodes]
        return found

    def _free_nodes(self, life: Life, n: int) -> list[int]:
        """Up to ``n`` wholly free nodes: those that it lost and that are back, then the nearest."""
        fleet, first = self._cluster.fleet, self._cluster.fleet.first_node[life.pool]
        index, whole = fleet.index[life.pool], (1 << life.node_gpus) - 1
        closed = self._cluster.closed_until(life.job.expected_end_s)
        found = dict.fromkeys(
            node
            for node in life.lost_nodes
            if fleet.free_mask[node] == whole
            and fleet.node_pool[node] == life.pool
            and node not in closed
        )
        if len(found) < n:
            lost = next((v for v in life.lost_nodes if fleet.node_pool[v] == life.pool), first)
            nearest = index.nearest_wholly_free(lost - first, n)
            found |= dict.fromkeys(first + node for node in nearest)
        return list(found)[:n]

    def _take(self, life: Life, action: Restart, now_s: float) -> float:
        """Give a job what it is missing; the time that this takes."""
        chosen = self.nodes_for(life, action.sources, action.borrow_from)
        if chosen is None:
            raise self._wrong(life, action, now_s, "but there are not enough nodes there")
        if not chosen:
            return 0.0
        self._give(life, chosen, now_s, action.borrow_s)
        self._training.add(life, self._standbys_for(life), now_s)
        borrowed = any(source == "borrow" for _, source in chosen)
        return action.take_s + (action.borrow_s if borrowed else 0.0)

    def _give(
        self, life: Life, chosen: list[tuple[int, str]], now_s: float, borrow_s: float = 0.0
    ) -> None:
        """Hand nodes over; lesser jobs have so long to leave those that are borrowed."""
        self._training.accounts.settle(life, now_s)
        for node, source in chosen:
            if source == "spare":
                self._cluster.fleet.release_spare(node)
            elif source == "borrow":
                for job in list(self._cluster.residents[node]):
                    lesser = self._training.lives[job.row]
                    self._preempt(lesser, life.incident, now_s, borrow_s)
        self._training.add(life, [node for node, _ in chosen], now_s)

    def _standbys_for(self, life: Life) -> list[int]:
        """Free nodes that may stand by again, now that hosts are chosen anyway."""
        lack = (life.job.shape.standby_gpus - life.standby_gpus) // life.node_gpus
        if lack <= 0 or life.whole_gpus < life.node_gpus:
            return []
        index = self._cluster.fleet.index[life.pool]
        first = self._cluster.fleet.first_node[life.pool]
        with self._cluster.without_reserved(life.job.expected_end_s):
            nodes = index.lowest_wholly_free(min(lack, index.wholly_free()))
        return [first + node for node in nodes]

    def _borrowable(self, pool: str, life: Life, n: int) -> list[int]:
        """Nodes of another pool, free ones first, that lesser jobs can be asked to leave."""
        if pool not in self._pool_names:
            raise InvariantError(
                f"the recovery policy borrows from the pool {pool!r}; there are {self._pool_names}"
            )
        at = self._pool_names.index(pool)
        fleet, residents = self._cluster.fleet, self._cluster.residents
        if at == life.pool or fleet.site.pools[at].gpus_per_node != life.node_gpus:
            return []
        index, first = fleet.index[at], fleet.first_node[at]
        free = [first + v for v in index.lowest_wholly_free(min(n, index.wholly_free()))]
        if len(free) == n:
            return free
        taken, closed = [], self._cluster.closed_until(life.job.expected_end_s)
        for node in reversed(fleet.site.pool_nodes(at)):
            here = residents[node]
            if node in closed:
                continue
            if here and not fleet.down_mask[node] and all(self._lesser(job, at) for job in here):
                taken.append(node)
                if len(free) + len(taken) == n:
                    break
        return free + taken

    def _lesser(self, job: Job, pool: int) -> bool:
        life = self._training.lives[job.row]
        return life.pool == pool and life.phase != SAVING and not life.leaving

    def _preempt(self, life: Life, incident: int, now_s: float, notice_s: float) -> None:
        """A lesser job gives way; it saves first if there is time for it."""
        training = self._training
        saves = life.phase == RUNNING and life.progress.levels
        if isnan(life.interrupted_s):
            life.incident = incident  # which pays for what it loses by this
        training.stop(life, now_s, by_fault=False)
        if saves and life.progress.levels[-1].write_s <= notice_s:
            life.progress.save_now()
        life.preemptions += 1
        self.requeue(life, now_s, keeps_place=True)
