"""Asking the placement policy: for a place now, and again where its answer cannot be had."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from twin.errors import PolicyError, TwinError
from twin.kernel.job import Job
from twin.policies.base import PlacementPolicy
from twin.policies.view import Confines, Placement, Shape

if TYPE_CHECKING:
    from twin.kernel.cluster import Cluster


class Placing:
    """Puts one question after another to the placement, until its answer is one that will do."""

    def __init__(self, cluster: Cluster, policy: PlacementPolicy) -> None:
        self._cluster = cluster
        self._fleet = cluster.fleet
        self._policy = policy
        # Asked by size alone where it can be: that is the quicker call.
        self._heeds_shape = type(policy).place_shape is not PlacementPolicy.place_shape

    @property
    def name(self) -> str:
        """The class of the placement."""
        return type(self._policy).__name__

    def confines(self, shape: Shape, pool: int) -> Confines | None:
        """In which units of a pool a job of this shape must lie; None if any nodes will do."""
        return self._policy.confines(shape, self._fleet.index[pool])

    def largest_fit(self) -> int:
        """GPUs beyond which no job fits now; smaller ones may or may not fit."""
        return max(map(self._policy.largest, self._fleet.index))

    def find(self, pool: int, shape: Shape, hidden: Set[int] = frozenset()) -> Placement | None:
        """Where a job of this shape would go now in a pool, some nodes hidden; None if nowhere."""
        place: Placement | None = None
        if self._fleet.index[pool].free_gpus >= shape.gpus:
            place = self._place_in(pool, shape)
            cluster = self._cluster
            if place and (cluster.refuses is not None or cluster.kept or cluster.reserved):
                place = self._admitted(pool, shape, place, hidden)
        return place

    def find_without(self, pool: int, shape: Shape, nodes: Sequence[int]) -> Placement | None:
        """Where a job of this shape would go now in a pool, were it not for some nodes."""
        hidden = self._fleet.hide(pool, nodes)
        place = self.find(pool, shape, set(nodes))
        self._fleet.unhide(pool, hidden)
        return place

    def _place_in(self, pool: int, shape: Shape) -> Placement | None:
        fleet, policy = self._fleet, self._policy
        index = fleet.index[pool]
        try:
            if self._heeds_shape:
                place = policy.place_shape(shape, index)
            else:
                place = policy.place(shape.gpus, index)
        except TwinError:
            raise
        except Exception as error:
            raise self.misplaced(f"raised {type(error).__name__}: {error}", shape) from error
        first = fleet.first_node[pool]
        return [(first + node, gpus) for node, gpus in place] if place and first else place

    def _admitted(
        self, pool: int, shape: Shape, place: Placement, passed: Set[int]
    ) -> Placement | None:
        """A place that is not refused: domains in which there is no power are tried no more."""
        hidden: list[tuple[int, int]] = []
        found: Placement | None = place
        gone = set(passed)  # hidden already
        while found and (closed := self._cluster.closed_to(found)):
            hidden += self._fleet.hide(pool, [node for node in closed if node not in gone])
            gone.update(closed)
            left = self._fleet.index[pool].free_gpus
            found = self._place_in(pool, shape) if left >= shape.gpus else None
        self._fleet.unhide(pool, hidden)
        return found

    def misplaced(self, did: str, of: Shape | Job) -> PolicyError:
        """The placement's fault, not the scheduler's."""
        what = of if isinstance(of, Job) else f"a job of {of.gpus} GPUs"
        return PolicyError(
            f"the placement {self.name} {did}, for {what} at {self._cluster.now_s:g} s; "
            "run with --debug before the command to see where"
        )
