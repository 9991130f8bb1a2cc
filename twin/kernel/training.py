"""Jobs under failures: they start, run, save, are interrupted, begin again and finish.

The one place that sets or replaces a job's pending event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan

from simpy import Event

from twin.failures.draws import at, key, uniform
from twin.failures.model import FaultClass
from twin.failures.restart import RestartModel
from twin.kernel.accounts import Accounts
from twin.kernel.clock import COMPLETIONS, FAILURES, Clock
from twin.kernel.cluster import Cluster
from twin.kernel.defects import Defects
from twin.kernel.incidents import FAIL_STOP, RECLAIM, Incidents
from twin.kernel.job import Job
from twin.kernel.life import AWAY, IDLED, RESTARTING, RUNNING, SAVING, STARTING, Life
from twin.kernel.progress import Progress
from twin.kernel.recorder import Recorder
from twin.kernel.restarts import Restarts
from twin.policies.base import CheckpointPolicy

_CAN_GIVE_WAY = (STARTING, RUNNING, RESTARTING)


@dataclass(frozen=True)
class Save:
    """A job about to run, as checkpoint policies see it."""

    write_s: float
    restart_s: float
    mttf_s: float
    ran_s: float
    interruptions: int


class Training:
    """The lives of all running jobs.

    Attributes
    ----------
    lives : dict of int to Life
        By row, from the first start to the end.
    defects : Defects
        Parts that work and are not well.
    on_idle, on_shrunk, on_end, on_left : callable
        Called with a job that stands still and is known to, that begins to run without some of its
        replicas, that is over; and with (why, time) when a job has left a node that it was asked
        to leave.
    on_gave_way : callable
        Called with a job that has given all back to another and is to wait.
    on_serves, on_stops : callable or None
        Called with a replica of a service that begins to work, and that works no longer.
    """

    def __init__(
        self,
        model: RestartModel,
        checkpoint: CheckpointPolicy,
        software: Sequence[FaultClass],
        rate_factor: float,
        seed: int,
        clock: Clock,
        cluster: Cluster,
        recorder: Recorder,
        mttf_s: Callable[[Life], float],
    ) -> None:
        self.model = model
        self.incidents = Incidents()
        self.accounts = Accounts(self.incidents)
        self.restarts = Restarts(clock, model, self._begun_again)
        self.lives: dict[int, Life] = {}
        self.defects = Defects()
        self.on_idle: Callable[[Life, float], None]
        self.on_shrunk: Callable[[Life], None]
        self.on_end: Callable[[Life], None]
        self.on_left: Callable[[object, float], None]
        self.on_gave_way: Callable[[Job], None]
        self.on_serves: Callable[[Life, float], None] | None = None
        self.on_stops: Callable[[Life, float], None] | None = None
        self._checkpoint = checkpoint
        self._storage_faults = 0
        self._rate_factor = rate_factor
        self._software = [
            (c, key(seed, f"failures/{c.name}/life"), key(seed, f"failures/{c.name}/marks"))
            for c in software
        ]
        self._clock = clock
        self._cluster = cluster
        self._recorder = recorder
        self._mttf_s = mttf_s

    # -- from a place to work

    def start(self, job: Job, now_s: float) -> None:
        """A job was given a whole gang: for the first time, or again from the queue."""
        life = self.lives.get(job.row)
        if life is None:
            saves = job.job_kind in self.model.kinds and job.run_s < inf
            levels = self.model.levels_of(job.gpus, _gang_nodes(job)) if saves else ()
            life = self.lives[job.row] = Life(job, Progress(job.run_s, levels))
            self._recorder.start_s[job.row] = now_s
        life.since_s = now_s
        life.settle_in(self._cluster.fleet)
        life.is_guest = job.row in self._cluster.guests
        life.rate = self._cluster.rate(job, life.pool, job.gpus)
        if life.rate != 1.0 or job.shape is not job.asked or life.is_guest:
            life.may_change = True
        for node, mask in job.held.items():
            held = self._recorder.hold(job.row, node, mask, now_s, as_guest=life.is_guest)
            life.allocations[node] = held
        self.accounts.count(life, life.whole_gpus + job.shape.standby_gpus)
        self.defects.spoil(life, job.held, now_s)
        if not isnan(life.interrupted_s):
            self.restart(life, now_s, 0.0)
        elif life.preempted and life.runs:
            self._resume(life, now_s)
        elif self.model.startup_s:
            life.phase = STARTING
            until_s = now_s + self.model.startup_s
            life.event = self._clock.call_at(until_s, COMPLETIONS, self._started, life)
        else:
            self.run(life, now_s)

    def _started(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            now_s = self._clock._now
            self.accounts.settle(life, now_s)
            self.run(life, now_s)

    def restart(self, life: Life, now_s: float, take_s: float) -> None:
        """Begin again from what is safe, on the gang that it holds."""
        self.accounts.settle(life, now_s)
        level = self.accounts.roll_back(life, now_s)
        life.hit.clear()
        self.defects.spoil(life, life.job.held, now_s)
        life.phase = RESTARTING
        model, levels = self.model, life.progress.levels
        fixed_s, node_bytes = take_s + model.restart_s, 0.0
        if level >= 0:
            fixed_s += levels[level].read_s
            if level == len(levels) - 1:
                node_bytes = model.state_bytes_per_gpu * life.job.gpus / life.gang_nodes
        reads = level >= 0 and level == len(levels) - 1
        self.restarts.begin(life, now_s, fixed_s, node_bytes, reads)

    def _begun_again(self, life: Life, now_s: float) -> None:
        self.accounts.settle(life, now_s)
        self.run(life, now_s)

    def run(self, life: Life, now_s: float) -> None:
        """It computes from now on."""
        if not isnan(life.interrupted_s):
            life.away_s += now_s - life.interrupted_s
            life.interrupted_s = nan
            life.restarts += 1
        for incident in life.troubled:
            self.incidents.well(incident, now_s)
        life.troubled.clear()
        life.preempted = False
        life.phase = RUNNING
        life.runs += 1
        self._cluster.begins(life.job, now_s)
        interval_s = inf
        if life.progress.levels:
            # No copy is begun before the last one of its level is done.
            least_s = max(1e-3, *(level.flush_s / level.every for level in life.progress.levels))
            interval_s = max(self._checkpoint.interval_s(self._save_view(life)), least_s)
            life.progress.lose_last_level(bool(self._storage_faults))
        life.software = self._next_software_fault(life, now_s)
        self._go(life, now_s, interval_s)
        if life.shrunk:
            self.on_shrunk(life)
        if life.spells is not None and self.on_serves is not None:
            self.on_serves(life, now_s)

    def _save_view(self, life: Life) -> Save:
        levels = life.progress.levels
        return Save(
            sum(level.write_s / level.every for level in levels),
            self.model.restart_s + levels[-1].read_s,
            self._mttf_s(life),
            life.ran_s,
            life.interruptions,
        )

    # -- while it runs

    def _go(
        self, life: Life, now_s: float, interval_s: float, *, keeps_event: bool = False
    ) -> None:
        """Find its speed and set its next event: the finish, or a fault of its software.

        A pending finish that comes too early may be kept: it looks again when it is due.
        """
        self.defects.slow_job(life)
        life.progress.run(now_s, life.pace, interval_s)
        self.accounts.begin_work(life)
        finish_s = life.finish_s = life.progress.finish_s()
        pending = life.event
        if life.software[0] < finish_s:
            life.event = self._clock.call_at(life.software[0], FAILURES, self._crashed, life)
        elif finish_s == inf:
            life.event = None
        elif not (keeps_event and pending is not None and now_s <= pending.time_s <= finish_s):
            life.event = self._clock.call_at(finish_s, COMPLETIONS, self._finished, life)
        if finish_s == inf:
            return
        # Nobody expects a slow part to stay slow: the estimate goes by the nominal speed.
        left_s = (finish_s - now_s) * life.speed * life.comm
        share = left_s / life.job.run_s if life.job.run_s > 0 else 1.0
        self._cluster.expect_end(life.job, now_s + share * life.estimate_s)

    def change_pace(self, life: Life, now_s: float) -> None:
        """The speed of some part that a job holds is another now."""
        if life.phase == RUNNING:
            self.rescale(life, life.scale, now_s)

    def close_storage(self, now_s: float) -> None:
        """From now on nothing is written to the last level of checkpoints, nor read from it."""
        self._storage_faults += 1
        if self._storage_faults == 1:
            self.restarts.close(now_s)
            self._save_anew(now_s)

    def open_storage(self, now_s: float) -> None:
        """One fault of the storage is over; it works once all are."""
        self._storage_faults -= 1
        if not self._storage_faults:
            self.restarts.open(now_s)
            self._save_anew(now_s)

    def _save_anew(self, now_s: float) -> None:
        for life in list(self.lives.values()):
            if life.phase == RUNNING and life.progress.levels:
                self.accounts.settle(life, now_s)
                self.accounts.stop_work(life)
                life.progress.lose_last_level(bool(self._storage_faults))
                self._go(life, now_s, life.progress.interval_s)

    def go_on(self, life: Life, now_s: float, stall_s: float) -> None:
        """Begin to compute again, losing nothing, after so long a stall."""
        self.accounts.settle(life, now_s)
        life.hit.clear()
        life.phase = RESTARTING
        life.progress.forget_stall()
        life.event = self._clock.call_at(now_s + stall_s, COMPLETIONS, self._started, life)

    def rescale(self, life: Life, scale: float, now_s: float) -> None:
        """A running job has another share of its gang at work."""
        self.accounts.settle(life, now_s)
        self.accounts.stop_work(life)
        life.scale = scale
        self._go(life, now_s, life.progress.interval_s)

    def throttle(self, life: Life, rate: float, now_s: float) -> None:
        """Caps leave a job so much of its speed."""
        if life.phase != RUNNING:
            life.throttle = rate
            return
        self.accounts.settle(life, now_s)
        self.accounts.stop_work(life)
        life.throttle = rate
        crashes = life.software[0] < life.finish_s
        self._go(life, now_s, life.progress.interval_s, keeps_event=not crashes)

    def disturb(self, life: Life, calm: float, now_s: float) -> None:
        """Neighbours on the same GPUs leave a job so much of its speed."""
        if life.phase != RUNNING:
            life.calm = calm
            return
        self.accounts.settle(life, now_s)
        self.accounts.stop_work(life)
        life.calm = calm
        self._go(life, now_s, life.progress.interval_s)

    def share_time(self, life: Life, part: float, calm: float, now_s: float) -> None:
        """So much of the time of its GPUs is a job's from now on, and so much of that is work."""
        self.accounts.settle(life, now_s)
        if life.phase == RUNNING:
            self.accounts.stop_work(life)
        life.part, life.calm = part, calm
        self.accounts.count(life, life.held_gpus)
        if life.phase == RUNNING:
            self._go(life, now_s, life.progress.interval_s)

    def unmask(self, life: Life, incident: int, now_s: float) -> bool:
        """Its work is known to be corrupt, if it is; whether it holds nodes and is to stop."""
        if life.clean_s == inf:
            return False
        self.accounts.settle(life, now_s)
        life.progress.discard(life.clean_s)
        if life.phase != AWAY:
            return True
        life.incident = incident
        self.incidents.hit(incident, life.job.row)
        self.accounts.roll_back(life, now_s)
        return False

    def _finished(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            now_s = self._clock._now
            if life.finish_s > now_s:
                life.event = self._clock.call_at(life.finish_s, COMPLETIONS, self._finished, life)
                return
            self.accounts.finish(life, now_s)
            self.accounts.stop_work(life)
            self.end(life, now_s, failed=False)

    def dismiss(self, life: Life, now_s: float) -> None:
        """A replica of a service that holds GPUs is wanted no longer."""
        self.accounts.settle(life, now_s)
        if life.phase == RUNNING:
            self._stop_work(life, now_s)
        elif life.phase == RESTARTING:
            self.restarts.leave(life, now_s)
        if not isnan(life.interrupted_s):
            life.away_s += now_s - life.interrupted_s
        self._cluster.leaving.pop(life.job.row, None)
        self.end(life, now_s, failed=False)

    def end(self, life: Life, now_s: float, *, failed: bool) -> None:
        """It is over: done, or given up."""
        for incident in life.troubled:
            self.incidents.well(incident, now_s)
        self.release(life, now_s)
        self._recorder.ended(life, now_s, failed)
        del self.lives[life.job.row]
        self.on_end(life)

    def release(self, life: Life, now_s: float) -> None:
        """Give back all that it holds."""
        job = life.job
        left = [why for whys in life.leaving.values() for why in whys]
        for row in life.allocations.values():
            self._recorder.release(row, now_s)
        life.leave_all()
        self.accounts.count(life, 0)
        self._cluster.end(job, now_s)
        job.held = {}
        job.take_shape(job.asked)
        for why in left:
            self.on_left(why, now_s)

    # -- interruption

    def stop(self, life: Life, now_s: float, *, by_fault: bool = True) -> None:
        """Bring it to a standstill, whatever it was doing."""
        self.accounts.settle(life, now_s)
        if life.phase == RUNNING:
            self._stop_work(life, now_s)
        elif life.phase == RESTARTING:
            self.restarts.leave(life, now_s)
        life.event = life.rejoining = None
        life.phase = IDLED
        life.saves_all = False
        self._cluster.leaving.pop(life.job.row, None)
        if isnan(life.interrupted_s):
            life.interrupted_s = now_s
            life.interruptions += by_fault

    def _stop_work(self, life: Life, now_s: float) -> None:
        self.accounts.stop_work(life)
        if life.spells is not None and self.on_stops is not None:
            life.phase = IDLED  # so that nobody gives it another pace
            self.on_stops(life, now_s)

    def interrupt(
        self, life: Life, incident: int, nodes: Sequence[int], level: str, now_s: float
    ) -> bool:
        """A fault takes these nodes from a job, or stops it without; whether it stops at all.

        A job that loses no more than standbys goes on.
        """
        if nodes and life.standby.issuperset(nodes):
            self.accounts.settle(life, now_s)
            self.drop(life, nodes, now_s)
            return False
        # What it idled of this job before is counted already, once it has saved; now it is less.
        is_counted = incident in life.troubled and life.phase != SAVING
        counted = life.idled_gpus if is_counted else 0
        self._stop_for(life, incident, now_s)
        life.known = False
        life.hits += self.incidents.kind[incident] != RECLAIM
        life.hit.add(level)
        leaving = [node for node in life.leaving if node not in nodes]
        self.drop(life, [*nodes, *leaving], now_s)
        self.incidents.gpus_idled[incident] += life.idled_gpus - counted
        return True

    def _stop_for(self, life: Life, incident: int, now_s: float) -> None:
        """Bring it to a standstill because of an incident."""
        self.stop(life, now_s, by_fault=self.incidents.kind[incident] != RECLAIM)
        life.incident = incident
        self.incidents.hit(incident, life.job.row)
        self.incidents.trouble(incident)
        life.troubled.append(incident)

    def drop(self, life: Life, nodes: Sequence[int], now_s: float) -> None:
        """It holds these nodes no longer."""
        job, lost_gpus = life.job, 0
        left: list[object] = []
        for node in nodes:
            lost_gpus += life.share * job.held[node].bit_count()  # type: ignore[assignment] # parts
            if node not in life.standby:
                life.lost_nodes.append(node)
            self._recorder.release(life.allocations.pop(node), now_s)
            self._cluster.drop(job, node)
            life.standby.discard(node)
            left += life.leaving.pop(node, ())
        if lost_gpus:
            self.accounts.count(life, life.held_gpus - lost_gpus)
            life.promote_standbys()
        for why in left:
            self.on_left(why, now_s)

    def add(self, life: Life, nodes: Sequence[int], now_s: float) -> None:
        """It is given these nodes, whole, or what it asked for of its only one."""
        job = life.job
        gpus = min(life.node_gpus, life.whole_gpus)
        for node, mask in self._cluster.add(job, [(node, gpus) for node in nodes]).items():
            life.allocations[node] = self._recorder.hold(job.row, node, mask, now_s)
        self.accounts.count(life, life.held_gpus + gpus * len(nodes))
        stand_by = life.standby_gpus // life.node_gpus - len(life.standby)
        life.standby.update(nodes[len(nodes) - stand_by :] if stand_by > 0 else ())
        self.defects.spoil(life, nodes, now_s)

    def leave(
        self, life: Life, nodes: Sequence[int], why: object, incident: int, now_s: float
    ) -> None:
        """Ask a job to leave nodes that still work: it saves first, if it has work to save."""
        for node in nodes:
            life.leaving.setdefault(node, []).append(why)
        if life.phase == SAVING:
            return
        standing_by = life.standby.issuperset(nodes)
        if life.phase in (RUNNING, STARTING) and not standing_by:
            saves = life.phase == RUNNING and bool(life.progress.levels)
            self._stop_for(life, incident, now_s)
            self.save_first(life, life.progress.levels[-1].write_s if saves else 0.0, now_s)
        elif life.phase == RESTARTING and not standing_by:
            counted = life.idled_gpus if incident in life.troubled else 0
            self._stop_for(life, incident, now_s)
            self.drop(life, nodes, now_s)
            self.incidents.gpus_idled[incident] += life.idled_gpus - counted
            self.on_idle(life, now_s)
        else:
            self.accounts.settle(life, now_s)
            self.drop(life, nodes, now_s)

    def save_first(self, life: Life, write_s: float, now_s: float) -> None:
        """A job at a standstill writes a checkpoint; then it is asked how it goes on."""
        life.phase = SAVING
        life.event = self._clock.call_at(now_s + write_s, COMPLETIONS, self._saved, life)

    def _saved(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            now_s = self._clock._now
            self.accounts.settle(life, now_s)
            life.event = None
            life.phase = IDLED
            if life.progress.levels:
                life.progress.save_now()
            if life.leaving:
                self.drop(life, list(life.leaving), now_s)
                self.incidents.gpus_idled[life.incident] += life.idled_gpus
            self.on_idle(life, now_s)

    # -- giving way to another job

    def can_preempt(self, job: Job) -> bool:
        """Whether a running job could give way now."""
        life = self.lives.get(job.row)
        if life is None or life.phase not in _CAN_GIVE_WAY or job.run_s == inf:
            return False
        return not life.leaving

    def preempt(self, job: Job, now_s: float) -> None:
        """A job saves, if it has work to save, and gives all that it holds back."""
        life = self.lives[job.row]
        self.accounts.settle(life, now_s)
        levels = life.progress.levels
        write_s = 0.0
        if life.phase == RUNNING:
            self.accounts.stop_work(life)
            if levels and not self._storage_faults:
                write_s = levels[-1].write_s
                life.saves_all = True
        elif life.phase == RESTARTING:
            self.restarts.leave(life, now_s)
        if isnan(life.interrupted_s):
            life.incident = -1
        life.preemptions += 1
        job.preemptions += 1
        life.phase = SAVING
        life.event = life.rejoining = None
        if write_s:
            if not life.is_guest:  # whose GPUs nobody waits for
                self._cluster.leaving[job.row] = job
            self._cluster.expect_end(job, now_s + write_s)
            life.event = self._clock.call_at(now_s + write_s, COMPLETIONS, self._has_saved, life)
        else:
            self._give_way(life, now_s)

    def _has_saved(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            self._cluster.leaving.pop(life.job.row, None)
            self.accounts.settle(life, self._clock._now)
            self._give_way(life, self._clock._now)

    def _give_way(self, life: Life, now_s: float) -> None:
        job, progress = life.job, life.progress
        life.hit.add("gang")
        if progress.levels and life.saves_all:
            progress.save_now()
        elif progress.levels or self.model.levels:
            self.accounts.roll_back(life, now_s)
        # Otherwise nobody says what saving takes: the job is suspended as it is.
        life.saves_all = False
        life.preempted = True
        life.fruitless = 0 if progress.work_s > life.kept_s else life.fruitless + 1
        life.kept_s = progress.work_s
        self.on_end(life)
        self.release(life, now_s)
        self.wait_again(life)
        self.on_gave_way(job)

    def wait_again(self, life: Life) -> None:
        """A job that has given all back begins to wait: how long it would take from here."""
        job = life.job
        left = 1 - life.progress.work_s / job.run_s if job.run_s > 0 else 0.0
        job.estimate_s = self.model.restart_s + left * life.estimate_s
        job.start_s = nan

    def _resume(self, life: Life, now_s: float) -> None:
        """Go on where it gave way."""
        life.hit.clear()
        self.defects.spoil(life, life.job.held, now_s)
        model, levels = self.model, life.progress.levels
        fixed_s, node_bytes = model.restart_s, 0.0
        reads = bool(levels) and life.progress.work_s > 0
        if reads:
            fixed_s += levels[-1].read_s
            node_bytes = model.state_bytes_per_gpu * life.job.gpus / life.gang_nodes
        if fixed_s or node_bytes:
            life.phase = RESTARTING
            self.restarts.begin(life, now_s, fixed_s, node_bytes, reads)
        else:
            self.run(life, now_s)

    # -- software

    def _next_software_fault(self, life: Life, now_s: float) -> tuple[float, int]:
        """When and how its software fails next, if it runs from now on."""
        first: tuple[float, int] = (inf, -1)
        for index, (cls, life_key, _) in enumerate(self._software):
            parts = {"job": 1, "gpu": life.job.gpus, "node": len(life.job.held)}[cls.job_scale]
            rate = self._rate_factor * cls.per * parts
            life_s = at(cls.life, uniform(life_key, life.job.row, life.runs)) / rate
            first = min(first, (now_s + life_s, index))
        return first

    def _crashed(self, event: Event) -> None:
        life: Life = event._value
        if life.event is not event:
            return
        now_s, row = self._clock._now, life.job.row
        cls, _, marks = self._software[life.software[1]]
        component = self.incidents.component_code(cls.name)
        incident = self.incidents.begin(now_s, component, row, -1, row, FAIL_STOP)
        self.interrupt(life, incident, (), "job", now_s)
        if uniform(marks, row, 2 * life.runs) < cls.permanent:
            self.accounts.roll_back(life, now_s)
            self.end(life, now_s, failed=True)
            return
        known_s = now_s + at(cls.detection, uniform(marks, row, 2 * life.runs + 1))
        life.event = self._clock.call_at(known_s, FAILURES, self._known, life)

    def _known(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            life.event = None
            self.on_idle(life, self._clock._now)


def _gang_nodes(job: Job) -> int:
    """Nodes that a job was given, without those that stand by: whole ones, if there are any."""
    standby_gpus = job.shape.standby_gpus
    return len(job.held) - (
        standby_gpus // job.gpus_on(next(iter(job.held))) if standby_gpus else 0
    )
