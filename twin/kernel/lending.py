"""How GPUs are shared, as the scenario asks; what does not go with it is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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
BUSY = 0.5  # of the time of a job in turns of which nothing is known


def lending_of(scenario: Scenario, site: Site, jobs: pd.DataFrame) -> Lending | None:
    """How jobs share GPUs; None if each has its own.

    Parameters
    ----------
    scenario : Scenario
    site : Site
    jobs : DataFrame
        A job table: where no job is known to disturb another, no law is asked.

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
    lending = Lending(slices, asked_sharing.limits, scenario.seed)
    if not disturbs(asked_sharing, jobs):
        return lending
    if asked_sharing.mode == "time-slice":
        busy = BUSY if asked_sharing.busy is None else asked_sharing.busy
        return replace(lending, demand=partial(_in_turns, busy), sharing="time-sliced")
    demand = partial(_side_by_side, _others(asked_sharing))
    return replace(lending, demand=demand, sharing="concurrent")


def disturbs(sharing: Sharing, jobs: pd.DataFrame) -> bool:
    """Whether jobs on one GPU may slow each other."""
    if sharing.interference == "none" or sharing.mode == "mig":
        return False
    if sharing.mode == "time-slice" or sharing.busy is not None:
        return True
    return any(_side_by_side(None, model, "") is not None for model in jobs["model"].unique())


def _others(sharing: Sharing) -> tuple[float, float] | None:
    """Busy share and fill, side by side, of jobs of models that the catalog does not know."""
    if sharing.busy is None:
        return None
    return sharing.busy, 1.0 if sharing.fill is None else sharing.fill


@lru_cache(maxsize=4096)
def _in_turns(busy: float, model: str, gpu_type: str) -> tuple[float, float]:
    """Busy share and turns of a job of a model, by the catalog or as given."""
    try:
        found = models.model(model).demand(gpu_type or None)
    except CatalogError:
        return busy, 1.0
    return found.busy, found.turn


@lru_cache(maxsize=4096)
def _side_by_side(
    other: tuple[float, float] | None, model: str, gpu_type: str
) -> tuple[float, float] | None:
    """Busy share and fill of a job of a model, by the catalog, or as of any other."""
    try:
        found = models.model(model).filling(gpu_type or None)
    except CatalogError:
        return other
    return found.busy, found.fill


def assumed(sharing: Sharing | None, jobs: pd.DataFrame) -> list[str]:
    """What is taken for granted of sharing, for the report."""
    limits = sharing.limits if sharing is not None else ()
    found = []
    if sharing is not None and not disturbs(sharing, jobs):
        found.append("Jobs that share a GPU do not slow each other.")
    elif sharing is not None and sharing.mode == "time-slice":
        busy = BUSY if sharing.busy is None else sharing.busy
        found.append(
            "Jobs on one GPU take turns, as the catalog says of their models; one of another model "
            f"is at the GPU for {busy:.0%} of its time when it is alone."
        )
    elif sharing is not None:
        given = _others(sharing)
        others = "neither slows nor is slowed."
        if given is not None:
            others = "is at the GPU for {:.0%} of its time when alone, and fills {:.0%} of it."
            others = others.format(*given)
        found.append(
            "Jobs on one GPU run side by side; while they would fill more than the GPU they are "
            "slowed alike, as the catalog says of their models; one of another model " + others
        )
    if not limits:
        found.append(NO_HOST_LIMIT)
    elif len(limits) == 1:
        found.append(NO_MEMORY_LIMIT if limits == ("cpus",) else NO_CPU_LIMIT)
    return found
