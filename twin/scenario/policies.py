"""What is chosen: one policy of each kind, by name, with its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin.scenario import check
from twin.scenario.forms import Kind, OneKey
from twin.scenario.quantities import PositiveSeconds
from twin.scenario.reservations import Reservation
from twin.scenario.section import Section, below, fault, found


@dataclass(frozen=True)
class PolicyRef:
    """A registered policy by name, with the options that differ from its defaults."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PolicyName(OneKey):
    """Marks a policy of one kind: ``fifo`` or ``{easy-backfill: {}}``."""

    kind: str  # as in `twin.registry.POLICY_KINDS`
    example: str

    def child(self, key: str) -> Kind:
        return None

    def read(self, data: Any) -> PolicyRef:
        if isinstance(data, PolicyRef):
            name, options = data.name, dict(data.options)
        else:
            name, options = self.split(data, self.example)
        if not isinstance(options, dict):
            raise fault(f"expected options, found {found(options)}", options, name)
        with below(name):
            check.policy(self.kind, name, options)
        return PolicyRef(name, options)

    def write(self, value: PolicyRef) -> Any:
        return {value.name: dict(value.options)} if value.options else value.name

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        options = {"type": ["object", "null"]}
        one = {"type": "object", "minProperties": 1, "maxProperties": 1}
        # A plug-in may add names, so the known ones are offered and others not refused.
        return {
            "anyOf": [
                {"enum": check.policy_names(self.kind)},
                {"type": "string"},
                one | {"additionalProperties": options},
            ]
        }


Scheduler = Annotated[PolicyRef, PolicyName("schedulers", "{easy-backfill: {}}")]
Placement = Annotated[PolicyRef, PolicyName("placements", "best-fit")]
Recovery = Annotated[PolicyRef, PolicyName("recoveries", "{replace: {patience: 1 h}}")]
Checkpoint = Annotated[PolicyRef, PolicyName("checkpoints", "{fixed: {every: 1 h}}")]
Retirement = Annotated[PolicyRef, PolicyName("retirements", "{too-often: {faults: 3}}")]
PowerSharing = Annotated[PolicyRef, PolicyName("power", "{uniform: {period: 10 s}}")]
Lighting = Annotated[PolicyRef, PolicyName("lighting", "{sleep: {after: 10 min}}")]
Admission = Annotated[PolicyRef, PolicyName("admission", "{cheap: {patience: 12 h}}")]
Overflow = Annotated[PolicyRef, PolicyName("overflow", "{by-wait: {patience: 30 min}}")]

Guests = Annotated[PolicyRef, PolicyName("guests", "{fill: {kinds: [batch]}}")]


class Policies(Section):
    """The policies of a run."""

    scheduler: Scheduler = Field(
        default=PolicyRef("fifo"),
        description="which job starts next",
        json_schema_extra={"default": "fifo"},
    )
    placement: Placement = Field(
        default=PolicyRef("best-fit"),
        description="where a job runs",
        json_schema_extra={"default": "best-fit"},
    )
    recovery: Recovery = Field(
        default=PolicyRef("requeue"),
        description="how a job goes on that was interrupted",
        json_schema_extra={"default": "requeue"},
    )
    checkpoint: Checkpoint = Field(
        default=PolicyRef("daly"),
        description="how much work lies between two checkpoints",
        json_schema_extra={"default": "daly"},
    )
    retirement: Retirement = Field(
        default=PolicyRef("never"),
        description="which nodes that were mended stay out of service",
        json_schema_extra={"default": "never"},
    )
    power: PowerSharing = Field(
        default=PolicyRef("uniform"),
        description="how running jobs share the power under a cap",
        json_schema_extra={"default": "uniform"},
    )
    lighting: Lighting = Field(
        default=PolicyRef("all-on"),
        description="which nodes are powered",
        json_schema_extra={"default": "all-on"},
    )
    admission: Admission = Field(
        default=PolicyRef("all-jobs"),
        description="when jobs may queue, and whether they start only on power that is there",
        json_schema_extra={"default": "all-jobs"},
    )
    decision_limit_s: PositiveSeconds = Field(
        default=60.0,
        description="wall-clock time after which a scheduler that has not decided is stopped",
    )
    overflow: Overflow = Field(
        default=PolicyRef("never"),
        description="when nodes of a cloud are rented, and for which jobs",
        json_schema_extra={"default": "never"},
    )
    guests: Guests = Field(
        default=PolicyRef("never"),
        description="which jobs run in the gaps that services leave on their GPUs",
        json_schema_extra={"default": "never"},
    )
    reservations: tuple[Reservation, ...] = Field(
        default=(), description="nodes that are kept for some jobs, from one time to another"
    )

    @model_validator(mode="after")
    def _reservations_have_names_of_their_own(self) -> Self:
        for at, name in check.repeated([one.name for one in self.reservations]):
            message = f"there is another reservation named {name!r}; give each a name of its own"
            raise fault(message, name, "reservations", at, "name")
        return self
