"""Commands that run something: run, compare, sweep, replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from twin.cli.guard import guarded
from twin.cli.options import (
    Columns,
    Json,
    OnBadRow,
    Out,
    Plugin,
    Scenarios,
    Seed,
    Set,
    TraceFormat,
    columns_of,
    load_plugins,
    with_seed,
)
from twin.cli.printing import print_json, progress


@guarded
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

    load_plugins(plugin)
    loaded = [load(path, with_seed(set_, seed)) for path in scenarios]
    require_folders_of_their_own([scenario.name for scenario in loaded])
    summaries = []
    for i, (path, scenario) in enumerate(zip(scenarios, loaded, strict=True)):
        with (
            progress(f"running {scenario.name}", quiet=json_) as advance,
            placed(path, with_seed(set_, seed)),
        ):
            results = run_scenario(scenario, out, report=report, advance=advance)
        summaries.append(results.summary)
        if not json_:
            typer.echo("\n".join([""] * (i > 0) + run_lines(results)))
            where = f"report: {results.path / 'report.html'}"
            typer.echo(where if report else f"results: {results.path}")
    if json_:
        print_json(summaries if len(summaries) > 1 else summaries[0])


@guarded
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

    load_plugins(plugin)
    with progress("comparing", quiet=json_):
        comparison = compare_runs(sources, out, overrides=with_seed(set_, seed))
    if json_:
        print_json({r: c.summary for r, c in zip(comparison.labels, comparison.runs, strict=True)})
        return
    typer.echo("\n".join(comparison_lines(comparison.runs, comparison.labels)))
    typer.echo(f"report: {comparison.report}")


@guarded
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

    with progress("sweeping", quiet=json_) as advance:
        result = run_sweep(file, out, workers=workers, plugins=plugin or [], advance=advance)
    if json_:
        print_json(json.loads(result.points.to_json(orient="records")))
    else:
        typer.echo("\n".join(result.lines()))
        typer.echo(f"report: {result.report}")
    if result.failures:
        raise typer.Exit(1)


@guarded
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

    load_plugins(plugin)
    asked = {"format": format_, "on_bad_row": on_bad_row, "columns": columns_of(column)}
    given: dict[str, Any] = {"reading": asked, "overrides": with_seed(set_, seed)}
    with progress(f"replaying {trace.name}", quiet=json_) as advance:
        results = replay_trace(trace, on, out, **given, advance=advance)
    if json_:
        print_json(results.summary)
        return
    typer.echo("\n".join(run_lines(results)))
    typer.echo(f"report: {results.path / 'report.html'}")
