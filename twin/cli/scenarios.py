"""Commands to write a scenario with: init, validate, show, schema, catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin.cli.guard import guarded
from twin.cli.options import Json, Plugin, Scenario, Scenarios, Set, load_plugins
from twin.cli.printing import print_json
from twin.errors import InputError


@guarded
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


@guarded
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

    load_plugins(plugin)
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
        print_json([asdict(problem) for problem in problems])
    for problem in [] if json_ else problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(2)


@guarded
def show(scenario: Scenario, set_: Set = None, plugin: Plugin = None) -> None:
    """Draw the site of a scenario: halls, power tree, network and bill of materials, as text.

    Examples:
      twin show scenarios/first.yaml --set site.pools.0.nodes=1000
      twin show scenarios/power/feed-20mw.yaml
    """
    from twin.run import load
    from twin.show import show as show_site

    load_plugins(plugin)
    typer.echo(show_site(load(scenario, set_ or [])))


@guarded
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors that complete and check YAML.

    Example:
      twin schema > scenario.schema.json
    """
    from twin.scenario.load import schema_json

    print_json(schema_json())


@guarded
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

    load_plugins(plugin)
    typer.echo(listing(kind, name))
