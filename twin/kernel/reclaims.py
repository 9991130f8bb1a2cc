"""A provider takes nodes back: their jobs save in time if they can, and wait again."""

from __future__ import annotations

from twin.kernel.clock import Clock
from twin.kernel.cluster import Cluster
from twin.kernel.hazards import Hazards
from twin.kernel.incidents import RECLAIM
from twin.kernel.job import Job
from twin.kernel.life import RESTARTING, RUNNING, STARTING
from twin.kernel.rentals import Rental, Rentals
from twin.site.domains import LEVELS

_NODE = LEVELS.index("node")


class Reclaims:
    """What a reclaim does to jobs: an incident of its own kind, which is no failure of hardware.

    From the warning on no job may start on the node. A job that would end in time goes on. One that
    can write a checkpoint in time does so and leaves. Any other works on until the node is taken,
    and begins again from what it saved last.
    """

    def __init__(self, rentals: Rentals, hazards: Hazards, clock: Clock, cluster: Cluster) -> None:
        self._hazards = hazards
        self._training = hazards.training
        self._incidents = hazards.training.incidents
        self._clock = clock
        self._cluster = cluster
        self._codes: dict[int, int] = {}
        rentals.on_warned = self._warned
        rentals.on_taken = self._taken
        rentals.on_gone = self._gone

    def _warned(self, rental: Rental) -> None:
        incidents, now_s, node = self._incidents, self._clock._now, rental.node
        if rental.pool not in self._codes:
            name = self._cluster.fleet.site.pools[rental.pool].name
            self._codes[rental.pool] = incidents.component_code(f"{name} reclaimed")
        code = self._codes[rental.pool]
        rental.incident = incidents.begin(now_s, code, node, _NODE, node, RECLAIM)
        incidents.nodes_hit[rental.incident] = 1
        incidents.trouble(rental.incident)
        for job in sorted(self._cluster.residents[node], key=lambda job: job.row):
            if self._leaves(job, rental, now_s):
                life = self._training.lives[job.row]
                self._training.leave(life, [node], rental, rental.incident, now_s)

    def _leaves(self, job: Job, rental: Rental, now_s: float) -> bool:
        """Whether a job leaves at the warning, rather than to work on."""
        life = self._training.lives[job.row]
        if life.phase in (STARTING, RESTARTING):
            return True  # it has nothing to lose but time
        levels = life.progress.levels
        if life.phase != RUNNING or not levels or life.finish_s <= rental.due_s:
            return False
        return now_s + levels[-1].write_s <= rental.due_s

    def _taken(self, rental: Rental) -> None:
        now_s, hit = self._clock._now, []
        for job in sorted(self._cluster.residents[rental.node], key=lambda job: job.row):
            life = self._training.lives[job.row]
            if self._training.interrupt(life, rental.incident, [rental.node], "node", now_s):
                hit.append(job)
        self._hazards.recovery.found(hit, rental.incident, now_s)

    def _gone(self, rental: Rental) -> None:
        self._incidents.well(rental.incident, self._clock._now)
