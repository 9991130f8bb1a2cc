"""The whole path on one screen: load -> build -> simulate -> results -> report."""

from __future__ import annotations

import json
import re
import shutil
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from twin.errors import InputError, ScenarioError
from twin.results.store import REPORT, Results, whole_or_nothing, write_run

if TYPE_CHECKING:
    from twin.kernel.simulation import Advance
    from twin.scenario.schema import Scenario


def load(path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario file.

    Parameters
    ----------
    path : Path
        The YAML file.
    overrides : sequence of str
        ``"path.to.key=value"`` each, applied in order.

    Raises
    ------
    ScenarioError
        With every problem found, each with its place.
    """
    from twin.scenario.load import load as load_scenario

    return load_scenario(Path(path), overrides)


@contextmanager
def placed(path: Path | str, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Problems of a scenario that are found meanwhile are told at their places in its files."""
    from twin.scenario.load import located

    try:
        yield
    except ScenarioError as error:
        raise located(error, path, overrides) from None


def run(
    scenario: Scenario | Path | str,
    out: Path | str | None = None,
    *,
    report: bool = True,
    advance: Advance | None = None,
) -> Results:
    """Run a scenario and leave its run directory.

    Parameters
    ----------
    scenario : Scenario or path
        What to run.
    out : path, optional
        Folder in which the run directory, named by the scenario, is made; an earlier one of that
        name is replaced. Without it the results live in a temporary folder, as long as the returned
        object does.
    report : bool
        Whether to draw ``report.html`` as well.
    advance : callable, optional
        Called now and then with (jobs started, jobs in all).

    Raises
    ------
    InputError
        If the scenario or its trace is at fault.
    StorageError
        If the results cannot be written; none are left half done.
    """
    if isinstance(scenario, str | Path):
        with placed(scenario):
            return run(load(scenario), out, report=report, advance=advance)
    if out is None:
        folder = mkdtemp(prefix="twin-")
        try:
            results = _run_into(scenario, Path(folder) / scenario.name, report, advance)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(results, shutil.rmtree, folder, ignore_errors=True)
        return results
    return _run_into(scenario, Path(out) / scenario.name, report, advance)


def replay(
    trace: Path | str,
    on: Path | str,
    out: Path | str | None = None,
    *,
    reading: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    advance: Advance | None = None,
) -> Results:
    """Replay a trace, until it is drained, on the site and under the policies of a scenario.

    Parameters
    ----------
    trace : path
        The trace; the run is named by it.
    on : path
        Scenario file; its workload, start and horizon are left aside.
    out : path, optional
        As in `run`.
    reading : mapping, optional
        How to read the trace: ``format``, ``on_bad_row``, ``columns``, as in a scenario.
    overrides : sequence of str
        ``"path.to.key=value"`` each, applied last.
    advance : callable, optional
        As in `run`.

    Raises
    ------
    InputError, StorageError
        As in `run`.
    """
    from twin.scenario.files import find

    try:
        path = find(str(trace), beside=None)
    except ValueError as error:
        raise InputError(f"{trace}: {error}") from None
    given = {
        "name": re.sub(r"\W+", "-", path.name.split(".")[0]).strip("-")[:100] or "replay",
        "description": f"{path.name} replayed.",
        "start": None,
        "horizon": "drained",
        "workload": None,
        "workload.trace": {"path": str(path), **(reading or {})},
    }
    texts = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items()]
    return run(load(on, [*texts, *overrides]), out, advance=advance)


def require_folders_of_their_own(names: Sequence[str]) -> None:
    """Refuse scenarios of one name: the results of one would replace those of the other."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"two of the scenarios are named {twice[0]!r}, and their results would share a folder; "
            "give each a `name:` of its own"
        )


def _run_into(scenario: Scenario, target: Path, report: bool, advance: Advance | None) -> Results:
    from twin.build import build
    from twin.kernel.simulation import Simulation
    from twin.metrics.summary import summarise
    from twin.results.outcome import outcome
    from twin.results.provenance import peak_rss_bytes, provenance
    from twin.scenario.load import dump, input_files

    started_s = time.perf_counter()
    with whole_or_nothing(target) as folder:
        built = build(scenario)
        simulation = Simulation(
            built.site,
            built.workload.jobs,
            built.scheduler,
            built.placement,
            built.estimate_s,
            built.reliability,
            built.powering,
            decision_limit_s=scenario.policies.decision_limit_s,
            lending=built.lending,
            speeds=built.speeds,
            bursting=built.bursting,
            reservations=built.reservations,
            hosting=built.hosting,
        )
        record = simulation.run(scenario.horizon_s, advance)
        powered = built.powering.model if built.powering is not None else None
        tables = outcome(
            record,
            built.workload.jobs,
            built.site,
            scenario.output.timeline_bin_s,
            powered.tariff if powered is not None else None,
        )
        summary = summarise(
            tables,
            built.site,
            built.workload.intake,
            name=scenario.name,
            seed=scenario.seed,
            assumptions=list(built.assumptions),
            expected_mtti_s=built.expected_mtti_s,
            tariff=powered.tariff if powered is not None else None,
            cooling=powered.cooling if powered is not None else None,
        )
        wall_s = time.perf_counter() - started_s
        summary["engine"] = {
            "events": record.events,
            "wall_s": wall_s,
            "peak_rss_bytes": peak_rss_bytes(),
            **simulation.decisions,
        }
        text = dump(scenario)
        source = provenance(
            seed=scenario.seed,
            inputs=input_files(scenario),
            scenario_yaml=text,
            wall_s=wall_s,
            events=record.events,
        )
        write_run(folder, tables, summary, source, text)
        if report:
            from twin.report.page import write_report

            write_report(Results(folder), folder / REPORT)
    return Results(target)
