"""Names that are explained elsewhere: catalog parts, policies, trace formats, columns.

What they need is imported when the first such name is met, so that reading the schema stays
quick. Each function returns the name, or says what is wrong with it and what would do.
"""

from __future__ import annotations

from typing import Any

from twin.errors import CatalogError, PolicyError, did_you_mean
from twin.scenario.section import fault


def gpu(name: str) -> str:
    """A GPU type of the catalog."""
    return _part("gpu", name)


def node(name: str) -> str:
    """A node type of the catalog."""
    return _part("node", name)


def switch(name: str) -> str:
    """A switch of the catalog."""
    return _part("switch", name)


def _part(kind: str, name: str) -> str:
    from twin.catalog import parts

    try:
        getattr(parts, kind)(name)
    except CatalogError as error:
        raise ValueError(str(error)) from None
    return name


def trace_format(name: str) -> str:
    """A format that a trace reader is registered for, or ``auto``."""
    from twin.registry import READERS

    if name != "auto":
        try:
            READERS.get(name)
        except PolicyError as error:
            raise ValueError(str(error)) from None
    return name


def job_column(name: str) -> str:
    """A column of the job table, or one that is turned into it, such as ``submit_us``."""
    from twin.tables import TRACE_COLUMNS

    if name not in TRACE_COLUMNS:
        hint = did_you_mean(name, TRACE_COLUMNS, most=20)
        raise ValueError(f"unknown column {name!r}; {hint}")
    return name


def policy(kind: str, name: str, options: dict[str, Any]) -> None:
    """A registered policy and options that it takes; the error lies at the option at fault."""
    from twin import registry

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


def policy_names(kind: str) -> list[str]:
    """Names of the policies of one kind that are known now."""
    from twin import registry

    return registry.POLICY_KINDS[kind].names()
