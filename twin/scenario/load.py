"""YAML <-> `Scenario`: files laid over one another, overrides, all problems at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from twin.errors import Problem, ScenarioError
from twin.scenario.files import find, read_text
from twin.scenario.overlay import overlay, put, steps_of
from twin.scenario.schema import Scenario
from twin.scenario.section import explain, found
from twin.scenario.yaml_tree import Node, Place, core_scalar, parse

# Fields that name a file, made absolute here; a test holds this against the schema's FilePath.
INPUT_FILES = (
    "workload.trace.path",
    "workload.services.replicas.file.path",
    "workload.services.busy.file.path",
    "site.node_list.path",
    "failures.records.path",
    "power.cooling.weather.file",
    "power.price.file.path",
    "power.carbon.file.path",
)

MAX_CHAIN = 20  # files that extend one another

_SET = Place("--set")


def load(path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario, with the files that it extends and includes.

    Parameters
    ----------
    path : str or Path
        The scenario file.
    overrides : sequence of str
        ``site.pools[0].nodes=64`` each; the value is YAML. Later ones win.

    Raises
    ------
    ScenarioError
        Every problem found, each with file, line and column, in the order of the files.
    """
    files = _Files()
    node = files.resolve(Path(path), ())
    problems: list[Problem] = []
    for text in overrides:
        try:
            node = _override(node, text)
        except ScenarioError as error:
            problems += error.problems
    for dotted in INPUT_FILES:
        try:
            node = _with_file_found(node, dotted)
        except ScenarioError as error:
            problems += [replace(problem, path=dotted) for problem in error.problems]
    try:
        scenario = Scenario.model_validate(node.plain())
    except ValidationError as error:
        problems += [_problem(node, e) for e in error.errors()]
    if problems:
        order = [*files.read, _SET.file]
        raise ScenarioError(sorted(problems, key=lambda p: (order.index(p.file), p.line, p.column)))
    return scenario


def located(error: ScenarioError, path: str | Path, overrides: Sequence[str] = ()) -> ScenarioError:
    """Problems that were found after reading, each at its place in the files.

    Parameters
    ----------
    error : ScenarioError
    path, overrides
        As `load` took them.
    """
    node = _Files().resolve(Path(path), ())
    for text in overrides:
        node = _override(node, text)
    placed = []
    for problem in error.problems:
        if problem.file or not problem.path:
            placed.append(problem)
        else:
            steps = [int(step) if step.isdigit() else step for step in steps_of(problem.path)]
            below, dotted = _below(node, steps)
            placed.append(below.place.problem(problem.message, dotted))
    return ScenarioError(placed)


def input_files(scenario: Scenario) -> list[Path]:
    """Files that a scenario names and that a run of it reads."""
    found: list[Path] = []
    for dotted in INPUT_FILES:
        values: list[Any] = [scenario]
        for key in dotted.split("."):
            values = [getattr(value, key) for value in values if value is not None]
            values = [one for v in values for one in (v if isinstance(v, tuple) else (v,))]
        found += [Path(value) for value in values if value is not None]
    return found


class _Files:
    """The files of one scenario, each read and resolved once."""

    def __init__(self) -> None:
        self.read: list[str] = []  # in the order of reading, the scenario's own first
        self._resolved: dict[Path, Node] = {}

    def resolve(self, path: Path, chain: tuple[Path, ...]) -> Node:
        """The tree of a file over those that it extends and includes."""
        real = path.resolve()
        if real in self._resolved:
            return self._resolved[real]
        self.read.append(str(path))
        own = parse(read_text(path), str(path))
        if not isinstance(own.value, dict):
            keys = ", ".join(Scenario.yaml_keys())
            message = f"expected a mapping with the keys {keys}; found {found(own.plain())}"
            raise ScenarioError([replace(own.place, line=1, column=1).problem(message)])
        entries = {k: node for k, node in own.value.items() if k not in ("extends", "include")}
        merged: Node | None = None
        for key, name in _named_files(own.value):
            below = self._other(key, name, path, (*chain, real))
            merged = overlay(merged, below, Scenario) if merged else below
        own = Node(entries, own.place)
        self._resolved[real] = overlay(merged, own, Scenario) if merged else own
        return self._resolved[real]

    def _other(self, key: str, name: Node, path: Path, chain: tuple[Path, ...]) -> Node:
        """The tree of a file that ``path`` extends or includes."""
        try:
            other = find(str(name.value), beside=path.parent)
        except ValueError as error:
            raise ScenarioError([name.place.problem(str(error), key)]) from None
        real = other.resolve()
        if real in chain:
            circle = " -> ".join(p.name for p in (*chain[chain.index(real) :], real))
            message = f"files that name one another in a circle: {circle}"
            raise ScenarioError([name.place.problem(message, key)])
        if len(chain) >= MAX_CHAIN:
            message = f"more than {MAX_CHAIN} files that extend one another"
            raise ScenarioError([name.place.problem(message, key)])
        return self.resolve(other, chain)


