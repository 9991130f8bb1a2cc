"""What guest policies see: the gaps that services leave, and the jobs that wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twin.policies.view import JobView


@dataclass(frozen=True, slots=True)
class Gap:
    """What the replicas of one service in one pool leave to guests now.

    Attributes
    ----------
    service : str
    pool : int
        By number.
    speed : float
        Speed of a guest there, against having the GPUs alone. [0..1]
    free_gpus : int
        GPUs that have no guest yet.
    """

    service: str
    pool: int
    speed: float
    free_gpus: int


class GapView(Protocol):
    """The gaps of a site, and the jobs that the scheduler has left waiting."""

    @property
    def now_s(self) -> float: ...
    def gaps(self) -> Sequence[Gap]:
        """All gaps in which a GPU is free of guests, the widest first."""

    def waiting(self) -> Iterator[JobView]:
        """Jobs that wait, in queue order."""

    def guests(self) -> Sequence[tuple[JobView, float]]:
        """Guests that may be sent away, each with its speed.

        Not those that are about to leave, and not those that stand still after a fault.
        """

    def fits(self, job: JobView, gap: Gap) -> bool:
        """Whether a job may be a guest there and there is room for all of it.

        Not where its model takes more memory than is left, and not on GPUs whose replica ends
        before the job could save.
        """
