"""How fast a job of a model runs on some GPUs, against its nominal speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twin.catalog import models
from twin.catalog.models import ModelSpeed
from twin.errors import CatalogError, InputError, did_you_mean

ANY = "any"  # the entry of a table for models that it does not name


@dataclass(frozen=True)
class Speeds:
    """Speeds by model, type of GPU and number of GPUs.

    Parameters
    ----------
    reference : str
        The type of GPU that durations are stated for.
    table : mapping
        Model -> type of GPU -> speed over that on the reference.
    serial : mapping
        Model -> share of the work that more GPUs do not speed up.

    Notes
    -----
    The speed of a job that asked for g GPUs and has h of a type is its speed on one GPU of the type
    over that on the reference, times the gain from g to h GPUs: by Amdahl's law where ``serial``
    names the model [amdahl1967], by the scaling law of the catalog where the model was measured on
    several GPUs, and in proportion otherwise.
    """

    reference: str
    table: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    serial: Mapping[str, float] = field(default_factory=dict)

    def rate(self, model: str, gpu_type: str, asked_gpus: int, gpus: int, node_gpus: int) -> float:
        """Work done in a second, in seconds at nominal speed.

        Raises
        ------
        InputError
            If nobody says how fast the model is on that type.
        """
        speed = self._on(model, gpu_type)
        return (
            speed
            if gpus == asked_gpus
            else speed * self._gain(model, gpu_type, asked_gpus, gpus, node_gpus)
        )

    def _on(self, model: str, gpu_type: str) -> float:
        if gpu_type == self.reference:
            return 1.0
        given = self.table.get(model) or self.table.get(ANY)
        if given is not None:
            if gpu_type not in given:
                raise InputError(
                    f"workload.speeds.table.{model if model in self.table else ANY}: needs the "
                    f"speed on {gpu_type}, or the jobs gpu_types without it"
                )
            return given[gpu_type]
        try:
            return models.model(model).relative_speed(gpu_type, self.reference)
        except CatalogError as error:
            raise InputError(
                f"workload.speeds: the speed of the model {model or '(none)'!r} on {gpu_type} is "
                f"not known: {error}. Give it in workload.speeds.table, or one for `any`"
            ) from None

    def _gain(self, model: str, gpu_type: str, asked_gpus: int, gpus: int, node_gpus: int) -> float:
        serial = self.serial.get(model, self.serial.get(ANY))
        if serial is not None:
            return (serial + (1 - serial) / asked_gpus) / (serial + (1 - serial) / gpus)
        law = scales(model)
        if law is None:
            return gpus / asked_gpus

        def on(n: int) -> float:
            return law.rate(n, -(-n // node_gpus), gpu_type)

        return on(gpus) / on(asked_gpus)

    def check(self, used: Sequence[str], gpu_types: Sequence[str]) -> None:
        """Raise `InputError` where a model that is used has no speed on one of these types."""
        for model in used:
            for gpu_type in gpu_types:
                self._on(model, gpu_type)

    def check_names(self, used: Sequence[str]) -> None:
        """Raise `InputError` where something is said of a model that no job has."""
        for name in sorted({*self.table, *self.serial} - {ANY, *used}):
            raise InputError(
                f"workload.speeds: no job has the model {name!r}; {did_you_mean(name, used)}"
            )

    def assumptions(self, used: Sequence[str]) -> list[str]:
        """What is taken for granted of the models that are used."""
        told = [f"Durations of jobs hold on {self.reference}; other GPUs are faster or slower."]
        proportional = [
            model or "(none)"
            for model in used
            if scales(model) is None and model not in self.serial and ANY not in self.serial
        ]
        if proportional:
            told.append(
                "Jobs given more or fewer GPUs than they ask for run in proportion, for models: "
                + ", ".join(proportional[:10])
                + (", ..." if len(proportional) > 10 else "")
            )
        return told


def scales(model: str) -> ModelSpeed | None:
    """The model, if the catalog has it measured on several GPUs."""
    if model not in models.names():
        return None
    found = models.model(model)
    return found if found.laws else None
