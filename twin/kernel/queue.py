"""Waiting jobs in queue order, searchable by shape and estimate."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import inf, ulp
from sys import float_info

from twin.kernel.job import Job
from twin.policies.view import JobView, Shape

_ANY_S = float_info.max  # as long as an estimate can be; inf marks a place where nobody waits


class _ShapeLine:
    """Waiting jobs of one shape: a tree of least estimates over all jobs of that shape so far.

    Leaf ``i`` stands for the ``i``-th job of the shape to come and holds its estimate while it
    waits, ``inf`` otherwise; each inner node holds the least of its two children. "The first job
    behind place p with an estimate of at most x" is one descent.
    """

    __slots__ = ("_leaves", "_tree", "places", "shape", "waiting")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.places: list[int] = []  # of the jobs that its leaves stand for, ascending
        self.waiting = 0
        self._leaves = 0
        self._tree: list[float] = [inf, inf]

    def grow(self) -> None:
        """Make room for a leaf for every place."""
        if len(self.places) <= self._leaves:
            return
        old = self._tree[self._leaves :] if self._leaves else []
        self._leaves = leaves = 1 << max(len(self.places) - 1, 0).bit_length()
        tree = [inf] * (2 * leaves)
        tree[leaves : leaves + len(old)] = old
        for at in range(leaves - 1, 0, -1):
            left, right = tree[2 * at], tree[2 * at + 1]
            tree[at] = left if left < right else right
        self._tree = tree

    def put(self, leaf: int, estimate_s: float) -> None:
        tree, at = self._tree, leaf + self._leaves
        while at and tree[at] > estimate_s:
            tree[at] = estimate_s
            at >>= 1

    def clear(self, leaf: int) -> None:
        tree, at = self._tree, leaf + self._leaves
        gone_s = tree[at]
        tree[at] = inf
        at >>= 1
        # Above a node whose least estimate was another's, nothing changes.
        while at and tree[at] == gone_s:
            left, right = tree[2 * at], tree[2 * at + 1]
            tree[at] = left if left < right else right
            at >>= 1

    def shortest_s(self) -> float:
        return self._tree[1]

    def first(self, leaf: int, most_s: float) -> int:
        """The first leaf from ``leaf`` on with an estimate of at most ``most_s``; -1 if none."""
        tree, leaves = self._tree, self._leaves
        if leaf >= leaves or tree[1] > most_s:
            return -1
        at = leaf + leaves
        while tree[at] > most_s:
            while at & 1:  # a right child: what is behind it hangs from higher up
                at >>= 1
            if at == 0:
                return -1
            at += 1
        while at < leaves:
            at *= 2
            if tree[at] > most_s:
                at += 1
        return at - leaves


class Queue:
    """The waiting jobs: a linked list in queue order, and one `_ShapeLine` a shape.

    The lines are brought up to date only when somebody searches: a scheduler that looks at the
    head alone never pays for them.

    Parameters
    ----------
    shapes : sequence of Shape
        By index.

    Attributes
    ----------
    head : Job or None
        The oldest waiting job.
    jobs, gpus : int
        How many wait, and the GPUs that they ask for.
    waiting_for_pool : list of int
        Jobs waiting that may use each pool.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._lines = [_ShapeLine(shape) for shape in shapes]
        self._places_of = [line.places for line in self._lines]
        self._unlisted: dict[int, Job] = {}  # waiting, by place, not yet in a line's tree
        self._listed: dict[int, Job] = {}
        self._next_place = 0
        self.head: Job | None = None
        self._tail: Job | None = None
        self.jobs = 0
        self.gpus = 0
        self.now_s = 0.0
        pools = 1 + max((pool for shape in shapes for pool in shape.pools), default=0)
        self.waiting_for_pool = [0] * pools

    def __len__(self) -> int:
        return self.jobs

    def __iter__(self) -> Iterator[Job]:
        job = self.head
        while job is not None:
            behind = job.behind
            yield job
            # The job may have started meanwhile, and more of those behind it with it.
            job = job.behind if self._waits(job) else behind
            while job is not None and not self._waits(job):
                job = job.behind

    def _waits(self, job: Job) -> bool:
        return job.place in self._unlisted or job.place in self._listed

    def append(self, job: Job) -> None:
        """A job comes last in queue order."""
        place = self._next_place
        self._next_place = place + 1
        places = self._places_of[job.shape.index]
        job.place = place
        job.leaf = len(places)
        places.append(place)
        tail = self._tail
        job.before = tail
        job.behind = None
        if tail is None:
            self.head = job
        else:
            tail.behind = job
        self._tail = job
        self._joined(job)

    def put_back(self, job: Job) -> None:
        """A job that has run waits again, in the place in queue order that it came to."""
        behind = self.head
        while behind is not None and behind.place < job.place:
            behind = behind.behind
        before = self._tail if behind is None else behind.before
        job.before, job.behind = before, behind
        if before is None:
            self.head = job
        else:
            before.behind = job
        if behind is None:
            self._tail = job
        else:
            behind.before = job
        self._joined(job)

    def _joined(self, job: Job) -> None:
        self._unlisted[job.place] = job
        self.jobs += 1
        self.gpus += job.gpus
        for pool in job.shape.pools:
            self.waiting_for_pool[pool] += 1

    def remove(self, job: Job) -> None:
        """A waiting job starts."""
        before, behind = job.before, job.behind
        if before is None:
            self.head = behind
        else:
            before.behind = behind
        if behind is None:
            self._tail = before
        else:
            behind.before = before
        if self._unlisted.pop(job.place, None) is None:
            del self._listed[job.place]
            line = self._lines[job.shape.index]
            line.clear(job.leaf)
            line.waiting -= 1
        self.jobs -= 1
        self.gpus -= job.gpus
        for pool in job.shape.pools:
            self.waiting_for_pool[pool] -= 1

    def next_after(
        self, job: JobView, deadline_s: Callable[[Shape], float], most_gpus: int
    ) -> Job | None:
        """The first waiting job behind ``job`` that would end by the deadline of its shape."""
        self._list_all()
        now_s, place, found = self.now_s, job.place, -1  # type: ignore[attr-defined] # our own
        for line in self._lines:
            if line.shape.gpus > most_gpus:
                break  # lines go by size
            if not line.waiting:
                continue
            due_s = deadline_s(line.shape)
            if due_s == -inf:
                continue
            if due_s == inf:
                at = line.first(bisect_right(line.places, place), _ANY_S)
            else:
                # `now + estimate <= due` decides. `due - now` may be off it by rounding, so search
                # a little beyond and ask the exact question of each job found.
                most_s = due_s - now_s + 2 * ulp(max(abs(due_s), abs(now_s)))
                if line.shortest_s() > most_s:
                    continue
                at = line.first(bisect_right(line.places, place), most_s)
                while at >= 0 and now_s + self._listed[line.places[at]].estimate_s > due_s:
                    at = line.first(at + 1, most_s)
            if at >= 0 and (found < 0 or line.places[at] < found):
                found = line.places[at]
        return self._listed[found] if found >= 0 else None

    def _list_all(self) -> None:
        for place, job in self._unlisted.items():
            line = self._lines[job.shape.index]
            line.grow()
            line.put(job.leaf, job.estimate_s)
            line.waiting += 1
            self._listed[place] = job
        self._unlisted.clear()
