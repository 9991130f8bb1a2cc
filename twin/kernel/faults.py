"""Parts fail, are found, repaired, and go back into service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, nextafter

from simpy import Event

from twin.distributions import Constant, Distribution
from twin.failures.draws import at
from twin.failures.model import FailureModel, FaultClass, Incident, Maintenance, Stage
from twin.failures.stream import WARNING, FaultStream
from twin.kernel.clock import FAILURES, Clock
from twin.kernel.cluster import Cluster
from twin.kernel.fault import Fault
from twin.kernel.incidents import DEGRADED, FAIL_STOP, MAINTENANCE, SILENT, SLOW
from twin.kernel.life import IDLED
from twin.kernel.maintenance import Rounds
from twin.kernel.marks import COMMON, DETECTION, IDLE, RECURS, WHICH, WRONG, Marks
from twin.kernel.outages import Outages
from twin.kernel.recovery import RecoveryActs
from twin.kernel.repairs import Repairs
from twin.kernel.spares import Spares
from twin.kernel.training import Training
from twin.kernel.units import Units
from twin.policies.base import RetirementPolicy
from twin.policies.retirements.never import Never
from twin.site.domains import LEVELS, Domains

_KIND = {
    "fail_stop": FAIL_STOP,
    "slow": SLOW,
    "silent": SILENT,
    "degraded": DEGRADED,
    "no_storage": DEGRADED,
    "maintenance": MAINTENANCE,
}
_NEVER = Constant(0.0)  # the law of what is planned: never asked
_SHOWS_AGAIN_S = 600.0  # when a fault whose unit was not pulled does, if its class does not say


class Faults:
    """Lets parts fail as the stream of failures says, and brings them back.

    One event is pending for the next failure; each fault has one more for what comes next in its
    own life: that it is found, that a stage of its repair is over.
    """

    def __init__(
        self,
        model: FailureModel,
        retirement: RetirementPolicy,
        seed: int,
        horizon_s: float,
        domains: Domains,
        clock: Clock,
        cluster: Cluster,
        training: Training,
        recovery: RecoveryActs,
        heeds_warnings: bool,
    ) -> None:
        self._model = model
        self._retirement = retirement
        self._domains = domains
        self._clock = clock
        self._cluster = cluster
        self._fleet = cluster.fleet
        self._units = Units(cluster, domains)
        self._training = training
        self._incidents = training.incidents
        self._recovery = recovery
        self._heeds_warnings = heeds_warnings
        self.stream = FaultStream(model, domains, seed, horizon_s)
        self.outages = Outages(cluster.fleet, training.incidents, clock)
        self._classes = list(self.stream.classes)
        self._marks = Marks(seed, self.stream.classes)
        self._codes = [self._incidents.component_code(c.name) for c in self.stream.classes]
        # Warned of and heeded, by class, part and turn, until the time at which they would happen.
        self._foreseen: dict[tuple[int, int, int], Fault] = {}
        # Parts that would have failed while they were switched off: they live anew from then on.
        self._asleep: dict[int, list[tuple[int, int, int]]] = {}
        self._history: dict[int, list[float]] = {}
        self._retires = not isinstance(retirement, Never)
        self._repairs = Repairs(model.crews, self._marks, clock, self._mended)
        self._next: Event | None = None
        self._spares = Spares(cluster, domains)
        training.on_left = self._left
        for planned in model.incidents:
            clock.call_at(planned.at_s, FAILURES, self._dated, planned)
        rounds = Rounds(self, self._units, domains, clock)
        for maintenance in model.maintenance:
            rounds.announce(maintenance)
        self._plan()

    @property
    def repairing(self) -> int:
        """Faults in repair, those that wait for a crew included."""
        return self._repairs.under_way

    # -- failures, as they come

    def _plan(self) -> None:
        next_s = self.stream.next_s()
        if next_s < inf:
            self._next = self._clock.call_at(next_s, FAILURES, self._strike, None)

    def _strike(self, event: Event) -> None:
        if event is not self._next:
            return  # an earlier one has come between
        stream, now_s = self.stream, self._clock._now
        while stream.next_s() <= now_s:
            _, index, part, turn, what = stream.pop()
            if what == WARNING:
                self._warned(index, part, turn, now_s)
            elif fault := self._foreseen.pop((index, part, turn), None):
                self._came_to_pass(fault, now_s)
            else:
                self._fails(index, part, turn, now_s)
        self._plan()

    def _fails(self, index: int, part: int, turn: int, now_s: float) -> None:
        cls = self.stream.classes[index]
        node = self.stream.node_of(cls, part)
        if self._units.are_elsewhere(cls.of, part // cls.per):
            return
        if node >= 0 and self._units.is_off(cls.of, part // cls.per, node):
            self._asleep.setdefault(node, []).append((index, part, turn + 1))
            return
        if node >= 0 and self._is_spared(cls, index, node, part, turn):
            self.stream.renew(index, part, turn + 1, now_s)
            return
        if cls.effect == "maintenance" and not self._heeds_warnings:
            self.stream.renew(index, part, turn + 1, now_s)
            return
        fault = self._begin(index, part, turn, now_s)
        self._note_history(fault, now_s)
        if cls.effect == "fail_stop":
            self._take_down(fault, now_s)
        elif cls.effect == "maintenance":
            self._evict(fault, now_s)
            return
        elif cls.effect == "silent":
            self._corrupt(fault, now_s)
        elif cls.effect == "no_storage":
            self._close_storage(fault, now_s)
            return
        else:
            self._slow_down(fault, now_s)
            if not cls.evicts:
                self._repairs.begin(fault, now_s)
                return
        delay_s = self._marks.draw(fault, DETECTION, cls.detection)
        if delay_s > 0:
            self._clock.call_at(now_s + delay_s, FAILURES, self._detected, fault)
        else:
            self._found(fault, now_s)

    def _close_storage(self, fault: Fault, now_s: float) -> None:
        self._incidents.trouble(fault.incident)
        self._incidents.nodes_hit[fault.incident] = 0
        self._training.close_storage(now_s)
        self._repairs.begin(fault, now_s)

    def _is_spared(self, cls: FaultClass, index: int, node: int, part: int, turn: int) -> bool:
        """Whether a part of a node does not fail now because it is idle, and lucky."""
        if cls.idle_rate == 1.0:
            return False
        if not self._units.is_idle(cls.of, part // cls.per, node):
            return False
        return self._marks.share_of(index, part, turn, IDLE) >= cls.idle_rate

    def _begin(
        self, index: int, part: int, turn: int, now_s: float, lasts_s: float = -1.0
    ) -> Fault:
        """Open the incident and find what the fault takes."""
        cls = self._classes[index]
        unit, level = part // cls.per, cls.of
        fault = Fault(index, cls, part, turn, lasts_s)
        takes = fault.level = cls.takes
        if cls.beta and self._marks.share(fault, COMMON) < cls.beta:
            takes = fault.level = cls.beta_of
        fault.sick = self._units.gpus_of(level, unit)
        fault.nodes = fault.sick
        if takes != level:
            of = int(self._domains.unit_of(takes)[fault.sick[0][0]])
            fault.nodes = self._units.gpus_of(takes, of)
        if fault.level == cls.beta_of:
            fault.sick = fault.nodes
        fault.incident = self._incidents.begin(
            now_s, self._codes[index], part, LEVELS.index(level), unit, _KIND[cls.effect]
        )
        self._incidents.nodes_hit[fault.incident] = len(fault.nodes)
        return fault

    def _note_history(self, fault: Fault, now_s: float) -> None:
        if self._retires and len(fault.nodes) == 1:
            self._history.setdefault(fault.nodes[0][0], []).append(now_s)

    # -- out of service

    def _take_down(self, fault: Fault, now_s: float) -> None:
        """Stop the parts at once, and the jobs on them with them."""
        hit = self._units.residents(fault.nodes)
        self.outages.begin(fault.incident, fault.nodes)
        self._incidents.trouble(fault.incident)
        self._expect_back(fault, now_s)
        level = fault.level
        for row, (job, nodes) in sorted(hit.items()):
            life = self._training.lives[row]
            if self._training.interrupt(life, fault.incident, nodes, level, now_s):
                fault.jobs.append(job)
        # Whoever looks for a faulty node looks at the job that holds it, not at its guest.
        fault.jobs.sort(key=lambda job: job.row in self._cluster.guests)
        self._cluster.nodes_changed(node for node, _ in fault.nodes)

    def _expect_back(self, fault: Fault, now_s: float) -> None:
        """Tell schedulers when to expect the nodes: after all stages, by their chance to come."""
        expected_s, chance = now_s + max(fault.lasts_s, 0.0), 1.0
        if fault.lasts_s < 0:
            expected_s += fault.cls.detection.mean
        for stage in fault.cls.repair if fault.lasts_s < 0 else ():
            expected_s += chance * _typical_s(stage.law(now_s))
            chance *= stage.escalates
        for node, _ in fault.nodes:
            self._fleet.up_s[node] = max(expected_s, self._fleet.up_s.get(node, 0.0))

    def _evict(self, fault: Fault, now_s: float) -> None:
        """Take parts that still work out of service: the jobs on them save and leave first."""
        self._close(fault, now_s)
        self.ask_to_leave(fault, now_s)

    def _close(self, fault: Fault, due_s: float) -> None:
        """No job may start there any more; the work on it is due at a time."""
        fault.planned = True
        self.outages.begin(fault.incident, fault.nodes)
        self._incidents.trouble(fault.incident)
        self._expect_back(fault, due_s)
        self._cluster.nodes_changed(node for node, _ in fault.nodes)

    def ask_to_leave(self, fault: Fault, now_s: float) -> None:
        """The jobs on its parts save and leave; its repair begins when the last has."""
        fault.leaving = 1  # until all have been asked
        for row, (_, nodes) in sorted(self._units.residents(fault.nodes).items()):
            fault.leaving += len(nodes)
            self._training.leave(self._training.lives[row], nodes, fault, fault.incident, now_s)
        self._left(fault, now_s)

    def _left(self, fault: object, now_s: float) -> None:
        """A job has left a node that it was asked to leave."""
        if not isinstance(fault, Fault):
            return  # a node that its provider takes back
        fault.leaving -= 1
        if not fault.leaving:
            self._repairs.begin(fault, now_s)

    # -- faults that stop nothing at first

    def _slow_down(self, fault: Fault, now_s: float) -> None:
        cls, defects = fault.cls, self._training.defects
        self._incidents.trouble(fault.incident)
        if cls.effect == "slow":
            defects.slow_down(fault.incident, fault.sick, cls.speed)
        else:
            # Exchange takes 1 / bandwidth times as long; the rest of the step stays.
            pace = 1 / (1 + cls.exposed_share * (1 / cls.bandwidth - 1))
            defects.degrade(fault.incident, fault.sick, pace)
        self._note_hits(fault)
        self._change_pace(fault, now_s)

    def _speed_again(self, fault: Fault, now_s: float) -> None:
        """A slow part is well, or out of service."""
        self._training.defects.mend(fault.incident, fault.sick)
        self._change_pace(fault, now_s)

    def _change_pace(self, fault: Fault, now_s: float) -> None:
        for row in sorted(self._units.residents(fault.sick)):
            self._training.change_pace(self._training.lives[row], now_s)

    def _corrupt(self, fault: Fault, now_s: float) -> None:
        training = self._training
        self._incidents.trouble(fault.incident)
        training.defects.corrupt(fault.incident, fault.sick)
        for row, (_, nodes) in sorted(self._units.residents(fault.sick).items()):
            training.accounts.settle(training.lives[row], now_s)
            training.defects.spoil(training.lives[row], nodes, now_s)

    def _note_hits(self, fault: Fault) -> None:
        for row in sorted(self._units.residents(fault.sick)):
            self._incidents.hit(fault.incident, row)

    # -- found

    def _detected(self, event: Event) -> None:
        self._found(event._value, self._clock._now)

    def _found(self, fault: Fault, now_s: float) -> None:
        cls = fault.cls
        if cls.effect == "silent":
            self._uncover(fault, now_s)
        elif cls.effect in ("slow", "degraded"):
            self._speed_again(fault, now_s)
            self._evict(fault, now_s)
            self._incidents.well(fault.incident, now_s)  # of being slow; the repair is ahead
            return
        elif cls.wrong_unit and fault.jobs and self._marks.share(fault, WRONG) < cls.wrong_unit:
            self._pull_another(fault, now_s)
        self._repairs.begin(fault, now_s)
        self._recovery.found(fault.jobs, fault.incident, now_s)

    def _uncover(self, fault: Fault, now_s: float) -> None:
        """Corruption is found: all that was spoilt is rolled back, and the part is pulled."""
        training = self._training
        spoilt = training.defects.unmask(fault.incident, fault.sick)
        lives = [training.lives[row] for row in spoilt if row in training.lives]
        to_stop = [life for life in lives if training.unmask(life, fault.incident, now_s)]
        self._take_down(fault, now_s)
        self._incidents.well(fault.incident, now_s)
        for life in to_stop:
            if life.job not in fault.jobs:
                training.interrupt(life, fault.incident, (), "job", now_s)
                fault.jobs.append(life.job)

    def _pull_another(self, fault: Fault, now_s: float) -> None:
        """Another node of the same job is pulled; the faulty one goes back and fails again."""
        job = fault.jobs[0]
        life = self._training.lives.get(job.row)
        others = sorted(job.held)
        idled = life is not None and life.phase == IDLED and life.incident == fault.incident
        if life is None or not idled or not others or len(fault.nodes) != 1:
            return
        node = others[int(self._marks.share(fault, WHICH) * len(others))]
        self._back_in_service(fault.nodes, fault.incident)
        fault.nodes = [(node, self._units.whole(node))]
        self.outages.begin(fault.incident, fault.nodes)
        self._expect_back(fault, now_s)
        for row, (other, nodes) in sorted(self._units.residents(fault.nodes).items()):
            if row == job.row:
                self._training.accounts.settle(life, now_s)
                self._training.drop(life, nodes, now_s)
            elif self._training.interrupt(
                self._training.lives[row], fault.incident, nodes, "node", now_s
            ):
                fault.jobs.append(other)
        self._cluster.nodes_changed([node])
        cls = self.stream.classes[fault.index]
        again_s = self._marks.draw(fault, RECURS, cls.recurs) if cls.recurs else _SHOWS_AGAIN_S
        self.stream.renew(fault.index, fault.part, fault.turn + 1, now_s, max(again_s, 1.0))
        self._plan()
        fault.renews = False

    def _warned(self, index: int, part: int, turn: int, now_s: float) -> None:
        """A failure is foreseen: the part is repaired before it happens, if anybody heeds it."""
        cls = self.stream.classes[index]
        node = self.stream.node_of(cls, part)
        if self._units.are_elsewhere(cls.of, part // cls.per):
            return
        if not self._heeds_warnings or (
            node >= 0 and self._units.is_off(cls.of, part // cls.per, node)
        ):
            return
        fault = self._begin(index, part, turn, now_s)
        self._foreseen[index, part, turn] = fault
        self._incidents.kind[fault.incident] = MAINTENANCE
        self._evict(fault, now_s)

    def _came_to_pass(self, fault: Fault, now_s: float) -> None:
        """What was foreseen would happen now, and does if jobs have yet to leave the part."""
        if not fault.leaving:
            return
        for row, (job, nodes) in sorted(self._units.residents(fault.nodes).items()):
            life = self._training.lives[row]
            if self._training.interrupt(life, fault.incident, nodes, fault.level, now_s):
                fault.jobs.append(job)
        self._recovery.found(fault.jobs, fault.incident, now_s)

    # -- mended

    def _mended(self, fault: Fault, now_s: float, unmended: bool) -> None:
        cls = fault.cls
        if cls.effect == "no_storage":
            self._training.open_storage(now_s)
        elif cls.effect in ("slow", "degraded") and not fault.planned:
            self._speed_again(fault, now_s)
        elif self._retired(fault, now_s):
            for node, _ in fault.nodes:
                self._fleet.up_s[node] = inf
            self._incidents.well(fault.incident, now_s)
            return
        else:
            self._back_in_service(fault.nodes, fault.incident)
            if self._model.mends_lemons and not unmended:
                self._mend_lemon(fault)
        self._incidents.well(fault.incident, now_s)
        if fault.renews:
            self._renew(fault, now_s, unmended)

    def _renew(self, fault: Fault, now_s: float, unmended: bool) -> None:
        recurs, after_s = fault.cls.recurs, 0.0
        if unmended and recurs is not None:
            after_s = max(self._marks.draw(fault, RECURS, recurs), nextafter(0, 1))
        before_s = self.stream.next_s()
        self.stream.renew(fault.index, fault.part, fault.turn + 1, now_s, after_s)
        if self.stream.next_s() < before_s:
            self._plan()

    def _mend_lemon(self, fault: Fault) -> None:
        """A node whose part was repaired fails no more often than others, if it ever did."""
        node = self.stream.node_of(fault.cls, fault.part) if fault.renews else -1
        if node >= 0:
            self.stream.multiplier[node] = min(self.stream.multiplier[node], 1.0)

    def _retired(self, fault: Fault, now_s: float) -> bool:
        if not self._retires or len(fault.nodes) != 1:
            return False
        faults_s = self._history.get(fault.nodes[0][0], [])
        return bool(faults_s) and self._retirement.retires(faults_s, now_s)

    def _back_in_service(self, nodes: Sequence[tuple[int, int]], incident: int) -> None:
        back = self.outages.end(incident, nodes)
        for node, mask in back:
            self._fleet.mend(node, mask)
            self._spares.refill(node)
        self.live_anew(node for node, _ in back)
        self._cluster.nodes_changed(node for node, _ in nodes)
        self._recovery.nodes_came = True

    def live_anew(self, nodes: Iterable[int]) -> None:
        """Parts that would have failed while these nodes were off begin another life."""
        before_s = self.stream.next_s()
        for node in nodes:
            for index, part, turn in self._asleep.pop(node, ()):
                self.stream.renew(index, part, turn, self._clock._now)
        if self.stream.next_s() < before_s:
            self._plan()

    # -- what is planned

    def _dated(self, event: Event) -> None:
        """An incident of the scenario or of a record."""
        planned: Incident = event._value
        now_s = self._clock._now
        fault = self._begin(self._index_of(planned), planned.unit, 0, now_s, planned.lasts_s)
        if planned.effect == "fail_stop":
            self._take_down(fault, now_s)
            self._repairs.begin(fault, now_s)
            self._recovery.found(fault.jobs, fault.incident, now_s)
        elif planned.effect == "maintenance":
            self._evict(fault, now_s)
        elif planned.effect == "no_storage":
            self._close_storage(fault, now_s)
        elif planned.effect == "silent":
            self._corrupt(fault, now_s)
            fault.lasts_s = 0.0  # it is over when it is found
            self._clock.call_at(now_s + planned.lasts_s, FAILURES, self._detected, fault)
        else:
            self._slow_down(fault, now_s)
            self._repairs.begin(fault, now_s)

    def knock_out(self, planned: Incident, kind: int) -> None:
        """A unit goes out of service now, for as long as it says: an incident of that kind."""
        now_s = self._clock._now
        fault = self._begin(self._index_of(planned), planned.unit, 0, now_s, planned.lasts_s)
        self._incidents.kind[fault.incident] = kind
        self._take_down(fault, now_s)
        self._repairs.begin(fault, now_s)
        self._recovery.found(fault.jobs, fault.incident, now_s)

    def close(self, plan: Maintenance, unit: int, now_s: float, due_s: float) -> Fault:
        """No job may start on a unit from now on, for planned work on it is due."""
        fault = self._begin(self._index_of(plan), unit, 0, now_s, plan.lasts_s)
        self._close(fault, due_s)
        return fault

    def _index_of(self, planned: Incident | Maintenance) -> int:
        """The class that planned things of this kind are reported as, made when first met."""
        effect = planned.effect if isinstance(planned, Incident) else "maintenance"
        cls = FaultClass(
            name=planned.name,
            of=planned.of,
            life=_NEVER,
            repair=(Stage(((0.0, _NEVER),)),),
            effect=effect,
            takes=planned.of,
            speed=getattr(planned, "speed", 1.0),
            bandwidth=getattr(planned, "bandwidth", 1.0),
            exposed_share=getattr(planned, "exposed_share", 0.0),
        )
        if cls not in self._classes:
            self._classes.append(cls)
            self._codes.append(self._incidents.component_code(cls.name))
            self._marks.add_planned()
        return self._classes.index(cls)


def _typical_s(law: Distribution) -> float:
    """The median: heavy tails have means that nobody waits for."""
    return at(law, 0.5)
