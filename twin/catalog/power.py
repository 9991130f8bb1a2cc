"""How the power of each accelerator follows its clock, and what kinds of work ask of it.

Curves stand in ``power.yaml`` as shares of TDP and idle, kinds of work in ``profiles.yaml``; here
they become the `GpuPower` and the `Profile` of `twin.physics.power`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from twin.catalog import parts
from twin.catalog.figures import Basis, Figure, Part, ratio, read_document, read_parts
from twin.errors import CatalogError, DomainError, did_you_mean
from twin.physics.power import GpuPower, Phase, Profile

CURVES = Path(__file__).with_name("power.yaml")
PROFILES = Path(__file__).with_name("profiles.yaml")
_DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class PowerCurve(Part):
    """Power against clock in shares, for GPUs of any size.

    Attributes
    ----------
    gpus : sequence of str
        Names of the GPUs that take this curve.
    idle, min_cap : float
        Of TDP. [0..1]
    compute, memory, communication : float
        Power in full use at full clock, of TDP less idle. [-]
    """

    gpus: Sequence[str] = ()
    idle: float | None = ratio("idle")
    min_cap: float | None = ratio("min_cap")
    min_clock: float | None = ratio("min_clock")
    exponent: float | None = ratio("exponent")
    knee: float | None = ratio("knee")
    compute: float | None = ratio("compute")
    memory: float | None = ratio("memory")
    communication: float | None = ratio("communication")


@dataclass(frozen=True, kw_only=True)
class Work:
    """A kind of work as the catalog has it: its profile, and what that rests on."""

    profile: Profile
    title: str
    notes: str
    basis: Basis


def gpu_power(gpu_name: str) -> GpuPower:
    """Power of a GPU of the catalog; see `assumptions` for what of it is assumed.

    Raises
    ------
    CatalogError
        If the catalog does not know the GPU, or not its TDP.
    """
    gpu, (curve, _) = parts.gpu(gpu_name), _curve_of(gpu_name)
    if gpu.tdp_w is None:
        raise CatalogError(
            f"GPU {gpu_name!r}: its TDP is not in the catalog; give it one in gpus.yaml or choose "
            "another GPU"
        )
    share = {name: value for name, value in vars(curve).items() if isinstance(value, float)}
    idle_w = gpu.tdp_w * share["idle"] if gpu.idle_w is None else gpu.idle_w
    above_idle_w = gpu.tdp_w - idle_w
    return GpuPower(
        idle_w=idle_w,
        tdp_w=gpu.tdp_w,
        min_cap_w=max(idle_w, share["min_cap"] * gpu.tdp_w),
        compute_w=share["compute"] * above_idle_w,
        memory_w=share["memory"] * above_idle_w,
        communication_w=share["communication"] * above_idle_w,
        exponent=share["exponent"],
        knee_clock=share["knee"],
        min_clock=share["min_clock"],
    )


def assumptions(gpu_name: str) -> tuple[str, ...]:
    """What `gpu_power` takes for granted, a sentence each, for the report."""
    gpu, (curve, figures) = parts.gpu(gpu_name), _curve_of(gpu_name)
    told = []
    if curve.name == _DEFAULT:
        told.append(f"{gpu_name}: no sweep of power caps is known; the default curve stands in")
    elif gpu_name != curve.gpus[0]:
        told.append(f"{gpu_name}: its power curve is that of {curve.gpus[0]}, scaled to its TDP")
    guessed = [figure.key for figure in figures if figure.basis.status == "unverified"]
    if gpu.idle_w is not None:
        guessed = [key for key in guessed if key != "idle"]
    elif curve.idle is not None and "idle" in guessed:
        told.append(
            f"{gpu_name}: its idle draw is not known; {100 * curve.idle:g} % of TDP assumed"
        )
        guessed.remove("idle")
    if guessed:
        told.append(f"{gpu_name}: unverified figures of its power curve: {', '.join(guessed)}")
    return tuple(told)


def profile(name: str) -> Profile:
    """The kind of work of that name; raises `CatalogError` with the nearest known name."""
    return work(name).profile


def profile_names() -> list[str]:
    """All kinds of work, sorted."""
    return sorted(_works())


def work(name: str) -> Work:
    """As `profile`, with its title, its notes and what it rests on."""
    known = _works()
    if name not in known:
        raise CatalogError(f"unknown power profile {name!r}; {did_you_mean(name, known, most=40)}")
    return known[name]


def curve(gpu_name: str) -> tuple[PowerCurve, tuple[Figure, ...]]:
    """The curve that a GPU takes, in shares, and its figures with their sources."""
    parts.gpu(gpu_name)
    return _curve_of(gpu_name)


def _curve_of(gpu_name: str) -> tuple[PowerCurve, tuple[Figure, ...]]:
    known = _curves()
    named = [name for name, (part, _) in known.items() if gpu_name in part.gpus]
    return known[named[0] if named else _DEFAULT]


@cache
def _curves() -> dict[str, tuple[PowerCurve, tuple[Figure, ...]]]:
    return read_curves(CURVES)


def read_curves(path: Path) -> dict[str, tuple[PowerCurve, tuple[Figure, ...]]]:
    """Every curve of a file; raises `CatalogError` if one is incomplete."""
    read = read_parts(path, PowerCurve)
    for name, (part, _) in read.items():
        lacking = [key for key, value in vars(part).items() if value is None]
        if lacking:
            raise CatalogError(f"{path.name} {name}: needs {', '.join(lacking)}")
    if _DEFAULT not in read:
        raise CatalogError(f"{path.name}: needs a part {_DEFAULT!r}")
    return read


@cache
def _works() -> dict[str, Work]:
    return read_works(PROFILES)


def read_works(path: Path) -> dict[str, Work]:
    """Every kind of work of a file; raises `CatalogError` with file, name and fault."""
    bases, entries = read_document(path)
    works = {}
    for name, entry in entries.items():
        try:
            works[name] = _work(name, entry, bases)
        except KeyError as error:
            raise CatalogError(f"{path.name} {name}: needs the key {error}") from None
        except CatalogError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
        except (TypeError, AttributeError, ValueError, DomainError) as error:
            raise CatalogError(f"{path.name} {name}: not a power profile: {error}") from None
    return works


def _work(name: str, entry: dict[str, Any], bases: dict[str, Basis]) -> Work:
    phases, basis = tuple(Phase(**phase) for phase in entry["phases"]), entry["basis"]
    if basis not in bases:
        raise CatalogError(f"unknown basis {basis!r}; {did_you_mean(basis, bases)}")
    return Work(
        profile=Profile(name=name, phases=phases, synchronous=entry["synchronous"]),
        title=entry["title"],
        notes=entry.get("notes", ""),
        basis=bases[basis],
    )
