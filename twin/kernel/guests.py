"""Guests: jobs that run in the gaps which the replicas of services leave on their GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import TYPE_CHECKING

from simpy import Event

from twin.errors import PolicyError
from twin.kernel.clock import CAPS, COMPLETIONS, Moment
from twin.kernel.gaps import Berth, Gaps
from twin.kernel.hazards import Hazards
from twin.kernel.job import Job
from twin.kernel.life import AWAY, IDLED, Life
from twin.physics.guests import guest_rate, host_share
from twin.policies.base import GuestPolicy
from twin.policies.decisions import Lodge, Preempt, Wake
from twin.policies.gap_view import Gap
from twin.policies.guests.never import Never
from twin.policies.view import JobView
from twin.site.fleet import Held
from twin.workload.hosting import Hosts

if TYPE_CHECKING:
    from twin.kernel.simulation import Simulation

# Shares of time are whole multiples of this, so that sums of them are exact.
_GRAIN = 2.0**-30
_RESTLESS, _RESTLESS_S = 10_000, 10.0  # so many wakes in so short a time are an error
_IN_VAIN = 10  # stays in a row without work that was kept, after which a job is a guest no more


@dataclass(frozen=True)
class Hosting:
    """Who leaves gaps, who decides about guests, and whether a model fits beside a host.

    Attributes
    ----------
    hosts : Hosts
    policy : GuestPolicy
    fits_memory : callable
        From a model, a type of GPU and the share of its memory that is free to whether the model
        finds enough.
    """

    hosts: Hosts
    policy: GuestPolicy
    fits_memory: Callable[[str, str, float], bool]


@dataclass
class _Stay:
    """A guest, where it is, and what it had done when it came."""

    job: Job
    key: tuple[int, int]  # host, pool
    taken: list[tuple[Berth, int]]  # with the mask of its GPUs there
    work_s: float
    leave: Moment | None = None


class Guests:
    """Keeps the time of GPUs divided between hosts and guests, and lets guests come and go.

    A host lends while it works. How much is one number a service, so that a guest, which is beside
    replicas of one service in one pool, has the same share of all its GPUs.
    """

    def __init__(self, hosting: Hosting, hazards: Hazards, simulation: Simulation) -> None:
        self._policy = hosting.policy
        self._asks = not isinstance(hosting.policy, Never)
        self._fits_memory = hosting.fits_memory
        self._hosts = hosting.hosts.hosts
        self._host_of: list[int] = hosting.hosts.of_row.tolist()
        self._training = hazards.training
        self._recovery = hazards.recovery
        self._cluster = simulation.cluster
        self._queue = simulation.queue
        self._clock = simulation.clock
        self._start = simulation.lodge
        self._number = {host.name: at for at, host in enumerate(self._hosts)}
        self._busy = [float(host.busy[0]) for host in self._hosts]
        self._parts: dict[tuple[int, float], float] = {}  # of hosts, by number and harm, as of now
        self._speeds: dict[int, float] = {}  # of guests, by number of the host, as of now
        self._lending: dict[int, Life] = {}  # replicas that work, by row
        self._gaps: dict[tuple[int, int], Gaps] = {}
        self._stays: dict[int, _Stay] = {}
        self._beside: dict[int, set[int]] = {}  # replica -> its guests, by row
        self._homeless: dict[int, Life] = {}  # guests, by row -> the host that has stopped
        self._in_vain: dict[int, int] = {}
        self._opened = 0
        self._wake: Moment | None = None
        self._wakes, self._first_wake_s = 0, 0.0
        self._deciding = simulation.turn.deciding
        self._training.on_serves = self._serves
        self._training.on_stops = self._stops
        self._cluster.on_moved_out = self._moved_out

    def begin(self) -> None:
        """From now on loads change."""
        for at in range(len(self._hosts)):
            self._plan_change(at, 1)

    @property
    def lent_gpus(self) -> dict[int, float]:
        """By pool, GPUs (parts as such) that replicas lend and nobody has."""
        return self._training.accounts.lent_gpus

    # -- hosts

    def _plan_change(self, at: int, step: int) -> None:
        time_s = self._hosts[at].time_s
        if step < len(time_s):
            self._clock.call_at(float(time_s[step]), CAPS, self._load_changes, (at, step))

    def _load_changes(self, event: Event) -> None:
        at, step = event._value
        self._plan_change(at, step + 1)
        busy = float(self._hosts[at].busy[step])
        if busy == self._busy[at]:
            return
        self._busy[at], now_s = busy, self._clock._now
        self._parts.clear()
        self._speeds.clear()
        for row, life in self._lending.items():
            if self._host_of[row] == at:
                self._share_host(life, now_s)
        for stay in self._stays.values():
            if stay.key[0] == at:
                self._share_guest(stay, now_s)

    def _serves(self, life: Life, now_s: float) -> None:
        """A replica begins to work."""
        row = life.job.row
        at = self._host_of[row]
        if at < 0:
            return
        self._lending[row] = life
        if self._hosts[at].welcomes and self._asks:
            self._beside[row] = set()
            berths, left = [], life.busy_gpus
            for node, mask in life.job.held.items():
                if node in life.standby:
                    continue
                while mask.bit_count() > left:  # what it did not ask for is nobody's
                    mask &= ~(1 << (mask.bit_length() - 1))
                left -= mask.bit_count()
                if mask:
                    self._opened += 1
                    berths.append(Berth(self._opened, row, node, mask, life.job.until_s))
            self._gaps.setdefault((at, life.pool), Gaps()).open(berths)
        self._share_host(life, now_s)

    def _stops(self, life: Life, now_s: float) -> None:
        """A replica works no longer: its guests stand still, and are to go."""
        row = life.job.row
        if self._lending.pop(row, None) is None:
            return
        beside = self._beside.pop(row, None)
        if beside is not None:
            self._gaps[self._host_of[row], life.pool].close(row)
            for guest in sorted(beside):
                self._homeless.setdefault(guest, life)
                self._training.share_time(self._training.lives[guest], 0.0, 1.0, now_s)
        self._training.share_time(life, 1.0, 1.0, now_s)

    def _share_host(self, life: Life, now_s: float) -> None:
        at = self._host_of[life.job.row]
        harm = self._hosts[at].harm if self._beside.get(life.job.row) else 0.0
        part = self._part(at, harm)
        calm = 1 / (1 + harm)
        if (life.part, life.calm) != (part, calm):
            self._training.share_time(life, part, calm, now_s)

    def _share_guest(self, stay: _Stay, now_s: float) -> None:
        life = self._training.lives[stay.job.row]
        host = self._hosts[stay.key[0]]
        part = 0.0 if stay.job.row in self._homeless else 1 - self._part(stay.key[0], host.harm)
        self._training.share_time(life, part, 1 - host.cost, now_s)

    def _part(self, at: int, harm: float) -> float:
        """The share of its time that a replica takes, in whole grains."""
        part = self._parts.get((at, harm))
        if part is None:
            part = round(float(host_share(self._busy[at], harm)) / _GRAIN) * _GRAIN
            self._parts[at, harm] = part
        return part

    # -- guests go

    def settle(self, now_s: float) -> None:
        """Guests whose host has stopped at this instant wait again."""
        training = self._training
        for guest, host in self._homeless.items():
            stay = self._stays.get(guest)
            if stay is None:
                continue  # it has gone by itself
            life = training.lives[guest]
            if life.phase != IDLED:
                dismissed = host.phase == AWAY and isnan(host.interrupted_s)
                if host.incident >= 0 and not dismissed:
                    training.interrupt(life, host.incident, (), "node", now_s)
                else:
                    training.stop(life, now_s, by_fault=False)
                    life.incident = -1
                    life.preemptions += 1
                    stay.job.preemptions += 1
            self._recovery.leave_host(life, now_s)
        self._homeless.clear()

    def _moved_out(self, job: Job) -> None:
        """A guest has given back all that it had."""
        stay = self._stays.pop(job.row)
        life, now_s = self._training.lives[job.row], self._clock._now
        for berth, mask in stay.taken:
            self._gaps[stay.key].give_back(berth, mask)
            beside = self._beside.get(berth.row)
            if beside is not None:
                beside.discard(job.row)
                if not beside:
                    self._share_host(self._lending[berth.row], now_s)
        if life.progress.work_s > stay.work_s:
            self._in_vain.pop(job.row, None)
        else:
            self._in_vain[job.row] = self._in_vain.get(job.row, 0) + 1

    def _leaves(self, event: Event) -> None:
        """A replica is about to end: its guest saves first."""
        stay: _Stay = event._value
        if stay.leave is event and self._stays.get(stay.job.row) is stay:
            self._send_away(stay.job)

    def _send_away(self, job: Job) -> None:
        if self._training.can_preempt(job):
            self._training.preempt(job, self._clock._now)

    # -- guests come

    def offer(self, now_s: float) -> None:
        """The policy's turn."""
        if not self._asks or (self._queue.head is None and not self._stays):
            return
        with self._deciding.asks(self._policy, now_s):
            for answer in self._policy.lodge(self):
                self._carry_out(answer, now_s)

    def _carry_out(self, answer: object, now_s: float) -> None:
        if isinstance(answer, Lodge):
            self._lodge(answer, now_s)
        elif isinstance(answer, Preempt):
            self._preempt(answer.job, now_s)
        elif isinstance(answer, Wake):
            self._wake_at(answer.at_s, now_s)
        else:
            raise self._wrong(f"{answer!r}, which is no decision of twin.policies.decisions")

    @property
    def now_s(self) -> float:
        """As in `twin.policies.gap_view.GapView`, as all that follows."""
        return self._clock._now

    def gaps(self) -> Sequence[Gap]:
        """All gaps with room, the widest first; ties in the order of services and pools."""
        found = [
            Gap(self._hosts[at].name, pool, self._speed(at), gaps.free_gpus)
            for (at, pool), gaps in sorted(self._gaps.items())
            if gaps.free_gpus
        ]
        return sorted(found, key=lambda gap: -gap.speed)

    def waiting(self) -> Iterator[Job]:
        """Jobs that wait, in queue order."""
        return iter(self._queue)

    def guests(self) -> Sequence[tuple[Job, float]]:
        """Guests that may be sent away, with the speed of each."""
        can_preempt = self._training.can_preempt
        return [
            (stay.job, self._speed(stay.key[0]))
            for stay in self._stays.values()
            if can_preempt(stay.job)
        ]

    def fits(self, job: JobView, gap: Gap) -> bool:
        """Whether a job may be a guest there, and finds room."""
        return isinstance(job, Job) and self._berths(job, gap) is not None

    def _speed(self, at: int) -> float:
        speed = self._speeds.get(at)
        if speed is None:
            host = self._hosts[at]
            speed = self._speeds[at] = float(guest_rate(self._busy[at], host.harm, host.cost))
        return speed

    def _berths(self, job: Job, gap: Gap) -> list[tuple[Berth, int]] | None:
        key = self._key(gap)
        gaps, pool, asked = self._gaps[key], gap.pool, job.asked
        if not gaps.may_have_room(job.gpus):
            return None
        if pool not in asked.pools or asked.standby_gpus or job.gpus != asked.gang_gpus:
            return None
        if self._in_vain.get(job.row, 0) >= _IN_VAIN:
            return None
        site = self._cluster.site
        if not self._fits_memory(job.model, site.pools[pool].gpu_type, self._hosts[key[0]].memory):
            return None
        return gaps.find(job.gpus, self.now_s + self._write_s(job, pool))

    def _key(self, gap: Gap) -> tuple[int, int]:
        key = self._number.get(gap.service, -1), gap.pool
        if key in self._gaps:
            return key
        raise self._wrong(f"the gap {gap}, which is not there")

    def _write_s(self, job: Job, pool: int) -> float:
        """What it takes a job to save. [s]"""
        model = self._training.model
        if job.job_kind not in model.kinds:
            return 0.0
        per_node = self._cluster.site.pools[pool].gpus_per_node
        levels = model.levels_of(job.gpus, -(-job.gpus // per_node))
        return levels[-1].write_s if levels else 0.0

    def _lodge(self, lodge: Lodge, now_s: float) -> None:
        job, gap = lodge.job, lodge.gap
        if not isinstance(job, Job) or not self._cluster.is_waiting(job.row):
            raise self._wrong(f"{job!r} as a guest, which does not wait")
        found = self._berths(job, gap)
        if found is None:
            raise self._wrong(f"{job!r} as a guest beside {gap.service}, where it finds no room")
        key = self._key(gap)
        taken: list[tuple[Berth, int]] = []
        held: Held = {}
        for berth, gpus in found:
            mask = self._gaps[key].take(berth, gpus)
            taken.append((berth, mask))
            held[berth.node] = held.get(berth.node, 0) | mask
        life = self._training.lives.get(job.row)
        stay = _Stay(job, key, taken, life.progress.work_s if life is not None else 0.0)
        self._stays[job.row] = stay
        for berth, _ in taken:
            self._beside[berth.row].add(job.row)
            self._share_host(self._lending[berth.row], now_s)
        self._start(job, held, self._speed(key[0]), now_s)
        self._share_guest(stay, now_s)
        due_s = min(berth.until_s for berth, _ in taken) - self._write_s(job, gap.pool)
        if due_s < inf:
            stay.leave = self._clock.call_at(due_s, COMPLETIONS, self._leaves, stay)

    def _preempt(self, job: JobView, now_s: float) -> None:
        if not isinstance(job, Job) or job.row not in self._stays:
            raise self._wrong(f"{job!r} to be preempted, which is no guest")
        if not self._training.can_preempt(job):
            raise self._wrong(f"{job!r} to be preempted, which stands still or is about to leave")
        self._training.preempt(job, now_s)

    def _wake_at(self, at_s: float, now_s: float) -> None:
        if not at_s > now_s:
            raise self._wrong(f"to be asked again at {at_s} s, which is not ahead")
        pending = self._wake
        if at_s < inf and (pending is None or not now_s < pending.time_s <= at_s):
            self._wake = self._clock.call_at(at_s, CAPS, self._woken, None)

    def _woken(self, event: Event) -> None:
        """To ask the policy again is all that happens."""
        now_s = self._clock._now
        if now_s - self._first_wake_s >= _RESTLESS_S:
            self._wakes, self._first_wake_s = 0, now_s
        self._wakes += 1
        if self._wakes >= _RESTLESS:
            raise self._wrong(
                f"the {_RESTLESS}th time in {_RESTLESS_S:g} s to be asked again; let it ask for a "
                "time by which something will have changed"
            )

    def _wrong(self, what: str) -> PolicyError:
        name = type(self._policy).__name__
        return PolicyError(f"the guest policy {name} asked at {self.now_s} s for {what}")
