"""A resolved scenario as flat settings, and what differs between several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import isclose
from typing import Any

import yaml

from twin.report.numbers import NOTHING

# Units that a resolved scenario is written in, and larger ones that people use, largest first.
_LARGER: Mapping[str, Sequence[tuple[str, float]]] = {
    "s": (("d", 86400.0), ("h", 3600.0), ("min", 60.0)),
    "USD/s": (("USD/h", 1 / 3600),),
    "bytes": (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)),
    "USD/byte": (("USD/GB", 1e-9),),
    "W": (("MW", 1e6), ("kW", 1e3)),
}
_QUANTITY = re.compile(r"(-?[0-9.]+(?:e[+-]?[0-9]+)?) (\S+)")
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


def readable(text: str) -> str:
    """A quantity in a unit that a person would use, if three digits behind the point say all of it.

    >>> readable("54000 s"), readable("61 s"), readable("2000000000 bytes"), readable("fifo")
    ('15 h', '61 s', '2 GB', 'fifo')
    >>> readable("0.0008194444444444445 USD/s")
    '2.95 USD/h'
    """
    found = _QUANTITY.fullmatch(text)
    for unit, size in _LARGER.get(found[2], ()) if found else ():
        value = float(found[1]) / size if found else 0.0
        if abs(value) >= 1 or unit.startswith("USD"):
            short = f"{value:.3f}".rstrip("0").rstrip(".")
            if isclose(float(short), value, rel_tol=1e-9):
                return f"{short} {unit}"
    return text


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
        values = tuple(readable(_value(each, path)) for each in all_settings)
        if path not in ("name", "description") and len(set(values)) > 1:
            rows.append(Differing(path, values))
    return rows


def _value(asked: Mapping[str, str], path: str) -> str:
    """A setting as text; of a policy with options, which is written as settings below it, its name.

    >>> _value({"policies.scheduler.sia.round": "20 min"}, "policies.scheduler")
    'sia'
    """
    below = (key.removeprefix(f"{path}.") for key in asked if key.startswith(f"{path}."))
    names = {key.partition(".")[0] for key in below}
    return names.pop() if len(names) == 1 else asked.get(path, NOTHING)
