"""Pools of a cloud: nodes that are there, and are paid for, only while they are rented."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from twin.scenario.quantities import (
    Bytes,
    DollarsPerByte,
    DollarsPerSecond,
    PositiveSeconds,
    Seconds,
)
from twin.scenario.section import Section, fault


class Spot(Section):
    """The provider takes nodes back: each lives for an exponential time once it is there."""

    mean_life_s: PositiveSeconds = Field(
        description="how long a node is left to its tenant, on average"
    )
    notice_s: Seconds = Field(default=120.0, description="warning before a node is taken back")


class Cloud(Section):
    """What renting a node takes and costs; ``nodes`` of the pool is the quota."""

    price_usd_per_s: DollarsPerSecond = Field(description="price of one GPU of a rented node")
    provisioning_s: Seconds = Field(
        default=300.0, description="time from asking for a node until jobs can start on it"
    )
    minimum_s: Seconds = Field(
        default=60.0, description="each node's time is billed in multiples of this, rounded up"
    )
    idle_s: Seconds = Field(
        default=600.0, description="a node is given back after so long without work"
    )
    spot: Spot | None = Field(default=None, description="nodes that the provider takes back")
    egress_usd_per_byte: DollarsPerByte = Field(
        default=0.0, description="price of data that leaves the cloud"
    )
    data_bytes: Bytes = Field(
        default=0.0,
        description="moved back when a job ends there, for each of its GPUs, if it does not say",
    )

    @model_validator(mode="after")
    def _notice_is_shorter_than_a_life(self) -> Self:
        spot = self.spot
        if spot is not None and spot.notice_s > spot.mean_life_s:
            message = "must not be longer than the mean life of a node"
            raise fault(message, spot.notice_s, "spot", "notice")
        return self
