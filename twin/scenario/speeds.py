"""How fast jobs run on which GPUs, and on how many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from twin.scenario.quantities import Name, PositiveNumber, Share
from twin.scenario.section import Section


class Speeds(Section):
    """Speed of a job by its model: relative to the GPU type that durations are stated for.

    A model that ``table`` does not have is looked up in the catalog (`twin catalog models`).
    """

    reference: Name = Field(description="the GPU type that the durations of jobs are stated for")
    table: Mapping[Name, Mapping[Name, PositiveNumber]] = Field(
        default_factory=dict,
        description="model -> GPU type -> speed over that on the reference; any for other models",
    )
    serial: Mapping[Name, Share] = Field(
        default_factory=dict,
        description="model -> share of the work that more GPUs do not speed up; any for others",
    )

    @model_validator(mode="after")
    def _reference_is_one(self) -> Self:
        for name, speeds in self.table.items():
            if speeds.get(self.reference, 1.0) != 1.0:
                raise ValueError(
                    f"table.{name}: the speed on the reference {self.reference} is 1 by "
                    "definition; divide the others by it"
                )
        return self
