"""How fast a job goes on the GPUs of a pool, remembered by model, pool and number."""

from __future__ import annotations

from twin.policies.view import JobView
from twin.site.layout import Site
from twin.workload.speeds import Speeds


class Rates:
    """Looks speeds up once for each model, pool and number of GPUs."""

    def __init__(self, speeds: Speeds, site: Site) -> None:
        self._speeds = speeds
        self._pools = [(pool.gpu_type, pool.gpus_per_node) for pool in site.pools]
        self._known: dict[tuple[str, int, int, int], float] = {}

    def __call__(self, job: JobView, pool: int, gpus: int) -> float:
        """Speed of a job on so many GPUs of a pool, against its nominal one."""
        asked = job.asked.gpus - job.asked.standby_gpus
        key = job.model, pool, asked, gpus
        rate = self._known.get(key)
        if rate is None:
            gpu_type, node_gpus = self._pools[pool]
            rate = self._speeds.rate(job.model, gpu_type, asked, gpus, node_gpus)
            self._known[key] = rate
        return rate
