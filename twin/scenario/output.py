"""What a run leaves behind, where there is a choice."""

from __future__ import annotations

from pydantic import Field

from twin.scenario.quantities import PositiveSeconds
from twin.scenario.section import Section


class Output(Section):
    """Choices about the tables of a run."""

    timeline_bin_s: PositiveSeconds | None = Field(
        default=None, description="width of the timeline's bins; by default it follows the horizon"
    )
