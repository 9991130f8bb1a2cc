"""A grid of overrides x seeds, in parallel, one run directory each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.errors import InputError, TwinError

if TYPE_CHECKING:
    import pandas as pd

    from twin.scenario.sweep import SweepFile

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
        shown = ["utilisation", "wait_s.mean", "wait_s.p99", "jct_s.mean"]
        columns = [*self.axes, "seed", *(name for name in shown if name in self.points)]
        done = self.points[self.points["status"] == "ok"]
        lines = [f"{self.name}: {len(done)} of {len(self.points)} points ran", ""]
        if len(done):
            text = done[columns].to_string(index=False, float_format=lambda v: f"{v:,.4g}")
            lines += text.splitlines()
        lines += [f"failed: {d.point.folder}: {d.error}" for d in self.failures]
        return lines


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
    """
    import pandas as pd

    from twin.report.sweep_page import write_sweep
    from twin.results.store import REPORT, write_table
    from twin.scenario.sweep import load_sweep

    asked = load_sweep(Path(file))
    for plugin in plugins:
        from twin.registry import load_plugin

        load_plugin(plugin)
    points = list(grid(asked))
    _check(asked.scenario, points)
    out = Path(out)
    (out / "runs").mkdir(parents=True, exist_ok=True)
    tasks = [Task(p, asked.scenario, out / "runs" / p.folder, tuple(plugins)) for p in points]
    done: list[Done] = []
    for result in (backend or local_processes)(tasks, workers or _cores()):
        done.append(result)
        if advance is not None:
            advance(len(done), len(tasks))
    done.sort(key=lambda result: result.point.number)
    rows = [
        {**d.point.values, "seed": d.point.seed, "status": d.error or "ok", "run": d.point.folder}
        | d.figures
        for d in done
    ]
    frame = pd.DataFrame(rows)
    write_table(frame.astype(dict.fromkeys(asked.axis_names(), "str")), out / "points.parquet")
    frame.to_csv(out / "points.csv", index=False)
    failures = tuple(d for d in done if d.error)
    report = out / REPORT
    axes = asked.axis_names()
    write_sweep(frame, list(axes), report, [(d.point.folder, d.error) for d in failures])
    return SweepResult(asked.name, frame, axes, failures, report)


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
            yield Point(
                number, folder, values, seed, (*overrides, f"name={folder}", f"seed={seed}")
            )


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
        listed = "\n".join(f"point {point.values}: {error}" for error, point in seen.items())
        raise InputError(f"some points of the sweep are no valid scenarios\n{listed}")


def run_point(task: Task) -> Done:
    """Run one point in this process; an error becomes part of the result."""
    from twin.registry import load_plugin
    from twin.run import load, run
    from twin.tables import HEADLINES, look_up

    try:
        for plugin in task.plugins:
            load_plugin(plugin)
        scenario = load(task.scenario, task.point.overrides)
        results = run(scenario, task.out.parent, report=False)
    except TwinError as error:
        return Done(task.point, {}, str(error))
    except Exception as error:  # a bug in a plug-in, say: listed, and not fatal to the others
        return Done(task.point, {}, f"{type(error).__name__}: {error}")
    figures = {h.key: look_up(results.summary, h.key) for h in HEADLINES}
    ledger = results.summary["ledgers"]["gpu_time"]
    shares = {
        f"gpu_time.{name}": value / ledger["total"] for name, value in ledger["shares"].items()
    }
    return Done(task.point, figures | shares)


def local_processes(tasks: Sequence[Task], workers: int) -> Iterator[Done]:
    """A process for each point, ``workers`` at a time: one that dies takes nobody with it."""
    import multiprocessing as mp
    from multiprocessing.connection import Connection, wait

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
                except EOFError:  # it died without a word: killed, out of memory
                    process.join()
                    done = Done(task.point, {}, _cause_of_death(process.exitcode))
                ready.close()
                process.join()
                yield done
    finally:
        for process, _ in running.values():
            process.terminate()


def _work(task: Task, answer: Any) -> None:
    answer.send(run_point(task))
    answer.close()


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"the worker was killed by signal {-exitcode}; out of memory, perhaps"
    return f"the worker died with exit code {exitcode}"


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
