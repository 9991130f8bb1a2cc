"""What schedulers, overflow and guest policies may yield: what to start, preempt or rent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.policies.gap_view import Gap
    from twin.policies.view import JobView, Placement


@dataclass(frozen=True, slots=True)
class Start:
    """Start a waiting job otherwise than it asks.

    Attributes
    ----------
    gpus : int
        GPUs that it gets; 0 for as many as it asks for.
    pool : int
        Pool that it is placed in, by number; -1 for any that will do.
    at : Placement or None
        The nodes and the GPUs on each; None to ask the placement policy.
    """

    job: JobView
    gpus: int = 0
    pool: int = -1
    at: Placement | None = None


@dataclass(frozen=True, slots=True)
class Preempt:
    """A running job saves, gives its GPUs back and waits in its old place in the queue.

    Where saving takes no time its GPUs are free at once, otherwise when it has saved; the
    scheduler is asked then.
    """

    job: JobView


@dataclass(frozen=True, slots=True)
class Wake:
    """Ask again at this time, though nothing may have happened. [s]"""

    at_s: float


@dataclass(frozen=True, slots=True)
class Burst:
    """Rent nodes of a cloud, and let waiting jobs go there.

    Attributes
    ----------
    pool : int
        The cloud, by number of the pool.
    nodes : int
        How many nodes to rent beside those that are rented already.
    jobs : sequence of JobView
        They may start there from now on, as well as where they may anyway.
    """

    pool: int
    nodes: int
    jobs: Sequence[JobView] = ()


@dataclass(frozen=True, slots=True)
class Lodge:
    """Let a waiting job run in the gaps that a service leaves, on GPUs that it shares with it."""

    job: JobView
    gap: Gap
