"""Names that are explained elsewhere: catalog parts, policies, trace formats, columns.

What they need is imported when the first such name is met, so that reading the schema stays
quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

from twin.errors import PolicyError, did_you_mean
from twin.scenario.forms import Form
from twin.scenario.section import fault, found

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class KnownName(Form):
    """Marks text that must be one of the names known elsewhere.

    Parameters
    ----------
    noun : str
        What it names, for messages.
    names : callable
        The names known now.
    also : tuple of str
        Further names, taken without asking.
    """

    noun: str
    names: Callable[[], list[str]]
    also: tuple[str, ...] = ()

    def read(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValueError(f"expected the name of a {self.noun}, found {found(data)}")
        if data in self.also:
            return data
        known = [*self.also, *self.names()]
        if data not in known:
            hint = did_you_mean(data, known, most=40)
            raise ValueError(f"unknown {self.noun} {found(data)}; {hint}")
        return data

    def write(self, value: str) -> str:
        return value

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"enum": [*self.also, *self.names()]}


def gpus() -> list[str]:
    """GPU types of the catalog."""
    return _parts("gpus")


def nodes() -> list[str]:
    """Node types of the catalog."""
    return _parts("nodes")


def switches() -> list[str]:
    """Switches of the catalog."""
    return _parts("switches")


def failure_sets() -> list[str]:
    """Failure sets of the catalog."""
    from twin.catalog import failures

    return failures.names()


def failure_classes(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Class -> its keys as a scenario would write them, of one failure set."""
    from twin.catalog import failures

    return failures.failure_set(name).classes


def nodes_per_rack(node: str) -> int | None:
    """Nodes in a rack by the catalog; None if it does not say."""
    from twin.catalog import parts

    return parts.node(node).nodes_per_rack


def power_profiles() -> list[str]:
    """Kinds of work whose power the catalog knows."""
    from twin.catalog import power

    return power.profile_names()


def converters() -> list[str]:
    """What converts power, of the catalog."""
    from twin.catalog import facilities

    return facilities.converter_names()


def cooling_types() -> list[str]:
    """Ways of cooling of the catalog."""
    from twin.catalog import facilities

    return facilities.cooling_names()


def climates() -> list[str]:
    """Places whose weather the catalog knows."""
    from twin.catalog import climates

    return climates.climate_names()


def grids() -> list[str]:
    """Countries whose carbon intensity the catalog knows."""
    from twin.catalog import grids

    return grids.names()


def time_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name; `ValueError` says what is wrong with it."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        if not known:
            raise ValueError(
                f"time zone {found(name)} cannot be looked up, because this system has no zone "
                "data; install them: pip install tzdata"
            ) from None
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else "write it as in Europe/Berlin"
        raise ValueError(f"unknown time zone {found(name)}; {hint}") from None


def _parts(kind: str) -> list[str]:
    from twin.catalog import parts

    return parts.names(kind)


def trace_formats() -> list[str]:
    """Formats that a trace reader is registered for."""
    from twin.registry import READERS

    return READERS.names()


def job_columns() -> list[str]:
    """Columns of the job table, and others that are turned into them, such as ``submit_us``."""
    from twin.tables import TRACE_COLUMNS

    return list(TRACE_COLUMNS)


def policy(kind: str, name: str, options: dict[str, Any]) -> None:
    """A registered policy and options that it takes; the error lies at the option at fault."""
    from twin import registry

    if len(name) > 100:
        raise fault(f"{found(name)} is too long to be a name", name)
    try:
        registry.POLICY_KINDS[kind].get(name)
    except PolicyError as error:
        raise fault(str(error), name) from None
    try:
        registry.make_policy(kind, name, options)
    except PolicyError as error:
        message = str(error)
        at_fault = [o for o in options if repr(o) in message or message.startswith(f"{name}.{o}")]
        raise fault(message, options, *at_fault[:1]) from None


def needs_power(placement: str) -> bool:
    """Whether a placement goes by power, which has to be computed then."""
    from twin import registry

    return bool(registry.PLACEMENTS.get(placement).needs_power)


def policy_names(kind: str) -> list[str]:
    """Names of the policies of one kind that are known now."""
    from twin import registry

    return registry.POLICY_KINDS[kind].names()


def repeated(names: Sequence[str]) -> list[tuple[int, str]]:
    """Names that stand earlier in the list as well, with their places."""
    return [(at, name) for at, name in enumerate(names) if name in names[:at]]
