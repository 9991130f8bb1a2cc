"""What is drawn for the jobs of a trace that says nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from twin.scenario.distributions import FactorLaw
from twin.scenario.quantities import Count, Name, Weight
from twin.scenario.section import Section

# A group may be a path, and no GPU type at all stands for any of them.
Text = Annotated[str, StringConstraints(max_length=100)]


class Label(Section):
    """Draws labels for all jobs, each independently of the others and of what a job is."""

    model: Mapping[Name, Weight] = Field(default_factory=dict, description="model -> weight")
    qos: Mapping[Name, Weight] = Field(
        default_factory=dict, description="class of service -> weight"
    )
    group: Mapping[Text, Weight] = Field(default_factory=dict, description="group -> weight")
    gpu_types: Mapping[Text, Weight] = Field(
        default_factory=dict, description="GPU types that will do, joined by |, -> weight"
    )
    slack: FactorLaw | None = Field(
        default=None, description="law of the time from submit to deadline over the run time"
    )
    shrinks: Count = Field(
        default=1, description="a job can also work on its GPUs divided by this, at least on one"
    )
    grows: Count = Field(default=1, description="and make use of its GPUs times this")
    most_gpus: Count | None = Field(
        default=None, description="but of no more than so many, or what it asks for"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self == Label.model_construct():
            raise ValueError("draws nothing; give model, qos, group, gpu_types, slack or grows")
        for name in ("model", "qos", "group", "gpu_types"):
            weights = getattr(self, name)
            if weights and not sum(weights.values()) > 0:
                raise ValueError(f"{name}: needs a weight above zero")
        return self
