"""The built-in policies as Markdown: what each says of itself, its options and its sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from markdown import table

from twin.options import docstring, options_of, sources_of
from twin.registry import POLICY_KINDS

_HEADING = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)
_SOURCES = Path(__file__).parent / "sources.md"


def policies(kind: str) -> Iterator[str]:
    """Every policy of a kind: a heading, its docstring, a table of its options."""
    for name in _names(kind):
        cls = POLICY_KINDS[kind].get(name)
        yield f"## {name}\n"
        yield _text(cls)
        yield ""
        rows = [
            (f"`{each.name}`", each.kind, f"`{each.default}`" if each.default else "**needed**",
             each.meaning)
            for each in options_of(cls)
        ]  # fmt: skip
        if rows:
            yield from table(("option", "value", "default", "meaning"), rows)
            yield ""


def overview(kind: str) -> Iterator[str]:
    """A row for each policy of a kind, which leads to its place."""
    rows = [
        (f"[`{name}`](policies/{kind}.md#{name})", _linked(_first(name, kind), "sources.md"))
        for name in _names(kind)
    ]
    return table(("name", "what it does"), rows)


def _names(kind: str) -> list[str]:
    """Those that are part of the program; a plug-in has no place in its reference."""
    registry = POLICY_KINDS[kind]
    known = registry.names()
    return [n for n in known if registry.get(n).__module__.startswith("twin.policies.")]


def _first(name: str, kind: str) -> str:
    return docstring(POLICY_KINDS[kind].get(name)).split("\n")[0].replace("``", "`")


def _text(cls: type[Any]) -> str:
    """A docstring as Markdown: headings become bold words, keys of sources links."""
    plain = docstring(cls).replace("``", "`")
    text = _HEADING.sub(lambda found: f"**{found[1]}.** ", plain)
    return _linked(text, "../sources.md", sources_of(cls))


def _linked(text: str, page: str, keys: list[str] | None = None) -> str:
    for key in keys if keys is not None else _sections():
        text = text.replace(f"[{key}]", f"[[{key}]]({page}#{_sections()[key]})")
    return text


@cache
def _sections() -> dict[str, str]:
    """The anchor of the section in which each source stands."""
    found: dict[str, str] = {}
    anchor = ""
    for line in _SOURCES.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            anchor = re.sub(r"[^\w\- ]", "", line[3:].lower()).replace(" ", "-")
        elif key := re.match(r"- \*\*\[(.+?)\]\*\*", line):
            found[key[1]] = anchor
    return found
