"""What schedulers see of the cluster: what is free, who runs, and what can be promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.policies.job_view import JobsView, JobView, Placement, Shape
from twin.site.layout import Site


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
