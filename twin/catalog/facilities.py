"""What stands between the utility and the racks: converters, and how halls are cooled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from twin import units
from twin.catalog.figures import Figure, Part, quantity, ratio, read_parts
from twin.errors import CatalogError, DomainError, did_you_mean
from twin.physics.conversion import NO_LOSS, Loss, loss_from_efficiency
from twin.physics.cooling import CoolingType, Loop, Sink

CONVERTERS = Path(__file__).with_name("facilities.yaml")
COOLING = Path(__file__).with_name("cooling.yaml")
Entry = tuple[Part, tuple[Figure, ...]]


@dataclass(frozen=True, kw_only=True)
class Converter(Part):
    """Efficiencies of a converter at shares of its rating."""

    full: float | None = ratio("full")
    half: float | None = ratio("half")
    fifth: float | None = ratio("fifth")


@dataclass(frozen=True, kw_only=True)
class CoolingPart(Part):
    """A way of cooling as the file has it: see `twin.physics.cooling.Loop` for the figures."""

    sink: str = ""
    economiser: bool = False
    liquid: bool = False  # carried from the racks by cooling distribution units
    rest: str = ""  # the type whose way the rest of the heat goes
    share: float | None = ratio("share")
    supply_degc: float | None = quantity("supply", units.TEMPERATURE)
    rise_k: float | None = quantity("rise", units.TEMPERATURE_DIFFERENCE)
    hx_k: float | None = quantity("hx", units.TEMPERATURE_DIFFERENCE)
    approach_k: float | None = quantity("approach", units.TEMPERATURE_DIFFERENCE)
    lift_k: float | None = quantity("lift", units.TEMPERATURE_DIFFERENCE)
    carnot: float | None = ratio("carnot")
    moving: float | None = ratio("moving")
    least_moving: float | None = ratio("least_moving")
    rejection: float | None = ratio("rejection")
    overhead: float | None = ratio("overhead")
    time_constant_s: float | None = quantity("time_constant", units.TIME)
    throttle_degc: float | None = quantity("throttle", units.TEMPERATURE)
    off_degc: float | None = quantity("off", units.TEMPERATURE)


_LOOP_FIGURES = (
    "supply_degc",
    "rise_k",
    "hx_k",
    "approach_k",
    "lift_k",
    "carnot",
    "moving",
    "least_moving",
    "rejection",
)
_HEAT_FIGURES = ("time_constant_s", "throttle_degc", "off_degc")


def converter(name: str) -> Loss:
    """The loss of a converter rated for 1 W, ready for `Loss.scaled`; ``none`` loses nothing.

    Raises
    ------
    CatalogError
        If there is none of that name.
    """
    if name == "none":
        return NO_LOSS
    loss: Loss = _found("converter", name, _converters())[1]
    return loss


def converter_names() -> list[str]:
    """All converters, sorted; ``none`` is not among them."""
    return sorted(_converters())


def cooling_type(name: str) -> CoolingType:
    """The way of cooling of that name; raises `CatalogError` with the nearest known name."""
    cooling: CoolingType = _found("cooling type", name, _cooling())[1]
    return cooling


def has_cdus(name: str) -> bool:
    """Whether liquid takes the heat from the racks, through cooling distribution units."""
    part: CoolingPart = _found("cooling type", name, _cooling())[0][0]
    return part.liquid


def cooling_names() -> list[str]:
    """All ways of cooling, sorted."""
    return sorted(_cooling())


def figures(kind: str, name: str) -> Entry:
    """A part of ``converter`` or ``cooling`` and its figures with their sources."""
    known: dict[str, Any] = _converters() if kind == "converter" else _cooling()
    entry: Entry = _found(kind, name, known)[0]
    return entry


def read_converters(path: Path) -> dict[str, tuple[Entry, Loss]]:
    """Every converter of a file; raises `CatalogError` with file, name and fault."""
    made: dict[str, tuple[Entry, Loss]] = {}
    for name, (part, stated) in read_parts(path, Converter).items():
        if part.full is None:
            raise CatalogError(f"{path.name} {name}: needs full, its efficiency at full load")
        try:
            loss = loss_from_efficiency(1.0, full=part.full, half=part.half, fifth=part.fifth)
        except DomainError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
        made[name] = ((part, stated), loss)
    return made


def read_cooling(path: Path) -> dict[str, tuple[Entry, CoolingType]]:
    """Every way of cooling of a file; raises `CatalogError` with file, name and fault."""
    read = read_parts(path, CoolingPart)
    loops = {}
    for name, (part, _) in read.items():
        known: dict[str, Any] = {key: getattr(part, key) for key in _LOOP_FIGURES}
        lacking = [key for key in (*known, *_HEAT_FIGURES) if getattr(part, key) is None]
        if lacking:
            raise CatalogError(f"{path.name} {name}: needs {', '.join(lacking)}")
        try:
            loops[name] = Loop(**known, sink=cast(Sink, part.sink), economiser=part.economiser)
        except DomainError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
    made: dict[str, tuple[Entry, CoolingType]] = {}
    for name, (part, stated) in read.items():
        if part.rest and part.rest not in loops:
            hint = did_you_mean(part.rest, loops)
            raise CatalogError(f"{path.name} {name}: unknown rest {part.rest!r}; {hint}")
        try:
            cooling = CoolingType(
                loop=loops[name],
                share=1.0 if part.share is None else part.share,
                rest=loops.get(part.rest),
                overhead=part.overhead or 0.0,
                **{key: getattr(part, key) for key in _HEAT_FIGURES},
            )
        except DomainError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
        made[name] = ((part, stated), cooling)
    return made


def _found(noun: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise CatalogError(f"unknown {noun} {name!r}; {did_you_mean(name, known, most=40)}")
    return known[name]


@cache
def _converters() -> dict[str, tuple[Entry, Loss]]:
    return read_converters(CONVERTERS)


@cache
def _cooling() -> dict[str, tuple[Entry, CoolingType]]:
    return read_cooling(COOLING)
