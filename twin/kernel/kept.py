"""A reservation that is known: nodes that it has, those that it will have, and which to take."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from twin.kernel.cluster import Cluster
    from twin.kernel.reservation import Reservation


class Kept:
    """A reservation, from when its nodes are chosen until it ends.

    Attributes
    ----------
    index : int
        Its place among all that were asked for.
    asked : Reservation
    admits : (n_job,) array of bool
        Which jobs it is for.
    chosen : set of int
        Nodes that it will have and that are open still.
    nodes : dict of int to float
        Since when each of its others is closed. [s]
    others : set of int
        Of these, those where jobs of others may still run.
    is_closed : bool
        Whether its time to close has come.
    """

    def __init__(self, index: int, asked: Reservation, admits: NDArray[np.bool_]) -> None:
        self.index = index
        self.asked = asked
        self.admits = admits
        self.chosen: set[int] = set()
        self.nodes: dict[int, float] = {}
        self.others: set[int] = set()
        self.is_closed = False
        self._tried: tuple[int, ...] = ()  # what there was when nodes were looked for in vain

    @property
    def missing(self) -> int:
        """Nodes that it has not found."""
        return self.asked.nodes - len(self.nodes) - len(self.chosen)

    @property
    def turn(self) -> tuple[float, int]:
        """When it closes, and its place: who closes first chooses first."""
        return self.asked.closes_s, self.index

    def is_late_on(self, node: int, cluster: Cluster) -> bool:
        """Whether others are expected on a node beyond the start, now that it is to close."""
        others = [job for job in cluster.residents[node] if not self.admits[job.row]]
        if self.asked.start_s <= cluster.now_s:
            return bool(others)
        return any(job.expected_end_s > self.asked.start_s for job in others)

    def find(self, kept: Sequence[Kept], cluster: Cluster) -> list[int]:
        """Nodes for those that are missing, the ones expected free first.

        What another has chosen that closes later is taken from it if nothing else is left.
        """
        fleet, residents = cluster.fleet, cluster.residents
        taken = set(self.nodes) | self.chosen
        later: dict[int, Kept] = {}
        for other in kept:
            if other is self or not self._overlaps(other):
                continue
            taken.update(other.nodes)
            if other.turn > self.turn:
                later.update(dict.fromkeys(other.chosen, other))
            else:
                taken.update(other.chosen)
        out_of_service = fleet.down_gpus, fleet.spare_gpus, fleet.dark_gpus, len(fleet.leaving)
        tried = (cluster.node_changes, *out_of_service, len(taken), len(later))
        if tried == self._tried:
            return []
        ends_s = {
            node: max((job.expected_end_s for job in residents[node]), default=-inf)
            for node in fleet.site.pool_nodes(self.asked.pool)
            if not (
                fleet.down_mask[node]
                or node in taken
                or node in fleet.spare_nodes
                or node in fleet.dark_nodes
                or node in fleet.cordoned
            )
        }
        by_end = sorted(ends_s, key=lambda node: (node in later, ends_s[node], node))
        found = by_end[: self.missing]
        self._tried = tried if len(found) < self.missing else ()
        for node in later.keys() & set(found):
            later[node].chosen.remove(node)  # it looks for another when its turn comes
        return found

    def _overlaps(self, other: Kept) -> bool:
        """Whether there is a time at which both close nodes."""
        mine, its = self.asked, other.asked
        return mine.closes_s < its.end_s and its.closes_s < mine.end_s
