"""What if: a copy of what is free, on which jobs leave and are placed, to try things out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from twin.policies.base import PlacementPolicy
from twin.policies.view import JobView, Placement, Shape
from twin.site.fleet import Fleet

if TYPE_CHECKING:
    from twin.kernel.ahead import Ahead
    from twin.kernel.job import Job


class Sketch:
    """Free GPUs by node, as they would be.

    Counts only: GPUs of a node that a job holds and that are to leave service do not come free.
    What may refuse a placement, such as a cap of power, is asked only about what is free in truth.
    Nodes that will be reserved are for jobs that end in time, as they would if they started now.
    """

    refuses: Callable[[Placement], Sequence[int]] | None = None
    ahead: Ahead | None = None
    end_s: Callable[[JobView | None, int, int], float] | None = None

    def __init__(self, fleet: Fleet, policy: PlacementPolicy, leaving: Iterable[Job] = ()) -> None:
        self._fleet = fleet
        self._policy = policy
        self._index = [index.copy() for index in fleet.index]
        self._free: dict[int, int] = {}  # where it differs from the fleet's
        self._closed: set[int] = set()
        down, gained = fleet.down_mask, dict[int, int]()  # many leave one node
        for job in leaving:
            for node, mask in job.held.items():
                gained[node] = gained.get(node, 0) + (mask & ~down[node]).bit_count()
        for node, gpus in gained.items():
            if gpus:
                self._move(node, gpus)

    def close(self, nodes: Iterable[int]) -> None:
        """Nothing is free on these nodes, whoever leaves them."""
        for node in nodes:
            self._move(node, -self.free(node))
            self._closed.add(node)

    def free(self, node: int) -> int:
        """GPUs free on a node."""
        found = self._free.get(node)
        return self._fleet.free_mask[node].bit_count() if found is None else found

    def release(self, job: Job) -> None:
        """A running job would give back all that it holds."""
        self._change(job.held, 1)

    def retake(self, job: Job) -> None:
        """Undo `release`."""
        self._change(job.held, -1)

    def place(
        self, shape: Shape, job: JobView | None = None, later_s: float = 0.0
    ) -> Placement | None:
        """Where a job of this shape would go, which is then taken; None if nowhere.

        Without a job it is one that lasts for ever. It would start so much later than now.
        """
        for pool in shape.pools:
            if self._index[pool].free_gpus < shape.gpus:
                continue
            place = self._place_in(pool, shape)
            if place and self.ahead is not None and self.end_s is not None:
                end_s = self.end_s(job, pool, shape.gang_gpus) + later_s
                if self.ahead.until_s(place) < end_s:
                    place = self._place_without(pool, shape, self.ahead.barred(end_s))
            if place:
                self.take(place)
                return place
        return None

    def _place_in(self, pool: int, shape: Shape) -> list[tuple[int, int]]:
        first = self._fleet.first_node[pool]
        place = self._policy.place_shape(shape, self._index[pool])
        return [(first + node, gpus) for node, gpus in place or ()]

    def _place_without(
        self, pool: int, shape: Shape, nodes: Iterable[int]
    ) -> list[tuple[int, int]]:
        fleet, index = self._fleet, self._index[pool]
        first = fleet.first_node[pool]
        here = [v for v in nodes if fleet.node_pool[v] == pool and v not in self._closed]
        for node in here:
            index.move(node - first, self.free(node), 0)
        place = self._place_in(pool, shape) if index.free_gpus >= shape.gpus else []
        for node in here:
            index.move(node - first, 0, self.free(node))
        return place

    def take(self, placement: Placement) -> None:
        """These GPUs would be held."""
        for node, gpus in placement:
            self._move(node, -gpus)

    def is_free_now(self, placement: Placement) -> bool:
        """Whether these GPUs are free in truth, and nothing refuses them."""
        masks = self._fleet.free_mask
        free = all(masks[node].bit_count() >= gpus for node, gpus in placement)
        return free and (self.refuses is None or not self.refuses(placement))

    def _change(self, held: Mapping[int, int], sign: int) -> None:
        down = self._fleet.down_mask
        for node, mask in held.items():
            gpus = (mask & ~down[node]).bit_count()
            if gpus:
                self._move(node, sign * gpus)

    def _move(self, node: int, more: int) -> None:
        if node in self._closed:
            return
        pool = self._fleet.node_pool[node]
        before = self.free(node)
        self._index[pool].move(node - self._fleet.first_node[pool], before, before + more)
        self._free[node] = before + more
