"""How fast a model trains: on which type of GPU, on how many, and beside which other model.

Numbers stand in ``models.yaml``, all of them fitted by the calibrations named there. The laws are
those of `twin.physics.heterogeneity`, `scaling` and `interference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from twin.catalog import achieved, parts
from twin.catalog.figures import Basis, read_document
from twin.errors import CatalogError, DomainError, did_you_mean
from twin.physics import heterogeneity, interference, scaling

MODELS = Path(__file__).with_name("models.yaml")


@dataclass(frozen=True, kw_only=True)
class Law:
    """A scaling law, on one type of GPU and the network it was measured with."""

    law: scaling.ScalingLaw
    local_limit: float  # samples that fit into a GPU at once, or the most that was tried
    most_gpus: int  # that were measured: beyond, the law is carried on
    error: float  # median over placements held out


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a model alone asks of a GPU that it may share."""

    busy: float  # share of its time at the GPU
    turn: float  # length of its turns, that of resnet18 being 1
    error: float  # median over models held out and seen beside one other


@dataclass(frozen=True, kw_only=True)
class Filling:
    """What a model alone asks of a GPU on which kernels of several jobs run side by side."""

    busy: float  # share of its time at the GPU
    fill: float  # share of the GPU that it fills while it is there
    error: float  # as that of a demand


