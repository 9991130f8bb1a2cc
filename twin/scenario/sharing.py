"""Whether jobs may share a GPU, and what else of a node runs out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from twin.scenario.quantities import Count, PositiveShare, Share
from twin.scenario.section import Section


class Sharing(Section):
    """Jobs that ask for part of a GPU get that part; without this section they get a whole one."""

    mode: Literal["mps", "mig", "time-slice"] = Field(
        default="mps",
        description="mps: as much of a GPU as a job asks for, kernels of all side by side; mig: "
        "whole slices of equal size, undisturbed; time-slice: as mps, but jobs take turns",
    )
    slices: Count = Field(default=7, description="for mig: slices of a GPU")
    interference: Literal["modelled", "none"] = Field(
        default="modelled", description="whether jobs on one GPU slow each other, but for mig"
    )
    busy: Share | None = Field(
        default=None,
        description="share of its time that a job alone spends at the GPU, where the catalog does "
        "not know its model; left out, 0.5 for time-slice, and for mps it disturbs nobody",
    )
    fill: PositiveShare | None = Field(
        default=None,
        description="for mps, beside busy: share of the GPU that such a job fills while there; all "
        "of it if left out",
    )
    limits: tuple[Literal["cpus", "memory"], ...] = Field(
        default=(), description="what of a host runs out beside its GPUs"
    )

    @model_validator(mode="after")
    def _fill_beside_busy(self) -> Self:
        if self.fill is not None and (self.busy is None or self.mode != "mps"):
            raise ValueError(
                "fill is of jobs side by side that busy describes; give mode: mps and busy too, or "
                "leave fill out"
            )
        return self
