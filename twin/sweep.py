"""A grid of overrides x seeds, in parallel, one run directory each."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.errors import InputError, TwinError
from twin.tables import HEADLINES

if TYPE_CHECKING:
    import pandas as pd

    from twin.scenario.sweep import SweepFile

_MOST_LISTED = 10

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Point:
    """One point of a sweep: a scenario with some values replaced, and a seed.

    Attributes
    ----------
    number : int
        Its place in the grid, from 1.
    folder : str
        Name of its run directory.
    values : dict
        Axis -> what a reader should see for it.
    overrides : tuple of str
        ``"path.to.key=value"`` each, in the order of the axes, the seed last.
    """

    number: int
    folder: str
    values: dict[str, Any]
    seed: int
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """What a worker is given."""

    point: Point
    scenario: Path
    out: Path
    plugins: tuple[Path, ...]


@dataclass(frozen=True)
class Done:
    """What a worker gives back: headline figures, or what went wrong."""

    point: Point
    figures: dict[str, Any]
    error: str = ""


Backend = Callable[[Sequence[Task], int], Iterator[Done]]

# What every worker imports before it can begin.
_PRELOADED = [
    "pandas",
    "pyarrow.parquet",
    "scipy.special",
    "twin.build",
    "twin.kernel.simulation",
    "twin.metrics.summary",
    "twin.scenario.load",
    "twin.workload.synthetic",
    "twin.workload.traces.base",
    "twin.workload.transforms",
]


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes
    ----------
    points : DataFrame
        One row per point: the axes, ``seed``, ``status`` and the headline figures.
    axes : tuple of str
    failures : tuple of Done
        Points that crashed or were refused.
    report : Path
        The comparison page.
    """

    name: str
    points: pd.DataFrame
    axes: tuple[str, ...]
    failures: tuple[Done, ...]
    report: Path

    def lines(self) -> list[str]:
        """The table as text, and the failures."""
        from twin.console import columns, headline_text

        shown: tuple[str, ...] = ("utilisation", "wait_s.mean", "wait_s.p99", "jct_s.mean")
        if self._has("power.useful_gpus"):
            shown = ("power.useful_gpus", "power.useful_gpus_per_mw", "power.peak_w", "wait_s.mean")
        elif self._has("reliability.ettr"):
            shown = ("utilisation", "wait_s.mean", "reliability.mtti_s", "reliability.ettr")
        shown += ("cost.usd",)
        headlines = [h for h in HEADLINES if h.key in shown and self._has(h.key)]
        done = self.points[self.points["status"] == "ok"]
        lines = [f"{self.name}: {len(done)} of {len(self.points)} points ran", ""]
        rows = [[*self.axes, "seed", *(h.label for h in headlines)]]
        for _, point in done.iterrows():
            figures = [headline_text(h, point[h.key]) for h in headlines]
            rows.append([*(str(point[axis]) for axis in self.axes), str(point["seed"]), *figures])
        if len(done):
            lines += columns(rows)
        lines += [f"failed: {d.point.folder}: {d.error}" for d in self.failures]
        return lines

    def _has(self, key: str) -> bool:
        """Whether any point has a figure; without a run there is no such column."""
        return key in self.points and bool(self.points[key].notna().any())


def sweep(
    file: Path | str,
    out: Path | str,
    *,
    workers: int | None = None,
    plugins: Sequence[Path] = (),
    advance: Advance | None = None,
    backend: Backend | None = None,
) -> SweepResult:
    """Run every point of a sweep file.

    Parameters
    ----------
    file : path
        The sweep file: see the reference page on sweeps.
    out : path
        Folder for ``points.parquet``, ``points.csv``, ``report.html`` and ``runs/``.
    workers : int, optional
        Processes at a time; all cores if not given.
    plugins : sequence of Path
        Python files with policies, loaded in every worker.
    advance : callable, optional
        Called with (points done, points in all) after each.
    backend : callable, optional
        Where points run; this machine's processes if not given.

    Raises
    ------
    InputError
        If the sweep file is at fault, or a point asks for what no scenario can hold; all such
        points are named before any is run.
    StorageError
        If the folder cannot be written.

    Notes
    -----
    Each point is a process that imports the caller's main file anew: a script calls this below
    ``if __name__ == "__main__":``, or every point fails.
    """
    from twin.report.sweep_page import write_sweep
    from twin.results.store import REPORT, whole_file, write_table, writing

    out = Path(out)
    asked, points = plan(file, plugins)
    runs = out / "runs"
    with writing(runs):
        runs.mkdir(parents=True, exist_ok=True)
    tasks = [Task(p, asked.scenario, runs / p.folder, tuple(plugins)) for p in points]
    done: list[Done] = []
    for result in (backend or local_processes)(tasks, workers or _cores()):
        done.append(result)
        if advance is not None:
            advance(len(done), len(tasks))
    done.sort(key=lambda result: result.point.number)
    failures = tuple(result for result in done if result.error)
    _clear(runs, {result.point.folder for result in done if not result.error})
    frame, axes, report = table(done), asked.axis_names(), out / REPORT
    as_text = frame.astype(dict.fromkeys(axes, "str"))  # an axis may mix numbers and names
    with whole_file(out / "points.parquet") as partial:
        write_table(as_text, partial)
    with whole_file(out / "points.csv") as partial:
        frame.to_csv(partial, index=False)
    with whole_file(report) as partial:
        write_sweep(frame, axes, partial, [(d.point.folder, d.error) for d in failures])
    return SweepResult(asked.name, frame, axes, failures, report)