def _named_files(entries: dict[str, Node]) -> list[tuple[str, Node]]:
    """What a file extends, then what it includes, in the order in which they are laid."""
    names: list[tuple[str, Node]] = []
    for key, one in (("extends", True), ("include", False)):
        node = entries.get(key)
        if node is None:
            continue
        listed = [node] if one else node.value
        if not isinstance(listed, list) or any(not isinstance(n.value, str) for n in listed):
            what = "one file name; include takes a list" if one else "a list of file names"
            message = f"expected {what}, found {found(node.plain())}"
            raise ScenarioError([node.place.problem(message, key)])
        names += [(key, name) for name in listed]
    return names


def _override(node: Node, text: str) -> Node:
    """The tree with one ``path=value`` laid over it."""
    path, equals, value = text.partition("=")
    if not equals:
        raise ScenarioError([_SET.problem(f"{found(text)} has no =; write path.to.key=value")])
    try:
        steps = steps_of(path.strip())
    except ValueError as error:
        raise ScenarioError([_SET.problem(str(error))]) from None
    try:
        given = parse(value, _SET.file) if value.strip() else Node(None, _SET)
    except ScenarioError as error:
        raise ScenarioError(
            [Problem(p.message, path.strip(), _SET.file) for p in error.problems]
        ) from None
    return put(node, steps, _all_at(given, _SET), Scenario)


def _all_at(node: Node, place: Place) -> Node:
    """The same tree with every value at one place."""
    if isinstance(node.value, dict):
        return Node({key: _all_at(below, place) for key, below in node.value.items()}, place)
    if isinstance(node.value, list):
        return Node([_all_at(below, place) for below in node.value], place)
    return Node(node.value, place)


def _with_file_found(node: Node, dotted: str) -> Node:
    """The tree with the path of an input file made absolute."""
    key, _, rest = dotted.partition(".")
    if isinstance(node.value, list):
        return Node([_with_file_found(below, dotted) for below in node.value], node.place)
    if not isinstance(node.value, dict) or key not in node.value:
        return node
    below = node.value[key]
    below = _with_file_found(below, rest) if rest else _found_file(below)
    return Node({**node.value, key: below}, node.place)


def _found_file(node: Node) -> Node:
    if not isinstance(node.value, str) or not node.value:
        return node  # the schema will say so
    beside = None if node.place == _SET else Path(node.place.file).parent
    try:
        return Node(str(find(node.value, beside=beside).resolve()), node.place)
    except ValueError as error:
        raise ScenarioError([node.place.problem(str(error))]) from None


def _problem(root: Node, error: Any) -> Problem:
    """One of pydantic's errors at its place in the files."""
    node, path = _below(root, error["loc"])
    return node.place.problem(explain(error), path)


def _below(root: Node, steps: Iterable[int | str]) -> tuple[Node, str]:
    """What stands at some steps, or as near as there is anything, and the path as it is told."""
    node, path = root, ""
    for step in steps:
        if step == "[key]":  # pydantic's own mark: the fault is in the key
            continue
        if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node, path = node.value[step], f"{path}[{step}]"
        elif isinstance(node.value, dict):
            shown = step if str(step).isprintable() else ascii(step)  # no codes to a terminal
            path = f"{path}.{shown}" if path else str(shown)
            if str(step) not in node.value:
                break
            node = node.value[str(step)]
        else:  # a shorthand: plain text stands for the mapping meant
            break
    return node, path


def dump(scenario: Scenario) -> str:
    """The scenario as YAML, complete: every default is written, and `load` reads an equal one."""
    data = scenario.model_dump(mode="json", by_alias=True)
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )


_OTHER_LINE_ENDS = frozenset("\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.2 would read as something else, such as 1e5."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = text if len(text) > 300 else core_scalar(text)
    style = None if isinstance(plain, str) else "'"
    if not _OTHER_LINE_ENDS.isdisjoint(text):  # folded into a space unless escaped
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def schema_json() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors: what each key means and may hold."""
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Leaves out titles, which only say the key again."""

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    schema = Scenario.model_json_schema(by_alias=True, schema_generator=Untitled)
    files = {
        "extends": {"type": "string", "description": "a scenario file that this one changes"},
        "include": {
            "type": "array",
            "items": {"type": "string"},
            "description": "files laid over it in this order, below what this file says",
        },
    }
    schema["properties"] = {**files, **schema["properties"]}
    # What a file does not say, the files that it names may.
    enough = [schema.pop("required"), *([key] for key in files)]
    schema["anyOf"] = [{"required": keys} for keys in enough]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
