"""What policies see of jobs: one, many as columns, and those that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
