"""GPUs that replicas lend to guests: which are free of them, and where a guest has room."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from math import inf


class Berth:
    """GPUs of one replica on one node.

    Attributes
    ----------
    age : int
        Counts up: who began to lend earlier has a lower one.
    row : int
        Of the replica.
    node, mask, free_mask : int
        All of its GPUs there, and those without a guest.
    until_s : float
        When the replica ends, as far as is known. [s]
    """

    __slots__ = ("age", "free_mask", "mask", "node", "row", "until_s")

    def __init__(self, age: int, row: int, node: int, mask: int, until_s: float) -> None:
        self.age, self.row, self.node, self.until_s = age, row, node, until_s
        self.mask = self.free_mask = mask

    def __lt__(self, other: Berth) -> bool:
        return self.age < other.age


class Gaps:
    """The berths of all replicas of one service in one pool, by GPUs without a guest.

    Attributes
    ----------
    free_gpus : int
        GPUs that lend and have no guest.
    """

    def __init__(self) -> None:
        self.free_gpus = 0
        self._by_free: list[list[Berth]] = [[]]  # each list oldest first
        self._of_row: dict[int, list[Berth]] = {}
        self._no_room: set[int] = set()  # numbers of GPUs that found none since the last change

    def open(self, berths: Iterable[Berth]) -> None:
        """These lend from now on."""
        for berth in berths:
            self._of_row.setdefault(berth.row, []).append(berth)
            self._put(berth)

    def close(self, row: int) -> None:
        """The berths of a replica lend no more; the guests on them are to go."""
        for berth in self._of_row.pop(row, ()):
            self._take_out(berth)

    def may_have_room(self, gpus: int) -> bool:
        """Whether it is worth looking for room for so many."""
        return gpus <= self.free_gpus and gpus not in self._no_room

    def find(self, gpus: int, after_s: float) -> list[tuple[Berth, int]] | None:
        """Berths for a guest of so many GPUs, and the GPUs of each; None if there are not enough.

        One berth if one has room: that with the fewest free GPUs, the oldest of these. Otherwise
        berths without any guest, the oldest first. Berths that end by ``after_s`` will not do. [s]
        """
        if not self.may_have_room(gpus):
            return None
        found = self._find(gpus, after_s)
        if found is None and (after_s == -inf or self._find(gpus, -inf) is None):
            self._no_room.add(gpus)
        return found

    def _find(self, gpus: int, after_s: float) -> list[tuple[Berth, int]] | None:
        by_free = self._by_free
        for free in range(gpus, len(by_free)):
            for berth in by_free[free]:
                if berth.until_s > after_s:
                    return [(berth, gpus)]
        if gpus < len(by_free):
            return None
        empty = sorted(
            berth
            for some in by_free[1:]
            for berth in some
            if berth.free_mask == berth.mask and berth.until_s > after_s
        )
        found, left = [], gpus
        for berth in empty:
            here = min(berth.mask.bit_count(), left)
            found.append((berth, here))
            left -= here
            if not left:
                return found
        return None

    def take(self, berth: Berth, gpus: int) -> int:
        """The lowest free GPUs of a berth get a guest; their mask."""
        self._take_out(berth)
        left = berth.free_mask
        for _ in range(gpus):
            left &= left - 1
        taken = berth.free_mask ^ left
        berth.free_mask = left
        self._put(berth)
        return taken

    def give_back(self, berth: Berth, mask: int) -> None:
        """A guest has left GPUs of a berth that may have closed since."""
        if berth not in self._of_row.get(berth.row, ()):
            return
        self._take_out(berth)
        berth.free_mask |= mask
        self._put(berth)

    def _put(self, berth: Berth) -> None:
        free = berth.free_mask.bit_count()
        self.free_gpus += free
        while len(self._by_free) <= free:
            self._by_free.append([])
        insort(self._by_free[free], berth)
        self._no_room.clear()

    def _take_out(self, berth: Berth) -> None:
        free = berth.free_mask.bit_count()
        self.free_gpus -= free
        self._no_room.clear()
        some = self._by_free[free]
        del some[bisect_left(some, berth)]
