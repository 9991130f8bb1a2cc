"""Commands that look at job traces: trace info."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin.cli.guard import guarded
from twin.cli.options import Columns, Json, OnBadRow, Plugin, TraceFormat, columns_of, load_plugins
from twin.cli.printing import print_json


@guarded
def trace_info(
    file: Annotated[Path, typer.Argument(help="Job trace or node list.", show_default=False)],
    format_: TraceFormat = "auto",
    column: Columns = None,
    on_bad_row: OnBadRow = "error",
    plot: Annotated[Path | None, typer.Option(help="Picture to draw: .png, .svg or .pdf.")] = None,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Say what a trace is: its span, sizes, durations and load; draw it with --plot.

    Examples:
      twin trace info jobs.csv
      twin trace info jobs.swf.gz --plot jobs.png
    """
    from twin.workload.info import trace_info as info

    load_plugins(plugin)
    columns = columns_of(column)
    text, numbers = info(file, format=format_, on_bad_row=on_bad_row, columns=columns, plot=plot)
    if json_:
        print_json(numbers)
        return
    typer.echo(text)
    if plot:
        typer.echo(f"plot: {plot}")
