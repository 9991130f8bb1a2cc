"""Levels of failure domains: what may fail or go out of service as one."""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal[
    "gpu", "node", "scale-up", "leaf", "rack", "cdu", "row", "ups", "hall", "region", "site"
]
JobOrLevel = Literal["job", Level]

LEVELS: tuple[str, ...] = get_args(Level)  # from the smallest to the largest
JOB_OR_LEVELS: tuple[str, ...] = ("job", *LEVELS)


def encloses(outer: str, inner: str) -> bool:
    """Whether each unit of ``inner`` lies wholly in one unit of ``outer``, or is one.

    A leaf switch joins nodes as they are cabled, which need not be those of a rack, a scale-up
    domain or a row: of what is larger than a node only halls, regions and sites hold whole leaves.
    """
    if "leaf" in (outer, inner) and outer != inner:
        return inner in ("gpu", "node") or outer in ("hall", "region", "site")
    return LEVELS.index(outer) >= LEVELS.index(inner)


def enclosing(inner: str) -> list[str]:
    """The levels whose units enclose those of ``inner``, itself first."""
    return [level for level in LEVELS if encloses(level, inner)]
