"""Names that a scenario may use for code: policies by kind, trace readers by format.

A class enters by ``@policy("easy-backfill")`` above it, in a file of its own under
``twin/policies/<kind>/``, in a file named by ``--plugin``, or from an installed package that
declares an entry point in the group ``twin.<kind>``. Nothing else has to change.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib.metadata import entry_points
from math import isfinite
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from twin.errors import DomainError, PolicyError, UnitError, did_you_mean
from twin.units import TIME, parse_quantity

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """Names of one kind of thing, found on first use in its package and in entry points.

    Parameters
    ----------
    kind : str
        Plural, as in the entry-point group: ``"schedulers"``.
    package : str
        The package whose modules are imported to fill it: ``"twin.policies.schedulers"``.
    singular : str, optional
        The kind in messages; without its last letter if not given.
    """

    def __init__(self, kind: str, package: str, singular: str = "") -> None:
        self.kind = kind
        self.singular = singular or kind.removesuffix("s")
        self._package = package
        self._entries: dict[str, T] = {}
        self._filled = False

    def add(self, name: str, entry: T) -> None:
        """Enter ``entry`` under ``name``; a name can be taken once."""
        taken = self._entries.get(name)
        if taken is not None and _origin(taken) != _origin(entry):
            raise PolicyError(
                f"the {self.singular} name {name!r} is already taken by {_origin(taken)}; "
                "give yours another"
            )
        self._entries[name] = entry

    def names(self) -> list[str]:
        """All known names, sorted."""
        self._fill()
        return sorted(self._entries)

    def get(self, name: str) -> T:
        """The entry of that name; raises `PolicyError` with the nearest known name."""
        self._fill()
        try:
            return self._entries[name]
        except KeyError:
            hint = did_you_mean(name, self._entries)
            raise PolicyError(f"unknown {self.singular} {name!r}; {hint}") from None

    def _fill(self) -> None:
        if self._filled:
            return
        self._filled = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for point in entry_points(group=f"twin.{self.kind}"):
            try:
                self._entries.setdefault(point.name, point.load())
            except Exception as error:
                raise PolicyError(
                    f"the installed {self.singular} {point.name!r} ({point.value}) does not load: "
                    f"{type(error).__name__}: {error}; mend or remove the package"
                ) from error


SCHEDULERS: Registry[type[Any]] = Registry("schedulers", "twin.policies.schedulers")
PLACEMENTS: Registry[type[Any]] = Registry("placements", "twin.policies.placements")
RECOVERIES: Registry[type[Any]] = Registry(
    "recoveries", "twin.policies.recoveries", "recovery policy"
)
CHECKPOINTS: Registry[type[Any]] = Registry(
    "checkpoints", "twin.policies.checkpoints", "checkpoint policy"
)
RETIREMENTS: Registry[type[Any]] = Registry(
    "retirements", "twin.policies.retirements", "retirement policy"
)
POWER: Registry[type[Any]] = Registry("power", "twin.policies.power", "power policy")
LIGHTING: Registry[type[Any]] = Registry("lighting", "twin.policies.lighting", "lighting policy")
ADMISSION: Registry[type[Any]] = Registry(
    "admission", "twin.policies.admission", "admission policy"
)
OVERFLOW: Registry[type[Any]] = Registry("overflow", "twin.policies.overflow", "overflow policy")
GUESTS: Registry[type[Any]] = Registry("guests", "twin.policies.guests", "guest policy")
READERS: Registry[Callable[..., Any]] = Registry("readers", "twin.workload.traces")

POLICY_KINDS: dict[str, Registry[type[Any]]] = {
    r.kind: r
    for r in (
        *(SCHEDULERS, PLACEMENTS, RECOVERIES, CHECKPOINTS, RETIREMENTS),
        *(POWER, LIGHTING, ADMISSION, OVERFLOW, GUESTS),
    )
}


def policy(name: str) -> Callable[[C], C]:
    """Enter a policy class under ``name`` in the registry of its kind (its base says which)."""
    if not isinstance(name, str) or not name:
        raise PolicyError(f"a policy needs a name: @policy('my-name'), found {name!r}")

    def enter(cls: C) -> C:
        kind = getattr(cls, "kind", None)
        if kind not in POLICY_KINDS:
            raise PolicyError(
                f"policy {name!r} ({cls.__name__}) must derive from a base of twin.policies.base: "
                "Scheduler, PlacementPolicy, RecoveryPolicy, CheckpointPolicy, RetirementPolicy, "
                "PowerPolicy, LightingPolicy, AdmissionPolicy, OverflowPolicy or GuestPolicy"
            )
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            raise PolicyError(f"policy {name!r} ({cls.__name__}) must define {', '.join(missing)}")
        POLICY_KINDS[kind].add(name, cls)
        return cls

    return enter


def reader(name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Enter a trace reader, a function, under its format's name."""

    def enter(function: Callable[..., T]) -> Callable[..., T]:
        READERS.add(name, function)
        return function

    return enter