Asked = TypeVar("Asked", Demand, Filling)


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """A model whose batch may grow with its GPUs, and what that costs."""

    nominal_batch: float
    most_batch: float
    noise: float  # [samples]


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelSpeed:
    """One model. What was not measured of it is None or empty, and asking for it is an error.

    Attributes
    ----------
    batch : float
        Samples on one GPU at which its speed on a type of GPU is told.
    laws, demands, fillings : mapping
        GPU type -> what was measured there.
    memory_bytes : float or None
        Taken on the GPU at the batch of its demands.
    bases : mapping
        Section of the file -> what it rests on.
    """

    name: str
    title: str
    notes: str = ""
    batch: float = 1.0
    work: heterogeneity.WorkPerSample | None = None
    work_error: float = 0.0
    laws: Mapping[str, Law] = field(default_factory=dict)
    adaptive: Adaptive | None = None
    demands: Mapping[str, Demand] = field(default_factory=dict)
    fillings: Mapping[str, Filling] = field(default_factory=dict)
    memory_bytes: float | None = None
    bases: Mapping[str, Basis] = field(default_factory=dict)

    def relative_speed(self, gpu_type: str, reference: str) -> float:
        """Speed on one GPU of a type over that on another, at the model's batch.

        Raises
        ------
        CatalogError
            If a type is unknown, or the model was measured on one type alone.
        """
        return _relative_speed(self, gpu_type, reference)

    def rate(self, gpus: int, nodes: int, gpu_type: str, *, batch: float | None = None) -> float:
        """Speed on a number of GPUs over that on one GPU of the same type.

        A job that asked for g GPUs and got h goes at ``rate(h, ...) / rate(g, ...)``.

        Parameters
        ----------
        gpus, nodes : int
            Of the job, and the nodes that they are on.
        gpu_type : str
        batch : float, optional
            Samples of a step over all GPUs that the job keeps to. Without it the job takes the
            batch of most goodput, or keeps that of each GPU if its noise scale is not known.

        Returns
        -------
        float
            1 on one GPU. [-]

        Raises
        ------
        CatalogError
            If the model was never measured on several GPUs.
        DomainError
            If there are more nodes than GPUs, or none.
        """
        return _rate(self, gpus, nodes, gpu_type, batch)

    def slow_down(self, other: ModelSpeed, gpu_type: str | None = None) -> float:
        """How much longer this model takes beside another on one GPU, shared in turns.

        Parameters
        ----------
        other : ModelSpeed
        gpu_type : str, optional
            Where it was not measured, time at the GPU is stretched by the roofline. Without it
            demands are those of a type on which both were measured.

        Returns
        -------
        float
            1 or above. [-]
        """
        return float(1 / shared_rates([self, other], gpu_type)[0])

    def slice_rate(self, share: float, gpu_type: str | None = None) -> float:
        """Speed in a slice of its own, a share of a GPU, relative to the whole: MIG."""
        return float(interference.slice_rate(self.demand(gpu_type).busy, share))

    def assumptions(self, gpu_type: str) -> tuple[str, ...]:
        """What its speeds on a type of GPU take for granted, a sentence each, for the report."""
        told, about = [], f"{self.name} on {gpu_type}"
        if self.work is not None and gpu_type not in achieved.shares():
            told.append(f"{about}: its share of the data sheet is not known; others' assumed")
        if self.laws and (near := self.stand_in(gpu_type)) != gpu_type:
            told.append(f"{about}: not measured on several GPUs; exchanges are those of {near}")
        if self.demands and gpu_type not in self.demands:
            at = next(iter(self.demands))
            told.append(f"{about}: not measured beside others; demands are carried over from {at}")
        return tuple(told)

    def law(self, gpu_type: str) -> Law:
        """Its scaling law on a type of GPU; where none was measured, that of the nearest type.

        The nearest in speed stands in, its time per sample scaled by the roofline; exchanges stay
        as they were measured there. `stand_in` names it.
        """
        near = self.stand_in(gpu_type)
        measured = self.laws[near]
        if near == gpu_type:
            return measured
        asked, known = achieved.gpu_speed(gpu_type), achieved.gpu_speed(near)
        longer = float(heterogeneity.gpu_s(self._work(), asked, 1.0))
        longer /= float(heterogeneity.gpu_s(self._work(), known, 1.0))
        law = replace(measured.law, sample_s=measured.law.sample_s * longer)
        room = [parts.gpu(name).memory_bytes for name in (gpu_type, near)]
        grown = room[0] / room[1] if room[0] and room[1] else 1.0
        return replace(measured, law=law, local_limit=measured.local_limit * grown)

    def stand_in(self, gpu_type: str) -> str:
        """The type of GPU whose scaling law is used for a type: itself where it was measured."""
        parts.gpu(gpu_type)
        if not self.laws:
            raise CatalogError(
                f"model {self.name!r} was never measured on several GPUs; give its jobs a fixed "
                f"number, or choose a model that was: {_those('laws')}"
            )
        if gpu_type in self.laws:
            return gpu_type
        return min(self.laws, key=lambda near: abs(np.log(self.relative_speed(gpu_type, near))))

    def demand(self, gpu_type: str | None = None, beside: Sequence[ModelSpeed] = ()) -> Demand:
        """What it asks of a GPU shared in turns, measured there or carried over to that type."""
        return self._asked(self.demands, gpu_type, [other.demands for other in beside])

    def filling(self, gpu_type: str | None = None) -> Filling:
        """What it asks of a GPU shared side by side; a type not measured is taken as filled alike.

        Fitted to pairs that, by all signs, took turns: see calibration/interference.
        """
        return self._asked(self.fillings, gpu_type)

    def _asked(
        self,
        known: Mapping[str, Asked],
        gpu_type: str | None,
        beside: Sequence[Mapping[str, Asked]] = (),
    ) -> Asked:
        if not known:
            raise CatalogError(
                f"model {self.name!r} was never measured beside others; give it a GPU of its own, "
                f"or choose a model that was: {_those('demands')}"
            )
        if gpu_type is not None and gpu_type in known:
            return known[gpu_type]
        common = [at for at in known if all(at in other for other in beside)]
        at = (common or list(known))[0]
        found = known[at]
        if gpu_type is None or self.work is None or at not in parts.names("gpus"):
            return found
        ends = (achieved.gpu_speed(each) for each in (gpu_type, at))
        longer = np.divide(*(heterogeneity.gpu_s(self.work, end, 1.0) for end in ends))
        at_gpu = found.busy * float(longer)
        return replace(found, busy=at_gpu / (1 - found.busy + at_gpu))

    def _work(self) -> heterogeneity.WorkPerSample:
        if self.work is None:
            raise CatalogError(
                f"model {self.name!r} was measured on one type of GPU alone; name the types that "
                f"its jobs take, or choose a model that was: {_those('work')}"
            )
        return self.work


