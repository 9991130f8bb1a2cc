"""The energy ledger: every joule at the meter goes to one share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvariantError
from twin.kernel.ledger import TOLERANCE, balance
from twin.kernel.recorder import Record
from twin.tables import ENERGY_SHARES

Array = NDArray[np.float64]

# Held by jobs and not asked for: at rest, and counted where free ones of that kind are.
_AT_REST = ("stranded", "spare")


def energy(record: Record) -> dict[str, float]:
    """The shares of all energy drawn at the meter.

    Returns
    -------
    dict
        Share -> J, in the order of `twin.tables.ENERGY_SHARES`.

    Raises
    ------
    InvariantError
        If the energy of jobs differs from what the meters saw of them, if the shares do not sum to
        the energy at the meter, or if one is negative that cannot be.

    Notes
    -----
    The energy of jobs comes from their own accounts, that of the hall from the meters: two ways to
    the same number. What GPUs draw that is neither a job's nor stranded nor spare is ``idle``.
    """
    power = record.power
    assert power is not None
    meter, log = power.meter, record.log
    lasted_s = np.diff(meter["time_s"], append=record.horizon_s)
    total_j = {name: float(lasted_s @ values) for name, values in meter.items() if name != "time_s"}
    lasted_s = np.diff(log["time_s"], append=record.horizon_s)
    for name in ("busy_w", "stranded_w", "spare_w"):
        total_j[name] = float(lasted_s @ log[name])
    held_j = {name: float(values.sum()) for name, values in power.joules.items()}
    of_jobs_j = sum(value for name, value in held_j.items() if name not in _AT_REST)
    balance("energy of jobs", of_jobs_j, total_j["busy_w"], record, "J")
    shares = {share.name: 0.0 for share in ENERGY_SHARES} | held_j
    shares["stranded"] += total_j["stranded_w"]
    shares["spare"] += total_j["spare_w"]
    at_rest_j = total_j["gpu_w"] - of_jobs_j - shares["stranded"] - shares["spare"]
    shares["idle"] = _not_negative("energy of idle GPUs", at_rest_j, total_j["gpu_w"], record)
    shares["dark"] = total_j["dark_w"]
    shares["host"] = total_j["load_w"] - total_j["gpu_w"] - total_j["dark_w"]
    shares["network"] = power.network_w * record.horizon_s
    passed_on_j = total_j["node_w"] + shares["network"] + total_j["cooling_w"]
    supplies_j = total_j["node_w"] - total_j["load_w"]
    shares["conversion"] = supplies_j + total_j["site_w"] - passed_on_j
    shares["cooling"] = total_j["cooling_w"]
    balance("the energy ledger", sum(shares.values()), total_j["site_w"], record, "J")
    return shares


def _not_negative(what: str, value_j: float, of_j: float, record: Record) -> float:
    if value_j < -TOLERANCE * max(of_j, 1.0):
        raise InvariantError(f"{what} is negative at {record.horizon_s} s: {value_j!r} J")
    return max(value_j, 0.0)
