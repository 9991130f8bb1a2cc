"""Who stands together, and how many of each group are wholly free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence


class Groups:
    """Members grouped by a key, and the groups by how many of their members are wholly free.

    Members are the nodes of a pool, or groups of nodes that lie in larger ones. What owns them
    tells of each that becomes wholly free or ceases to be. Sets of groups are the bits of Python's
    integers, so that this costs a microsecond with tens of thousands of groups.

    Parameters
    ----------
    keys : sequence of tuple or None
        Where each member stands; None for one that is in no group. Groups are numbered from 0 in
        the order in which keys appear.
    is_free : callable
        Whether a member is wholly free now.

    Attributes
    ----------
    of : list of int
        Group of each member, -1 for none.
    members : list of list of int
        Members of each group, ascending.
    units : list of tuple
        The key of each group.
    free : list of int
        Wholly free members of each group.
    largest : int
        Members of the largest group.
    told : list of Groups
        Groups of these groups.
    """

    __slots__ = ("_by_free", "free", "largest", "members", "of", "told", "units")

    def __init__(
        self, keys: Sequence[tuple[int, ...] | None], is_free: Callable[[int], bool]
    ) -> None:
        number: dict[tuple[int, ...], int] = {}
        self.of = [-1 if key is None else number.setdefault(key, len(number)) for key in keys]
        self.units = list(number)
        self.members: list[list[int]] = [[] for _ in number]
        for member, group in enumerate(self.of):
            if group >= 0:
                self.members[group].append(member)
        self.largest = max(map(len, self.members), default=0)
        self.free = [sum(map(is_free, members)) for members in self.members]
        self._by_free = [0] * (self.largest + 1)  # bit g: group g has so many free
        for group, free in enumerate(self.free):
            self._by_free[free] |= 1 << group
        self.told: list[Groups] = []

    def __len__(self) -> int:
        return len(self.free)

    def copy(self, made: dict[int, Groups]) -> Groups:
        """The same groups, and those of these groups, to try things out on.

        What is copied is entered in ``made`` under the identity of what it is a copy of.
        """
        other = made[id(self)] = object.__new__(Groups)
        other.of, other.members, other.units = self.of, self.members, self.units
        other.largest = self.largest
        other.free, other._by_free = self.free.copy(), self._by_free.copy()
        other.told = [outer.copy(made) for outer in self.told]
        return other

    def is_whole(self, group: int) -> bool:
        """Whether a group is as large as any, and all of it is free."""
        return self.free[group] == self.largest

    def move(self, member: int, step: int) -> None:
        """Note that a member is wholly free now (1), or is no longer (-1)."""
        group = self.of[member]
        before = self.free[group]
        after = self.free[group] = before + step
        self._by_free[before] ^= 1 << group
        self._by_free[after] |= 1 << group
        for outer in self.told:
            if after == self.largest or before == self.largest:
                outer.move(group, step)

    def most(self) -> int:
        """The most members that are free in any one group."""
        return next((free for free in range(self.largest, 0, -1) if self._by_free[free]), 0)

    def tightest(self, n: int) -> int:
        """The group with the fewest free members that suffice, lowest first; -1 if none."""
        return next((_lowest(groups) for groups in self._by_free[n:] if groups), -1)

    def exactly(self, n: int) -> int:
        """The lowest group with just so many free members; -1 if none."""
        return _lowest(self._by_free[n]) if n <= self.largest else -1

    def emptiest(self) -> Iterator[int]:
        """Groups with free members, those with most first, then the lowest."""
        for groups in self._by_free[:0:-1]:
            while groups:
                yield (group := _lowest(groups))
                groups ^= 1 << group


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
