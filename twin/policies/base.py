"""The interfaces that policies fill: they decide, the simulation acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError, PolicyError
from twin.policies.actions import Action
from twin.policies.cloud_view import CloudView
from twin.policies.decisions import Burst, Lodge, Preempt, Start, Wake
from twin.policies.gap_view import GapView
from twin.policies.power_view import Demand, Hall, Outlook
from twin.policies.shared_nodes import Share, SharedNodes
from twin.policies.view import (
    ClusterView,
    Confines,
    HitView,
    JobView,
    Placement,
    PoolView,
    QueueView,
    SaveView,
    Shape,
)
from twin.site.shares import Ask

# A job alone is started as it asks.
Decision = JobView | Start | Preempt | Wake


class Scheduler(ABC):
    """Chooses which waiting jobs start now, and which running ones give way.

    `choose` is a generator, asked once at every instant at which something changed while jobs
    wait. Each decision that it yields is carried out before it goes on, so that queue and cluster
    always show the state that its next choice will meet. A job that does not fit must not be
    yielded; ask ``cluster.fits`` first. It keeps no state: what must be remembered goes into
    ``cluster.notes``, which begins empty with each run.
    """

    kind: ClassVar[str] = "schedulers"

    # Whether it may preempt running jobs, or start jobs otherwise than they ask.
    preempts: ClassVar[bool] = False
    # Whether it plans by whole GPUs, which does not go with sharing them.
    plans_whole: ClassVar[bool] = False

    @abstractmethod
    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[Decision]:
        """Yield what is to be done now, in order: `twin.policies.decisions`."""


class PlacementPolicy(ABC):
    """Chooses the nodes for a job within one pool."""

    kind: ClassVar[str] = "placements"

    # Whether it asks what power or cooling is left; a scenario without power refuses it then.
    needs_power: ClassVar[bool] = False

    @property
    def distinguishes(self) -> tuple[str, ...]:
        """Columns of the jobs, such as `user`, by which jobs of one size may be placed unlike."""
        return ()

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

    def share(self, ask: Ask, nodes: SharedNodes) -> Share | None:
        """Where GPUs are shared: the place of a node and its GPUs to take a part of, or None.

        Only placements that say how they share can be used there; see `can_share`.
        """
        raise PolicyError(f"{type(self).__name__} cannot place shares of GPUs")

    @classmethod
    def can_share(cls) -> bool:
        """Whether it has a way to share GPUs."""
        return cls.share is not PlacementPolicy.share

    def place_shape(self, shape: Shape, pool: PoolView) -> Placement | None:
        """As `place`, for those that heed more than the size of a job, such as ``shape.labels``."""
        return self.place(shape.gpus, pool)

    def confines(self, shape: Shape, pool: PoolView) -> Confines | None:
        """In which units a job of this shape must lie; None if any nodes that suffice will do.

        A placement that lets a job wait though enough nodes are free says here for what. Promises
        of a start, which no other job may then put off, are made by this.
        """
        return None

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


@dataclass(frozen=True, kw_only=True)
class PowerPolicy(ABC):
    """Shares the watts under the caps among the running jobs.

    Asked ``delay_s`` after the next multiple of ``period_s`` after something has changed, if a
    domain exceeds ``alarm`` of its cap or some job is held back. What it says holds at once.
    """

    kind: ClassVar[str] = "power"

    # Share of a cap from which on the policy is asked; inf for never.
    alarm: ClassVar[float] = 1.0

    period_s: float = 10.0  # from one look at the meters to the next
    delay_s: float = 2.0  # from then until clocks and caps have followed

    def __post_init__(self) -> None:
        for name in ("period_s", "delay_s"):
            if getattr(self, name) < 0:
                raise DomainError(f"{name.removesuffix('_s')}: must be 0 s or above")

    @abstractmethod
    def share(self, demand: Demand) -> NDArray[np.float64]:
        """(n_job,) power of one GPU of each job from now on. [W]

        ``idle_w`` pauses a job; anything else is taken to lie between ``floor_w`` and ``top_w``.
        """


class LightingPolicy(ABC):
    """Decides which nodes are powered, and why the others are dark."""

    kind: ClassVar[str] = "lighting"

    # How often it wants to be asked though nothing changed; inf for never. [s]
    review_s: float = inf

    @abstractmethod
    def light(self, hall: Hall) -> NDArray[np.int8]:
        """(n_node,) `LIT`, `POWER_DARK`, `HEAT_DARK` or `DEMAND_DARK` for each node.

        Asked when the run begins, when a cap, the cooling or the weather changes, every
        ``review_s``, and, where ``heeds_load`` is true, when nodes come free or jobs wait.
        """

    heeds_load: ClassVar[bool] = False


class AdmissionPolicy:
    """Decides when a job that was submitted may queue, and what may start on the power there is."""

    kind: ClassVar[str] = "admission"

    # Whether a job starts only where its full power fits under every cap.
    needs_power: ClassVar[bool] = False

    def release_s(self, job: JobView, now_s: float, outlook: Outlook) -> float:
        """From when on a job that is submitted now may start. [s] Its wait counts from now."""
        return now_s


class OverflowPolicy(ABC):
    """Decides when nodes of a cloud are rented, and which waiting jobs may go there.

    Asked after the scheduler, at every instant at which jobs still wait that may go to no cloud,
    and at the times that it names. Each decision is carried out before `overflow` goes on. A job
    that may go to a cloud starts there when the scheduler says so; put back into the queue, it may
    no longer.
    """

    kind: ClassVar[str] = "overflow"

    @abstractmethod
    def overflow(self, cloud: CloudView) -> Iterator[Burst | Wake]:
        """Yield what to rent now, and for whom; `Wake` to be asked again."""


class GuestPolicy(ABC):
    """Decides which waiting jobs run in the gaps that services leave on their GPUs.

    Asked after the scheduler, at every instant at which there are guests or jobs that wait, and at
    the times that it names. Each decision is carried out before `lodge` goes on. A guest has a GPU
    when its host has nothing to do there; it saves before a replica ends whose end is known, and
    loses what it has not saved when one fails. Then it waits in its old place in the queue.
    """

    kind: ClassVar[str] = "guests"

    @abstractmethod
    def lodge(self, view: GapView) -> Iterator[Lodge | Preempt | Wake]:
        """Yield jobs that begin as guests now, and guests that leave; `Wake` to be asked again."""
