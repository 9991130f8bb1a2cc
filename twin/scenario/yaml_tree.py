"""Scenario files as a tree that knows file, line and column of every value.

YAML 1.2 core scalars: ``no`` and ``12:30:00`` are text, ``1e5`` is a number, dates are text that
the schema reads. Refused, each with its place: keys given twice, tags (so no file can make a
program run anything), aliases that grow without bound, and files too deep, too long or not text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from twin.errors import Problem, ScenarioError
from twin.scenario.section import found

MAX_DEPTH = 50
MAX_LINE_CHARS = 100_000
# Memory that a file may ask for once its aliases are written out, in characters; a value with
# its place takes about 100 besides its text.
MAX_SIZE = 20 * 2**20
_SIZE_OF_A_VALUE = 100

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, counted from 1: at its key, or in a list at itself."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, message: str, path: str = "") -> Problem:
        """A problem at this place."""
        return Problem(message, path, self.file, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file. Keys are text, whatever they look like."""

    value: dict[str, Node] | list[Node] | Scalar
    place: Place
    size: int = _SIZE_OF_A_VALUE
    height: int = 0  # levels below it

    def plain(self) -> Any:
        """The value as dicts, lists and scalars, without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse(text: str, file: str) -> Node:
    """The tree of one YAML document.

    Parameters
    ----------
    text : str
        The document.
    file : str
        What messages call it.

    Raises
    ------
    ScenarioError
        If it is not one document of plain YAML within the limits of this module.
    """
    _refuse_unreadable(text, file)
    reader = _Reader(text, file)
    try:
        node = reader.document()
    except yaml.MarkedYAMLError as error:
        raise ScenarioError([_syntax(error, text, file)]) from None
    except yaml.YAMLError as error:
        raise ScenarioError([Problem(f"not YAML: {error}", file=file)]) from None
    if reader.problems:
        raise ScenarioError(reader.problems)
    return node


_UNREADABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _refuse_unreadable(text: str, file: str) -> None:
    """Control characters and endless lines, before a parser meets them."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE_CHARS:
            message = f"a line of {len(line):,} characters; at most {MAX_LINE_CHARS:,} are read"
            raise ScenarioError([Place(file, number, 1).problem(message)])
        bad = _UNREADABLE.search(line)
        if bad:
            message = f"character {bad[0]!r} cannot stand in a text file; is this a scenario?"
            raise ScenarioError([Place(file, number, bad.start() + 1).problem(message)])


class _Reader:
    """Builds the tree from the parser's events, so that limits hold while it is read."""

    def __init__(self, text: str, file: str) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds lack the C parser
        self.events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}  # None while it is still being read
        self.size = 0

    def place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def document(self) -> Node:
        """The only document; a file without one is refused."""
        next(self.events)  # stream start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise ScenarioError([Problem("is empty", file=self.file, line=1, column=1)])
        node = self.node(next(self.events), 0)
        next(self.events)  # document end
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.stop(after, "a second document begins here; a file holds one")
        return node

    def stop(self, event: Any, message: str) -> None:
        raise ScenarioError([*self.problems, self.place(event).problem(message)])

    def node(self, event: Any, depth: int) -> Node:
        """The value that begins with this event."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            message = f"tag {found(tag)} is not allowed; write the value without it"
            self.problems.append(self.place(event).problem(message))
        if depth > MAX_DEPTH:
            self.stop(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(event, depth)
        else:
            node = self.mapping(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def grow(self, event: Any, size: int) -> None:
        self.size += size
        if self.size > MAX_SIZE:
            self.stop(event, "too much for one file, counting what its aliases stand for")

    def alias(self, event: Any, depth: int) -> Node:
        if event.anchor not in self.anchors:
            self.stop(event, f"nothing above is marked &{event.anchor}")
        node = self.anchors[event.anchor]
        if node is None:
            self.stop(event, f"*{event.anchor} stands for itself")
            raise AssertionError
        if depth + node.height > MAX_DEPTH:
            self.stop(event, f"nested deeper than {MAX_DEPTH} levels")
        self.grow(event, node.size)
        return replace(node, place=self.place(event))

    def scalar(self, event: Any) -> Node:
        value: Scalar = event.value
        if event.implicit[0]:
            try:
                value = core_scalar(event.value)
            except ValueError as error:
                self.problems.append(self.place(event).problem(str(error)))
        size = _SIZE_OF_A_VALUE + len(event.value)
        self.grow(event, size)
        return Node(value, self.place(event), size)

    def sequence(self, start: Any, depth: int) -> Node:
        items: list[Node] = []
        self.grow(start, _SIZE_OF_A_VALUE)
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return _branch(items, items, self.place(start))

    def mapping(self, start: Any, depth: int) -> Node:
        entries: dict[str, Node] = {}
        self.grow(start, _SIZE_OF_A_VALUE)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self.stop(event, "a key must be plain text, as in `nodes: 4`")
            place, key = self.place(event), event.value
            self.node(event, depth)  # tag, anchor and size of the key count too
            if key == "<<":
                self.stop(event, "merge keys are not YAML 1.2; use extends or include")
            value = self.node(next(self.events), depth + 1)
            if key in entries:
                first = entries[key].place.line
                message = f"key {found(key)} is given twice; the first is on line {first}"
                self.problems.append(place.problem(message))
            else:
                entries[key] = replace(value, place=place)
        return _branch(entries, list(entries.values()), self.place(start))


def _branch(value: dict[str, Node] | list[Node], below: list[Node], place: Place) -> Node:
    size = _SIZE_OF_A_VALUE + sum(node.size for node in below)
    return Node(value, place, size, 1 + max((node.height for node in below), default=0))


_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{
        sign + word: float(sign + "inf")
        for sign in ("", "+", "-")
        for word in (".inf", ".Inf", ".INF")
    },
}


def core_scalar(text: str) -> Scalar:
    """What an unquoted scalar means in the core schema of YAML 1.2.

    Raises
    ------
    ValueError
        If it is a number of more than 300 digits.
    """
    if text in _WORDS:
        return _WORDS[text]
    number = _INT.fullmatch(text) or _BASED.fullmatch(text) or _FLOAT.fullmatch(text)
    if not number:
        return text
    if len(text) > 300:
        raise ValueError(f"a number of {len(text):,} digits; put it in quotes if it is text")
    if _INT.fullmatch(text):
        return int(text)
    return int(text, 0) if _BASED.fullmatch(text) else float(text)


_TABS = "tabs cannot indent YAML; use spaces"
_NEVER_CLOSED = {
    "while scanning a quoted scalar": "the quote that opens here is never closed",
    "while parsing a flow sequence": "the [ here is never closed, or a comma is missing",
    "while parsing a flow mapping": "the { here is never closed, or a comma is missing",
}
_COLONS = "a colon and space inside a value; put the value in quotes, or begin a new line"


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """A syntax error in words that say what to do."""
    begun = error.context_mark
    if begun and error.context in _NEVER_CLOSED:
        return Place(file, begun.line + 1, begun.column + 1).problem(_NEVER_CLOSED[error.context])
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(f"not YAML: {error.problem}", file=file)
    lines = text.split("\n")
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    said = error.problem or error.context or "not YAML"
    if "tab character" in said or rest.startswith("\t"):
        message = _TABS
    elif said.startswith("mapping values are not allowed"):
        message = _COLONS
    elif said.startswith("found character that cannot start"):
        message = f"a value cannot begin with {rest[:1]!r}; put it in quotes"
    else:
        message = f"{error.context}: {said}" if error.context else said
        message = f"not YAML: {message}"
    return Place(file, mark.line + 1, mark.column + 1).problem(message)
