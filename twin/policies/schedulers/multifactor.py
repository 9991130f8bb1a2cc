"""Priority from several factors, as Slurm has it, with preemption by quality of service."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.labels import require_any
from twin.policies.priority import Backfill, PriorityScheduler
from twin.policies.ranking import Keys
from twin.policies.view import ClusterView, JobsView, UsageView
from twin.registry import policy


@policy("multifactor")
@dataclass(frozen=True, kw_only=True)
class Multifactor(PriorityScheduler):
    """Weighted sum of age, size, fair share, quality of service and partition [slurm-priority].

    Each factor is between 0 and 1, as in Slurm's multifactor plug-in:

    - age: time since submission over ``max_age``, at most 1;
    - size: GPUs asked for over GPUs installed, or 1 less that with ``favour_small``;
    - fair share: ``2^(-usage / share)``, where usage is the label's part of all GPU-time with a
      half-life of ``half_life``, and share its part by ``shares`` (equal if not given);
    - quality of service and partition: by name, from ``qos`` and ``partitions``, over the largest.

    A job may preempt one whose quality of service is worth less. Keys of waiting jobs are taken
    anew every ``calculate_every``. Behind the first job that does not fit EASY backfill looks at
    ``depth`` jobs.

    Notes
    -----
    Fair share is Slurm's classic formula, on one level of accounts; since 19.05 its default is Fair
    Tree. Of Slurm's nine factors nice, association, site and those of trackable resources are left
    out, and partitions have no tiers. The weights are this program's.
    """

    preempts: ClassVar[bool] = True

    age_weight: float = 1000.0  # of the time since submission
    size_weight: float = 0.0  # of the GPUs asked for
    fair_share_weight: float = 1000.0  # of how far the label is below its share
    qos_weight: float = 10000.0  # of the quality of service
    partition_weight: float = 0.0  # of the pool asked for
    max_age_s: float = 7 * 86400.0  # from which on age counts in full
    half_life_s: float = 7 * 86400.0  # in which past use loses half its weight
    calculate_every_s: float = 300.0  # how often keys are taken anew
    favour_small: bool = False  # whether fewer GPUs count for more
    share_by: str = "user"  # the column whose labels have shares: user or group
    shares: dict[str, float] = field(default_factory=dict)  # by label; equal if not given
    qos: dict[str, float] = field(default_factory=dict)  # worth of each quality of service
    # worth of each pool that a job asks for
    partitions: dict[str, float] = field(default_factory=dict)
    backfill: Backfill = "easy"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_age_s", "half_life_s", "calculate_every_s"):
            if not getattr(self, name) > 0:
                raise DomainError(f"{name.removesuffix('_s')}: must be above 0 s")
        if self.share_by not in ("user", "group"):
            raise DomainError("share_by: must be user or group")
        for name in ("shares", "qos", "partitions"):
            if any(value < 0 for value in getattr(self, name).values()):
                raise DomainError(f"{name}: must be 0 or above")

    @property
    def reranks_s(self) -> float:
        return self.calculate_every_s

    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        if "names-known" not in cluster.notes:
            cluster.notes["names-known"] = True
            columns = {"shares": self.share_by, "qos": "qos", "partitions": "pool"}
            for option, column in columns.items():
                known = jobs.codes(column)[1]
                require_any(f"multifactor.{option}", getattr(self, option), known, column)
        age = np.minimum((jobs.now_s - jobs.submit_s) / self.max_age_s, 1.0)
        total = self.age_weight * age
        if self.size_weight:
            size = jobs.gpus / cluster.site.n_gpus
            total = total + self.size_weight * (1.0 - size if self.favour_small else size)
        if self.fair_share_weight:
            codes, _ = jobs.codes(self.share_by)
            total = total + self.fair_share_weight * self._fair_share(cluster)[codes]
        if self.qos_weight and self.qos:
            total = total + self.qos_weight * _worth(jobs, "qos", self.qos)
        if self.partition_weight and self.partitions:
            total = total + self.partition_weight * _worth(jobs, "pool", self.partitions)
        return np.asarray(-total)

    def may_give_way(self, running: JobsView, waiting: JobsView) -> bool:
        if not self.qos or not len(running):
            return False
        least = _worth(running, "qos", self.qos).min()
        return bool(least < _worth(waiting, "qos", self.qos).max())

    def gives_way(
        self, running: JobsView, keys: Keys, waiting: JobsView, key: float
    ) -> NDArray[np.bool_]:
        if not self.qos:
            return np.zeros(len(running), bool)
        mine = _worth(waiting, "qos", self.qos)[0]
        return np.asarray(_worth(running, "qos", self.qos) < mine)

    def alike(self, waiting: JobsView) -> NDArray[np.int64]:
        return waiting.codes("qos")[0].astype(np.int64)

    def _fair_share(self, cluster: ClusterView) -> NDArray[np.float64]:
        """(n_label,) the factor of each user or group."""
        usage: UsageView = cluster.usage(self.share_by)
        notes: dict[str, Any] = cluster.notes.setdefault("fair-share", {"as_of_s": -inf})
        if cluster.now_s >= notes["as_of_s"] + self.calculate_every_s or "factor" not in notes:
            now_gpu_s = usage.attained_gpu_s(cluster.now_s)
            new_gpu_s = now_gpu_s - notes.get("attained_gpu_s", 0.0)
            passed_s = max(cluster.now_s - notes["as_of_s"], 0.0)
            decay = 2.0 ** (-passed_s / self.half_life_s)
            decayed = decay * notes.get("decayed_gpu_s", 0.0) + new_gpu_s
            shares = np.array([self.shares.get(name, 1.0) for name in usage.names])
            all_gpu_s, all_shares = decayed.sum(), shares.sum()
            with np.errstate(divide="ignore", invalid="ignore"):
                over = (decayed / all_gpu_s if all_gpu_s else decayed) / (shares / all_shares)
            notes |= {
                "as_of_s": cluster.now_s,
                "attained_gpu_s": now_gpu_s,
                "decayed_gpu_s": decayed,
                "factor": np.where(shares > 0, 2.0 ** -np.nan_to_num(over), 0.0),
            }
        found: NDArray[np.float64] = notes["factor"]
        return found


def _worth(jobs: JobsView, column: str, by_name: dict[str, float]) -> NDArray[np.float64]:
    """(n,) what the label of each job is worth, over the most; 0 for those that are not named."""
    codes, names = jobs.codes(column)
    most = max(by_name.values(), default=0.0) or 1.0
    return np.array([by_name.get(name, 0.0) / most for name in names])[codes]
