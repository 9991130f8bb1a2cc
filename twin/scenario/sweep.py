"""A sweep file: one scenario, axes along which values of it are replaced, and seeds.

::

    name: how-many-nodes
    scenario: ../philly/easy-96.yaml
    seeds: [1, 2, 3]                  # or 3
    axes:
      - site.pools[gpus].nodes: [64, 80, 96]             # a list
      - zip:                                             # lists that go together
          site.pools[gpus].racks_per_row: [4, 8]
          site.pools[gpus].nodes_per_rack: [8, 4]
      - variants:                                        # named sets of values
          fifo: {policies.scheduler: fifo}
          easy: {policies.scheduler: easy-backfill}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin.errors import Problem, ScenarioError, did_you_mean
from twin.scenario.files import find, read_text
from twin.scenario.section import found
from twin.scenario.yaml_tree import Node, parse

MAX_POINTS = 100_000


@dataclass(frozen=True)
class Step:
    """One place on an axis: what a reader sees there, and the overrides that it stands for."""

    values: dict[str, Any]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """Places along one direction of the grid."""

    names: tuple[str, ...]  # columns of the table of points
    places: tuple[Step, ...]

    def steps(self) -> tuple[Step, ...]:
        """The places in the order written."""
        return self.places


@dataclass(frozen=True)
class SweepFile:
    """What a sweep file asks for."""

    name: str
    scenario: Path
    seeds: tuple[int, ...]
    axes: tuple[Axis, ...]

    def axis_names(self) -> tuple[str, ...]:
        """All columns that the axes give the table of points."""
        return tuple(name for axis in self.axes for name in axis.names)


def is_sweep(path: Path) -> bool:
    """Whether a file has axes, and so is a sweep and no scenario; not so if it cannot be read."""
    try:
        entries = parse(read_text(path), str(path)).value
    except ScenarioError:
        return False
    return isinstance(entries, dict) and "axes" in entries


_KEYS = ("name", "scenario", "seeds", "axes")


def load_sweep(path: Path) -> SweepFile:
    """Read a sweep file.

    Raises
    ------
    ScenarioError
        With every problem found, each with its place.
    """
    root = parse(read_text(path), str(path))
    entries = root.value
    if not isinstance(entries, dict):
        keys = ", ".join(_KEYS)
        raise ScenarioError([root.place.problem(f"expected a mapping with the keys {keys}")])
    reader = _Reader(path)
    for key, node in entries.items():
        if key not in _KEYS:
            reader.refuse(node, f"unknown key {found(key)}; {did_you_mean(key, _KEYS)}", key)
    for key in ("scenario", "axes"):
        if key not in entries:
            reader.refuse(root, f"missing; give {_MISSING[key]}", key)
    nothing = Node(None, root.place)
    name = reader.name(entries.get("name", Node(path.stem, root.place)))
    scenario = reader.scenario(entries["scenario"]) if "scenario" in entries else path
    seeds = reader.seeds(entries["seeds"]) if "seeds" in entries else (1,)
    axes = reader.axes(entries.get("axes", nothing)) if "axes" in entries else ()
    points = len(seeds)
    for axis in axes:
        points *= len(axis.places)
    if points > MAX_POINTS:
        reader.refuse(entries["axes"], f"{points:,} points are more than {MAX_POINTS:,}", "axes")
    if reader.problems:
        raise ScenarioError(reader.problems)
    return SweepFile(name, scenario, seeds, axes)


_MISSING = {
    "scenario": "the scenario file that every point starts from",
    "axes": "a list of axes, for example [{site.pools[0].nodes: [64, 96]}]",
}


_OURS = {
    "name": "every point is named by its number",
    "seed": "every point is run with each of the seeds; list them under seeds",
}


class _Reader:
    """Reads the parts of a sweep file and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[Problem] = []

    def refuse(self, node: Node, message: str, path: str) -> None:
        """Take down a problem at a value."""
        self.problems.append(node.place.problem(message, path))

    def name(self, node: Node) -> str:
        if not isinstance(node.value, str) or not node.value:
            self.refuse(node, f"expected a name, found {found(node.plain())}", "name")
        return str(node.value)

    def scenario(self, node: Node) -> Path:
        try:
            return find(str(node.value), beside=self._path.parent).resolve()
        except ValueError as error:
            self.refuse(node, str(error), "scenario")
            return self._path

    def seeds(self, node: Node) -> tuple[int, ...]:
        plain = node.plain()
        if isinstance(plain, int) and not isinstance(plain, bool) and 0 < plain <= MAX_POINTS:
            return tuple(range(1, plain + 1))
        good = isinstance(plain, list) and all(
            isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in plain
        )
        if not good or not plain or len(set(plain)) < len(plain):
            what = "a number of seeds, or a list of different ones, such as [1, 2, 3]"
            self.refuse(node, f"expected {what}; found {found(plain)}", "seeds")
            return (1,)
        return tuple(plain)

    def axes(self, node: Node) -> tuple[Axis, ...]:
        if not isinstance(node.value, list) or not node.value:
            what = "a list of axes, for example [{site.pools[0].nodes: [64, 96]}]"
            self.refuse(node, f"expected {what}; found {found(node.plain())}", "axes")
            return ()
        made = [self._axis(item, f"axes[{i}]") for i, item in enumerate(node.value)]
        axes = tuple(axis for axis in made if axis is not None)
        for i, axis in enumerate(axes):
            self._refuse_reserved(axis, node.value[i], f"axes[{i}]")
        names = [name for axis in axes for name in axis.names]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            self.refuse(node, f"{twice!r} is on two axes; put it on one", "axes")
        return axes

    def _refuse_reserved(self, axis: Axis, node: Node, path: str) -> None:
        """The sweep itself gives each point its seed and its name."""
        keys = {override.partition("=")[0] for step in axis.places for override in step.overrides}
        for key in sorted(keys & _OURS.keys()):
            self.refuse(node, f"{key} is no axis: {_OURS[key]}", path)

    def _axis(self, node: Node, path: str) -> Axis | None:
        if not isinstance(node.value, dict) or len(node.value) != 1:
            what = "one of {path.to.key: [...]}, {zip: {...}} and {variants: {...}}"
            self.refuse(node, f"expected {what}; found {found(node.plain())}", path)
            return None
        [(key, value)] = node.value.items()
        read: Callable[[Node, str], Axis | None]
        read = {"zip": self._zip, "variants": self._variants}.get(
            key, lambda value, path: self._zip(Node({key: value}, value.place), path)
        )
        return read(value, path)

    def _zip(self, node: Node, path: str) -> Axis | None:
        columns = node.value
        if not isinstance(columns, dict) or not columns:
            self.refuse(node, f"expected path: list pairs, found {found(node.plain())}", path)
            return None
        lengths = set()
        for key, values in columns.items():
            if not isinstance(values.value, list) or not values.value:
                message = f"expected a list of values for {key}, found {found(values.plain())}"
                self.refuse(values, message, path)
                return None
            lengths.add(len(values.value))
        if len(lengths) > 1:
            each = ", ".join(f"{key} has {len(v.plain())}" for key, v in columns.items())
            self.refuse(node, f"lists that go together must be equally long: {each}", path)
            return None
        lists = {key: values.plain() for key, values in columns.items()}
        places = tuple(
            Step(
                {key: _shown(values[i]) for key, values in lists.items()},
                tuple(_override(key, values[i]) for key, values in lists.items()),
            )
            for i in range(lengths.pop())
        )
        return Axis(tuple(lists), places)

    def _variants(self, node: Node, path: str) -> Axis | None:
        named = node.plain()
        good = (
            isinstance(named, dict) and named and all(isinstance(v, dict) for v in named.values())
        )
        if not good:
            what = "a name for each set of values: {small: {site.pools[0].nodes: 64}}"
            self.refuse(node, f"expected {what}; found {found(named)}", path)
            return None
        places = tuple(
            Step({"variant": name}, tuple(_override(key, value) for key, value in changes.items()))
            for name, changes in named.items()
        )
        return Axis(("variant",), places)


def _override(key: str, value: Any) -> str:
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def _shown(value: Any) -> Any:
    """Numbers and text as they are; all else as it is written."""
    plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    return value if plain else json.dumps(value, ensure_ascii=False)
