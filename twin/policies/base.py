"""The interfaces that policies fill: they decide, the simulation acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from twin.policies.actions import Action
from twin.policies.view import (
    ClusterView,
    HitView,
    JobView,
    Placement,
    PoolView,
    QueueView,
    SaveView,
)


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


class RecoveryPolicy(ABC):
    """Decides how a job that lost part of its gang goes on."""

    kind: ClassVar[str] = "recoveries"

    # Whether a job saves and moves away when a failure of its hardware is foreseen.
    heeds_warnings: ClassVar[bool] = False

    @abstractmethod
    def recover(self, hit: HitView) -> Action:
        """What to do now.

        Asked when the fault is found, and again, after `Hold` and `Shrink`, whenever nodes come
        free or back, and at the time that `Hold` names. An action that cannot be done, such as a
        `Restart` from places where there is nothing, is an error.
        """


class CheckpointPolicy(ABC):
    """Decides how much work lies between two checkpoints of a job."""

    kind: ClassVar[str] = "checkpoints"

    @abstractmethod
    def interval_s(self, save: SaveView) -> float:
        """Work between checkpoints, at nominal speed. [s] ``inf`` for none.

        Asked each time that a job begins to run.
        """


class RetirementPolicy(ABC):
    """Decides whether a node that was just mended goes back into service."""

    kind: ClassVar[str] = "retirements"

    @abstractmethod
    def retires(self, faults_s: Sequence[float], now_s: float) -> bool:
        """Whether a node that failed at these times, the last of them now mended, stays out."""
