"""What a recovery policy may ask for when a job has lost part of its gang."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["spare", "free", "borrow"]


@dataclass(frozen=True)
class Restart:
    """Complete the gang from these places, in this order, and begin again from what is saved.

    Nothing is needed from them where a standby stands in, or where no node was lost.
    ``take_s`` is the time to choose and prepare a node, ``borrow_s`` what borrowing one adds.
    """

    sources: tuple[Source, ...] = ()
    take_s: float = 0.0
    borrow_s: float = 0.0
    borrow_from: str = ""


@dataclass(frozen=True)
class Hold:
    """Keep what is left of the gang; ask again when nodes come free or back, and then."""

    until_s: float


@dataclass(frozen=True)
class Requeue:
    """Give everything back and wait, in the old place of the queue or at its end."""

    keeps_place: bool = True


@dataclass(frozen=True)
class Shrink:
    """Go on with the replicas that are whole; ask again when nodes come free or back.

    ``replica_nodes`` make one data-parallel replica; ``stall_s`` is how long the others stand
    still; with ``rolls_back`` all begin again from what is saved, otherwise nothing is lost.
    Replicas that can be made whole from ``sources`` are. For a job that runs with fewer already,
    it is done only if it makes them more.
    """

    replica_nodes: int = 1
    stall_s: float = 0.0
    rolls_back: bool = True
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class GiveUp:
    """The job has failed."""


Action = Restart | Hold | Requeue | Shrink | GiveUp
