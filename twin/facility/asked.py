"""The section `power` of a scenario -> the model that a run is made with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from math import inf

import numpy as np
from numpy.typing import NDArray

from twin.catalog import facilities
from twin.catalog import power as known
from twin.catalog.parts import NodeType
from twin.errors import InputError, did_you_mean
from twin.facility.cooling import cooling_model
from twin.facility.hosts import node_model
from twin.facility.model import CapEvent, DomainModel, NodeModel, PowerModel, Trip, Work
from twin.facility.smoothing import smoothed
from twin.facility.tariff import tariff
from twin.physics.power import GpuPower, operating_points
from twin.scenario import power as asked
from twin.site.domains import Domains, sum_by
from twin.tables import JOB_KINDS

Array = NDArray[np.float64]

# What converts power at each level unless the scenario says otherwise.
LOSSES = {
    "node": "none",
    "rack": "busbar-48v",
    "row": "pdu",
    "ups": "ups-double-conversion",
    "hall": "transformer",
    "site": "none",
}
_CURVE_POINTS = 64
_MOST_REPEATS = 100_000


def power_model(
    power: asked.Power,
    domains: Domains,
    nodes: Sequence[NodeType],
    epoch: datetime,
    horizon_s: float | None,
) -> PowerModel:
    """What draws power, what feeds it and what it may draw.

    Parameters
    ----------
    nodes : sequence of NodeType
        Of each pool.
    epoch : datetime
        Calendar time of second 0.
    horizon_s : float or None
        Length of the run; None if it ends when all is done. [s]

    Raises
    ------
    InputError
        If a figure that is needed is not known, or the tree does not hold together.
    """
    site = domains.site
    supply = facilities.converter("psu-titanium")
    gpus = [
        _gpu(power, pool.name, at, node)
        for at, (pool, node) in enumerate(zip(site.pools, nodes, strict=True))
    ]
    assumed: list[str] = []
    for node in nodes:
        assert node.gpu is not None
        assumed += known.assumptions(node.gpu)
    models = []
    for pool, node, gpu in zip(site.pools, nodes, gpus, strict=True):
        model, told = node_model(pool.name, node, gpu, power.host, supply)
        models.append(model)
        assumed += told
    profile_of = {kind: kind for kind in JOB_KINDS} | dict(power.profiles)
    levels = _levels(power, domains, models)
    cooling = cooling_model(power.cooling, domains, levels, epoch, horizon_s)
    return PowerModel(
        nodes=tuple(models),
        work={
            (p, profile): _work(profile, gpu, power, nodes[p], _gpus_per_battery(power, domains))
            for p, gpu in enumerate(gpus)
            for profile in sorted(set(profile_of.values()))
        },
        profile_of=profile_of,
        domains=levels,
        caps=(*_caps(power, levels, epoch, horizon_s), *cooling.caps),
        cooling=cooling,
        battery_level=power.smoothing.battery.level if power.smoothing.battery else None,
        tariff=tariff(power, epoch, horizon_s),
        assumed=(*dict.fromkeys(assumed), *cooling.assumed),
    )


# -- GPUs


def _gpu(power: asked.Power, pool: str, at: int, node: NodeType) -> GpuPower:
    if node.gpu is None:
        raise InputError(
            f"site.pools[{at}].node: the power of pool {pool!r} cannot be computed: its GPU type "
            "is not known; give a node of the catalog, or {gpus: 8, gpu: h100-sxm}"
        )
    gpu = known.gpu_power(node.gpu)
    given = power.gpus.get(node.gpu)
    if given is None:
        return gpu
    changes = {
        "tdp_w": given.tdp_w,
        "idle_w": given.idle_w,
        "min_cap_w": given.least_cap_w,
    }
    changed = {name: value for name, value in changes.items() if value is not None}
    if "tdp_w" in changed or "idle_w" in changed:
        # What parts draw is known in shares of the range from idle to TDP.
        span = (changed.get("tdp_w", gpu.tdp_w) - changed.get("idle_w", gpu.idle_w)) / (
            gpu.tdp_w - gpu.idle_w
        )
        for name in ("compute_w", "memory_w", "communication_w"):
            changed[name] = getattr(gpu, name) * span
        if "min_cap_w" not in changed:
            changed["min_cap_w"] = gpu.min_cap_w * changed.get("tdp_w", gpu.tdp_w) / gpu.tdp_w
    return replace(gpu, **changed)


def _gpus_per_battery(power: asked.Power, domains: Domains) -> float:
    battery = power.smoothing.battery
    return domains.site.n_gpus / domains.units(battery.level) if battery is not None else 1.0


def _work(
    profile: str, gpu: GpuPower, power: asked.Power, node: NodeType, gpus_per_battery: float
) -> Work:
    given = power.gpus.get(node.gpu or "")
    top_w = min(given.cap_w, gpu.tdp_w) if given is not None and given.cap_w else gpu.tdp_w
    if top_w < gpu.min_cap_w:
        raise InputError(
            f"power.gpus.{node.gpu}.cap: {top_w:g} W is below the least cap that the GPU takes, "
            f"{gpu.min_cap_w:g} W"
        )
    caps_w = np.linspace(gpu.min_cap_w, top_w, _CURVE_POINTS)
    of = known.profile(profile)

    def most_w(name: str) -> float:
        return float(operating_points(gpu, known.profile(name), caps_w).power_w[-1])

    curve, below, above = smoothed(
        operating_points(gpu, of, caps_w),
        of,
        gpu,
        power.smoothing,
        power.step_s,
        gpus_per_battery,
    )
    return Work(
        profile=profile,
        curve=curve,
        swing_below=below,
        swing_above=above,
        startup_w=most_w("restart"),
        restart_w=most_w("restart"),
        checkpoint_w=most_w("checkpoint"),
        waiting_w=most_w("waiting"),
        synchronous=of.synchronous,
    )


# -- the tree


def _levels(
    power: asked.Power, domains: Domains, models: Sequence[NodeModel]
) -> tuple[DomainModel, ...]:
    site = domains.site
    nameplate_w = np.array([node.nameplate_w + node.network_w for node in models])[site.node_pool]
    found = []
    lower = None
    for level in asked.POWER_LEVELS:
        if level == "node" and "node" not in power.levels:
            continue
        units = domains.unit_of(level)
        if lower is not None:
            _check_nested(lower, domains.unit_of(lower), level, units)
        lower = level
        found.append(_level(power, level, sum_by(units, nameplate_w, domains.units(level))))
    return tuple(found)


def _check_nested(
    lower: str, lower_units: NDArray[np.int32], level: str, units: NDArray[np.int32]
) -> None:
    parent = np.zeros(int(lower_units.max()) + 1, np.int32)
    parent[lower_units] = units
    apart = np.flatnonzero(parent[lower_units] != units)
    if len(apart):
        unit = int(lower_units[apart[0]])
        raise InputError(
            f"power: {lower} {unit} feeds nodes in more than one {level}, so there is no tree; "
            f"choose site.pools[].rows_per_ups so that no {lower} spans two of them"
        )


def _level(power: asked.Power, level: asked.PowerLevel, nameplate_w: Array) -> DomainModel:
    given = power.levels.get(level, asked.PowerDomains())
    feed_w = np.full_like(nameplate_w, inf)
    if given.rating_w is not None:
        feed_w[:] = given.rating_w
    in_use = {"N": given.feeds, "N+1": given.feeds - 1, "2N": given.feeds / 2}[given.redundancy]
    if given.oversubscription is not None:
        feed_w = nameplate_w / given.oversubscription / in_use / given.derating
    rated_w = feed_w * in_use * given.derating
    loss = facilities.converter(given.losses or LOSSES[level])
    per_feed_w = np.where(np.isfinite(rated_w), rated_w, nameplate_w) / given.feeds
    losses = [loss.scaled(float(each)) for each in per_feed_w]
    trip = given.breaker
    return DomainModel(
        level=level,
        rated_w=rated_w,
        feed_w=feed_w,
        breaker_w=feed_w * in_use,
        feeds=given.feeds,
        nameplate_w=nameplate_w,
        fixed_w=np.array([each.fixed_w * given.feeds for each in losses]),
        linear=np.array([each.linear for each in losses]),
        quadratic_per_w=np.array([each.quadratic_per_w / given.feeds for each in losses]),
        trip=Trip(trip.trips_at, trip.time_constant_s, trip.at_once, trip.reset_s)
        if trip is not None
        else None,
    )


# -- caps


def _caps(
    power: asked.Power,
    levels: Sequence[DomainModel],
    epoch: datetime,
    horizon_s: float | None,
) -> Iterator[CapEvent]:
    of = {each.level: each for each in levels}
    for at, change in enumerate(power.caps):
        where = f"power.caps[{at}]"
        domain = of.get(change.level)
        if domain is None:
            raise InputError(
                f"{where}.level: there are no domains at level {change.level!r}; add "
                f"power.levels.{change.level}, or give {did_you_mean(change.level, list(of))}"
            )
        n = len(domain.rated_w)
        if change.unit is not None and change.unit >= n:
            raise InputError(
                f"{where}.unit: there are {n} units at level {change.level}, numbered from 0; "
                f"found {change.unit}"
            )
        units = np.arange(n) if change.unit is None else np.array([change.unit])
        cap_w = _cap_w(where, change, domain)[units]
        from_s = (
            (change.at - epoch).total_seconds() if isinstance(change.at, datetime) else change.at
        )
        if from_s < 0:
            raise InputError(f"{where}.at: {change.at} lies before the start of the run, {epoch}")
        for each_s in _repeats(where, change, from_s, horizon_s):
            to_s = each_s + change.lasts_s if change.lasts_s is not None else inf
            lost = change.feeds_lost or 0
            yield CapEvent(each_s, to_s, change.level, units, cap_w, change.why, lost)


def _cap_w(where: str, change: asked.CapChange, domain: DomainModel) -> Array:
    """(n_unit,) what each unit of the level would be left. [W]"""
    if change.cap_w is not None:
        return np.full_like(domain.rated_w, change.cap_w)
    if not np.isfinite(domain.rated_w).all():
        key = "share" if change.share is not None else "feeds_lost"
        raise InputError(
            f"{where}.{key}: units at level {change.level} have no rating to take it of; give "
            f"power.levels.{change.level}.rating, or cap here"
        )
    if change.share is not None:
        return domain.rated_w * change.share
    left = domain.feeds - (change.feeds_lost or 0)
    if left <= 0:
        raise InputError(
            f"{where}.feeds_lost: a {change.level} has {domain.feeds} feeds, and without any it is "
            f"out of service; write that as an incident of failures.incidents"
        )
    return np.minimum(domain.rated_w, domain.feed_w * left)


def _repeats(
    where: str, change: asked.CapChange, from_s: float, horizon_s: float | None
) -> Iterator[float]:
    yield from_s
    if change.every_s is None:
        return
    if horizon_s is None:
        raise InputError(f"{where}.every: needs a horizon of the run that is a duration")
    n = int((horizon_s - from_s) // change.every_s)
    if n > _MOST_REPEATS:
        raise InputError(f"{where}.every: would come {n:,} times; give a longer one")
    for turn in range(1, n + 1):
        yield from_s + turn * change.every_s
