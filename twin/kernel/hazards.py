"""All that may go wrong in a run, put together: lives of jobs, faults, recovery."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from twin.failures.hazard import Hazard
from twin.failures.model import FailureModel
from twin.failures.restart import RestartModel
from twin.kernel.faults import Faults
from twin.kernel.incidents import Incidents
from twin.kernel.life import Life
from twin.kernel.queue import Queue
from twin.kernel.recovery import RecoveryActs
from twin.kernel.training import Training
from twin.policies.base import CheckpointPolicy, RecoveryPolicy, RetirementPolicy
from twin.registry import make_policy
from twin.site.domains import Domains

if TYPE_CHECKING:
    from twin.kernel.simulation import Simulation


# Nodes come back when they do, and jobs end later than was thought: asking for a new plan at each
# instant of the meantime would be most of the work.
_OVERDUE_S = 300.0


@dataclass(frozen=True)
class Reliability:
    """What may fail, what it costs to begin again, and who decides about it."""

    failures: FailureModel
    restarts: RestartModel
    recovery: RecoveryPolicy
    checkpoint: CheckpointPolicy
    retirement: RetirementPolicy
    seed: int


def nothing_fails(restarts: RestartModel | None = None) -> Reliability:
    """For runs in which jobs are preempted, and nothing else happens to them."""
    return Reliability(
        failures=FailureModel(),
        restarts=restarts or RestartModel(),
        recovery=make_policy("recoveries", "requeue", {}),
        checkpoint=make_policy("checkpoints", "daly", {}),
        retirement=make_policy("retirements", "never", {}),
        seed=0,
    )


class Hazards:
    """The processes of a run in which something may fail.

    Attributes
    ----------
    training : Training
    recovery : RecoveryActs
    faults : Faults
    """

    def __init__(self, setup: Reliability, simulation: Simulation) -> None:
        clock, cluster = simulation.clock, simulation.cluster
        if setup.failures or setup.restarts != RestartModel():
            cluster.grace_s = _OVERDUE_S
        self._setup = setup
        self._clock = clock
        self._cluster = cluster
        self._domains = Domains(cluster.fleet.site)
        self._hazard = Hazard(setup.failures, self._domains)
        rate = setup.failures.rate_factor
        self.training = Training(
            setup.restarts,
            setup.checkpoint,
            [cls for cls in setup.failures.classes if cls.of == "job"],
            rate,
            setup.seed,
            clock,
            cluster,
            simulation.recorder,
            self._mttf_s,
        )
        self.recovery = RecoveryActs(
            setup.recovery,
            self.training,
            clock,
            cluster,
            simulation.queue,
            setup.restarts.retries,
        )
        self._recorder = simulation.recorder

    def begin(self, horizon_s: float) -> None:
        """Let parts fail from now on."""
        setup = self._setup
        self.faults = Faults(
            setup.failures,
            setup.retirement,
            setup.seed,
            horizon_s,
            self._domains,
            self._clock,
            self._cluster,
            self.training,
            self.recovery,
            heeds_warnings=setup.recovery.heeds_warnings,
        )

    def recover(self, now_s: float) -> None:
        """The policies' turn: jobs that wait for nodes, if some have come."""
        if self.recovery.nodes_came:
            self.recovery.offer(now_s)

    def state(self) -> tuple[float, int, int]:
        """The columns of the change log that are there where something may fail."""
        accounts, fleet = self.training.accounts, self._cluster.fleet
        return accounts.working_gpus, fleet.down_gpus, fleet.spare_gpus + accounts.standby_gpus

    def _mttf_s(self, life: Life) -> float:
        nodes = -(-life.whole_gpus // life.node_gpus)
        terms = self._cluster.fleet.site.pools[life.pool].cloud
        if terms is not None:  # nothing fails there, but all may be taken back
            return terms.mean_life_s / nodes
        return self._hazard.mttf_s(life.pool, life.job.gpus, nodes)

    def finish(self, end_s: float, queue: Queue) -> Incidents:
        """Account for everything up to the horizon."""
        training = self.training
        for life in training.lives.values():
            if life.job.held:
                training.accounts.settle(life, end_s)
            if not isnan(life.interrupted_s):
                life.away_s += end_s - life.interrupted_s
            self._recorder.keep(life)
        for job in (*queue, *queue.aside.values()):
            if job.row in training.lives:
                self._recorder.waits_again(job.row)
        self.faults.outages.settle_all(end_s)
        return training.incidents
