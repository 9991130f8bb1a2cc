"""FIFO and EASY on gang jobs, written a second time from the contract alone.

This module shares nothing with the simulator: plain Python, standard library only, no SimPy. It is
there to be compared with, so it is written to be read beside the contract's two sections "Order at
one instant" and "FIFO and EASY on gang jobs, exactly".

    fifo(jobs, n_nodes, gpus_per_node=8)                          -> start times
    easy(jobs, n_nodes, gpus_per_node=8, estimates=None)          -> start times
    easy_literal(jobs, n_nodes, gpus_per_node=8, estimates=None)  -> the same, word for word, slow

`jobs` holds (submit_s, gpus, run_s) in any order; the answer is in queue order (by submit time,
ties as given; `queue_order` gives that list). `estimates` holds one run time per job, in queue
order. `easy` leaves out work that cannot change the answer; test_reference.py holds it to
`easy_literal`.

What the contract leaves open, decided here:

- The scheduler runs at every instant with an arrival or a completion, and at no other: the moment
  a running job passes its estimate is not an instant of its own.
- "Ends by" means "at or before". A job that ends by the shadow time is not taken out of the
  projection, because it is gone by then.
- A job larger than the whole cluster, a job without GPUs, a run time of 0 or less and a negative
  estimate are refused (ValueError).
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from heapq import heappop, heappush
from math import inf, isfinite
from operator import itemgetter


def fifo(jobs, n_nodes, gpus_per_node=8):
    """Start times in queue order under FIFO."""
    return Fifo(jobs, n_nodes, gpus_per_node).run()


def easy(jobs, n_nodes, gpus_per_node=8, estimates=None):
    """Start times in queue order under EASY, quick enough for a trace of 80,000 jobs."""
    return PrunedEasy(jobs, n_nodes, gpus_per_node, estimates).run()


def easy_literal(jobs, n_nodes, gpus_per_node=8, estimates=None):
    """Start times in queue order under EASY, following the contract word for word."""
    return Easy(jobs, n_nodes, gpus_per_node, estimates).run()


def queue_order(jobs):
    """The jobs by submit time; ties keep the order given (Python's sort is stable)."""
    return sorted(jobs, key=itemgetter(0))


def nodes_needed(gpus, size):
    """How many nodes a job larger than a node takes whole: ceil(gpus / size)."""
    return -(-gpus // size)


def place(free, gpus, size):
    """Where a job of that many GPUs goes: {node: GPUs taken}, or None where it does not fit.

    `free` is the number of free GPUs by node id, `size` the number a node has.
    """
    if gpus <= size:
        fitting = [(n_free, node) for node, n_free in enumerate(free) if n_free >= gpus]
        if not fitting:
            return None
        _, node = min(fitting)  # fewest free GPUs, then the lowest id
        return {node: gpus}
    wholly_free = [node for node, n_free in enumerate(free) if n_free == size]
    if len(wholly_free) < nodes_needed(gpus, size):
        return None
    return dict.fromkeys(wholly_free[: nodes_needed(gpus, size)], size)


def take(free, placement):
    for node, gpus in placement.items():
        free[node] -= gpus


def give_back(free, placement):
    for node, gpus in placement.items():
        free[node] += gpus


class Fifo:
    """The cluster, the clock and the FIFO queue. Jobs go by their place in queue order."""

    def __init__(self, jobs, n_nodes, gpus_per_node, estimates=None):
        ordered = queue_order(jobs)
        self.submit = [job[0] for job in ordered]
        self.gpus = [job[1] for job in ordered]
        self.run_s = [job[2] for job in ordered]
        self.estimate = self.run_s if estimates is None else list(estimates)
        self.size = gpus_per_node
        self.free = [gpus_per_node] * n_nodes
        self.start_s = [None] * len(ordered)
        self.placement = {}  # of the running jobs
        self.ends = []  # heap of (true end, job) of the running jobs
        self.now = None
        self.queue = deque()  # the jobs that wait, in queue order
        self._check(n_nodes)

    def _check(self, n_nodes):
        if len(self.estimate) != len(self.run_s):
            raise ValueError("one estimate per job is needed")
        for job, gpus in enumerate(self.gpus):
            if not 1 <= gpus <= n_nodes * self.size:
                raise ValueError(f"job {job} asks for {gpus} of {n_nodes * self.size} GPUs")
            if not (self.run_s[job] > 0 and isfinite(self.run_s[job])):
                raise ValueError(f"job {job} runs for {self.run_s[job]} s")
            if not (self.estimate[job] >= 0 and isfinite(self.estimate[job])):
                raise ValueError(f"job {job} is estimated at {self.estimate[job]} s")

    def run(self):
        arrived = 0
        while arrived < len(self.submit) or self.ends:
            next_arrival = self.submit[arrived] if arrived < len(self.submit) else inf
            next_end = self.ends[0][0] if self.ends else inf
            self.now = min(next_arrival, next_end)
            while self.ends and self.ends[0][0] == self.now:  # completions first,
                self.finish(heappop(self.ends)[1])
            while arrived < len(self.submit) and self.submit[arrived] == self.now:
                self.arrive(arrived)  # then arrivals,
                arrived += 1
            self.schedule()  # then the scheduler, once
        return self.start_s

    def arrive(self, job):
        self.queue.append(job)

    def start(self, job, placement):
        """Start a job that its caller has taken, or is taking, out of the queue."""
        take(self.free, placement)
        self.placement[job] = placement
        self.start_s[job] = self.now
        heappush(self.ends, (self.now + self.run_s[job], job))

    def finish(self, job):
        give_back(self.free, self.placement.pop(job))

    def schedule(self):
        while self.queue:
            placement = place(self.free, self.gpus[self.queue[0]], self.size)
            if placement is None:
                return
            self.start(self.queue.popleft(), placement)


class Easy(Fifo):
    """EASY backfilling, word for word."""

    def projected_end(self, job):
        """When a running job is thought to end; one past its estimate: now."""
        return max(self.now, self.start_s[job] + self.estimate[job])

    def schedule(self):
        super().schedule()  # the FIFO step
        if not self.queue:
            return
        head, *rest = self.queue
        shadow, projected = self.reserve(head)
        for job in rest:  # one sweep over the rest of the queue, in order
            placement = place(self.free, self.gpus[job], self.size)
            if placement is None:
                continue
            if self.now + self.estimate[job] > shadow:
                without = list(projected)
                take(without, placement)
                if place(without, self.gpus[head], self.size) is None:
                    continue
                projected = without
            self.start(job, placement)
            self.queue.remove(job)

    def reserve(self, head):
        """The shadow time and the free GPUs by node that are projected for it."""
        for shadow in sorted(self.projected_end(job) for job in self.placement):
            projected = list(self.free)
            for job, placement in self.placement.items():
                if self.projected_end(job) <= shadow:
                    give_back(projected, placement)
            if place(projected, self.gpus[head], self.size) is not None:
                return shadow, projected
        raise AssertionError("a job that fits the empty cluster fits once every job has ended")


class PrunedEasy(Easy):
    """EASY with the work left out that cannot change the answer.

    1. No free GPU, or no waiting job's size has a placement now: the pass ends, since free GPUs
       only become fewer within it.
    2. Jobs of one size have one placement and one answer to "does the head still fit", for as long
       as nothing starts. So the sweep goes from one start to the next: for every size that has a
       placement, look for the first waiting job behind the last start that may start (any one
       where the head still fits, else one that ends by the shadow time), and take the first of
       these in queue order. A `FirstMatch` per size finds it without a walk along the queue.
    3. Placements are found by a count of the nodes by free GPUs. Running jobs are kept sorted by
       projected end (max with now keeps the order), so they are released one after the other. The
       head fits where enough nodes have enough free GPUs; that number is counted along.
    """

    def __init__(self, jobs, n_nodes, gpus_per_node, estimates=None):
        super().__init__(jobs, n_nodes, gpus_per_node, estimates)
        self.with_free = [0] * gpus_per_node + [n_nodes]  # number of nodes by free GPUs
        self.running = []  # sorted (start + estimate, job)
        self.head = 0  # the first job in queue order that has not started; it may be to come
        self.arrived = 0
        self.of_size = {}  # GPUs asked for: the jobs that ask for it, in queue order
        self.rank = []  # a job's place in its list of_size
        for job, gpus in enumerate(self.gpus):
            same = self.of_size.setdefault(gpus, [])
            self.rank.append(len(same))
            same.append(job)
        self.waiting = {gpus: FirstMatch(len(same)) for gpus, same in self.of_size.items()}

    def arrive(self, job):
        self.arrived += 1
        self.waiting[self.gpus[job]].put(self.rank[job], self.estimate[job])

    def start(self, job, placement):
        self.waiting[self.gpus[job]].put(self.rank[job], inf)
        self.placement[job] = placement
        self.start_s[job] = self.now
        heappush(self.ends, (self.now + self.run_s[job], job))
        insort(self.running, (self.now + self.estimate[job], job))
        for node, gpus in placement.items():
            self.change(node, -gpus)

    def finish(self, job):
        entry = (self.start_s[job] + self.estimate[job], job)
        del self.running[bisect_left(self.running, entry)]
        for node, gpus in self.placement.pop(job).items():
            self.change(node, gpus)

    def change(self, node, gpus):
        self.with_free[self.free[node]] -= 1
        self.free[node] += gpus
        self.with_free[self.free[node]] += 1

    def place_now(self, gpus):
        """place(self.free, gpus, self.size)"""
        if gpus <= self.size:
            for n_free in range(gpus, self.size + 1):
                if self.with_free[n_free]:
                    return {self.free.index(n_free): gpus}  # index: the lowest id
            return None
        if self.with_free[self.size] < nodes_needed(gpus, self.size):
            return None
        return place(self.free, gpus, self.size)

    def schedule(self):
        while self.head < self.arrived:  # the FIFO step
            if self.start_s[self.head] is None:
                placement = self.place_now(self.gpus[self.head])
                if placement is None:
                    break
                self.start(self.head, placement)
            self.head += 1
        else:
            return
        if self.with_free[0] == len(self.free):
            return
        sizes = [
            gpus
            for gpus, waiting in self.waiting.items()
            if waiting.any() and self.place_now(gpus) is not None
        ]
        if sizes:
            self.sweep(sizes)

    def sweep(self, sizes):
        # The head fits where at least `needed` nodes have at least `at_least` free GPUs.
        head_gpus = self.gpus[self.head]
        at_least = min(head_gpus, self.size)
        needed = nodes_needed(head_gpus, self.size)
        shadow, projected = self.reserve_counting(at_least, needed)
        enough = sum(n_free >= at_least for n_free in projected)

        def ends_in_time(estimate):
            return self.now + estimate <= shadow

        last = self.head
        while True:
            first, first_placement, first_spoils = len(self.submit), None, 0
            for gpus in sizes:
                placement = self.place_now(gpus)
                if placement is None:
                    continue
                spoils = sum(  # the nodes that would no longer do for the head
                    projected[node] >= at_least > projected[node] - taken
                    for node, taken in placement.items()
                )
                same = self.of_size[gpus]
                rank = self.waiting[gpus].first(
                    bisect_right(same, last),
                    is_waiting if enough - spoils >= needed else ends_in_time,
                )
                if rank is not None and same[rank] < first:
                    first, first_placement, first_spoils = same[rank], placement, spoils
            if first_placement is None:
                return
            if not ends_in_time(self.estimate[first]):
                take(projected, first_placement)
                enough -= first_spoils
            self.start(first, first_placement)
            last = first

    def reserve_counting(self, at_least, needed):
        """`reserve`, releasing the running jobs in the order of their projected ends."""
        projected = list(self.free)
        enough = sum(n_free >= at_least for n_free in projected)
        shadow = None
        for end, job in self.running:
            if shadow is not None and max(self.now, end) > shadow:
                break
            for node, gpus in self.placement[job].items():
                enough += projected[node] < at_least <= projected[node] + gpus
                projected[node] += gpus
            if shadow is None and enough >= needed:
                shadow = max(self.now, end)
        return shadow, projected


def is_waiting(estimate):
    return estimate < inf


class FirstMatch:
    """Numbers by rank, infinite at first, in a binary tree of minima (leaves from `width` on).

    `first` finds the first rank from `start` on whose number passes, for a test that passes every
    number smaller than one it passes.
    """

    def __init__(self, n):
        self.width = 1
        while self.width < n:
            self.width *= 2
        self.least = [inf] * (2 * self.width)

    def any(self):
        return self.least[1] < inf

    def put(self, rank, number):
        i = rank + self.width
        self.least[i] = number
        while i > 1:
            i //= 2
            self.least[i] = min(self.least[2 * i], self.least[2 * i + 1])

    def first(self, start, passes):
        if start >= self.width:
            return None
        i = start + self.width
        while not passes(self.least[i]):  # go to the next subtree on the right
            while i % 2:  # a right child: up
                i //= 2
            if i == 0:  # up from the root: there is none
                return None
            i += 1
        while i < self.width:  # the leftmost leaf that passes
            i *= 2
            if not passes(self.least[i]):
                i += 1
        return i - self.width
