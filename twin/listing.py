"""The catalog and the registries as text: what a scenario may name, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import getdoc
from textwrap import wrap
from typing import Any

import numpy as np

from twin.catalog import climates, facilities, failures, grids, models, parts, power
from twin.catalog.figures import Basis, Figure, Part
from twin.errors import CatalogError, did_you_mean
from twin.options import docstring, options_of, sources_of
from twin.registry import POLICY_KINDS, READERS, Registry


@dataclass(frozen=True)
class Kind:
    """A kind of entry: the names there are, and of each its title and all that is known."""

    names: Callable[[], list[str]]
    title: Callable[[str], str]
    whole: Callable[[str], str]
    # Of a policy: each option with what may be given and its default.
    options: Callable[[str], Sequence[str]] = lambda name: ()


def listing(kind: str | None = None, name: str | None = None) -> str:
    """All kinds; or the names of one kind; or one entry in full.

    Raises
    ------
    CatalogError
        If the kind or the name is unknown.
    """
    if kind is None:
        rows = [(name, ", ".join(each.names())) for name, each in KINDS.items()]
        return _table(rows, limit=100)
    if kind not in KINDS:
        raise CatalogError(f"unknown kind {kind!r}; {did_you_mean(kind, KINDS)}")
    known = KINDS[kind]
    if name is None:
        rows = [(each, known.title(each)) for each in known.names()]
        return "\n".join(_with_options(known, rows))
    return known.whole(name)


def _with_options(known: Kind, rows: list[tuple[str, str]]) -> Iterator[str]:
    """A line for each name, and lines for the options of those that have any."""
    indent = " " * (max((len(name) for name, _ in rows), default=0) + 2)
    for (name, _), line in zip(rows, _table(rows).split("\n"), strict=True):
        yield line
        # Hard blanks within an option, so that none is broken in two.
        options = "; ".join(each.replace(" ", "\xa0") for each in known.options(name))
        lines = wrap(options, 100 - len(indent), break_on_hyphens=False, break_long_words=False)
        yield from (indent + each.replace("\xa0", " ") for each in lines)


# -- parts with figures


def _part(title: str, figures: Sequence[Figure], *notes: str) -> str:
    rows = [(f.key, f.text, _rests(f.basis)) for f in figures]
    return _paragraphs(title, _table(rows) if rows else "", *notes)


def _rests(basis: Basis) -> str:
    """What a figure rests on."""
    return f"{basis.kind}, {basis.status}: {', '.join(basis.sources)}"


def _of_parts(kind: str) -> Kind:
    def whole(name: str) -> str:
        part = parts.part(kind, name)
        return _part(part.title, parts.figures(kind, name), part.notes)

    return Kind(lambda: parts.names(kind), lambda name: parts.part(kind, name).title, whole)


def _of_entries(
    names: Callable[[], list[str]], entry: Callable[[str], tuple[Part, tuple[Figure, ...]]]
) -> Kind:
    def whole(name: str) -> str:
        part, figures = entry(name)
        return _part(part.title, figures, part.notes)

    return Kind(names, lambda name: entry(name)[0].title, whole)


# -- failures


def _failure_set(name: str) -> str:
    """Every class of a failure set: what it is of, and each figure with what it rests on."""
    entry = failures.failure_set(name)
    rows = []
    for of, keys in entry.classes.items():
        for at, (key, value) in enumerate(keys.items()):
            basis = entry.bases[of].get(key)
            rows.append(("" if at else of, key, _rests(basis) if basis else "", _flow(value)))
    return _paragraphs(entry.title, _table(rows), entry.notes)


def _flow(value: object) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- power and what lies around it


def _profile(name: str) -> str:
    """The phases of a kind of work: what they use, and what they rest on."""
    work = power.work(name)
    rows: list[tuple[str, ...]] = [
        ("phase", "share", "compute", "memory", "communication", "clocked")
    ]
    for phase in work.profile.phases:
        used = (phase.share, phase.compute, phase.memory, phase.communication, phase.clocked)
        rows.append((phase.name, *(f"{share:g}" for share in used)))
    together = "change phase together" if work.profile.synchronous else "change phase on their own"
    basis = _rests(work.basis) + (f" ({work.basis.place})" if work.basis.place else "")
    return _paragraphs(work.title, _table(rows), f"GPUs of a job {together}.", basis, work.notes)


def _curve(gpu: str) -> str:
    """How the power of a GPU follows its clock, and what of that was taken for granted."""
    curve, figures = power.curve(gpu)
    assumed = "\n".join(f"- {each}" for each in power.assumptions(gpu))
    return _part(curve.title, figures, curve.notes, assumed)


def _cooling(name: str) -> str:
    """The way of a hall's heat, and its figures."""
    part, figures = facilities.figures("cooling", name)
    kind = facilities.cooling_type(name)
    free = "" if kind.loop.economiser else ", chillers always on"
    way = f"Heat goes to a {kind.loop.sink} sink{free}."
    rest = getattr(part, "rest", "")
    if rest:
        way += f" What does not go that way goes as with {rest}."
    if facilities.has_cdus(name):
        way += " Cooling distribution units stand by the racks."
    return _part(part.title, figures, way, part.notes)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _climate(name: str) -> str:
    """Typical weather of a place by month."""
    climate = climates.climate(name)
    hours = np.datetime64("2025-01-01T00", "h") + np.arange(climates.HOURS_OF_A_YEAR)
    month = hours.astype("datetime64[M]").astype(int) % 12
    dry_degc, wet_degc = climate.hours()
    rows = [("degC", *(f"{of}, {stat}" for of in ("dry", "wet") for stat in ("mean", "most")))]
    for at, label in enumerate(_MONTHS):
        here = month == at
        cells = (dry_degc[here].mean(), dry_degc[here].max(), wet_degc[here].mean())
        rows.append((label, *(f"{each:.1f}" for each in (*cells, wet_degc[here].max()))))
    text = "Of the means of typical hours: single hours are hotter and colder."
    return _paragraphs(climate.title, _table(rows), text, _rests(climate.basis), climate.notes)


