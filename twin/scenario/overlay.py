"""One tree laid over another: for ``extends``, ``include`` and ``--set``.

Mappings are merged, everything else is replaced. Where the schema has alternatives, naming one
takes the place of the others: ``{easy-backfill: {}}`` over ``fifo``, ``trace`` over ``synthetic``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from twin.errors import ScenarioError, did_you_mean
from twin.scenario.forms import Kind, OneKey, child_kind
from twin.scenario.section import found
from twin.scenario.yaml_tree import Node, Place


def overlay(base: Node, over: Node, kind: Kind) -> Node:
    """``over`` laid over ``base``; ``kind`` is what the schema says that they are."""
    if not isinstance(over.value, dict):
        return over
    entries = _spelled_out(base, kind)
    if entries is None or (isinstance(kind, OneKey) and entries.keys() != over.value.keys()):
        return over
    named = {key for key, node in over.value.items() if node.value is not None}
    merged = {key: node for key, node in entries.items() if key not in _rivals(kind, named)}
    for key, node in over.value.items():
        below = merged.get(key)
        merged[key] = overlay(below, node, child_kind(kind, key)) if below else node
    return Node(merged, over.place)


def _spelled_out(node: Node, kind: Kind) -> dict[str, Node] | None:
    """The entries of a mapping, or of what text or a number stands for; None for anything else."""
    if isinstance(node.value, dict):
        return node.value
    if isinstance(node.value, str):
        if isinstance(kind, OneKey):
            return {node.value: Node({}, node.place)}
        if isinstance(kind, type) and kind.shorthand:
            return {kind.shorthand: node}
    if isinstance(node.value, int | float) and isinstance(kind, type) and kind.number:
        return {kind.number: node}
    return None


def _rivals(kind: Kind, named: set[str]) -> set[str]:
    """Keys that those named exclude and that are not named themselves."""
    rivals: set[str] = set()
    if isinstance(kind, type):
        for group in kind.alternatives:
            keys = {kind.key_of(field) for field in group}
            if keys & named:
                rivals |= keys - named
    return rivals


_STEP = re.compile(r"\.?([^.\[\]=]+)|\[([^\[\]]*)\]")


def steps_of(path: str) -> list[str]:
    """The steps of a dotted path: ``site.pools[train].nodes`` -> site, pools, train, nodes.

    Raises
    ------
    ValueError
        If it cannot be read as such.
    """
    steps, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path[0] in ".["):
            raise ValueError(f"{found(path)} is not a path such as site.pools[0].nodes")
        steps.append(match[1] if match[1] is not None else match[2].strip("'\""))
        at = match.end()
    if not steps:
        raise ValueError("needs a path such as site.pools[0].nodes before the =")
    return steps


def put(node: Node, steps: Sequence[str], value: Node, kind: Kind, above: str = "") -> Node:
    """``node`` with ``value`` laid over what is at ``steps`` below it.

    Raises
    ------
    ScenarioError
        If a step leads nowhere; it names the nearest key or item.
    """
    if not steps:
        return overlay(node, value, kind)
    step, rest = steps[0], steps[1:]
    if isinstance(node.value, list):
        at = _item(node.value, step, above, value.place)
        items = list(node.value)
        item_kind = kind.item() if isinstance(kind, OneKey) else kind
        items[at] = put(items[at], rest, value, item_kind, f"{above}[{step}]")
        return Node(items, node.place)
    path = f"{above}.{step}" if above else step
    if isinstance(kind, type) and step not in kind.yaml_keys():
        message = f"unknown key {found(step)}; {did_you_mean(step, kind.yaml_keys())}"
        if step.isdecimal():
            message = f"there is no list to take item {step} of"
        raise ScenarioError([value.place.problem(message, path)])
    below = (_spelled_out(node, kind) or {}).get(step, Node(None, value.place))
    changed = put(below, rest, value, child_kind(kind, step), path)
    return overlay(node, Node({step: changed}, value.place), kind)


def _item(items: list[Node], step: str, above: str, place: Place) -> int:
    """The index of an item by number or by its name."""
    if step.isdecimal() and int(step) < len(items):
        return int(step)
    names = [
        str(item.value["name"].value)
        if isinstance(item.value, dict) and "name" in item.value
        else ""
        for item in items
    ]
    if step in names:
        return names.index(step)
    known = [name for name in names if name] or [str(at) for at in range(len(items))]
    message = f"no item {step} in a list of {len(items)}; {did_you_mean(step, known)}"
    raise ScenarioError([place.problem(message, f"{above}[{step}]")])
