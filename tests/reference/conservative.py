"""Conservative backfilling on gang jobs, written a second time from its definition alone.

Plain Python, standard library only, nothing shared with the simulator: slow, and meant to be read
beside the definition in `docs/explanation/scheduling.md`. It answers as `gang_scheduler` does:

    conservative(jobs, n_nodes, gpus_per_node=8, estimates=None, depth=100, window=inf)
        -> (start times, first promised start of each job or None), in queue order

Nothing is kept from one instant to the next but what a promise is: a job, a time, and its nodes.
Every question about a node is answered by adding up who holds it, at each time at which that sum
can become worse.
"""

from math import inf

from gang_scheduler import Fifo, place


def conservative(jobs, n_nodes, gpus_per_node=8, estimates=None, depth=100, window=inf):
    """Start times in queue order, and the first start that each job was promised."""
    hall = Conservative(jobs, n_nodes, gpus_per_node, estimates)
    hall.depth, hall.window = depth, window
    return hall.run(), [hall.first_promise.get(job) for job in range(len(jobs))]


class Conservative(Fifo):
    def __init__(self, *args):
        super().__init__(*args)
        self.promised = {}  # job: (start, placement), in queue order; placement None: not held
        self.first_promise = {}
        self.freed_early = False

    def expected_end(self, job):
        return self.start_s[job] + self.estimate[job]

    def start(self, job, placement):
        super().start(job, placement)
        self.queue.remove(job)
        self.promised.pop(job, None)

    def finish(self, job):
        if self.now < self.expected_end(job):
            self.freed_early = True
        super().finish(job)

    def schedule(self):
        if any(self.is_broken(*promise) for promise in self.promised.values()):
            jobs = list(self.promised)
            self.promised = dict.fromkeys(jobs, (inf, None))
            for job in jobs:
                self.promise(job)
        else:
            for job in list(self.promised):
                self.start_if_due(job)
            while self.freed_early:
                moved = [self.moves_up(job) for job in list(self.promised)]
                self.freed_early = any(moved)
            for job in list(self.promised):
                if self.promised[job][1] is None:
                    self.promise(job)
        self.freed_early = False
        for job in list(self.queue):
            if job not in self.promised:
                full = len(self.promised) >= self.depth
                if full and place(self.free, self.gpus[job], self.size) is None:
                    continue  # it would have to start now
                start, placement = self.earliest(job)
                if start == self.now and self.is_free(placement):
                    self.start(job, placement)
                elif not full:
                    self.promise(job)

    def is_broken(self, start, placement):
        if placement is None or start > self.now:
            return False
        return start < self.now or not self.is_free(placement)

    def start_if_due(self, job):
        start, placement = self.promised[job]
        if placement is not None and start == self.now and self.is_free(placement):
            self.start(job, placement)

    def promise(self, job):
        start, placement = self.earliest(job)
        self.promised[job] = (start, placement if start <= self.now + self.window else None)
        if self.promised[job][1] is not None:
            self.first_promise.setdefault(job, start)
        self.start_if_due(job)

    def moves_up(self, job):
        start, placement = self.promised[job]
        if placement is None:
            return False
        self.promised[job] = (inf, None)
        self.promised[job] = earlier = self.earliest(job)
        if earlier[0] < start:
            self.start_if_due(job)
            return True
        self.promised[job] = (start, placement)
        return False

    def is_free(self, placement):
        return all(self.free[node] >= gpus for node, gpus in placement.items())

    def earliest(self, job):
        """The earliest start of a job and its nodes, with all that others hold left to them."""
        held = self.holds()
        # Right now there is only what is really free; a job that is overdue gives its GPUs back
        # in the next moment, which is later though no time passes.
        really = [self.least_free(held, node, self.now, job) for node in range(len(self.free))]
        really = [min(both) for both in zip(really, self.free, strict=True)]
        if found := place(really, self.gpus[job], self.size):
            return self.now, found
        ends = {end for holds in held for _, end, _ in holds if end > self.now}
        for start in sorted({self.now} | ends):
            free = [self.least_free(held, node, start, job) for node in range(len(self.free))]
            if found := place(free, self.gpus[job], self.size):
                return start, found
        raise AssertionError("a job that fits the empty cluster fits once all has ended")

    def holds(self):
        """By node: (from, until, GPUs) of everybody who holds some of it."""
        held = [[] for _ in self.free]
        for job, placement in self.placement.items():
            for node, gpus in placement.items():
                held[node].append((self.start_s[job], self.expected_end(job), gpus))
        for job, (start, placement) in self.promised.items():
            for node, gpus in (placement or {}).items():
                held[node].append((start, start + self.estimate[job], gpus))
        return held

    def least_free(self, held, node, start, job):
        """The fewest GPUs free on a node from a start to the end of the job."""
        end = start + self.estimate[job]
        moments = [start] + [begin for begin, _, _ in held[node] if start < begin < end]
        return self.size - max(
            sum(gpus for begin, until, gpus in held[node] if begin <= moment < until)
            for moment in moments
        )