# -- models


def _model(name: str) -> str:
    """How fast a model runs: on what, on how many, and beside whom, each with its error."""
    of = models.model(name)
    tables = []
    if of.work is not None:
        work = of.work
        rows = [
            ("host", f"{work.host_s:.3g} s", "a step"),
            ("compute", f"{work.flop / 1e9:.3g} GFLOP", "a sample, effective"),
            ("memory", f"{work.bytes / 1e9:.3g} GB", "a sample, effective"),
            ("error", f"{100 * of.work_error:.0f} %", "median, of the model held out"),
        ]
        tables += ["Speed by type of GPU. " + _section(of, "work"), _table(rows)]
    if of.laws:
        head = [("on", "step", "sample", "node", "+GPU", "nodes", "+GPU", "overlap", "error")]
        rows_ = [
            (gpu, *(f"{each:.3g}" for each in vars(one.law).values()), f"{100 * one.error:.0f} %")
            for gpu, one in of.laws.items()
        ]
        tables += ["Speed by number of GPUs, in s. " + _section(of, "laws"), _table(head + rows_)]
    if of.adaptive is not None:
        told = ((key.replace("_", " "), f"{value:g}") for key, value in vars(of.adaptive).items())
        tables += ["Batches, in samples. " + _section(of, "adaptive"), _table(told)]
    if of.demands:
        head_ = [("on", "busy", "turn", "error")]
        shared = [
            (at, f"{one.busy:.2f}", f"{one.turn:.2f}", f"{100 * one.error:.0f} %")
            for at, one in of.demands.items()
        ]
        tables += ["In turns on one GPU. " + _section(of, "demands"), _table(head_ + shared)]
    if of.fillings:
        head_ = [("on", "busy", "fill", "error")]
        shared = [
            (at, f"{one.busy:.2f}", f"{one.fill:.2f}", f"{100 * one.error:.0f} %")
            for at, one in of.fillings.items()
        ]
        tables += ["Side by side on one GPU. " + _section(of, "fillings"), _table(head_ + shared)]
    if of.memory_bytes is not None:
        tables.append(f"Takes {of.memory_bytes / 1e9:.2g} GB. " + _section(of, "memory"))
    return _paragraphs(of.title, *tables, of.notes)


def _section(of: models.ModelSpeed, section: str) -> str:
    basis = of.bases[section]
    return f"{_rests(basis)} ({basis.place})"


# -- policies and readers


def _of_policies(registry: Registry[type[Any]]) -> Kind:
    def title(name: str) -> str:
        return docstring(registry.get(name)).split("\n")[0].replace("``", "`")

    def whole(name: str) -> str:
        cls = registry.get(name)
        rows = [
            (option.name, option.kind.replace("`", ""), option.default or "needed", option.meaning)
            for option in options_of(cls)
        ]
        table = _table([("option", "value", "default", "meaning"), *rows]) if rows else ""
        cited = ", ".join(f"[{key}]" for key in sources_of(cls))
        sources = f"Sources: {cited} of docs/reference/sources.md" if cited else ""
        return _paragraphs(name, docstring(cls), table or "No options.", sources)

    def options(name: str) -> list[str]:
        return [
            f"{each.name}: {each.kind.replace('`', '')}"
            + (f" = {each.default}" * bool(each.default))
            for each in options_of(registry.get(name))
        ]

    return Kind(registry.names, title, whole, options)


def _of_readers(registry: Registry[Callable[..., Any]]) -> Kind:
    def title(name: str) -> str:
        return (getdoc(registry.get(name)) or "").split("\n")[0]

    def whole(name: str) -> str:
        return _paragraphs(name, getdoc(registry.get(name)) or "")

    return Kind(registry.names, title, whole)


KINDS: dict[str, Kind] = {
    **{kind: _of_parts(kind) for kind in parts.PARTS},
    "failures": Kind(failures.names, lambda name: failures.failure_set(name).title, _failure_set),
    "profiles": Kind(power.profile_names, lambda name: power.work(name).title, _profile),
    "curves": Kind(lambda: parts.names("gpus"), lambda name: power.curve(name)[0].title, _curve),
    "converters": _of_entries(
        facilities.converter_names, lambda name: facilities.figures("converter", name)
    ),
    "cooling": Kind(
        facilities.cooling_names, lambda n: facilities.figures("cooling", n)[0].title, _cooling
    ),
    "climates": Kind(climates.climate_names, lambda name: climates.climate(name).title, _climate),
    "grids": _of_entries(grids.names, grids.figures),
    "models": Kind(models.names, lambda name: models.model(name).title, _model),
    **{kind: _of_policies(registry) for kind, registry in POLICY_KINDS.items()},
    "traces": _of_readers(READERS),
}  # in the order of the listing


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))


def _table(rows: Iterable[tuple[str, ...]], limit: int | None = None) -> str:
    cells = list(rows)
    widths = [max((len(row[i]) for row in cells), default=0) for i in range(len(cells[0]))]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(
        line if not limit or len(line) <= limit else line[: limit - 3] + "..." for line in lines
    )
