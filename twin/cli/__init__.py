"""The commands: parse, call, print; nothing of their own. Each imports what it needs late."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from twin.cli.guard import show_tracebacks
from twin.cli.results import export, report
from twin.cli.runs import compare, replay, run, sweep
from twin.cli.scenarios import catalog, init, schema, show, validate
from twin.cli.traces import trace_info
from twin.version import __version__

app = typer.Typer(
    name="twin",
    help="A digital twin of AI datacenters: try the purchase, the wiring and the policy first.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
trace_app = typer.Typer(
    no_args_is_help=True,
    help="Look at job traces.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(trace_app, name="trace")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    show_tracebacks(debug)


# In the order in which the help lists them.
for _command in (
    run,
    validate,
    show,
    compare,
    sweep,
    report,
    export,
    replay,
    schema,
    catalog,
    init,
):
    app.command()(_command)
trace_app.command("info")(trace_info)


def main() -> None:
    """Entry point of the console command ``twin``."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing characters
    try:
        app(prog_name="twin")
    except OSError as error:  # the output itself cannot be written: a full disk
        sys.exit(f"error: {error}")
