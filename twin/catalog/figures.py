"""Figures with their sources, and the one reader of the catalog's YAML files.

A file has two tables. ``bases`` says, once, what a group of figures rests on: source keys of
``docs/reference/sources.md``, the kind of figure, and whether it was checked. ``parts`` gives each
part by name, its figures grouped under those bases::

    bases:
      datasheet: {sources: [bekman2026], kind: datasheet, status: verified}
    parts:
      h100-sxm:
        title: NVIDIA H100 SXM5
        figures:
          datasheet: {tdp: 700 W, memory: 80 GB}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from twin.errors import CatalogError, UnitError, did_you_mean
from twin.units import Dimension, parse_quantity

FIGURE_KINDS = ("datasheet", "measured", "fitted", "assumed")
STATUSES = ("verified", "derived", "unverified")


@dataclass(frozen=True)
class Basis:
    """What a group of figures rests on."""

    sources: tuple[str, ...]  # keys in docs/reference/sources.md
    kind: str  # one of FIGURE_KINDS
    status: str  # one of STATUSES: checked, computed from what was checked, or neither
    place: str = ""  # page, table or series within the source, or how it was derived


@dataclass(frozen=True)
class Figure:
    """One known property of a part, as the file states it and as the program uses it."""

    field: str  # of the part's class: "tdp_w"
    key: str  # in the file: "tdp"
    text: str  # as the file states it: "700 W"
    value: float | int | str  # in SI: 700.0
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class Part:
    """What every entry of the catalog has. A figure that is not known is None, never a guess."""

    name: str
    title: str = ""
    notes: str = ""


P = TypeVar("P", bound=Part)


def quantity(key: str, dimension: Dimension) -> Any:
    """A field of a part read from ``key``, with its unit, into SI; None where not known."""
    return field(default=None, metadata={"key": key, "reads": dimension})


def count(key: str) -> Any:
    """A field of a part that is a whole number; None where not known."""
    return field(default=None, metadata={"key": key, "reads": int})


def ratio(key: str) -> Any:
    """A field of a part that is a number without a unit; None where not known."""
    return field(default=None, metadata={"key": key, "reads": float})


def words(key: str) -> Any:
    """A field of a part that is text and has a source; None where not known."""
    return field(default=None, metadata={"key": key, "reads": str})


def read_parts(path: Path, cls: type[P]) -> dict[str, tuple[P, tuple[Figure, ...]]]:
    """Every part of one catalog file with its figures, in the file's order.

    Parameters
    ----------
    path : Path
        A YAML file with the tables ``bases`` and ``parts``.
    cls : type
        The dataclass of its parts; fields made by `quantity`, `count`, `ratio` and `words` are
        figures.

    Raises
    ------
    CatalogError
        If the file does not hold together: the message names file, part and figure.
    """
    bases, parts = read_document(path)
    read = {}
    for name, entry in parts.items():
        try:
            read[name] = _part(name, dict(entry), bases, cls)
        except CatalogError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
    return read


def read_document(path: Path) -> tuple[dict[str, Basis], dict[str, Any]]:
    """The bases of a catalog file, and its parts as they stand there; raises `CatalogError`."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
        bases = {name: _basis(name, entry) for name, entry in document["bases"].items()}
        return bases, dict(document["parts"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CatalogError(f"{path.name}: not a catalog file: {error}") from error
    except CatalogError as error:
        raise CatalogError(f"{path.name} {error}") from None


def _basis(name: str, entry: Mapping[str, Any]) -> Basis:
    try:
        basis = Basis(**{**entry, "sources": tuple(entry["sources"])})
    except (KeyError, TypeError) as error:
        raise CatalogError(f"bases.{name}: needs sources, kind and status ({error})") from None
    if not isinstance(entry["sources"], list) or not entry["sources"]:
        raise CatalogError(f"bases.{name}: sources must be a list of one or more keys")
    for given, known in ((basis.kind, FIGURE_KINDS), (basis.status, STATUSES)):
        if given not in known:
            raise CatalogError(f"bases.{name}: unknown {given!r}; {did_you_mean(given, known)}")
    return basis


def _part(
    name: str, entry: dict[str, Any], bases: Mapping[str, Basis], cls: type[P]
) -> tuple[P, tuple[Figure, ...]]:
    """One part: plain attributes stand at its top, figures under their bases."""
    by_key = {f.metadata["key"]: f for f in fields(cls) if "key" in f.metadata}
    plain = [f.name for f in fields(cls) if "key" not in f.metadata and f.name != "name"]
    figures: dict[str, Figure] = {}
    for basis, group in (entry.pop("figures", None) or {}).items():
        if basis not in bases:
            raise CatalogError(f"unknown basis {basis!r}; {did_you_mean(basis, bases)}")
        for key, stated in group.items():
            if key not in by_key:
                raise CatalogError(f"unknown figure {key!r}; {did_you_mean(key, by_key)}")
            if key in figures:
                raise CatalogError(f"{key} is given twice; keep one")
            figures[key] = _figure(by_key[key], stated, bases[basis])
    for key in entry:
        if key not in plain:
            raise CatalogError(f"unknown key {key!r}; {did_you_mean(key, [*plain, 'figures'])}")
    values: dict[str, Any] = {figure.field: figure.value for figure in figures.values()}
    try:
        part = cls(name=name, **entry, **values)
    except TypeError as error:
        raise CatalogError(str(error)) from None
    in_order = sorted(figures.values(), key=lambda figure: list(by_key).index(figure.key))
    return part, tuple(in_order)


def _figure(f: Field[Any], stated: Any, basis: Basis) -> Figure:
    """One figure, its text read as the field of the part's class asks."""
    key, reads = f.metadata["key"], f.metadata["reads"]
    value = stated
    if isinstance(reads, Dimension):
        try:
            value = parse_quantity(stated, reads)
        except UnitError as error:
            raise CatalogError(f"{key}: {error}") from None
    elif reads is float and type(stated) is int:
        value = float(stated)
    elif type(stated) is not reads:  # true and false are no counts
        wanted = {int: "a whole number", float: "a number"}.get(reads, "text")
        raise CatalogError(f"{key}: expected {wanted}, found {stated!r}")
    return Figure(field=f.name, key=key, text=str(stated), value=value, basis=basis)
