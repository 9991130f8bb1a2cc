"""The commands as Markdown, from their functions: words, options and examples of ``--help``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

from markdown import cell, table

from twin import cli


def commands(_: str) -> Iterator[str]:
    """A part for each command, in the order of ``twin --help``."""
    for info in cli.app.registered_commands:
        yield from _command(info, "twin")
    for group in cli.app.registered_groups:
        for info in group.typer_instance.registered_commands:
            yield from _command(info, f"twin {group.name}")


def _command(info: Any, above: str) -> Iterator[str]:
    function: Callable[..., None] = info.callback
    name = f"{above} {info.name or function.__name__}"
    lines = inspect.cleandoc(function.__doc__ or "").splitlines()
    examples = [line.strip() for line in lines if line.startswith("  ")]
    words = [line for line in lines if not line.startswith(("  ", "Example"))]
    rows = list(_parameters(function))
    usage = [name, *(row[0] for row in rows if not row[0].startswith("-"))]
    yield f"## {name}\n"
    for paragraph in "\n".join(words).strip().split("\n\n"):
        yield f"{cell(paragraph).replace('<', '&lt;')}\n"
    yield f"```text\n{' '.join([*usage, '[OPTIONS]'] if len(rows) >= len(usage) else usage)}\n```\n"
    if rows:
        cells = ((f"`{option}`", default, meaning) for option, default, meaning in rows)
        yield from table(("argument or option", "default", "meaning"), cells)
        yield ""
    yield "For example:\n"
    yield "```text\n" + "\n".join(examples) + "\n```\n"


def _parameters(function: Callable[..., None]) -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each argument and option."""
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        kind, info = get_args(hints[parameter.name])[:2]
        given = parameter.default
        must = given is inspect.Parameter.empty
        if type(info).__name__ == "ArgumentInfo":
            name = parameter.name.upper() + ("..." if "list" in str(kind) else "")
            name = name if must else f"[{name}]"
        else:
            name = _option(parameter.name, info, switch=kind is bool and given is True)
        plain = not must and given is not None and not isinstance(given, bool)
        yield name, "**required**" if must else f"`{given}`" if plain else "", info.help or ""


def _option(name: str, info: Any, *, switch: bool) -> str:
    # Within Annotated, the first spelling given to typer.Option stands where the default would.
    given = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
    if given:
        return ", ".join(given)
    plain = name.strip("_").replace("_", "-")
    return f"--{plain}, --no-{plain}" if switch else f"--{plain}"
