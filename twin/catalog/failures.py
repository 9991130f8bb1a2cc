"""Failure sets: classes of parts that fail, as a scenario writes them, each figure with its source.

The file beside this module is like those of the other parts (`twin.catalog.figures`), but a part
has ``classes``, each with what is a choice of the model at its top and figures under their bases::

    parts:
      llama3-h100:
        title: Interruptions of the Llama 3 training
        classes:
          gpu:
            of: gpu
            figures:
              llama3: {life: {exponential: {mean: 5978 d}}}
              assumed: {repair: 4 h}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from twin.catalog.figures import Basis, Part, read_document
from twin.errors import CatalogError, did_you_mean

FILE = Path(__file__).with_name("failures.yaml")


@dataclass(frozen=True, kw_only=True)
class FailureSet(Part):
    """Classes of parts that fail, and what each figure of theirs rests on.

    Attributes
    ----------
    classes : mapping
        Class -> its keys, as under ``failures.classes`` of a scenario.
    bases : mapping
        Class -> key -> what the figure rests on; keys without one are choices of the model.
    """

    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bases: Mapping[str, Mapping[str, Basis]] = field(default_factory=dict)


def names() -> list[str]:
    """All failure sets, sorted."""
    return sorted(_sets())


def failure_set(name: str) -> FailureSet:
    """The set of that name; raises `CatalogError` with the nearest known name."""
    sets = _sets()
    if name not in sets:
        raise CatalogError(f"unknown failure set {name!r}; {did_you_mean(name, sets, most=40)}")
    return sets[name]


@cache
def _sets() -> dict[str, FailureSet]:
    return read_sets(FILE)


def read_sets(path: Path) -> dict[str, FailureSet]:
    """Every failure set of a file.

    Raises
    ------
    CatalogError
        If the file does not hold together: the message names file, set and class.
    """
    bases, parts = read_document(path)
    sets = {}
    for name, entry in parts.items():
        try:
            sets[name] = _set(name, dict(entry), bases)
        except CatalogError as error:
            raise CatalogError(f"{path.name} {name}: {error}") from None
        except KeyError as error:
            raise CatalogError(f"{path.name} {name}: needs the key {error}") from None
        except (TypeError, AttributeError, ValueError) as error:
            raise CatalogError(f"{path.name} {name}: not a failure set: {error}") from error
    return sets


def _set(name: str, entry: dict[str, Any], known: Mapping[str, Basis]) -> FailureSet:
    classes: dict[str, dict[str, Any]] = {}
    bases: dict[str, dict[str, Basis]] = {}
    for of, given in entry.pop("classes").items():
        plain = dict(given)
        sourced: dict[str, Basis] = {}
        for basis, group in plain.pop("figures").items():
            if basis not in known:
                raise CatalogError(f"{of}: unknown basis {basis!r}; {did_you_mean(basis, known)}")
            for key, value in group.items():
                if key in plain:
                    raise CatalogError(f"{of}: {key} is given twice; keep one")
                plain[key] = value
                sourced[key] = known[basis]
        classes[of], bases[of] = plain, sourced
    return FailureSet(name=name, classes=classes, bases=bases, **entry)
