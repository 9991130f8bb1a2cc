"""Waiting jobs in queue order, searchable by shape and estimate."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import inf, ulp
from sys import float_info

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.kernel.columns import Columns, Jobs
from twin.kernel.job import Job
from twin.policies.view import JobView, Shape

_ANY_S = float_info.max  # as long as an estimate can be; inf marks a place where nobody waits


class _ShapeLine:
    """Waiting jobs of one shape: a tree of least estimates over all jobs of that shape.

    Leaf ``i`` stands for the ``i``-th job of the shape in the workload and holds its estimate while
    it waits, ``inf`` otherwise; each inner node holds the least of its two children. "The first
    job behind row r with an estimate of at most x" is one descent.
    """

    __slots__ = ("_leaves", "_tree", "rows", "shape", "waiting")

    def __init__(self, shape: Shape, rows: list[int]) -> None:
        self.shape = shape
        self.rows = rows
        self.waiting = 0
        self._leaves = 1 << max(len(rows) - 1, 0).bit_length()
        self._tree = [inf] * (2 * self._leaves)

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
    shape_of : (n_job,) array
        Shape index of each job of the workload.

    Attributes
    ----------
    head : Job or None
        The oldest waiting job.
    jobs, gpus : int
        How many wait, and the GPUs that they ask for.
    waiting_for_pool : list of int
        Jobs waiting that may use each pool.
    joined : list of Job or None
        Jobs that began to wait since somebody last emptied the list; None if nobody does.
    home : dict of int to Shape
        By index, of shapes that jobs take while they wait: the one that they had, which they have
        again when they are put back.
    aside : dict of int to Job
        Replicas of services that wait, by row. They count in ``jobs``, ``gpus`` and
        ``waiting_for_pool``, and no scheduler sees them: they do not wait for their turn.
    """

    def __init__(
        self, shapes: Sequence[Shape], shape_of: NDArray[np.int32], columns: Columns | None = None
    ) -> None:
        self.shapes = self._shapes = shapes
        self._shape_of = shape_of
        self._asked_of: NDArray[np.int32] | None = None  # of each job at first, if any has changed
        self.home: dict[int, Shape] = {}
        self._columns = columns or Columns(pd.DataFrame(index=range(len(shape_of))))
        self._first_row = 0  # no job before this one waits
        self.joined: list[Job] | None = None
        self._lines: list[_ShapeLine] = []
        self._leaf_of: list[int] = []
        self._unlisted: dict[int, Job] = {}  # waiting, not yet in a line
        self._listed: dict[int, Job] = {}
        self._late: list[Job] = []  # waiting behind all that had come when they were put there
        self._late_places = 0
        self._last_row = -1
        self.aside: dict[int, Job] = {}
        self.head: Job | None = None
        self._tail: Job | None = None
        self._put_back: Job | None = None
        self.jobs = 0
        self.gpus = 0
        self.now_s = 0.0
        pools = 1 + max((pool for shape in shapes for pool in shape.pools), default=0)
        self.waiting_for_pool = [0] * pools

    def __len__(self) -> int:
        return self.jobs - len(self.aside)

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
        return job.row in self._unlisted or job.row in self._listed or job in self._late

    def append(self, job: Job) -> None:
        """A job arrives, later in queue order than all that wait."""
        # Written out, as `_link_last` and `_wait_again` have it: every job of a run comes by here.
        self._last_row = job.row
        tail = self._tail
        job.before = tail
        job.behind = None
        if tail is None:
            self.head = job
        else:
            tail.behind = job
        self._tail = job
        self._unlisted[job.row] = job
        self._columns.waiting[job.row] = 1
        self._columns.since_s[job.row] = job.submit_s
        if self.joined is not None:
            self.joined.append(job)
        self.jobs += 1
        self.gpus += job.gpus
        for pool in job.shape.pools:
            self.waiting_for_pool[pool] += 1

    def reshape(self, job: Job, shape: Shape) -> None:
        """A waiting job takes another shape of its size, one of those that `home` names."""
        if self._asked_of is None:
            self._asked_of = self._shape_of.copy()
        if self._listed.pop(job.row, None) is not None:
            line = self._lines[job.shape.index]
            line.clear(self._leaf_of[job.row])
            line.waiting -= 1
            self._unlisted[job.row] = job
        self._count(job, -1)
        job.asked = shape
        job.take_shape(shape)
        self._shape_of[job.row] = shape.index
        self._count(job, 1)

    def _go_home(self, job: Job) -> None:
        """A job that comes back asks for what it asked for at first."""
        shape = self.home.get(job.asked.index)
        if shape is not None:
            job.asked = shape
            job.take_shape(shape)
            self._shape_of[job.row] = shape.index

    def put_back(self, job: Job) -> None:
        """A job that has run waits again, in the place that its submit time gives it."""
        self._go_home(job)
        if job.run_s == inf:
            self.set_aside(job)
            return
        behind = self.head
        last = self._put_back  # after an outage many come in a row, each behind the one before
        if last is not None and last.place < job.place and self._waits(last):
            behind = last
        while behind is not None and behind.place < job.place:
            behind = behind.behind
        self._put_back = job
        if behind is None:
            self._link_last(job)
        else:
            before = behind.before
            job.before, job.behind = before, behind
            behind.before = job
            if before is None:
                self.head = job
            else:
                before.behind = job
        self._wait_again(job)

    def put_last(self, job: Job) -> None:
        """A job that has run waits again, behind all that wait now."""
        self._go_home(job)
        if job.run_s == inf:
            self.set_aside(job)
            return
        self._late_places += 1
        job.place = self._last_row + 0.5 + 1e-9 * self._late_places  # before the next to arrive
        self._link_last(job)
        self._wait_again(job)

    def set_aside(self, job: Job) -> None:
        """A replica of a service waits."""
        self.aside[job.row] = job
        self._columns.since_s[job.row] = self.now_s
        self._count(job, 1)

    def take_up(self, job: Job) -> None:
        """It waits no longer."""
        del self.aside[job.row]
        self._count(job, -1)

    def _count(self, job: Job, sign: int) -> None:
        self.jobs += sign
        self.gpus += sign * job.gpus
        for pool in job.shape.pools:
            self.waiting_for_pool[pool] += sign

    def _wait_again(self, job: Job) -> None:
        if job.place == job.row:
            self._unlisted[job.row] = job
        else:
            self._late.append(job)
            self._late.sort(key=lambda each: each.place)
        columns, row = self._columns, job.row
        columns.waiting[row] = 1
        columns.since_s[row] = self.now_s
        columns.left_s[row] = job.estimate_s
        self._first_row = min(self._first_row, row)
        self._last_row = max(self._last_row, row)
        if self.joined is not None:
            self.joined.append(job)
        self._count(job, 1)

    def _link_last(self, job: Job) -> None:
        tail = self._tail
        job.before = tail
        job.behind = None
        if tail is None:
            self.head = job
        else:
            tail.behind = job
        self._tail = job

    def remove(self, job: Job) -> None:
        """A waiting job starts."""
        self._columns.waiting[job.row] = 0
        before, behind = job.before, job.behind
        if before is None:
            self.head = behind
        else:
            before.behind = behind
        if behind is None:
            self._tail = before
        else:
            behind.before = before
        if job.place != job.row:
            self._late.remove(job)
        elif self._unlisted.pop(job.row, None) is None:
            del self._listed[job.row]
            line = self._lines[job.shape.index]
            line.clear(self._leaf_of[job.row])
            line.waiting -= 1
        self.jobs -= 1
        self.gpus -= job.gpus
        for pool in job.shape.pools:
            self.waiting_for_pool[pool] -= 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n_waiting,) rows of the waiting jobs, in the order of the workload."""
        waiting = np.frombuffer(self._columns.waiting, np.int8)
        first = self._first_row
        rows = first + np.flatnonzero(waiting[first : self._last_row + 1])
        if len(rows):
            self._first_row = int(rows[0])
        return rows

    def still_waiting(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which of these jobs wait now."""
        waiting: NDArray[np.bool_] = np.frombuffer(self._columns.waiting, np.bool_)[rows]
        return waiting

    def job(self, row: int) -> Job:
        """A waiting job by its row."""
        job = self._unlisted.get(row) or self._listed.get(row)
        return job or next(late for late in self._late if late.row == row)

    def table(self, rows: NDArray[np.int64]) -> Jobs:
        """Waiting jobs as columns."""
        return Jobs(rows, self._columns, self._shape_of, self.now_s)

    def waiting_gpus(self, pools: int) -> list[int]:
        """GPUs that waiting jobs ask for, by the first pool that may take them."""
        found = [0] * pools
        for job in (*self, *self.aside.values()):
            if job.shape.pools:
                found[job.shape.pools[0]] += job.gpus
        return found

    def next_after(
        self, job: JobView, deadline_s: Callable[[Shape], float], most_gpus: int
    ) -> Job | None:
        """The first waiting job behind ``job`` that would end by the deadline of its shape."""
        self._list_all()
        # A late job stands between those that came before it and those that come after.
        place: float = job.place  # type: ignore[attr-defined] # one of ours
        now_s, row, found = self.now_s, int(place), -1
        for line in self._lines:
            if line.shape.gpus > most_gpus:
                break  # lines go by size
            if not line.waiting:
                continue
            behind = bisect_right(line.rows, row)
            if found >= 0:  # places are costly to find: not for who stands behind the one found
                at = line.first(behind, _ANY_S)
                if at < 0 or line.rows[at] > found:
                    continue
            due_s = deadline_s(line.shape)
            if due_s == -inf:
                continue
            if due_s == inf:
                at = line.first(behind, _ANY_S)
            else:
                # `now + estimate <= due` decides. `due - now` may be off it by rounding, so search
                # a little beyond and ask the exact question of each job found.
                most_s = due_s - now_s + 2 * ulp(max(abs(due_s), abs(now_s)))
                if line.shortest_s() > most_s:
                    continue
                at = line.first(behind, most_s)
                while at >= 0 and now_s + self._listed[line.rows[at]].estimate_s > due_s:
                    at = line.first(at + 1, most_s)
            if at >= 0 and (found < 0 or line.rows[at] < found):
                found = line.rows[at]
        first = self._listed[found] if found >= 0 else None
        for late in self._late:
            if first is not None and late.place > first.place:
                break
            if late.place > place and late.gpus <= most_gpus:
                due_s = deadline_s(late.shape)
                if due_s > -inf and now_s + late.estimate_s <= due_s:
                    return late
        return first

    def _list_all(self) -> None:
        if not self._lines:
            self._make_lines()
        for row, job in self._unlisted.items():
            line = self._lines[job.shape.index]
            line.put(self._leaf_of[row], job.estimate_s)
            line.waiting += 1
        self._listed.update(self._unlisted)
        self._unlisted.clear()

    def _make_lines(self) -> None:
        shape_of = self._shape_of if self._asked_of is None else self._asked_of
        leaf_of = np.zeros(len(shape_of), np.int32)
        for shape in self._shapes:
            asked = self.home.get(shape.index, shape)
            rows = np.flatnonzero(shape_of == asked.index)
            leaf_of[rows] = np.arange(len(rows))
            self._lines.append(_ShapeLine(shape, rows.tolist()))
        self._leaf_of = leaf_of.tolist()