def plan(file: Path | str, plugins: Sequence[Path] = ()) -> tuple[SweepFile, list[Point]]:
    """What a sweep file asks for, and its points, each found to be a valid scenario.

    Raises
    ------
    InputError
        As `sweep` does.
    """
    from twin.registry import load_plugin
    from twin.scenario.sweep import load_sweep

    asked = load_sweep(Path(file))
    for plugin in plugins:
        load_plugin(plugin)
    points = list(grid(asked))
    _check(asked.scenario, points)
    return asked, points


def table(done: Iterable[Done]) -> pd.DataFrame:
    """The table of points: axes, ``seed``, ``status``, ``run`` and the headline figures."""
    import pandas as pd

    return pd.DataFrame(
        [
            {**d.point.values, "seed": d.point.seed, "status": d.error or "ok"}
            | {"run": d.point.folder}
            | d.figures
            for d in done
        ]
    )


def _clear(runs: Path, keep: set[str]) -> None:
    """Remove runs of earlier sweeps, which would pass for those of points that failed."""
    import shutil

    from twin.results.store import clear_partial

    for folder in runs.iterdir():
        number = folder.name.removeprefix(".").partition(".")[0]
        if number.isdecimal() and number not in keep:
            clear_partial(runs / number)  # what a killed worker left half written
            if not folder.name.startswith("."):
                shutil.rmtree(folder, ignore_errors=True)


def grid(asked: SweepFile) -> Iterator[Point]:
    """All points: the product of the axes, each with every seed; the last axis varies fastest."""
    from itertools import product

    number = 0
    for steps in product(*(axis.steps() for axis in asked.axes)):
        values: dict[str, Any] = {}
        overrides: list[str] = []
        for step in steps:
            values |= step.values
            overrides += step.overrides
        for seed in asked.seeds:
            number += 1
            folder = f"{number:04d}"
            # In quotes: 0001 is a number in YAML.
            ours = (f"name='{folder}'", f"seed={seed}")
            yield Point(number, folder, values, seed, (*overrides, *ours))


def _check(scenario: Path, points: Iterable[Point]) -> None:
    """Refuse the sweep if any point is no valid scenario; say which and why, each reason once."""
    from twin.run import load

    seen: dict[str, Point] = {}
    for point in points:
        try:
            load(scenario, point.overrides)
        except InputError as error:
            seen.setdefault(str(error), point)
    if seen:
        listed = [f"point {point.values}: {error}" for error, point in seen.items()]
        more = [f"and {len(listed) - _MOST_LISTED} more"] if len(listed) > _MOST_LISTED else []
        head = "some points of the sweep are no valid scenarios"
        raise InputError("\n".join([head, *listed[:_MOST_LISTED], *more]))


def run_point(task: Task) -> Done:
    """Run one point in this process; an error becomes part of the result."""
    from twin.registry import load_plugin
    from twin.run import load, run
    from twin.tables import gpu_time_bought, look_up

    try:
        for plugin in task.plugins:
            load_plugin(plugin)
        scenario = load(task.scenario, task.point.overrides)
        results = run(scenario, task.out.parent, report=False)
    except TwinError as error:
        return Done(task.point, {}, str(error) or type(error).__name__)
    except Exception as error:  # a bug in a plug-in, say: listed, and not fatal to the others
        return Done(task.point, {}, f"{type(error).__name__}: {error}")
    figures = {h.key: look_up(results.summary, h.key) for h in HEADLINES}
    ledger = gpu_time_bought(results.summary) or {}
    shares = {
        f"gpu_time.{name}": value / ledger["total"] if ledger["total"] else 0.0
        for name, value in ledger["shares"].items()
    }
    size = {"site.gpus": results.summary["site"]["gpus"]}
    return Done(task.point, figures | size | shares)


def local_processes(tasks: Sequence[Task], workers: int) -> Iterator[Done]:
    """A process for each point, ``workers`` at a time: one that dies takes nobody with it."""
    import multiprocessing as mp
    from multiprocessing.connection import Connection, wait

    # A server that has the libraries loaded forks each worker: half a second a point is saved, and
    # a worker that dies still takes nobody with it.
    if "forkserver" in mp.get_all_start_methods():
        context: Any = mp.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
    else:
        context = mp.get_context("spawn")
    left = list(tasks)[::-1]
    running: dict[Connection, tuple[Any, Task]] = {}
    try:
        while left or running:
            while left and len(running) < workers:
                task = left.pop()
                here, there = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(task, there))
                process.start()
                there.close()
                running[here] = (process, task)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                process, task = running.pop(ready)
                try:
                    done = ready.recv()
                except (EOFError, OSError):  # it died without a word: killed, out of memory
                    process.join()
                    done = Done(task.point, {}, _cause_of_death(process.exitcode))
                ready.close()
                process.join()
                yield done
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()


def _work(task: Task, answer: Any) -> None:
    # A terminal's Ctrl-C reaches all processes. The parent alone heeds it, and its SIGTERM ends the
    # work by an exception, so that nothing half written stays.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    answer.send(run_point(task))
    answer.close()


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"the worker was killed by signal {-exitcode}; out of memory, perhaps"
    return f"the worker died with exit code {exitcode}"


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
