"""A resolved scenario as flat settings, and what differs between several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import yaml

from twin.report.numbers import NOTHING

_MOST = 5000  # settings read of one scenario; aliases could make them endless


@lru_cache(maxsize=64)
def settings(text: str) -> Mapping[str, str]:
    """Dotted paths of a scenario with their values as text.

    Parameters
    ----------
    text : str
        YAML. What cannot be read gives no settings: the page shows the text itself anyway.

    Returns
    -------
    dict
        ``{"policies.scheduler": "fifo", "site.pools[0].nodes": "96"}``.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return dict(islice(_flat(yaml.load(text, Loader=loader), "", 0), _MOST))
    except (yaml.YAMLError, ValueError):
        return {}


def _flat(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth < 40 and isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif depth < 40 and isinstance(value, list) and any(isinstance(e, dict | list) for e in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{index}]", depth + 1)
    elif depth < 40:
        yield path, _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(each) for each in islice(value, 50))
    return str(value)


@dataclass(frozen=True)
class Differing:
    """A setting that is not the same in all scenarios; one value a scenario."""

    path: str
    values: tuple[str, ...]


def differing(texts: Sequence[str]) -> list[Differing]:
    """Settings in which scenarios differ, in the order of the first that has each.

    The name and description are left out: they are the heading of each run.
    """
    all_settings = [settings(text) for text in texts]
    paths = dict.fromkeys(path for each in all_settings for path in each)
    rows = []
    for path in paths:
        values = tuple(each.get(path, NOTHING) for each in all_settings)
        if path not in ("name", "description") and len(set(values)) > 1:
            rows.append(Differing(path, values))
    return rows
