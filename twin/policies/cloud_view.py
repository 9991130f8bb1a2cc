"""What overflow policies see: waiting jobs, when they may start, and what the clouds have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twin.policies.view import JobView
    from twin.site.terms import Terms


class CloudView(Protocol):
    """The clouds of a site, by number of their pools, and the jobs that may not go there yet."""

    @property
    def now_s(self) -> float: ...
    @property
    def pools(self) -> Sequence[int]:
        """The pools that are clouds, in the order of the site."""

    def waiting(self) -> Iterator[JobView]:
        """Jobs that wait and may go to no cloud yet, in queue order."""

    def pools_for(self, job: JobView) -> Sequence[int]:
        """Clouds that could ever hold a job."""

    def start_s(self, job: JobView) -> float:
        """When a waiting job would start on premise; ``inf`` if nothing there could hold it.

        By estimates, if jobs start in queue order, each as soon as it fits.
        """

    def terms(self, pool: int) -> Terms:
        """What renting takes and costs."""

    def left(self, pool: int) -> int:
        """Nodes that could be rented beside those that are."""

    def short_of(self, pool: int, jobs: Sequence[JobView] = ()) -> int:
        """Nodes to rent so that these jobs, and those that may go there already, could start."""

    def ready_s(self, pool: int, nodes: int) -> float:
        """When jobs could start, if so many nodes were rented now. [s]"""

    def duration_s(self, job: JobView, pool: int = -1) -> float:
        """Expected duration of what a job has left to do, in a pool or (-1) as it is given. [s]"""

    def price_usd(self, job: JobView, pool: int, nodes: int) -> float:
        """What a job would cost in a cloud where so many nodes are rented for it now. [USD]

        The time of the GPUs that it asks for, from now if nodes are rented, and the data that it
        moves back.
        """
