"""Whether jobs may share a GPU, and what else of a node runs out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from twin.scenario.quantities import Count, Share
from twin.scenario.section import Section


class Sharing(Section):
    """Jobs that ask for part of a GPU get that part; without this section they get a whole one."""

    mode: Literal["mps", "mig", "time-slice"] = Field(
        default="mps",
        description="mps: as much of a GPU as a job asks for; mig: whole slices of equal size; "
        "time-slice: as mps, and jobs on one GPU take turns, which slows them",
    )
    slices: Count = Field(default=7, description="for mig: slices of a GPU")
    busy: Share = Field(
        default=0.5,
        description="for time-slice: share of its time that a job alone spends at the GPU, where "
        "the catalog does not know its model",
    )
    limits: tuple[Literal["cpus", "memory"], ...] = Field(
        default=(), description="what of a host runs out beside its GPUs"
    )
