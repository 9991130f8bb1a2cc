"""The read-only face of the state that policies see, and the words they answer in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    def shape(self) -> Shape: ...
    @property
    def estimate_s(self) -> float:
        """Expected duration; what the scenario's `estimates` made of the true one."""

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


class QueueView(Protocol):
    """The waiting jobs in queue order."""

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


class Reservation(Protocol):
    """GPUs promised to a waiting job at the earliest time at which it would fit."""

    @property
    def start_s(self) -> float:
        """The shadow time."""

    def leaves_room_for(self, shape: Shape) -> bool:
        """Whether a job of this shape may run past the shadow time and leave the promise whole."""


class ClusterView(Protocol):
    """What is free, who runs, and what time it is."""

    @property
    def now_s(self) -> float: ...
    @property
    def free_gpus(self) -> int: ...
    @property
    def running(self) -> Sequence[JobView]:
        """Running jobs, oldest start first."""

    def fits(self, shape: Shape) -> bool:
        """Whether the placement policy finds a place for a job of this shape now."""

    def largest_fit(self) -> int:
        """GPUs beyond which no job fits now; smaller ones may or may not fit."""

    def reserve(self, job: JobView) -> Reservation:
        """Promise a waiting job its earliest start, if all running jobs end as estimated."""


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

    def units(self, level: str) -> Sequence[int]:
        """The unit of a level (rack, row, ...) that each node of the pool stands in."""


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
