"""What the electricity of a run cost, and what the grid emitted for it."""

from __future__ import annotations

from typing import Any

from twin.facility.tariff import Tariff
from twin.results.outcome import Outcome

_HOUR_S = 3600.0


def cost(outcome: Outcome, tariff: Tariff, water_l: float | None = None) -> dict[str, Any]:
    """The section ``cost`` of the summary: of electricity alone, no hardware, rent or staff.

    Parameters
    ----------
    outcome : Outcome
        Of a run in which power was computed.
    tariff : Tariff
    water_l : float or None
        Water that the cooling took; None if it was not metered. [l]

    Returns
    -------
    dict
        None where the scenario does not say what is needed; empty if it says nothing of it.

    Notes
    -----
    ``usd`` is energy and demand charge at the meter of the site, without the latter where none is
    asked. A month that the run covers in part bears that part of its demand charge: see
    `twin.facility.tariff.quarter_peaks`. Per useful GPU-hour is over GPU-time whose work counted,
    at the speed of GPUs without caps: the share ``useful`` of the ledger.
    """
    seen = outcome.power_seen
    assert seen is not None
    bill = tariff.bill(seen.time_s, seen.meter_w, outcome.horizon_s)
    if {bill.energy_usd, bill.demand_usd, bill.kgco2, water_l} == {None}:
        return {}
    usd = None if bill.energy_usd is None else bill.energy_usd + (bill.demand_usd or 0.0)
    useful_gpu_h = outcome.gpu_time["useful"] / _HOUR_S
    return {
        "covers": "electricity",
        "usd": usd,
        "usd_energy": bill.energy_usd,
        "usd_demand": bill.demand_usd,
        "usd_per_useful_gpu_hour": _each(usd, useful_gpu_h),
        "demand_w": dict(bill.demand_w),
        "kgco2": bill.kgco2,
        "kgco2_per_useful_gpu_hour": _each(bill.kgco2, useful_gpu_h),
        "water_l": water_l,
    }


def _each(total: float | None, number: float) -> float | None:
    return None if total is None or not number else total / number
