"""When waiting jobs would start on premise, if they start in queue order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

from twin.kernel.cluster import Cluster
from twin.kernel.job import Job
from twin.policies.view import Placement

# When, in what order of those of one time, and what comes free: all of a job, or a place.
_Ending = tuple[float, int, Job | Placement]


class Forecast:
    """Places waiting jobs one after another on a sketch of what is free, now and later.

    Each starts as soon as it fits and no earlier than the one before it. Running jobs end, and
    nodes come back, when they are expected to. Jobs that go to a cloud meanwhile are taken out.

    Parameters
    ----------
    cluster : Cluster
    jobs : iterator of Job
        Those that wait, in queue order.
    stays : callable
        Whether a job waits for nodes on premise still.
    """

    def __init__(self, cluster: Cluster, jobs: Iterator[Job], stays: Callable[[Job], bool]) -> None:
        self._cluster = cluster
        self._jobs = jobs
        self._stays = stays
        self._sketch = cluster.sketch()
        self._number = count()
        self._time_s = cluster.now_s
        self._start_s: dict[int, float] = {}
        self._last: tuple[Job, Placement | None, float, list[_Ending]] | None = None
        fleet, now_s = cluster.fleet, cluster.now_s
        clouds = set(fleet.site.cloud_pools)
        self._clouds = clouds
        ending: list[_Ending] = [
            (max(job.expected_end_s, now_s), next(self._number), job)
            for job in cluster.running
            if job.row not in cluster.leaving
            and fleet.node_pool[next(iter(job.held), 0)] not in clouds
        ]
        for node, up_s in fleet.up_s.items():
            gone = fleet.down_mask[node] & ~fleet.leaving.get(node, 0)
            if gone and up_s < inf and fleet.node_pool[node] not in clouds:
                place = [(node, gone.bit_count())]
                ending.append((max(up_s, now_s), next(self._number), place))
        heapify(ending)
        self._ending = ending

    def start_s(self, job: Job) -> float:
        """When a job that waits is expected to start; ``inf`` if nothing on premise holds it."""
        while job.row not in self._start_s:
            self._keep_last()
            one = next(self._jobs, None)
            if one is None:
                return inf
            self._start_s[one.row] = self._place(one)
        return self._start_s[job.row]

    def _place(self, job: Job) -> float:
        if self._clouds.issuperset(job.asked.pools):
            return inf
        sketch, ended, before_s = self._sketch, [], self._time_s
        now_s = self._cluster.now_s
        place = sketch.place(job.shape, job, self._time_s - now_s)
        while place is None and self._ending:
            ending = heappop(self._ending)
            ended.append(ending)
            self._time_s = ending[0]
            self._give_back(ending[2], 1)
            # All that ends at one time is free at that time.
            if not self._ending or self._ending[0][0] > ending[0]:
                place = sketch.place(job.shape, job, self._time_s - now_s)
        start_s = self._time_s
        self._last = job, place, before_s, ended
        return inf if place is None else start_s

    def _keep_last(self) -> None:
        """The last job that was placed stays where it is, or is taken out if it went away."""
        if self._last is None:
            return
        job, place, before_s, ended = self._last
        self._last = None
        if place is not None and self._stays(job):
            pool = self._cluster.fleet.node_pool[place[0][0]]
            end_s = self._time_s + job.estimate_s / self._cluster.rate(job, pool, job.gpus)
            heappush(self._ending, (end_s, next(self._number), place))
            return
        if place is not None:
            self._give_back(place, 1)
        for ending in ended:  # nobody has waited for these
            self._give_back(ending[2], -1)
            heappush(self._ending, ending)
        self._time_s = before_s

    def _give_back(self, what: Job | Placement, sign: int) -> None:
        if not isinstance(what, Job):
            self._sketch.take([(node, -sign * gpus) for node, gpus in what])
        elif sign > 0:
            self._sketch.release(what)
        else:
            self._sketch.retake(what)
