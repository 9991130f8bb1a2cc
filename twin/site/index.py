"""Free places by pool: a look-up, never a scan over nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain
from operator import or_
from typing import Any

from twin.site.groups import Groups

_SHIFT = 10
_WORD = 1 << _SHIFT
_MASK = _WORD - 1


class FreeIndex:
    """Nodes of one pool bucketed by how many of their GPUs are free.

    A bucket is a set of bits in two levels: words of 1,024 nodes, and one bit a word that is not
    empty. Python's integers do the work in C, so moving a node from bucket to bucket and finding
    the lowest node of a bucket cost the same in a hall of 100 nodes and of 100,000.

    Node numbers here count from 0 within the pool; `Fleet` translates to node ids. ``units`` says
    which unit of a level each of them stands in. Who knows what else placements may ask for, of
    labels, power and heat, sets the callables that answer.

    Attributes
    ----------
    nodes_with, jobs_in, headroom_w, hall_heat : callable
        As in `twin.policies.pool_view.PoolView`; as long as nobody knows, the answer is nothing.
    """

    __slots__ = (
        "_filled",
        "_groups",
        "_lowest",
        "_lowest_as_of",
        "_occupied",
        "_tiers",
        "_told",
        "_words",
        "changes",
        "free_gpus",
        "gpus_per_node",
        "hall_heat",
        "headroom_w",
        "jobs_in",
        "nodes",
        "nodes_with",
        "sizes",
        "units",
    )

    def __init__(
        self,
        nodes: int,
        gpus_per_node: int,
        units: Callable[[str], Sequence[int]] = lambda level: (),
    ) -> None:
        self.units = units
        self.nodes_with: Callable[[tuple[str, ...]], Mapping[int, int]] = lambda labels: {}
        self.jobs_in: Callable[[str, tuple[str, ...]], Mapping[int, int]] = lambda at, labels: {}
        self.headroom_w: Callable[[str], Sequence[float]] = lambda level: ()
        self.hall_heat: Callable[[], Sequence[Any]] = lambda: ()
        self.nodes = nodes
        self.gpus_per_node = gpus_per_node
        self.free_gpus = nodes * gpus_per_node
        words = nodes // _WORD + 1
        self._words = [[0] * words for _ in range(gpus_per_node + 1)]
        self._words[-1] = [
            (1 << min(max(nodes - word * _WORD, 0), _WORD)) - 1 for word in range(words)
        ]
        self._occupied = [0] * (gpus_per_node + 1)
        self._occupied[-1] = sum(1 << w for w, bits in enumerate(self._words[-1]) if bits)
        self._filled = 1 << gpus_per_node if nodes else 0  # bit f: some node has f GPUs free
        self.sizes = [0] * gpus_per_node + [nodes]  # nodes with 0, 1, ... GPUs free
        self.changes = 0  # how often a node's number of free GPUs has changed
        self._lowest: list[int] = []  # what was last found, and at which number of changes
        self._lowest_as_of = -1
        self._told: list[
            Groups
        ] = []  # who is told of nodes that become wholly free, or cease to be
        self._groups: dict[tuple[str, ...], tuple[Groups, list[Mapping[int, int]]]] = {}
        self._tiers: dict[tuple[str, ...], list[Groups]] = {}

    def copy(self) -> FreeIndex:
        """The same places, to try things out on."""
        other = object.__new__(FreeIndex)
        other.units, other.nodes, other.gpus_per_node = self.units, self.nodes, self.gpus_per_node
        other.free_gpus, other._filled = self.free_gpus, self._filled
        other._words = [words.copy() for words in self._words]
        other._occupied = self._occupied.copy()
        other.sizes = self.sizes.copy()
        other.changes, other._told, other._groups, other._tiers = self.changes, [], {}, {}
        other._lowest, other._lowest_as_of = [], -1
        other.nodes_with, other.jobs_in = self.nodes_with, self.jobs_in
        other.headroom_w, other.hall_heat = self.headroom_w, self.hall_heat
        if self._told:
            made: dict[int, Groups] = {}
            other._told = [groups.copy(made) for groups in self._told]
            for levels, (groups, masks) in self._groups.items():
                other._groups[levels] = made[id(groups)], masks
            for levels, tiers in self._tiers.items():
                other._tiers[levels] = [made[id(tier)] for tier in tiers]
        return other

    def move(self, node: int, before: int, after: int) -> None:
        """Note that a node has ``after`` GPUs free where it had ``before``, another number."""
        word, bit = node >> _SHIFT, 1 << (node & _MASK)
        sizes = self.sizes
        words = self._words[before]
        words[word] ^= bit
        if not words[word]:
            self._occupied[before] ^= 1 << word
        left = sizes[before] - 1
        sizes[before] = left
        if not left:
            self._filled ^= 1 << before
        self._words[after][word] |= bit
        self._occupied[after] |= 1 << word
        sizes[after] += 1
        self._filled |= 1 << after
        self.free_gpus += after - before
        self.changes += 1
        if self._told:
            whole = self.gpus_per_node
            if before == whole or after == whole:
                for groups in self._told:
                    groups.move(node, 1 if after == whole else -1)

    def tightest(self, gpus: int) -> int:
        """The node with the fewest free GPUs that suffice, the lowest of several; -1 if none."""
        enough = self._filled >> gpus
        if not enough:
            return -1
        bucket = gpus + (enough & -enough).bit_length() - 1
        occupied = self._occupied[bucket]
        word = (occupied & -occupied).bit_length() - 1
        bits = self._words[bucket][word]
        return (word << _SHIFT) + (bits & -bits).bit_length() - 1

    def first(self, gpus: int) -> int:
        """The lowest node that has so many GPUs free or more; -1 if none."""
        lowest = (self.exactly(free) for free in range(gpus, self.gpus_per_node + 1))
        return min((node for node in lowest if node >= 0), default=-1)

    def fewest(self, gpus: int) -> int:
        """The fewest free GPUs, so many or more, that some node has; -1 if none has so many."""
        enough = self._filled >> gpus
        return gpus + (enough & -enough).bit_length() - 1 if enough else -1

    def exactly(self, gpus: int) -> int:
        """The lowest node with just so many GPUs free; -1 if none."""
        return next(self.all_with(gpus), -1)

    def all_with(self, gpus: int) -> Iterator[int]:
        """The nodes with just so many GPUs free, ascending."""
        for word, bits in enumerate(self._words[gpus]):
            while bits:
                bit = bits & -bits
                bits ^= bit
                yield (word << _SHIFT) + bit.bit_length() - 1

    def having(self, gpus: int) -> int:
        """How many nodes have so many GPUs free or more."""
        return sum(self.sizes[gpus:])

    def nth(self, gpus: int, k: int) -> int:
        """The ``k``-th, from 0, of the nodes that `fitting` yields."""
        bucket = gpus
        while k >= self.sizes[bucket]:
            k -= self.sizes[bucket]
            bucket += 1
        word, words = 0, self._words[bucket]
        while k >= (here := words[word].bit_count()):
            k -= here
            word += 1
        bits, at, half = words[word], 0, _WORD >> 1
        while half:  # halve the word until one bit of it is left
            low = bits & ((1 << half) - 1)
            if k >= (here := low.bit_count()):
                k -= here
                at += half
                low = bits >> half
            bits = low
            half >>= 1
        return (word << _SHIFT) + at

    def fitting(self, gpus: int) -> Iterator[int]:
        """Nodes with so many GPUs free or more, those with fewest first, then the lowest."""
        return chain.from_iterable(map(self.all_with, range(gpus, self.gpus_per_node + 1)))

    def most_free(self) -> int:
        """The most GPUs that are free on any one node."""
        return max(self._filled.bit_length() - 1, 0)

    def wholly_free(self) -> int:
        """How many nodes have all their GPUs free."""
        return self.sizes[-1]

    def lowest_wholly_free(self, n: int) -> list[int]:
        """The ``n`` lowest wholly free nodes; empty if there are fewer."""
        if self.sizes[-1] < n:
            return []
        if self._lowest_as_of != self.changes:
            self._lowest, self._lowest_as_of = self._find_lowest(n), self.changes
        elif len(self._lowest) < n:  # asked for more and more of them: find some beyond
            self._lowest = self._find_lowest(min(2 * n, self.sizes[-1]))
        return self._lowest[:n]

    def _find_lowest(self, n: int) -> list[int]:
        found: list[int] = []
        occupied, words = self._occupied[-1], self._words[-1]
        while len(found) < n:
            low = occupied & -occupied
            occupied ^= low
            word = low.bit_length() - 1
            bits = words[word]
            while bits and len(found) < n:
                bit = bits & -bits
                bits ^= bit
                found.append((word << _SHIFT) + bit.bit_length() - 1)
        return found

    def groups(self, *levels: str) -> Groups:
        """Nodes grouped by the units of these levels that they stand in, all of them together.

        Kept up to date from the first question on. A pool of which nobody has said where its nodes
        stand is one group.
        """
        return self._grouped(levels)[0]

    def tiers(self, *levels: str) -> list[Groups]:
        """Cells of cells: nodes in units of the first level, such units in those of the next, ...

        A unit counts as wholly free if it is as large as any and all in it is. One that is smaller
        is in no cell of the next level.
        """
        if levels not in self._tiers:
            tiers = [self.groups(levels[0])]
            first = [nodes[0] for nodes in tiers[0].members]  # a node of each group
            for level in levels[1:]:
                inner, where = tiers[-1], self._where((level,))
                keys = [
                    where[node] if len(members) == inner.largest else None
                    for node, members in zip(first, inner.members, strict=True)
                ]
                tiers.append(Groups(keys, inner.is_whole))
                inner.told.append(tiers[-1])
                first = [first[members[0]] for members in tiers[-1].members]
            self._tiers[levels] = tiers
        return self._tiers[levels]

    def tightest_in(self, levels: tuple[str, ...], group: int, gpus: int) -> int:
        """As `tightest`, among the nodes of one group of these levels."""
        masks = self._grouped(levels)[1][group]
        for words in self._words[gpus:]:
            for word, mask in masks.items():
                bits = words[word] & mask
                if bits:
                    return (word << _SHIFT) + (bits & -bits).bit_length() - 1
        return -1

    def with_room(self, level: str, groups: Collection[int], gpus: int) -> list[int]:
        """Those of some groups of a level in which some node has so many GPUs free or more."""
        grouped, masks = self._grouped((level,))
        if gpus == self.gpus_per_node:
            free = grouped.free
            return [group for group in groups if free[group]]
        if self.having(gpus) <= len(groups):
            of = grouped.of
            return [group for group in {of[node] for node in self.fitting(gpus)} if group in groups]
        room = [reduce(or_, words) for words in zip(*self._words[gpus:], strict=True)]
        found = []
        for group in groups:
            for word, mask in masks[group].items():
                if room[word] & mask:
                    found.append(group)
                    break
        return found

    def wholly_free_in(self, levels: tuple[str, ...], group: int, n: int) -> list[int]:
        """Up to ``n`` wholly free nodes of one group of these levels, the lowest."""
        found: list[int] = []
        words = self._words[-1]
        for word, mask in self._grouped(levels)[1][group].items():
            bits = words[word] & mask
            while bits and len(found) < n:
                bit = bits & -bits
                bits ^= bit
                found.append((word << _SHIFT) + bit.bit_length() - 1)
        return found

    def _grouped(self, levels: tuple[str, ...]) -> tuple[Groups, list[Mapping[int, int]]]:
        """Groups, and the nodes of each as bits by word, lowest word first."""
        if levels not in self._groups:
            words = self._words[-1]
            groups = Groups(
                self._where(levels), lambda node: bool(words[node >> _SHIFT] >> (node & _MASK) & 1)
            )
            masks: list[Mapping[int, int]] = []
            for nodes in groups.members:
                bits: dict[int, int] = {}
                for node in nodes:
                    word = node >> _SHIFT
                    bits[word] = bits.get(word, 0) | 1 << (node & _MASK)
                masks.append(bits)
            self._groups[levels] = groups, masks
            self._told.append(groups)
        return self._groups[levels]

    def _where(self, levels: tuple[str, ...]) -> list[tuple[int, ...]]:
        """The units of these levels that each node stands in."""
        if not levels:
            return [()] * self.nodes
        nowhere = [0] * self.nodes
        return list(zip(*(self.units(level) or nowhere for level in levels), strict=True))

    def nearest_wholly_free(self, node: int, n: int) -> list[int]:
        """Up to ``n`` wholly free nodes, those nearest in number to ``node`` first."""
        found: list[int] = []
        below, above = self._wholly_free_from(node, down=True), self._wholly_free_from(node + 1)
        while len(found) < n and (below >= 0 or above >= 0):
            if above < 0 or (below >= 0 and node - below <= above - node):
                found.append(below)
                below = self._wholly_free_from(below - 1, down=True)
            else:
                found.append(above)
                above = self._wholly_free_from(above + 1)
        return found

    def _wholly_free_from(self, node: int, down: bool = False) -> int:
        """The first wholly free node from this one on, upwards or down; -1 if there is none."""
        words, occupied = self._words[-1], self._occupied[-1]
        if not 0 <= node < self.nodes:
            return -1
        word, bit = node >> _SHIFT, node & _MASK
        bits = words[word] & ((2 << bit) - 1) if down else words[word] >> bit << bit
        if not bits:
            others = occupied & ((1 << word) - 1) if down else occupied >> word + 1 << word + 1
            if not others:
                return -1
            word = (others if down else others & -others).bit_length() - 1
            bits = words[word]
        return (word << _SHIFT) + (bits if down else bits & -bits).bit_length() - 1
