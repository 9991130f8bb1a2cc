"""On what terms the nodes of a pool can be had from a cloud."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, isnan

_ROUNDING = 1e-9  # of a billing unit: what is longer by less than this is not longer


@dataclass(frozen=True)
class Terms:
    """What renting a node takes and costs.

    Attributes
    ----------
    price_usd_per_s : float
        Of one GPU. [USD/s]
    provisioning_s, idle_s : float
        From asking until jobs can start; without work until it is given back. [s]
    minimum_s : float
        Rented time is billed in multiples of this; 0 for as long as it was. [s]
    mean_life_s, notice_s : float
        Of a node that the provider takes back: its mean life, ``inf`` if none does; and the
        warning. [s]
    egress_usd_per_byte, data_bytes : float
        Price of data that leaves; how much does so at the end of a job, for each of its GPUs, where
        the job does not say.
    """

    price_usd_per_s: float
    provisioning_s: float = 300.0
    minimum_s: float = 60.0
    idle_s: float = 600.0
    mean_life_s: float = inf
    notice_s: float = 0.0
    egress_usd_per_byte: float = 0.0
    data_bytes: float = 0.0

    def billed_s(self, rented_s: float) -> float:
        """The time that is billed for one that a node was rented. [s]"""
        if not self.minimum_s:
            return rented_s
        return ceil(rented_s / self.minimum_s - _ROUNDING) * self.minimum_s

    def egress_usd(self, data_bytes: float, gpus: float) -> float:
        """What it costs to move back what a job leaves; NaN bytes if the job does not say. [USD]"""
        moved = self.data_bytes * gpus if isnan(data_bytes) else data_bytes
        return moved * self.egress_usd_per_byte
