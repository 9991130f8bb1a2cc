"""summary.json: the headline figures and the ledgers, flat keys with unit suffixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twin.failures.hazard import Hazard
from twin.metrics.jobs import bounded_slowdown, counts, makespan_s, quantiles, utilisation
from twin.metrics.reliability import reliability as failures_cost
from twin.results.outcome import Outcome
from twin.site.domains import Domains
from twin.site.layout import Site
from twin.version import __version__
from twin.workload.jobs import Intake

if TYPE_CHECKING:
    from twin.kernel.hazards import Reliability


def summarise(
    outcome: Outcome,
    site: Site,
    intake: Intake,
    *,
    name: str,
    seed: int,
    assumptions: list[str],
    reliability: Reliability | None = None,
) -> dict[str, Any]:
    """The summary of one run; ``engine`` is added by whoever held the stopwatch."""
    jobs = outcome.jobs
    waited = jobs["wait_s"].dropna().to_numpy()
    ended = jobs["jct_s"].dropna().to_numpy()
    summary = {
        "scenario": name,
        "seed": seed,
        "version": __version__,
        "horizon_s": outcome.horizon_s,
        "jobs": counts(jobs),
        "jobs_not_submitted": outcome.not_submitted,
        "wait_s": quantiles(waited),
        "waited_fraction": float((waited > 0).mean()) if len(waited) else 0.0,
        "jct_s": quantiles(ended),
        "bounded_slowdown": quantiles(bounded_slowdown(jobs)),
        "makespan_s": makespan_s(jobs, outcome.horizon_s),
        "utilisation": utilisation(jobs, site.n_gpus, outcome.horizon_s),
        "ledgers": {
            "gpu_time": {
                "unit": "gpu_s",
                "total": site.n_gpus * outcome.horizon_s,
                "shares": outcome.gpu_time,
            }
        },
        "site": {
            "gpus": site.n_gpus,
            "nodes": site.n_nodes,
            "pools": {pool.name: pool.gpus for pool in site.pools},
        },
        "workload": asdict(intake),
        "assumptions": assumptions,
    }
    if reliability is not None:
        summary["reliability"] = failures_cost(
            outcome, site.n_gpus, _expected_mtti_s(site, reliability)
        )
    return summary


def _expected_mtti_s(site: Site, reliability: Reliability) -> Callable[[str, int], float]:
    """Mean time to interruption of a job in a pool, by the nominal rates. [s]"""
    hazard = Hazard(reliability.failures, Domains(site))
    pools = {pool.name: at for at, pool in enumerate(site.pools)}

    def expected_s(pool: str, gpus: int) -> float:
        at = pools.get(pool, 0)
        return hazard.mttf_s(at, gpus, -(-gpus // site.pools[at].gpus_per_node))

    return expected_s
