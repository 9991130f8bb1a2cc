"""The read-only face of the state that policies see, and the words they answer in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.site.layout import Site

Placement = Sequence[tuple[int, int]]  # (node id, GPUs taken on it), each node once


@dataclass(frozen=True)
class Shape:
    """What decides whether a job fits: its size and where it may run.

    Jobs of one shape are alike to a placement, so a decision about one holds for all. ``index``
    numbers the shapes of a workload from 0, smallest jobs first.
    """

    index: int
    gpus: int  # standbys included
    pools: tuple[int, ...]  # pools that could ever hold it, in the order they are tried
    standby_gpus: int = 0  # on warm nodes beside the gang
    labels: tuple[str, ...] = ()  # columns that the placement distinguishes by
    part: float = 1  # of each GPU that it wants, where GPUs are shared

    @property
    def gang_gpus(self) -> int:
        """GPUs that it wants to work on; not a whole number where it wants parts of them."""
        gpus = self.gpus - self.standby_gpus
        return gpus if self.part == 1 else gpus * self.part  # type: ignore[return-value]


class JobView(Protocol):
    """A job as a policy sees it."""

    @property
    def row(self) -> int:
        """Place in the queue order of the whole workload."""

    @property
    def submit_s(self) -> float: ...
    @property
    def gpus(self) -> int: ...
    @property
    def shape(self) -> Shape:
        """What it has been given, if a scheduler gave it something else than it asked for."""

    @property
    def asked(self) -> Shape:
        """What it asks for."""

    @property
    def estimate_s(self) -> float:
        """Expected duration; what the scenario's `estimates` made of the true one."""

    @property
    def duration_s(self) -> float:
        """Expected duration of all its work."""

    @property
    def start_s(self) -> float:
        """NaN while it waits."""

    @property
    def user(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def job_kind(self) -> str:
        """Training, batch, interactive or serving."""

    @property
    def priority(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def qos(self) -> str: ...
    @property
    def deadline_s(self) -> float:
        """When it should have ended; NaN if nobody says."""

    @property
    def min_gpus(self) -> int: ...
    @property
    def max_gpus(self) -> int: ...
    @property
    def since_s(self) -> float:
        """When it last began to wait or, if it runs, to run."""

    @property
    def began_s(self) -> float:
        """When it last began to compute, if it runs; ``inf`` while it starts.

        Known to schedulers that may preempt.
        """

    @property
    def preemptions(self) -> int:
        """How often a scheduler has preempted it."""

    @property
    def held(self) -> Mapping[int, int]:
        """The nodes that it runs on, each with a mask of its GPUs there; only while it runs."""

    def left_s(self, now_s: float) -> float:
        """Expected duration of what it has left to do."""

    def attained_gpu_s(self, now_s: float) -> float:
        """GPU-time that it has held so far."""


class JobsView(Protocol):
    """Some jobs as columns, (n,) arrays in one order, for schedulers that compare many of them."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Their rows in the workload."""

    @property
    def now_s(self) -> float: ...
    @property
    def running(self) -> NDArray[np.bool_]: ...
    def __len__(self) -> int: ...
    def column(self, name: str) -> NDArray[Any]:
        """Any column of numbers of the job table."""

    def codes(self, name: str) -> tuple[NDArray[np.int32], list[str]]:
        """Numbers of the distinct texts of a column of the job table, and these texts."""

    @property
    def submit_s(self) -> NDArray[np.float64]: ...
    @property
    def gpus(self) -> NDArray[np.int64]:
        """GPUs asked for."""

    @property
    def held_gpus(self) -> NDArray[np.int64]:
        """GPUs held."""

    @property
    def left_s(self) -> NDArray[np.float64]:
        """Expected duration of what they have left to do."""

    @property
    def since_s(self) -> NDArray[np.float64]:
        """When they last began to wait or, if they run, to run."""

    @property
    def began_s(self) -> NDArray[np.float64]:
        """When running ones began to compute; ``inf`` while they start."""

    @property
    def spell_s(self) -> NDArray[np.float64]:
        """How long they have waited or run since then."""

    @property
    def attained_gpu_s(self) -> NDArray[np.float64]:
        """GPU-time that they have held so far."""

    @property
    def shape_index(self) -> NDArray[np.int32]:
        """Index of the shape that they ask for."""


class QueueView(Protocol):
    """The waiting jobs in queue order."""

    shapes: Sequence[Shape]
    # Jobs that began to wait since a scheduler last emptied the list; None until one wants to know.
    joined: list[Any] | None

    @property
    def head(self) -> JobView | None:
        """The oldest waiting job."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[JobView]: ...

    def next_after(
        self, job: JobView, deadline_s: Callable[[Shape], float], most_gpus: int
    ) -> JobView | None:
        """The first waiting job behind ``job`` that would end by the deadline of its shape.

        A deadline of ``inf`` admits any job of the shape, ``-inf`` none; shapes of more than
        ``most_gpus`` GPUs are passed over unasked. The search costs the logarithm of the queue's
        length, not its length.
        """

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the waiting jobs, in the order of the workload."""

    def still_waiting(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these jobs wait now."""

    def job(self, row: int) -> JobView:
        """A waiting job by its row."""

    def table(self, rows: NDArray[np.int64]) -> JobsView:
        """Waiting jobs as columns."""


class UsageView(Protocol):
    """GPUs held and GPU-time attained by label, such as by user; arrays follow ``names``."""

    names: list[str]
    codes: NDArray[np.int32]  # (n_job,) number of each job's label, by row
    held_gpus: list[int]

    def attained_gpu_s(self, now_s: float) -> NDArray[np.float64]:
        """GPU-time held from the beginning of the run until now."""


class SketchView(Protocol):
    """A copy of what is free, on which jobs leave and are placed without anything happening."""

    def release(self, job: Any) -> None:
        """A running job would give back all that it holds."""

    def retake(self, job: Any) -> None:
        """Undo `release`."""

    def place(self, shape: Shape, job: JobView | None = None) -> Placement | None:
        """Where a job of this shape would go, which is then taken; None if nowhere.

        As in `ClusterView.fits`, which job it is matters where nodes will be reserved.
        """

    def is_free_now(self, placement: Placement) -> bool:
        """Whether these GPUs are free in truth."""


class Reservation(Protocol):
    """GPUs promised to a waiting job at the earliest time at which it would fit."""

    @property
    def start_s(self) -> float:
        """The shadow time."""

    def leaves_room_for(
        self, shape: Shape, job: JobView | None = None, at: Placement | None = None
    ) -> bool:
        """Whether a job of this shape may run past the shadow time and leave the promise whole.

        ``at`` is where it is to run; where the cluster would place it now if left out.
        """

    def latest_end_s(self, shape: Shape) -> float:
        """By when a job of this shape must end to start now; ``-inf`` if none can."""

    def admits(self, job: JobView) -> bool:
        """Whether a job that ends by then may start in truth: see `ClusterView.closing`."""


class PlanView(Protocol):
    """Promises to waiting jobs: nodes held for each from a time to come, by estimates."""

    def __len__(self) -> int: ...
    def __contains__(self, job: Any) -> bool:
        """Whether a waiting job is planned."""

    @property
    def last(self) -> JobView:
        """The last job in queue order of those that are planned."""

    def renew(self, window_s: float) -> Iterator[JobView]:
        """Take account of what happened; the jobs that start now as promised."""

    def promise(self, job: Any, window_s: float) -> bool:
        """Promise a job its earliest start; whether that is now, and it must start next."""

    def fits(self, job: Any) -> bool:
        """Whether a job can start now and delay no promise; if so, it must start next."""

    def deadline_s(self, shape: Shape) -> float:
        """By when a job of this shape that starts now must end; ``-inf`` if none can start."""


class ClusterView(Protocol):
    """What is free, who runs, and what time it is."""

    @property
    def now_s(self) -> float: ...
    @property
    def free_gpus(self) -> int: ...
    @property
    def running(self) -> Sequence[JobView]:
        """Running jobs, oldest start first."""

    @property
    def site(self) -> Site:
        """What stands in the hall."""

    # What the scheduler remembers from one decision to the next; empty when a run begins.
    notes: dict[str, Any]

    @property
    def leaving(self) -> Mapping[int, Any]:
        """Running jobs, by row, that save before they give way."""

    # Jobs that have ended since a scheduler last emptied the list; None until one wants to know.
    ended: list[Any] | None

    def running_table(self) -> tuple[JobsView, list[Any]]:
        """Running jobs as columns, and the jobs themselves in the same order."""

    def can_preempt(self, job: Any) -> bool:
        """Whether a running job could give way now."""

    def usage(self, column: str) -> UsageView:
        """What the jobs of each user, group, ... hold and have held since this was first asked."""

    def rate(self, job: JobView, pool: int, gpus: int) -> float:
        """Speed of a job on so many GPUs of a pool, against its nominal one."""

    def shape(self, job: JobView, gpus: int, pool: int) -> Shape:
        """The shape of a job with another number of GPUs, or in one pool only (-1: as it asks)."""

    def sketch(self) -> SketchView:
        """A copy of what is free, those that are about to give way gone, to try things out on."""

    @property
    def reserved(self) -> Mapping[int, float]:
        """Nodes that are closed to the scheduler, and until when."""

    @property
    def closing(self) -> Mapping[int, float]:
        """Nodes that jobs must have left by a time to come, for they are reserved then."""

    def fits(self, shape: Shape, job: JobView | None = None) -> bool:
        """Whether the placement policy finds a place for a job of this shape now.

        Nodes that are `closing` are for jobs that end in time by estimate; where no job is given
        it is taken to last for ever.
        """

    def latest_end_s(self, shape: Shape) -> float:
        """By when a job of this shape must end to have a place now; ``-inf`` if none has."""

    def largest_fit(self) -> int:
        """GPUs beyond which no job fits now; smaller ones may or may not fit."""

    def reserve(self, job: JobView) -> Reservation:
        """Promise a waiting job its earliest start, if all running jobs end as estimated."""

    def plan(self) -> PlanView:
        """Promises to many waiting jobs; a scheduler uses either these or `reserve`."""


class PoolView(Protocol):
    """Free places in one pool, as a placement sees them."""

    @property
    def gpus_per_node(self) -> int: ...
    @property
    def free_gpus(self) -> int: ...

    def tightest(self, gpus: int) -> int:
        """The node with the fewest free GPUs that suffice, lowest id first; -1 if none."""

    def most_free(self) -> int:
        """The most GPUs that are free on any one node."""

    def wholly_free(self) -> int:
        """Nodes with all GPUs free."""

    def lowest_wholly_free(self, n: int) -> list[int]:
        """The n wholly free nodes with the lowest ids; empty if there are fewer."""

    @property
    def changes(self) -> int:
        """How often a node's number of free GPUs has changed so far."""

    def first(self, gpus: int) -> int:
        """The lowest node that has so many GPUs free or more; -1 if none."""

    def fewest(self, gpus: int) -> int:
        """The fewest free GPUs, so many or more, that some node has; -1 if none has so many."""

    def exactly(self, gpus: int) -> int:
        """The lowest node with just so many GPUs free; -1 if none."""

    def all_with(self, gpus: int) -> Iterator[int]:
        """The nodes with just so many GPUs free, ascending."""

    def having(self, gpus: int) -> int:
        """How many nodes have so many GPUs free or more."""

    def fitting(self, gpus: int) -> Iterator[int]:
        """Nodes with so many GPUs free or more, those with fewest first, then the lowest."""

    def nth(self, gpus: int, k: int) -> int:
        """The ``k``-th, from 0, of the nodes that `fitting` yields."""

    def units(self, level: str) -> Sequence[int]:
        """The unit of a level (rack, row, ...) that each node of the pool stands in."""

    def groups(self, *levels: str) -> GroupsView:
        """Nodes grouped by the units of these levels that they stand in, all of them together."""

    def tiers(self, *levels: str) -> Sequence[GroupsView]:
        """Cells of cells: nodes in units of the first level, such units in those of the next, ...

        A unit counts as wholly free if it is as large as any and all in it is. One that is smaller
        is in no cell of the next level.
        """

    def tightest_in(self, levels: tuple[str, ...], group: int, gpus: int) -> int:
        """As `tightest`, among the nodes of one group of these levels."""

    def wholly_free_in(self, levels: tuple[str, ...], group: int, n: int) -> list[int]:
        """Up to ``n`` wholly free nodes of one group of these levels, the lowest."""

    def with_room(self, level: str, groups: Collection[int], gpus: int) -> list[int]:
        """Those of some groups of a level in which some node has so many GPUs free or more."""

    def nodes_with(self, labels: tuple[str, ...]) -> Mapping[int, int]:
        """How many jobs of these labels run on each node, where any does.

        Known to placements that distinguish jobs by them; empty to others.
        """

    def jobs_in(self, level: str, labels: tuple[str, ...]) -> Mapping[int, int]:
        """As `nodes_with`, for each group of a level.

        A job that holds several nodes of a group counts as often.
        """

    def headroom_w(self, level: str) -> Sequence[float]:
        """What each unit of a level may draw more. [W] Empty where power is not computed."""

    def hall_heat(self) -> Sequence[HallHeat]:
        """How warm each hall of the site is; empty where power is not computed."""


class GroupsView(Protocol):
    """Nodes, or smaller groups of nodes, in groups by where they stand."""

    @property
    def of(self) -> Sequence[int]:
        """Group of each member."""

    @property
    def members(self) -> Sequence[Sequence[int]]:
        """Members of each group, ascending."""

    @property
    def units(self) -> Sequence[tuple[int, ...]]:
        """The unit of each level that a group stands in, by numbers of the site."""

    @property
    def free(self) -> Sequence[int]:
        """Members of each group that are wholly free."""

    @property
    def largest(self) -> int:
        """Members of the largest group."""

    def __len__(self) -> int: ...
    def most(self) -> int:
        """The most members that are free in any one group."""

    def tightest(self, n: int) -> int:
        """The group with the fewest free members that suffice, lowest first; -1 if none."""

    def exactly(self, n: int) -> int:
        """The lowest group with just so many free members; -1 if none."""

    def emptiest(self) -> Iterator[int]:
        """Groups with free members, those with most first, then the lowest."""


@dataclass(frozen=True)
class Confines:
    """Units in which alone a gang may lie.

    Attributes
    ----------
    tiers : sequence of GroupsView
        Nodes in groups, such groups in those of the next, ..., as `PoolView.tiers` has them. The
        units are the groups of the last.
    members : int
        Members of units that the gang takes: nodes, or whole groups of the tier before.
    units : int
        How many units they may be spread over.
    """

    tiers: Sequence[GroupsView]
    members: int
    units: int = 1


@dataclass(frozen=True)
class HallHeat:
    """How warm a hall is, and what its cooling could do more."""

    degc: float
    cooling_left_w: float


class HitView(Protocol):
    """A job that has lost part of its gang, at the time at which somebody knows."""

    @property
    def job(self) -> JobView: ...
    @property
    def now_s(self) -> float: ...
    @property
    def since_s(self) -> float:
        """When it was interrupted."""

    @property
    def retries(self) -> int:
        """Interruptions that it has met, this one included."""

    @property
    def missing_gpus(self) -> int:
        """GPUs that it asked for and no longer holds; 0 after a software fault."""

    @property
    def missing_nodes(self) -> int:
        """Whole nodes that would bring the gang to its full size."""

    @property
    def gang_nodes(self) -> int:
        """Nodes of the whole gang."""

    @property
    def back_s(self) -> float:
        """When its own nodes are expected back in service; ``inf`` if nobody knows."""

    @property
    def are_back(self) -> bool:
        """Whether all nodes that it lost are in service again."""

    @property
    def shrunk(self) -> bool:
        """Whether it runs on with fewer replicas, and nodes have come that could fill it up."""

    def can_take(self, sources: Sequence[str], borrow_from: str = "") -> bool:
        """Whether what is missing could be had now from these places."""

    def can_get(self, sources: Sequence[str]) -> int:
        """Nodes of those that are missing that could be had now from these places."""


class SaveView(Protocol):
    """A job that is about to run, as a checkpoint policy sees it. Times are of this job."""

    @property
    def write_s(self) -> float:
        """How long a checkpoint stops it, in the mean over its levels."""

    @property
    def restart_s(self) -> float:
        """From an interruption to work again, waiting for nodes apart."""

    @property
    def mttf_s(self) -> float:
        """Expected time between interruptions by the nominal rates of all it needs."""

    @property
    def ran_s(self) -> float:
        """How long it has run so far."""

    @property
    def interruptions(self) -> int:
        """How often it was interrupted so far."""
