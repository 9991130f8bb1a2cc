"""What running jobs have left to do, stated as it is for those that wait: at nominal speed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.policies.view import ClusterView, JobsView, JobView

Array = NDArray[np.float64]


def work_left_s(job: JobView, cluster: ClusterView) -> float:
    """What a job has left to do at nominal speed, by estimate. [s]

    Notes
    -----
    ``left_s`` of a running job is time on the GPUs that it holds. On slow ones that is more than
    the same work of one that waits, and to compare the two makes them preempt each other in turns.
    """
    left_s = job.left_s(cluster.now_s)
    return left_s if job.start_s != job.start_s else left_s * _speed(job, cluster)


@dataclass
class SpeedsHeld:
    """Speeds of running jobs where they run, looked up once for each start.

    Attributes
    ----------
    speed, since_s : (n,) arrays
        By row: the speed looked up last, and when that spell began. [-], [s]
    """

    speed: Array = field(default_factory=lambda: np.ones(0))
    since_s: Array = field(default_factory=lambda: np.zeros(0))

    def of(self, running: JobsView, cluster: ClusterView) -> Array:
        """(n_running,) speed of each against its nominal one. [-]"""
        rows, since_s = running.rows, running.since_s
        if len(rows) and int(rows.max()) >= len(self.speed):
            more = 2 * int(rows.max()) + 1 - len(self.speed)
            self.speed = np.append(self.speed, np.ones(more))
            self.since_s = np.append(self.since_s, np.full(more, np.nan))
        new = set(rows[self.since_s[rows] != since_s].tolist())
        if new:
            self.since_s[rows] = since_s
            for job in reversed(cluster.running):  # those that started last come last
                if job.row in new:
                    self.speed[job.row] = _speed(job, cluster)
                    new.remove(job.row)
                    if not new:
                        break
        return self.speed[rows]


def _speed(job: JobView, cluster: ClusterView) -> float:
    pool = int(cluster.site.node_pool[next(iter(job.held))])
    return cluster.rate(job, pool, job.gpus)
