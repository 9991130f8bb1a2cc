"""summary.json: the headline figures and the ledgers, flat keys with unit suffixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pandas as pd

from twin.facility.cooling import Cooling
from twin.facility.tariff import Tariff
from twin.metrics.cloud import cloud, gpus_there
from twin.metrics.cost import cost
from twin.metrics.gpu_cost import with_gpus
from twin.metrics.guests import guests
from twin.metrics.jobs import bounded_slowdown, counts, makespan_s, quantiles, utilisation
from twin.metrics.place import place
from twin.metrics.power import power
from twin.metrics.reliability import reliability
from twin.metrics.reservations import reservations
from twin.metrics.scheduling import scheduling
from twin.metrics.services import services
from twin.results.outcome import Outcome
from twin.site.layout import Site
from twin.version import __version__
from twin.workload.jobs import Intake


def summarise(
    outcome: Outcome,
    site: Site,
    intake: Intake,
    *,
    name: str,
    seed: int,
    assumptions: list[str],
    expected_mtti_s: Callable[[str, int], float] | None = None,
    tariff: Tariff | None = None,
    cooling: Cooling | None = None,
) -> dict[str, Any]:
    """The summary of one run; ``engine`` is added by whoever held the stopwatch.

    What jobs felt is told of jobs alone; replicas of services have a section of their own.
    ``expected_mtti_s`` is given where anything may fail: see `twin.metrics.reliability`.
    """
    jobs = outcome.jobs[outcome.jobs["until_s"].isna()]
    waited = jobs["wait_s"].dropna().to_numpy()
    queued = jobs["queued_s"][jobs["wait_s"].notna()].to_numpy()
    ended = jobs["jct_s"].dropna().to_numpy()
    span_s, first_s = makespan_s(outcome.jobs, outcome.horizon_s), _first_s(outcome.jobs)
    there = gpus_there(outcome, site, first_s, first_s + span_s)
    summary: dict[str, Any] = {
        "scenario": name,
        "seed": seed,
        "version": __version__,
        "horizon_s": outcome.horizon_s,
        "jobs": counts(jobs),
        "jobs_not_submitted": outcome.not_submitted,
        "wait_s": quantiles(waited),
        "queued_s": quantiles(queued),
        "waited_fraction": float((waited > 0).mean()) if len(waited) else 0.0,
        "jct_s": quantiles(ended),
        "bounded_slowdown": quantiles(bounded_slowdown(jobs)),
        "makespan_s": makespan_s(jobs, outcome.horizon_s),
        "utilisation": utilisation(outcome.jobs, there, outcome.horizon_s),
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
            **({"rentable_gpus": site.n_gpus - site.own_gpus} if site.cloud_pools else {}),
        },
        "workload": asdict(intake),
        "assumptions": assumptions,
    }
    shared = scheduling(outcome, site)
    if shared:
        summary["scheduling"] = shared
    if outcome.replicas is not None:
        summary["services"] = services(outcome)
    if outcome.stays is not None:
        summary["guests"] = guests(outcome)
    if outcome.reservations is not None:
        summary["reservations"] = reservations(outcome)
    found_cost: dict[str, Any] = {}
    if outcome.energy is not None:
        summary["ledgers"]["energy"] = {
            "unit": "J",
            "total": sum(outcome.energy.values()),
            "shares": outcome.energy,
        }
        summary["power"] = power(outcome, site)
        seen = outcome.power_seen
        if cooling is not None and seen is not None:
            heat = seen.time_s, seen.heat_w, outcome.horizon_s
            summary["power"]["water_l"] = cooling.water_l(*heat)
        found_cost = cost(outcome, tariff) if tariff is not None else {}
        if found_cost:
            found_cost |= {"water_l": summary["power"].get("water_l")}
    found_cost = with_gpus(found_cost, outcome, site)
    if found_cost:
        summary["cost"] = found_cost
    if outcome.rentals is not None:
        summary["cloud"] = cloud(outcome, site)
    if expected_mtti_s is not None:
        gpus = gpus_there(outcome, site, 0.0, outcome.horizon_s)
        found = reliability(outcome, gpus, expected_mtti_s)
        summary["reliability"] = found | place(found["worst_incident"], outcome.incidents, site)
    return summary


def _first_s(jobs: pd.DataFrame) -> float:
    """When the first job was submitted. [s]"""
    return float(jobs["submit_s"].iloc[0]) if len(jobs) else 0.0
