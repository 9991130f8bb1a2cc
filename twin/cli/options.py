"""Arguments and options that several commands share, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin.errors import InputError

Scenario = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
Scenarios = Annotated[list[Path], typer.Argument(help="Scenario files (YAML).", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace one value: path.to.key=value. May be repeated."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of all random streams.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Plugin = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with policies or readers of your own."),
]
TraceFormat = Annotated[str, typer.Option("--format", help="Format of the trace.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="For format generic: our_column=their_column. May be repeated."),
]
OnBadRow = Annotated[str, typer.Option(help="error, or skip: left out and counted.")]


def load_plugins(plugins: list[Path] | None) -> None:
    """Make what these files define known."""
    if plugins:
        from twin.registry import load_plugin

        for plugin in plugins:
            load_plugin(plugin)


def with_seed(overrides: list[str] | None, seed: int | None) -> list[str]:
    """What --set and --seed replace, as one list."""
    return [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]


def columns_of(pairs: list[str] | None) -> dict[str, str]:
    """Their name of each of our columns, as --column gives them."""
    for pair in pairs or []:
        if "=" not in pair:
            raise InputError(f"--column: {pair!r} has no =; write our_column=their_column")
    return dict(pair.split("=", 1) for pair in pairs or [])
