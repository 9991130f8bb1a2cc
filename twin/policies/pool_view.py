"""What placements see of a pool: free places, by node and by where nodes stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


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

    @property
    def changes(self) -> int:
        """How often a node's number of free GPUs has changed so far."""

    def first(self, gpus: int) -> int:
        """The lowest node that has so many GPUs free or more; -1 if none."""

    def fewest(self, gpus: int) -> int:
        """The fewest free GPUs, so many or more, that some node has; -1 if none has so many."""

    def exactly(self, gpus: int) -> int:
        """The lowest node with just so many GPUs free; -1 if none."""

    def all_with(self, gpus: int) -> Iterator[int]:
        """The nodes with just so many GPUs free, ascending."""

    def having(self, gpus: int) -> int:
        """How many nodes have so many GPUs free or more."""

    def fitting(self, gpus: int) -> Iterator[int]:
        """Nodes with so many GPUs free or more, those with fewest first, then the lowest."""

    def nth(self, gpus: int, k: int) -> int:
        """The ``k``-th, from 0, of the nodes that `fitting` yields."""

    def units(self, level: str) -> Sequence[int]:
        """The unit of a level (rack, row, ...) that each node of the pool stands in."""

    def groups(self, *levels: str) -> GroupsView:
        """Nodes grouped by the units of these levels that they stand in, all of them together."""

    def tiers(self, *levels: str) -> Sequence[GroupsView]:
        """Cells of cells: nodes in units of the first level, such units in those of the next, ...

        A unit counts as wholly free if it is as large as any and all in it is. One that is smaller
        is in no cell of the next level.
        """

    def tightest_in(self, levels: tuple[str, ...], group: int, gpus: int) -> int:
        """As `tightest`, among the nodes of one group of these levels."""

    def wholly_free_in(self, levels: tuple[str, ...], group: int, n: int) -> list[int]:
        """Up to ``n`` wholly free nodes of one group of these levels, the lowest."""

    def with_room(self, level: str, groups: Collection[int], gpus: int) -> list[int]:
        """Those of some groups of a level in which some node has so many GPUs free or more."""

    def nodes_with(self, labels: tuple[str, ...]) -> Mapping[int, int]:
        """How many jobs of these labels run on each node, where any does.

        Known to placements that distinguish jobs by them; empty to others.
        """

    def jobs_in(self, level: str, labels: tuple[str, ...]) -> Mapping[int, int]:
        """As `nodes_with`, for each group of a level.

        A job that holds several nodes of a group counts as often.
        """

    def headroom_w(self, level: str) -> Sequence[float]:
        """What each unit of a level may draw more. [W] Empty where power is not computed."""

    def hall_heat(self) -> Sequence[HallHeat]:
        """How warm each hall of the site is; empty where power is not computed."""


class GroupsView(Protocol):
    """Nodes, or smaller groups of nodes, in groups by where they stand."""

    @property
    def of(self) -> Sequence[int]:
        """Group of each member."""

    @property
    def members(self) -> Sequence[Sequence[int]]:
        """Members of each group, ascending."""

    @property
    def units(self) -> Sequence[tuple[int, ...]]:
        """The unit of each level that a group stands in, by numbers of the site."""

    @property
    def free(self) -> Sequence[int]:
        """Members of each group that are wholly free."""

    @property
    def largest(self) -> int:
        """Members of the largest group."""

    def __len__(self) -> int: ...
    def most(self) -> int:
        """The most members that are free in any one group."""

    def tightest(self, n: int) -> int:
        """The group with the fewest free members that suffice, lowest first; -1 if none."""

    def exactly(self, n: int) -> int:
        """The lowest group with just so many free members; -1 if none."""

    def emptiest(self) -> Iterator[int]:
        """Groups with free members, those with most first, then the lowest."""


@dataclass(frozen=True)
class Confines:
    """Units in which alone a gang may lie.

    Attributes
    ----------
    tiers : sequence of GroupsView
        Nodes in groups, such groups in those of the next, ..., as `PoolView.tiers` has them. The
        units are the groups of the last.
    members : int
        Members of units that the gang takes: nodes, or whole groups of the tier before.
    units : int
        How many units they may be spread over.
    """

    tiers: Sequence[GroupsView]
    members: int
    units: int = 1


@dataclass(frozen=True)
class HallHeat:
    """How warm a hall is, and what its cooling could do more."""

    degc: float
    cooling_left_w: float