def make_policy(kind: str, name: str, options: Mapping[str, Any]) -> Any:
    """A policy by name with its options checked against the fields of its dataclass.

    A field ``patience_s`` is the option ``patience``, written with its unit: ``15 min``.

    Raises
    ------
    PolicyError
        If the name or an option is unknown, or a value is of the wrong type or out of range.
    """
    cls = POLICY_KINDS[kind].get(name)
    try:
        return _made(cls, name, options)
    except (PolicyError, MemoryError):
        raise
    except DomainError as error:
        raise PolicyError(f"{name}.{error}") from None
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise PolicyError(
            f"{name}: {cls.__name__} cannot be made: {why}. Its options are the fields of a "
            "dataclass, each with a type"
        ) from error


def _made(cls: type[Any], name: str, options: Mapping[str, Any]) -> Any:
    known = {option_of(f.name): f for f in fields(cls)} if is_dataclass(cls) else {}
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise PolicyError(f"{name} has no option {option!r}; {hint}")
    for option, field in known.items():
        if option not in options and field.default is MISSING and field.default_factory is MISSING:
            raise PolicyError(f"{name} needs the option {option!r}")
    types = field_types(cls)
    given = {
        known[option].name: _as(types[known[option].name], f"{name}.{option}", option, value, known)
        for option, value in options.items()
    }
    return cls(**given)


def field_types(cls: type[Any]) -> dict[str, Any]:
    """The types of a policy's fields; raises `PolicyError` where one is not defined."""
    try:
        return get_type_hints(cls)
    except (NameError, TypeError, SyntaxError) as error:
        raise PolicyError(f"{cls.__name__}: the type of an option is unknown: {error}") from None


def option_of(field: str) -> str:
    """The name of an option in YAML: that of its field without ``_s``, which the value states."""
    return field.removesuffix("_s")


def _as(kind: Any, where: str, option: str, value: Any, known: Mapping[str, Any]) -> Any:
    """The value as the type asked for: no text for numbers, but lists for tuples."""
    from pydantic import TypeAdapter, ValidationError

    if known[option].name != option:
        try:
            return parse_quantity(value, TIME)
        except UnitError as error:
            raise PolicyError(f"{where}: {error}") from None
    if not _is_finite(value):
        raise PolicyError(f"{where}: {value!r} is no number to go by; write a finite one")
    try:
        # As JSON, because strict JSON has no tuples and takes lists for them.
        return TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise PolicyError(f"{where}: {error.errors()[0]['msg']}, found {value!r}") from None


def _is_finite(value: Any) -> bool:
    """Whether all numbers in a value are."""
    if isinstance(value, Mapping | list | tuple):
        return all(map(_is_finite, value.values() if isinstance(value, Mapping) else value))
    return not isinstance(value, float) or isfinite(value)


def load_plugin(path: Path) -> None:
    """Run a Python file of the user's, so that the policies in it enter the registry."""
    if not path.is_file():
        raise PolicyError(f"plug-in {path}: no such file")
    registries: list[Registry[Any]] = [*POLICY_KINDS.values(), READERS]
    for registry in registries:
        registry.names()  # what is built in comes first, so that a clash is told of the plug-in
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise PolicyError(f"plug-in {path}: not a Python file; give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except PolicyError as error:
        raise PolicyError(f"plug-in {path}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PolicyError(f"plug-in {path}: {type(error).__name__}: {error}") from error


def _module_name(path: Path) -> str:
    """One a file: files of one name in two folders are two plug-ins; one loaded again is itself."""
    stem, number = f"twin_plugin_{path.stem}", 1
    name, file = stem, str(path.resolve())
    while getattr(sys.modules.get(name), "__file__", file) != file:
        number += 1
        name = f"{stem}_{number}"
    return name


def _origin(entry: object) -> str:
    module = getattr(entry, "__module__", "?")
    return f"{module}.{getattr(entry, '__qualname__', entry)}"
