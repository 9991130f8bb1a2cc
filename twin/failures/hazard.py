"""How often a job of some size is to be interrupted, by the nominal rates of all that it needs."""

from __future__ import annotations

from math import inf

from twin.failures.model import FailureModel
from twin.site.domains import Domains


class Hazard:
    """Expected time between interruptions, by pool and size.

    Rates of independent parts add up (`docs/reference/sources.md`, how often a synchronous job
    stops). A job is taken to touch as few units of each level as its nodes need, and its nodes to
    be lemons as often as any.
    """

    def __init__(self, model: FailureModel, domains: Domains) -> None:
        self._model = model
        self._domains = domains
        self._known: dict[tuple[int, int, int], float] = {}

    def mttf_s(self, pool: int, gpus: int, nodes: int) -> float:
        """Mean time between interruptions of a job of so many GPUs on so many nodes. [s]"""
        size = pool, gpus, nodes
        if size not in self._known:
            rate_per_s = self._rate_per_s(*size)
            self._known[size] = 1 / rate_per_s if rate_per_s > 0 else inf
        return self._known[size]

    def of_pool(self, pool: str, gpus: int) -> float:
        """The same for a job of so many GPUs, by the name of its pool. [s]"""
        site = self._domains.site
        at = next((p for p, built in enumerate(site.pools) if built.name == pool), 0)
        return self.mttf_s(at, gpus, -(-gpus // site.pools[at].gpus_per_node))

    def _rate_per_s(self, pool: int, gpus: int, nodes: int) -> float:
        rate_per_s = 0.0
        for cls in self._model.classes:
            if cls.effect not in ("fail_stop", "silent"):
                continue
            if cls.of == "job":
                units: float = {"job": 1, "gpu": gpus, "node": nodes}[cls.job_scale]
            else:
                units = (1 - cls.beta) * self._units(cls.of, cls.takes, pool, gpus, nodes)
                if cls.beta:
                    units += cls.beta * self._units(cls.of, cls.beta_of, pool, gpus, nodes)
            mean_s = cls.life.mean / cls.rate_factor
            if cls.of in ("gpu", "node") and self._model.lemons is not None:
                mean_s /= self._model.lemons.mean
            if 0 < mean_s < inf:
                rate_per_s += units * cls.per * (1 + cls.false_alarms) / mean_s
        return rate_per_s * self._model.rate_factor

    def _units(self, of: str, takes: str, pool: int, gpus: int, nodes: int) -> float:
        """Units of a level whose fault stops the job, if it takes one of another level with it."""
        if takes == "gpu":
            return gpus
        site, count = self._domains.site, self._domains.units
        if takes == "node":
            return nodes * (site.pools[pool].gpus_per_node if of == "gpu" else 1)
        touched = max(1.0, nodes * count(takes) / site.n_nodes)
        return touched * count(of) / count(takes)
