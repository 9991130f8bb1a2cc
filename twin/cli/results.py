"""Commands that read finished runs: report, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin.cli.guard import guarded


@guarded
def report(
    results: Annotated[list[Path], typer.Argument(help="Run directories.", show_default=False)],
) -> None:
    """Draw the report of finished runs again.

    Example:
      twin report out/first
    """
    from twin.report.page import write_report
    from twin.results.store import REPORT, Results, whole_file

    for run in [Results(path) for path in results]:
        path = run.path
        with whole_file(path / REPORT) as partial:
            write_report(run, partial)
        typer.echo(f"report: {path / REPORT}")


@guarded
def export(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    format_: Annotated[
        str | None, typer.Option("--format", help="swf, evalys or perfetto; else by the ending.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; beside the run if not given.")
    ] = None,
) -> None:
    """Write a finished run for other tools: its jobs as a trace or a table, or all of it as events.

    By their endings .swf is the Standard Workload Format, .csv the jobs as Evalys reads them, .json
    a trace of events that Perfetto opens. A name that ends in .gz as well is compressed.

    Examples:
      twin export out/first --format swf
      twin export out/first -o first.trace.json.gz
    """
    from twin.export import export as export_run

    typer.echo("\n".join(export_run(run, format_, out).lines()))
