"""What an interruption costs a job: starting, saving, reading back, starting again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin.errors import did_you_mean
from twin.scenario.forms import Form
from twin.scenario.levels import JOB_OR_LEVELS
from twin.scenario.quantities import (
    Count,
    Name,
    PositiveBytes,
    PositiveBytesPerSecond,
    Seconds,
    WholeNumber,
)
from twin.scenario.section import Section, below, fault, faults, found

JobKind = Literal["training", "batch", "interactive", "serving"]


@dataclass(frozen=True)
class _Survived(Form):
    """Marks levels of failure that something outlives: ``all``, or a list with ``job`` in it."""

    def read(self, data: Any) -> tuple[str, ...]:
        if data == "all":
            return JOB_OR_LEVELS
        if not isinstance(data, list | tuple):
            raise ValueError(f"expected all, or a list such as [job, gpu]; found {found(data)}")
        for at, each in enumerate(data):
            if each not in JOB_OR_LEVELS:
                with below(at):
                    hint = did_you_mean(str(each), JOB_OR_LEVELS)
                    raise ValueError(f"unknown level {found(each)}; {hint}")
        return tuple(level for level in JOB_OR_LEVELS if level in data)

    def write(self, value: tuple[str, ...]) -> Any:
        return "all" if value == JOB_OR_LEVELS else list(value)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        levels = {"type": "array", "items": {"enum": list(JOB_OR_LEVELS)}}
        return {"anyOf": [{"const": "all"}, levels]}


class SaveLevel(Section):
    """One of the places that checkpoints are written to."""

    name: Name = Field(description="what it is, such as peer, disk or storage")
    every: Count = Field(default=1, description="it is written with every n-th checkpoint")
    write_s: Seconds | None = Field(
        default=None,
        description="how long the job stands still; the last may leave it to the storage",
    )
    flush_s: Seconds = Field(default=0.0, description="how long the copy then goes on behind it")
    read_s: Seconds = Field(
        default=0.0, description="time to read back, besides the storage's time"
    )
    survives: Annotated[tuple[str, ...], _Survived()] = Field(
        default=JOB_OR_LEVELS,
        description="what may fail so that it can still be read: all, or job and levels",
        json_schema_extra={"default": "all"},
    )


class Checkpoint(Section):
    """What saving takes: one place by ``write``, ``flush`` and ``read``, or ``levels``."""

    write_s: Seconds | None = Field(
        default=None, description="how long the job stands still; by default from the storage"
    )
    flush_s: Seconds = Field(
        default=0.0, description="how long the copy then goes on behind it; only then is it safe"
    )
    read_s: Seconds = Field(default=0.0, description="time to read back, besides the storage's")
    state_per_gpu_bytes: PositiveBytes | None = Field(
        default=None, description="what each GPU saves and reads back, through the storage"
    )
    kinds: tuple[JobKind, ...] = Field(
        default=("training", "batch"), description="kinds of jobs that save"
    )
    levels: tuple[SaveLevel, ...] = Field(
        default=(), description="several places, the fastest first"
    )

    @model_validator(mode="after")
    def _times_are_given_once(self) -> Self:
        if self.levels:
            told = [*self._beside_levels(), *self._of_levels()]
            if told:
                raise faults(*((loc, message, None) for loc, message in told))
        elif self.write_s is None and self.state_per_gpu_bytes is None:
            raise ValueError(
                "needs write, such as 60 s, or state_per_gpu with a storage, or levels"
            )
        return self

    def save_levels(self) -> tuple[SaveLevel, ...]:
        """Where checkpoints go, fastest first: ``levels``, or the one place that is described."""
        if self.levels:
            return self.levels
        one = {"flush_s": self.flush_s, "read_s": self.read_s, "write_s": self.write_s}
        return (SaveLevel(name="storage").model_copy(update=one),)

    def _beside_levels(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for key, value in (("write", self.write_s), ("flush", self.flush_s), ("read", self.read_s)):
            if value:
                yield (key,), "levels say it for each; give one or the other"

    def _of_levels(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        levels = self.levels
        if levels[0].every != 1:
            yield ("levels", 0, "every"), "must be 1: the fastest is written with each checkpoint"
        for at in range(1, len(levels)):
            before, level = levels[at - 1], levels[at]
            if level.name in [other.name for other in levels[:at]]:
                yield ("levels", at, "name"), f"level {level.name!r} is given twice"
            if level.every % before.every:
                many = f"must be a multiple of {before.every}, that of {before.name!r}"
                yield ("levels", at, "every"), f"{many}; found {level.every}"
            missing = [each for each in before.survives if each not in level.survives]
            if missing:
                more = (
                    f"{before.name!r} survives failures of {', '.join(missing)} and this does not"
                )
                yield ("levels", at, "survives"), f"{more}; put the safer level last"
        if levels[-1].survives != JOB_OR_LEVELS:
            yield ("levels", len(levels) - 1, "survives"), "the last must survive all; write all"
        for at, level in enumerate(levels):
            last = at == len(levels) - 1
            if level.write_s is None and not (last and self.state_per_gpu_bytes):
                note = "; or give state_per_gpu with a storage" if last else ""
                yield ("levels", at, "write"), f"missing; give a duration such as 60 s{note}"


class Storage(Section):
    """What checkpoints are written to and read from, shared by all jobs."""

    read_bytes_per_s: PositiveBytesPerSecond = Field(description="rate of reading, in all")
    write_bytes_per_s: PositiveBytesPerSecond = Field(description="rate of writing, in all")
    node_read_bytes_per_s: PositiveBytesPerSecond | None = Field(
        default=None, description="largest rate of reading of one node"
    )
    node_write_bytes_per_s: PositiveBytesPerSecond | None = Field(
        default=None, description="largest rate of writing of one node"
    )


class Recovery(Section):
    """Times and means of starting again; by default none, and nothing is saved."""

    startup_s: Seconds = Field(default=0.0, description="from GPUs to work at the first start")
    restart_s: Seconds = Field(default=0.0, description="from GPUs to work after an interruption")
    standby: WholeNumber = Field(
        default=0, description="warm nodes that each larger job holds in addition"
    )
    standby_from: Count = Field(default=2, description="nodes of the smallest job that holds them")
    admit_gpus: Count | None = Field(
        default=None, description="GPUs that may be restarting at one time; by default all"
    )
    retries: Count | None = Field(
        default=None, description="interruptions after which a job is given up; by default never"
    )
    checkpoint: Checkpoint | None = Field(
        default=None, description="what saving takes; without it nothing is saved"
    )
    storage: Storage | None = Field(default=None, description="what checkpoints are kept in")

    @model_validator(mode="after")
    def _state_has_a_storage(self) -> Self:
        if self.checkpoint and self.checkpoint.state_per_gpu_bytes and self.storage is None:
            message = "needs a storage: {read: 500 GB/s, write: 250 GB/s}, or write in its place"
            raise fault(message, None, "checkpoint", "state_per_gpu")
        return self