def model(name: str) -> ModelSpeed:
    """The model of that name; raises `CatalogError` with the nearest known name."""
    known = _models()
    if name not in known:
        spelt = name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
        raise CatalogError(f"unknown model {name!r}; {did_you_mean(spelt, known, most=40)}")
    return known[name]


def names() -> list[str]:
    """All models, sorted."""
    return sorted(_models())


def shared_rates(models: Sequence[ModelSpeed], gpu_type: str | None = None) -> list[float]:
    """Speed of each of several models on one GPU, in turns, relative to having it alone."""
    asked = [each.demand(gpu_type, models) for each in models]
    return _shared(tuple(each.busy for each in asked), tuple(each.turn for each in asked))


@lru_cache(maxsize=4096)
def _shared(busy: tuple[float, ...], turn: tuple[float, ...]) -> list[float]:
    return [float(each) for each in interference.shared_rates(np.array(busy), np.array(turn))]


@lru_cache(maxsize=65536)
def _relative_speed(of: ModelSpeed, gpu_type: str, reference: str) -> float:
    work, ends = of._work(), (achieved.gpu_speed(gpu_type), achieved.gpu_speed(reference))
    return float(heterogeneity.relative_speed(work, *ends, of.batch))


@lru_cache(maxsize=65536)
def _rate(of: ModelSpeed, gpus: int, nodes: int, gpu_type: str, batch: float | None) -> float:
    found = of.law(gpu_type)
    law, limit = found.law, found.local_limit
    gpu, node = np.array([gpus, 1]), np.array([nodes, 1])
    if batch is None and of.adaptive is not None:
        tuned = of.adaptive
        speed = scaling.best_goodput(law, gpu, node, **vars(tuned), local_limit=limit).goodput_per_s
    else:
        total = gpu * min(of.batch, limit) if batch is None else batch
        speed = scaling.throughput_per_s(law, gpu, node, total, limit)
    return float(speed[0] / speed[1])


def _those(section: str) -> str:
    return ", ".join(name for name, each in sorted(_models().items()) if getattr(each, section))


@cache
def _models() -> dict[str, ModelSpeed]:
    return read_models(MODELS)


def read_models(path: Path) -> dict[str, ModelSpeed]:
    """Every model of a file; raises `CatalogError` with file, name and fault."""
    bases, entries = read_document(path)
    found = {}
    for name, entry in entries.items():
        try:
            found[name] = _model(name, dict(entry), bases)
        except KeyError as error:
            raise CatalogError(f"{path.name} {name}: needs the key {error}") from None
        except CatalogError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
        except (TypeError, AttributeError, ValueError, DomainError) as error:
            raise CatalogError(f"{path.name} {name}: not a model: {error}") from None
    return found


def _model(name: str, entry: dict[str, Any], bases: dict[str, Basis]) -> ModelSpeed:
    rests: dict[str, Basis] = {}
    for section in ("work", "laws", "adaptive", "demands", "fillings", "memory"):
        if section in entry:
            entry[section] = dict(entry[section])
            basis = entry[section].pop("basis")
            if basis not in bases:
                raise CatalogError(f"unknown basis {basis!r}; {did_you_mean(basis, bases)}")
            rests[section] = bases[basis]
    work = entry.pop("work", None)
    error = work.pop("error") if work else 0.0
    laws = {
        gpu: Law(**{**one, "law": scaling.ScalingLaw(**one["law"])})
        for gpu, one in entry.pop("laws", {}).items()
    }
    demands = {at: Demand(**one) for at, one in entry.pop("demands", {}).items()}
    fillings = {at: Filling(**one) for at, one in entry.pop("fillings", {}).items()}
    adaptive, memory = entry.pop("adaptive", None), entry.pop("memory", {})
    return ModelSpeed(
        name=name,
        work=heterogeneity.WorkPerSample(**work) if work else None,
        work_error=error,
        laws=laws,
        adaptive=Adaptive(**adaptive) if adaptive else None,
        demands=demands,
        fillings=fillings,
        memory_bytes=memory.get("bytes"),
        bases=rests,
        **entry,
    )
