"""How GPUs are shared, as the scenario asks; what does not go with it is refused."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from twin.catalog import models
from twin.errors import CatalogError, InputError, PolicyError
from twin.kernel.shared import Lending
from twin.registry import PLACEMENTS, SCHEDULERS
from twin.site.layout import Site

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario
    from twin.scenario.sharing import Sharing

NO_CPU_LIMIT, NO_MEMORY_LIMIT = "CPU cores never run out.", "Host memory never runs out."
NO_HOST_LIMIT = "CPU cores and host memory never run out."


def lending_of(scenario: Scenario, site: Site) -> Lending | None:
    """How jobs share GPUs; None if each has its own.

    Raises
    ------
    InputError
        If the site does not say how much its nodes have of what is to run out, or something is
        asked for that does not go with sharing.
    PolicyError
        If the placement cannot share.
    """
    asked_sharing = scenario.sharing
    if asked_sharing is None:
        return None

    name = scenario.policies.placement.name
    if not PLACEMENTS.get(name).can_share():
        able = [other for other in PLACEMENTS.names() if PLACEMENTS.get(other).can_share()]
        raise PolicyError(
            f"policies.placement: {name} cannot place shares of GPUs, which sharing asks for; "
            f"use {', '.join(able[:-1])} or {able[-1]}"
        )
    scheduler = scenario.policies.scheduler.name
    if SCHEDULERS.get(scheduler).preempts or SCHEDULERS.get(scheduler).plans_whole:
        raise PolicyError(
            f"policies.scheduler: {scheduler} preempts, resizes or plans jobs by whole GPUs, and "
            "they are shared here; use fifo, easy-backfill, greedy or sjf"
        )
    if scenario.power is not None:
        raise InputError("power: is not modelled on shared GPUs; leave it or sharing out")
    if site.cloud_pools:
        raise InputError("site.pools: GPUs of a cloud cannot be shared; leave it or sharing out")
    if scenario.recovery.standby:
        raise InputError("recovery.standby: is not modelled on shared GPUs; leave it out")
    if scenario.policies.recovery.name != "requeue":
        raise PolicyError(
            f"policies.recovery: {scenario.policies.recovery.name} looks for whole nodes, and GPUs "
            "are shared here; use requeue"
        )
    for limit, values in (
        ("cpus", site.hosts.cpus if site.hosts is not None else None),
        ("memory", site.hosts.memory_bytes if site.hosts is not None else None),
    ):
        if limit in asked_sharing.limits and (values is None or np.isnan(values).any()):
            raise InputError(
                f"sharing.limits: {limit}, but the site does not say how much of it each node has; "
                "give it, as in node: {gpus: 8, cpus: 96, memory: 1 TB}, or leave the limit out"
            )
    slices = asked_sharing.slices if asked_sharing.mode == "mig" else 0
    demand = partial(_demand, asked_sharing.busy) if asked_sharing.mode == "time-slice" else None
    return Lending(slices, asked_sharing.limits, scenario.seed, demand)


@lru_cache(maxsize=4096)
def _demand(busy: float, model: str, gpu_type: str) -> tuple[float, float]:
    """What a job of a model asks of a GPU that it shares, by the catalog or as given."""
    try:
        found = models.model(model).demand(gpu_type or None)
    except CatalogError:
        return busy, 1.0
    return found.busy, found.turn


def assumed(sharing: Sharing | None) -> list[str]:
    """What is taken for granted of sharing, for the report."""
    limits = sharing.limits if sharing is not None else ()
    found = []
    if sharing is not None and sharing.mode == "mps":
        found.append("Jobs that share a GPU do not slow each other.")
    if sharing is not None and sharing.mode == "time-slice":
        found.append(
            "Jobs on one GPU take turns, as the catalog says of their models; one of another model "
            f"is at the GPU for {sharing.busy:.0%} of its time when it is alone."
        )
    if not limits:
        found.append(NO_HOST_LIMIT)
    elif len(limits) == 1:
        found.append(NO_MEMORY_LIMIT if limits == ("cpus",) else NO_CPU_LIMIT)
    return found
