"""Dominant resource fairness: next is who has least of what he has most of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.base import Decision, Scheduler
from twin.policies.labels import Waiting
from twin.policies.view import ClusterView, QueueView
from twin.registry import policy


@policy("drf")
@dataclass(frozen=True, kw_only=True)
class DominantResource(Scheduler):
    """The user with the least dominant share starts his oldest job [ghodsi2011], algorithm 1.

    A dominant share is the largest of the shares of GPUs, of CPU cores and of host memory that the
    user's running jobs hold; the latter two count where ``cpus`` and ``memory_gib`` say what the
    site has.

    Notes
    -----
    Where the job that is next does not fit, algorithm 1 stops; here its user is passed over until
    something changes, so that large jobs may starve. Cores and memory decide who is next, not what
    fits. Users have equal weights.
    """

    share_by: str = "user"  # user or group
    cpus: float = 0.0  # CPU cores of the site; 0: they are not heeded
    memory_gib: float = 0.0  # host memory of the site; 0: it is not heeded

    def __post_init__(self) -> None:
        if self.share_by not in ("user", "group"):
            raise DomainError("share_by: must be user or group")
        if self.cpus < 0 or self.memory_gib < 0:
            raise DomainError("cpus and memory_gib: must be 0 (not heeded) or above")

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[Decision]:
        if queue.head is None or cluster.free_gpus == 0:
            return
        waiting: Waiting = cluster.notes.setdefault("waiting", Waiting(self.share_by))
        waiting.update(queue, cluster)
        share = self._shares(cluster)
        open_ = set(waiting.labels())
        while open_:
            label = min(open_, key=lambda one: (share[one], one))
            row = waiting.oldest(label, queue)
            if row is None or not cluster.fits((job := queue.job(row)).shape, job):
                open_.remove(label)
                continue
            yield job
            share = self._shares(cluster)

    def _shares(self, cluster: ClusterView) -> NDArray[np.float64]:
        """(n_label,) dominant shares."""
        usage = cluster.usage(self.share_by)
        shares = np.array(usage.held_gpus) / cluster.site.n_gpus
        wanted = (("cpus", self.cpus), ("memory_bytes", self.memory_gib * 2**30))
        if self.cpus or self.memory_gib:
            table, _ = cluster.running_table()
            labels = usage.codes[table.rows]
            for column, total in wanted:
                if total:
                    held = np.bincount(labels, np.nan_to_num(table.column(column)), len(shares))
                    shares = np.maximum(shares, held / total)
        return shares
