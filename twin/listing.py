"""The catalog and the registries as text: what a scenario may name, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import getdoc

from twin.catalog import failures, parts
from twin.errors import CatalogError, did_you_mean
from twin.registry import POLICY_KINDS, READERS, Registry


def listing(kind: str | None = None, name: str | None = None) -> str:
    """All kinds; or the names of one kind; or one entry in full.

    Raises
    ------
    CatalogError
        If the kind or the name is unknown.
    """
    kinds = [*parts.PARTS, "failures", *POLICY_KINDS, "traces"]
    if kind is None:
        rows = [(k, ", ".join(_names(k))) for k in kinds]
        return _table(rows, limit=100)
    if kind not in kinds:
        raise CatalogError(f"unknown kind {kind!r}; {did_you_mean(kind, kinds)}")
    if name is None:
        return _table([(n, _title(kind, n)) for n in _names(kind)])
    if kind in parts.PARTS:
        part = parts.part(kind, name)
        figures = [
            (f.key, f.text, f"{f.basis.kind}, {f.basis.status}: {', '.join(f.basis.sources)}")
            for f in parts.figures(kind, name)
        ]
        notes = [getattr(part, "notes", "")]
        return "\n\n".join([_title(kind, name), _table(figures), *filter(None, notes)])
    if kind == "failures":
        return _failure_set(name)
    entry = _registry(kind).get(name)
    return f"{name}\n\n{getdoc(entry) or ''}"


def _registry(kind: str) -> Registry[object]:
    return READERS if kind == "traces" else POLICY_KINDS[kind]  # type: ignore[return-value]


def _failure_set(name: str) -> str:
    """Every class of a failure set: what it is of, and each figure with what it rests on."""
    entry = failures.failure_set(name)
    rows = []
    for of, keys in entry.classes.items():
        for at, (key, value) in enumerate(keys.items()):
            basis = entry.bases[of].get(key)
            rests = f"{basis.kind}, {basis.status}: {', '.join(basis.sources)}" if basis else ""
            rows.append(("" if at else of, key, rests, _flow(value)))
    return "\n\n".join([entry.title, _table(rows), *filter(None, [entry.notes])])


def _flow(value: object) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names(kind: str) -> list[str]:
    if kind == "failures":
        return failures.names()
    return parts.names(kind) if kind in parts.PARTS else _registry(kind).names()


def _title(kind: str, name: str) -> str:
    if kind == "failures":
        return failures.failure_set(name).title
    if kind in parts.PARTS:
        return str(getattr(parts.part(kind, name), "title", ""))
    return (getdoc(_registry(kind).get(name)) or "").split("\n")[0]


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
