"""The commands: parse, call, print; nothing of their own. Each imports what it needs late."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from twin.errors import InputError, TwinError
from twin.version import __version__

F = TypeVar("F", bound=Callable[..., None])

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

_debug = False


def _guarded(command: F) -> F:
    """Turn errors into one message and an exit code; the traceback only under ``--debug``."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except TwinError as error:
            if _debug:
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("stopped; nothing was left half written", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            _abandon_output()
            raise typer.Exit(141) from None
        except Exception as error:
            if _debug or isinstance(error, typer.Exit):
                raise
            typer.echo(f"error: {_unforeseen(error)}", err=True)
            raise typer.Exit(1) from None

    return guarded  # type: ignore[return-value]


def _unforeseen(error: BaseException) -> str:
    """What to say of an error that nobody raised on purpose."""
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller window, or fewer workers"
    if isinstance(error, OSError):
        return str(error)
    return (
        f"{type(error).__name__}: {error}; a bug in twin or in a plug-in. "
        "`twin --debug ...` shows where"
    )


def _abandon_output() -> None:
    """Nobody reads on: send the rest nowhere, so that Python has nothing to say about it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


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
    global _debug
    _debug = debug


def _load_plugins(plugins: list[Path] | None) -> None:
    if plugins:
        from twin.registry import load_plugin

        for plugin in plugins:
            load_plugin(plugin)


def _overrides(overrides: list[str] | None, seed: int | None) -> list[str]:
    return [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]


def _print_json(content: Any) -> None:
    from twin.results.store import plain

    typer.echo(json.dumps(plain(content), indent=2, default=str, allow_nan=False))


def _columns(pairs: list[str] | None) -> dict[str, str]:
    for pair in pairs or []:
        if "=" not in pair:
            raise InputError(f"--column: {pair!r} has no =; write our_column=their_column")
    return dict(pair.split("=", 1) for pair in pairs or [])


@app.command()
@_guarded
def run(
    scenarios: Scenarios,
    out: Out = Path("out"),
    seed: Seed = None,
    set_: Set = None,
    plugin: Plugin = None,
    report: Annotated[bool, typer.Option(help="Draw report.html as well.")] = True,
    json_: Json = False,
) -> None:
    """Run scenarios; each leaves its tables and report in OUT/<name>.

    With --json the summary is printed, a list of them if there are several scenarios.

    Examples:
      twin run scenarios/first.yaml
      twin run scenarios/first.yaml --set site.pools.0.nodes=48 --seed 2 -o out
    """
    from twin.console import run_lines
    from twin.run import load, placed, require_folders_of_their_own
    from twin.run import run as run_scenario

    _load_plugins(plugin)
    loaded = [load(path, _overrides(set_, seed)) for path in scenarios]
    require_folders_of_their_own([scenario.name for scenario in loaded])
    summaries = []
    for i, (path, scenario) in enumerate(zip(scenarios, loaded, strict=True)):
        with (
            _progress(f"running {scenario.name}", quiet=json_) as advance,
            placed(path, _overrides(set_, seed)),
        ):
            results = run_scenario(scenario, out, report=report, advance=advance)
        summaries.append(results.summary)
        if not json_:
            typer.echo("\n".join([""] * (i > 0) + run_lines(results)))
            where = f"report: {results.path / 'report.html'}"
            typer.echo(where if report else f"results: {results.path}")
    if json_:
        _print_json(summaries if len(summaries) > 1 else summaries[0])


@app.command()
@_guarded
def validate(
    scenarios: Scenarios, set_: Set = None, plugin: Plugin = None, json_: Json = False
) -> None:
    """Check scenarios and sweeps without running them; every problem is reported with its place.

    Example:
      twin validate scenarios/first.yaml scenarios/sweeps/nodes.yaml
    """
    from dataclasses import asdict

    from twin.building.checks import check_jobs, check_power, check_reservations
    from twin.console import plural
    from twin.errors import Problem, ScenarioError
    from twin.run import load, placed
    from twin.scenario.sweep import is_sweep
    from twin.sweep import plan

    _load_plugins(plugin)
    problems: list[Problem] = []
    for path in scenarios:
        try:
            if not is_sweep(path):
                scenario = load(path, set_ or [])
                check_power(scenario)
                with placed(path, set_ or []):
                    check_jobs(scenario)
                    check_reservations(scenario)
                fine = "ok"
            elif set_:
                raise InputError("is a sweep; --set is for scenarios")
            else:
                fine = f"ok, {plural(len(plan(path)[1]), 'point')}"
        except ScenarioError as error:
            problems += error.problems
        except InputError as error:
            problems.append(Problem(str(error), file=str(path)))
        else:
            if not json_:
                typer.echo(f"{path}: {fine}")
    if json_:
        _print_json([asdict(problem) for problem in problems])
    for problem in [] if json_ else problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(2)


@app.command()
@_guarded
def show(scenario: Scenario, set_: Set = None, plugin: Plugin = None) -> None:
    """Draw the site of a scenario: halls, power tree, network and bill of materials, as text.

    Examples:
      twin show scenarios/first.yaml --set site.pools.0.nodes=1000
      twin show scenarios/power/feed-20mw.yaml
    """
    from twin.run import load
    from twin.show import show as show_site

    _load_plugins(plugin)
    typer.echo(show_site(load(scenario, set_ or [])))


@app.command()
@_guarded
def compare(
    sources: Annotated[
        list[Path], typer.Argument(help="Scenario files or run directories.", show_default=False)
    ],
    out: Out = Path("out/compare"),
    seed: Seed = None,
    set_: Set = None,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Set two or more runs side by side; scenario files are run first.

    Examples:
      twin compare scenarios/philly/fifo-96.yaml scenarios/philly/easy-96.yaml
      twin compare out/a out/b -o out/a-or-b
    """
    from twin.compare import compare as compare_runs
    from twin.console import comparison_lines

    _load_plugins(plugin)
    with _progress("comparing", quiet=json_):
        comparison = compare_runs(sources, out, overrides=_overrides(set_, seed))
    if json_:
        _print_json({r: c.summary for r, c in zip(comparison.labels, comparison.runs, strict=True)})
        return
    typer.echo("\n".join(comparison_lines(comparison.runs, comparison.labels)))
    typer.echo(f"report: {comparison.report}")


@app.command()
@_guarded
def sweep(
    file: Annotated[Path, typer.Argument(help="Sweep file (YAML).", show_default=False)],
    out: Out = Path("out/sweep"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; all cores if not given.")
    ] = None,
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Run a grid of scenarios; crashed points are listed and do not stop the others.

    Example:
      twin sweep scenarios/sweeps/nodes.yaml --workers 2
    """
    from twin.sweep import sweep as run_sweep

    with _progress("sweeping", quiet=json_) as advance:
        result = run_sweep(file, out, workers=workers, plugins=plugin or [], advance=advance)
    if json_:
        _print_json(json.loads(result.points.to_json(orient="records")))
    else:
        typer.echo("\n".join(result.lines()))
        typer.echo(f"report: {result.report}")
    if result.failures:
        raise typer.Exit(1)


@app.command()
@_guarded
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


@app.command()
@_guarded
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


@app.command()
@_guarded
def replay(
    trace: Annotated[Path, typer.Argument(help="Job trace.", show_default=False)],
    on: Annotated[Path, typer.Option("--on", help="Scenario file that describes the cluster.")],
    out: Out = Path("out"),
    seed: Seed = None,
    set_: Set = None,
    format_: TraceFormat = "auto",
    column: Columns = None,
    on_bad_row: OnBadRow = "error",
    plugin: Plugin = None,
    json_: Json = False,
) -> None:
    """Replay a trace of your own on a described cluster, without writing YAML first.

    Site, policies and output are those of the scenario; its workload, start and horizon are not:
    the trace is replayed until all its jobs are done.

    Examples:
      twin replay jobs.swf --on scenarios/first.yaml
      twin replay jobs.swf --on scenarios/first.yaml --set policies.scheduler=fifo
    """
    from twin.console import run_lines
    from twin.run import replay as replay_trace

    _load_plugins(plugin)
    asked = {"format": format_, "on_bad_row": on_bad_row, "columns": _columns(column)}
    given: dict[str, Any] = {"reading": asked, "overrides": _overrides(set_, seed)}
    with _progress(f"replaying {trace.name}", quiet=json_) as advance:
        results = replay_trace(trace, on, out, **given, advance=advance)
    if json_:
        _print_json(results.summary)
        return
    typer.echo("\n".join(run_lines(results)))
    typer.echo(f"report: {results.path / 'report.html'}")


@app.command()
@_guarded
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors that complete and check YAML.

    Example:
      twin schema > scenario.schema.json
    """
    from twin.scenario.load import schema_json

    _print_json(schema_json())


@app.command()
@_guarded
def catalog(
    kind: Annotated[str | None, typer.Argument(help="gpus, nodes, failures, ...")] = None,
    name: Annotated[str | None, typer.Argument(help="One entry, in full.")] = None,
    plugin: Plugin = None,
) -> None:
    """List the parts and policies that a scenario may name; one in full with its sources.

    Examples:
      twin catalog
      twin catalog gpus h100-sxm
      twin catalog failures llama3-h100
      twin catalog cooling
      twin catalog curves h100-sxm
      twin catalog schedulers
      twin catalog schedulers tiresias
      twin catalog models resnet50
    """
    from twin.listing import listing

    _load_plugins(plugin)
    typer.echo(listing(kind, name))


@app.command()
@_guarded
def init(folder: Annotated[Path, typer.Argument(help="Folder to write into.")] = Path()) -> None:
    """Write a commented starter scenario.

    Example:
      twin init my-study
    """
    from importlib.resources import files

    from twin.results.store import whole_file

    target = folder / "scenario.yaml"
    if target.exists():
        raise InputError(f"{target} is there already; name another folder, or move it away")
    starter = (files("twin.scenario") / "starter.yaml").read_text("utf-8")
    with whole_file(target) as partial:
        partial.write_text(starter, "utf-8")
    typer.echo(f"wrote {target}; now: twin run {target}")


@trace_app.command("info")
@_guarded
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

    _load_plugins(plugin)
    columns = _columns(column)
    text, numbers = info(file, format=format_, on_bad_row=on_bad_row, columns=columns, plot=plot)
    if json_:
        _print_json(numbers)
        return
    typer.echo(text)
    if plot:
        typer.echo(f"plot: {plot}")


class _progress:  # noqa: N801 - reads as a verb in a with statement
    """A bar on a terminal, silent when piped; calling it moves the bar."""

    def __init__(self, text: str, *, quiet: bool) -> None:
        self._text = text
        self._bar: Any = None
        self._task: Any = None
        self._quiet = quiet or not sys.stderr.isatty()

    def __enter__(self) -> _progress:
        if not self._quiet:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._text, total=None)
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def main() -> None:
    """Entry point of the console command ``twin``."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing characters
    try:
        app(prog_name="twin")
    except OSError as error:  # the output itself cannot be written: a full disk
        sys.exit(f"error: {error}")
