"""The interfaces that policies fill: they decide, the simulation acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from twin.policies.view import ClusterView, JobView, Placement, PoolView, QueueView


class Scheduler(ABC):
    """Chooses which waiting jobs start now.

    `choose` is a generator, asked once at every instant at which something changed while jobs
    wait. Each job that it yields is placed and started before it goes on, so that queue and
    cluster always show the state that its next choice will meet. A job that does not fit must not
    be yielded; ask ``cluster.fits`` first.
    """

    kind: ClassVar[str] = "schedulers"

    @abstractmethod
    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[JobView]:
        """Yield the waiting jobs to start now, in order."""


class PlacementPolicy(ABC):
    """Chooses the nodes for a job within one pool."""

    kind: ClassVar[str] = "placements"

    @abstractmethod
    def place(self, gpus: int, pool: PoolView) -> Placement | None:
        """The nodes and the GPUs to take on each, or None if the job does not fit now.

        Parameters
        ----------
        gpus : int
            GPUs that the job asks for, at least 1.
        pool : PoolView
            Node numbers count from 0 within the pool.
        """

    def largest(self, pool: PoolView) -> int:
        """GPUs beyond which `place` finds no place now; a tighter bound makes searches quicker."""
        return pool.free_gpus
