"""Free places by pool: a look-up, never a scan over nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_SHIFT = 10
_WORD = 1 << _SHIFT
_MASK = _WORD - 1


class FreeIndex:
    """Nodes of one pool bucketed by how many of their GPUs are free.

    A bucket is a set of bits in two levels: words of 1,024 nodes, and one bit a word that is not
    empty. Python's integers do the work in C, so moving a node from bucket to bucket and finding
    the lowest node of a bucket cost the same in a hall of 100 nodes and of 100,000.

    Node numbers here count from 0 within the pool; `Fleet` translates to node ids. ``units`` says
    which unit of a level each of them stands in.
    """

    __slots__ = (
        "_filled",
        "_occupied",
        "_words",
        "free_gpus",
        "gpus_per_node",
        "nodes",
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
