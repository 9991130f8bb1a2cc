"""Two or more runs side by side: scenarios are run first, results taken as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from twin.errors import InputError
from twin.results.store import REPORT, SUMMARY, Results
from twin.run import load, run

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
        If there are fewer than two, two scenarios share a name, or one of them is at fault.
    """
    if len(sources) < 2:
        raise InputError("compare needs two or more scenarios or run directories")
    # All scenarios are read before the first is run: a typo in the last must not cost an hour.
    found = [_open(source, overrides) for source in sources]
    to_run = [scenario.name for scenario in found if not isinstance(scenario, Results)]
    twice = [name for name, count in Counter(to_run).items() if count > 1]
    if twice:
        raise InputError(
            f"two of the scenarios are named {twice[0]!r}, and their results would share a folder; "
            "give each a `name:` of its own"
        )
    runs = tuple(source if isinstance(source, Results) else run(source, out) for source in found)
    labels = _labels(runs)
    if out is None:
        return Comparison(runs, labels)
    from twin.report.compare_page import write_comparison

    report = Path(out) / REPORT
    report.parent.mkdir(parents=True, exist_ok=True)
    write_comparison(runs, report, labels)
    return Comparison(runs, labels, report)


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
