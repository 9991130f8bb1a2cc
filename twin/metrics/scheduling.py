"""The section ``scheduling`` of the summary: how the cluster was shared, and what it cost."""

from __future__ import annotations

from typing import Any

import pandas as pd

from twin.metrics.by_class import by_class
from twin.metrics.cloud import gpus_there
from twin.metrics.deadlines import deadlines
from twin.metrics.fairness import fairness
from twin.metrics.fragmentation import fragmentation
from twin.metrics.guests import who_ran
from twin.metrics.moves import moves
from twin.results.outcome import Outcome
from twin.site.layout import Site


def scheduling(outcome: Outcome, site: Site) -> dict[str, Any]:
    """Fairness, fragmentation, moves, deadlines, and what jobs felt by class.

    Notes
    -----
    A key is absent where there is nothing to tell: no second tenant, no preemption, no deadline,
    one class of job. Replicas of services hold GPUs, so they count for tenants and their shares;
    what single jobs felt is told of jobs alone.
    """
    jobs, horizon_s = outcome.jobs, outcome.horizon_s
    allocations = who_ran(outcome.allocations, outcome.stays)
    if jobs.empty:
        return {}
    return {
        **fairness(jobs, allocations, gpus_there(outcome, site, 0.0, horizon_s), horizon_s),
        **_fragmentation(outcome, allocations, site),
        **moves(jobs, allocations, horizon_s),
        **deadlines(jobs, horizon_s),
        **_classes(jobs),
    }


def _fragmentation(outcome: Outcome, allocations: pd.DataFrame, site: Site) -> dict[str, Any]:
    """Fragmentation, and among what is stranded the gaps that services leave while work waits."""
    gpu_time = outcome.gpu_time
    made = fragmentation(outcome.jobs, allocations, site, outcome.horizon_s, gpu_time)
    if outcome.stays is None or not gpu_time["stranded"] or len(site.pools) > 1:
        return made
    if not any(gpu_time[share] for share in ("down", "dark", "spare")):
        reasons = made.get("stranded_gpu_s", {})
        reasons["gaps"] = max(gpu_time["stranded"] - sum(reasons.values()), 0.0)
        made["stranded_gpu_s"] = reasons
    return made


def _classes(jobs: pd.DataFrame) -> dict[str, Any]:
    """Classes of jobs alone; by kind, replicas of services have an entry of their own."""
    alone = jobs[jobs["until_s"].isna()]
    if len(alone) == len(jobs):
        return by_class(jobs)
    kinds = {"by_kind": by_class(jobs).get("by_kind")}
    found = by_class(alone) if len(alone) else {}
    return found | {name: entries for name, entries in kinds.items() if entries}
