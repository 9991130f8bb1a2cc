"""Two or more runs side by side: scenarios are run first, results taken as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from twin.errors import InputError
from twin.results.store import REPORT, SUMMARY, Results, whole_file
from twin.run import load, require_folders_of_their_own, run

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario


@dataclass(frozen=True)
class Comparison:
    """Runs to be compared, the first being what the others are held against.

    Attributes
    ----------
    runs : tuple of Results
    labels : tuple of str
        A short name for each run, each different.
    report : Path or None
        The page written, if a folder was given.
    """

    runs: tuple[Results, ...]
    labels: tuple[str, ...]
    report: Path | None = None


def compare(
    sources: Sequence[Scenario | Results | Path | str],
    out: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
) -> Comparison:
    """Run what has not been run, and set all side by side.

    Parameters
    ----------
    sources : sequence of Scenario, Results or path
        Two or more. A path is a scenario file or a run directory.
    out : path, optional
        Folder for the run directories and ``report.html``.
    overrides : sequence of str
        ``"path.to.key=value"`` each, applied to every scenario file.

    Raises
    ------
    InputError
        If there are fewer than two, two scenarios share a name, one of them is at fault, or there
        are overrides and no scenario file to apply them to.
    StorageError
        If the folder cannot be written.
    """
    if len(sources) < 2:
        raise InputError("compare needs two or more scenarios or run directories")
    # All scenarios are read before the first is run: a typo in the last must not cost an hour.
    found = [_open(source, overrides) for source in sources]
    to_run = [scenario.name for scenario in found if not isinstance(scenario, Results)]
    if overrides and not to_run:
        raise InputError("these runs are finished: values cannot be set, only in scenario files")
    require_folders_of_their_own(to_run)
    if out is not None:
        _require_none_replaced([Path(out) / name for name in to_run], found)
    runs = tuple(source if isinstance(source, Results) else run(source, out) for source in found)
    labels = _labels(runs)
    if out is None:
        return Comparison(runs, labels)
    from twin.report.compare_page import write_comparison

    report = Path(out) / REPORT
    with whole_file(report) as partial:
        write_comparison(runs, partial, labels)
    return Comparison(runs, labels, report)


def _require_none_replaced(targets: Sequence[Path], found: Sequence[Scenario | Results]) -> None:
    finished = {run.path.resolve(): run.path for run in found if isinstance(run, Results)}
    for target in targets:
        if target.resolve() in finished:
            raise InputError(
                f"{finished[target.resolve()]} would be replaced by the run that it is to be "
                "compared with; give another folder with -o"
            )


def _open(source: Scenario | Results | Path | str, overrides: Sequence[str]) -> Scenario | Results:
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            return Results(path)
        if path.name == SUMMARY:
            return Results(path.parent)
        return load(path, overrides)
    return source


def _labels(runs: Sequence[Results]) -> tuple[str, ...]:
    """Scenario names; where two are the same, the folders that tell them apart."""
    names = [results.name for results in runs]
    if len(set(names)) == len(names):
        return tuple(names)
    folders = [str(results.path) for results in runs]
    if len(set(folders)) == len(folders):
        return tuple(folders)
    return tuple(f"{name} ({i})" for i, name in enumerate(names, 1))
