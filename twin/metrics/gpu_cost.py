"""What GPUs cost: one's own, used or not, and rented ones; beside what power cost, if computed."""

from __future__ import annotations

from typing import Any

from twin.results.outcome import Outcome
from twin.site.layout import Site

_HOUR_S = 3600.0


def with_gpus(power: dict[str, Any], outcome: Outcome, site: Site) -> dict[str, Any]:
    """The section ``cost`` of the summary with what GPUs cost in it.

    Parameters
    ----------
    power : dict
        The section as power makes it; empty where it has nothing to say.
    outcome : Outcome
    site : Site

    Notes
    -----
    ``usd_own`` is the price of one's own GPUs for all of the horizon, of the pools that have one.
    ``usd_rent`` and ``usd_egress`` are of clouds. ``usd`` is the sum of all parts that are known.
    """
    parts: dict[str, float] = {}
    covers = [power["covers"]] if power.get("usd") is not None else []
    priced = [pool for pool in site.pools if pool.price_usd_per_s is not None]
    if priced:
        per_s = sum((pool.price_usd_per_s or 0.0) * pool.gpus for pool in priced)
        parts["usd_own"] = per_s * outcome.horizon_s
        covers.append("own GPUs")
    if outcome.rentals is not None and outcome.egress is not None:
        parts["usd_rent"] = float(outcome.rentals["usd"].sum())
        parts["usd_egress"] = sum(usd for _, usd in outcome.egress.values())
        covers.append("rent")
    if not parts:
        return power
    usd = (power.get("usd") or 0.0) + sum(parts.values())
    useful_gpu_h = outcome.gpu_time["useful"] / _HOUR_S
    return {
        **power,
        "covers": ", ".join(covers),
        "usd": usd,
        **parts,
        "usd_per_useful_gpu_hour": usd / useful_gpu_h if useful_gpu_h else None,
    }
