"""Measure speed and print it as tables: ``make bench``, or ``benchmarks/run.py philly million``.

Times of one process are CPU time, the median of several runs taken in turn with the floor; times
of whole commands are wall time. Nothing here passes or fails: a machine's mood is no test.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TRACE = ROOT.parent / "shared" / "data" / "sia" / "philly.csv.gz"
TWIN = (sys.executable, "-c", "from twin.cli import main; main()")


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table."""
    cells = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
    sys.stdout.flush()


def philly() -> None:
    """Load to results, without the HTML, against a bare SimPy loop of as many events."""
    from floor import floor_s, process_floor_s

    from twin.run import load, run
    from twin.workload.traces.base import read_trace

    if not TRACE.exists():
        print("philly: needs ../shared/data/sia/philly.csv.gz; left out")
        return
    jobs = read_trace(TRACE).jobs
    submit_s, run_s = jobs["submit_s"].tolist(), jobs["run_s"].tolist()
    rows = []
    with tempfile.TemporaryDirectory() as out:
        for name in ("fifo-96", "easy-96", "fifo-64", "easy-64"):
            scenario = load(ROOT / "scenarios" / "philly" / f"{name}.yaml")
            ours: list[float] = []
            bare: list[float] = []
            processes: list[float] = []
            for _ in range(5):
                gc.collect()
                started = time.process_time()
                results = run(scenario, out, report=False)
                ours.append(time.process_time() - started)
                bare.append(floor_s(submit_s, run_s, results.summary["engine"]["events"]))
                processes.append(process_floor_s(submit_s, run_s))
            rows.append(
                (
                    name,
                    f"{results.summary['engine']['events']:,}",
                    f"{median(ours):.2f} ({min(ours):.2f} to {max(ours):.2f})",
                    f"{median(bare):.2f} ({min(bare):.2f} to {max(bare):.2f})",
                    f"{median(a / b for a, b in zip(ours, bare, strict=True)):.1f}",
                    f"{median(processes):.2f}",
                    f"{median(a / b for a, b in zip(ours, processes, strict=True)):.1f}",
                )
            )
    header = ("run", "events", "load to results", "bare loop", "ratio", "process a job", "ratio")
    table("Whole Philly trace, 82,247 jobs, s of CPU: twin and bare SimPy loops", header, rows)


def shell() -> None:
    """Whole commands, from the shell, with everything."""
    rows = []
    commands: list[tuple[str, list[str]]] = [("twin --help", ["--help"])]
    with tempfile.TemporaryDirectory() as out:
        first = str(ROOT / "scenarios" / "first.yaml")
        commands.append(("twin run first.yaml", ["run", first, "-o", out]))
        if TRACE.exists():
            for name in ("fifo-96", "easy-96", "easy-64"):
                path = str(ROOT / "scenarios" / "philly" / f"{name}.yaml")
                commands.append((f"twin run {name}.yaml", ["run", path, "-o", out]))
        for title, arguments in commands:
            walls = []
            for _ in range(4):
                started = time.perf_counter()
                subprocess.run([*TWIN, *arguments], cwd=ROOT, check=True, capture_output=True)
                walls.append(time.perf_counter() - started)
            walls = walls[1:]  # the first one fills the disk cache
            rows.append((title, f"{median(walls):.2f}", f"{min(walls):.2f}", f"{max(walls):.2f}"))
    table("Whole commands, s wall", ("command", "median", "min", "max"), rows)


def synthetic(jobs: int, nodes: int, scheduler: str, load: float = 0.9) -> dict[str, float]:
    """One synthetic run in a process of its own: CPU time, wall time and peak memory."""
    scenario = {
        "name": "bench",
        "site": {"pools": [{"name": "p", "node": {"gpus": 8}, "nodes": nodes}]},
        "workload": {"synthetic": {"jobs": jobs, "load": load, "max_gpus": min(nodes * 8, 128)}},
        "policies": {"scheduler": scheduler},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(scenario))
        return in_process(path)


_RUN = """
import json, resource, sys
sys.path.insert(0, "benchmarks")
from floor import timeouts_s
from twin.run import load, run
results = run(load(sys.argv[1], sys.argv[3:]), sys.argv[2], report=False)
usage = resource.getrusage(resource.RUSAGE_SELF)
events = results.summary["engine"]["events"]
print(json.dumps({
    "cpu_s": usage.ru_utime + usage.ru_stime,
    "peak_bytes": usage.ru_maxrss * 1024,
    "waited": results.summary["waited_fraction"],
    "incidents": len(results.incidents),
    "events": events,
    "bare_s": timeouts_s(events),
}))
"""


def in_process(scenario: Path, *overrides: str) -> dict[str, float]:
    """A run without its report, in a process of its own, and as many bare timeouts after it."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        out = subprocess.run(
            [sys.executable, "-c", _RUN, str(scenario), folder, *overrides],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        figures: dict[str, float] = json.loads(out.stdout)
        figures["wall_s"] = time.perf_counter() - started - figures["bare_s"]
    return figures


def failures() -> None:
    """Failures and recovery: from a start of the process to the results written."""
    blast = ROOT / "scenarios" / "blast-radius"
    beside = ROOT / "benchmarks"
    # Without topology and lost work: single racks, nothing saved and so nothing to lose by it.
    bare = ["recovery.checkpoint=null", "workload.jobs[job].kind=serving"]
    cases = [
        ("AIReSim's base case, one job of 4,096 servers", blast / "airesim-table1.yaml", []),
        ("the same, no checkpoints and no lost work", blast / "airesim-table1.yaml", bare),
        ("Llama 3, 54 days of 16,384 GPUs", blast / "llama3-54d.yaml", []),
        ("a year of 100,000 GPUs, 20,000 jobs", beside / "failures-100k.yaml", []),
        ("a year of 1,000,000 GPUs, failures alone", beside / "failures-1m.yaml", []),
    ]
    rows = []
    for title, path, overrides in cases:
        figures = in_process(path, *overrides)
        rows.append(
            (
                title,
                f"{figures['incidents']:,}",
                f"{figures['events']:,}",
                f"{figures['wall_s']:.1f}",
                f"{figures['cpu_s']:.1f}",
                f"{figures['bare_s']:.2f}",
                f"{figures['cpu_s'] / figures['bare_s']:.0f}",
                f"{figures['peak_bytes'] / 1e9:.2f}",
            )
        )
    header = ("run", "incidents", "events", "wall, s", "CPU, s", "bare, s", "ratio", "peak, GB")
    table("Failures: twin, and as many bare SimPy timeouts", header, rows)


def power() -> None:
    """Power with and without caps against none, a cap that moves, and decisions."""
    from power import SIZES, decision_rows, large_row, philly_rows

    if TRACE.exists():
        header = ("run", "cap", "peak, MW", "throttled", "kernel, s", "ratio", "to results, s")
        title = "Whole Philly trace with power, s of CPU, against the same run without it"
        table(title, (*header, "ratio"), philly_rows())
    else:
        print("power: whole Philly needs ../shared/data/sia/philly.csv.gz; left out")
    sized = ("run", "GPUs", "events", "wall, s", "CPU, s", "decisions", "ms each", "longest")
    row = large_row(ROOT / "benchmarks" / "power-100k.yaml")
    table("A cap that changes every minute, from the scenario to its results", sized, [row])
    by_jobs = ("policy", *(f"{size:,} jobs" for size in SIZES))
    table("A decision, ms of wall, by jobs that run", by_jobs, decision_rows())


def schedulers() -> None:
    """What schedulers and placements take to decide, and whole Philly under two of them."""
    from schedulers import deep_rows, placement_rows, run_rows, scheduler_rows, short_rows

    figures = ("mean", "p50", "p99", "max")
    sized = ("waiting", "nodes", "first look", *figures, "of fifo", "noise")
    table("A decision with its starts, ms of CPU", ("scheduler", *sized), scheduler_rows())
    table("EASY on 100,000 GPUs, ms of CPU", ("queue of", "scheduler", *sized), deep_rows())
    table(
        "Where half of the estimates are too short, ms of CPU", ("scheduler", *sized), short_rows()
    )
    placing = ("placement", "nodes", *figures, "of best-fit", "noise")
    table("A search for a place, ms of CPU", placing, placement_rows())
    if TRACE.exists():
        paths = [ROOT / "scenarios/philly/easy-64.yaml", ROOT / "benchmarks/multifactor-64.yaml"]
        header = ("run", "to its", "decisions", "CPU, s", "spread", "of bare", "p50, ms", "p99, ms")
        table("Whole Philly, from a start of the process", header, run_rows(paths))
    else:
        print("schedulers: whole Philly needs ../shared/data/sia/philly.csv.gz; left out")


def services() -> None:
    """Replicas with right of way, against the same rows as plain jobs."""
    from services import service_rows

    header = ("scheduler", "who leaves", "spells", "gave way", "events", "kernel, s", "plain, s")
    title = "Up to 600 replicas on 1,000 nodes full of jobs, 3 days, s of CPU"
    table(title, (*header, "ratio"), service_rows(ROOT / "benchmarks" / "services-1000.yaml"))


_HEADER = ("jobs", "GPUs", "scheduler", "waited", "wall, s", "CPU, s", "us a job", "peak, GB")


def _row(jobs: int, nodes: int, scheduler: str, load: float = 0.9) -> tuple[object, ...]:
    figures = synthetic(jobs, nodes, scheduler, load)
    return (
        f"{jobs:,}",
        f"{nodes * 8:,}",
        scheduler,
        f"{100 * figures['waited']:.0f} %",
        f"{figures['wall_s']:.1f}",
        f"{figures['cpu_s']:.1f}",
        f"{1e6 * figures['cpu_s'] / jobs:.0f}",
        f"{figures['peak_bytes'] / 1e9:.2f}",
    )


def million() -> None:
    """A million jobs on 100,000 GPUs, generated, simulated and written."""
    rows = [
        _row(1_000_000, 12_500, "easy-backfill", 0.9),
        _row(1_000_000, 12_500, "easy-backfill", 2.0),
        _row(1_000_000, 12_500, "fifo", 0.9),
    ]
    table("A million synthetic jobs on 100,000 GPUs, start of process to results", _HEADER, rows)


def growth() -> None:
    """How cost grows with jobs and with GPUs."""
    by_jobs = [_row(n, 1250, "easy-backfill") for n in (1_000, 10_000, 100_000, 1_000_000)]
    table("Growth with jobs, 10,000 GPUs", _HEADER, by_jobs)
    by_gpus = [_row(100_000, n, "easy-backfill") for n in (125, 1_250, 12_500, 125_000)]
    table("Growth with GPUs, 100,000 jobs", _HEADER, by_gpus)


def inputs() -> None:
    """Reading a million rows, and building a million GPUs."""
    import numpy as np

    from twin.site.fleet import Fleet
    from twin.site.layout import Pool, lay_out
    from twin.workload.traces.base import read_trace

    rng = np.random.default_rng(1)
    n = 1_000_000
    seconds = np.sort(rng.integers(0, 10_000_000, n)) + np.datetime64("2020-01-01T00:00:00")
    stamps = np.datetime_as_string(seconds, unit="s")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        lines = (
            f"{stamp.replace('T', ' ')},{run_s}.0,{gpus},{run_s * gpus}.0,vc{gpus}\n"
            for stamp, run_s, gpus in zip(
                stamps.tolist(),
                rng.integers(1, 100_000, n).tolist(),
                rng.choice([1, 2, 4, 8], n).tolist(),
                strict=True,
            )
        )
        with path.open("w") as file:
            file.write("timestamp,duration,num_gpus,gpu_time,cluster\n")
            file.writelines(lines)
        started = time.perf_counter()
        assert len(read_trace(path).jobs) == n
        rows.append(("read a CSV trace of 1,000,000 rows", f"{time.perf_counter() - started:.2f}"))
    started = time.perf_counter()
    Fleet(lay_out([Pool("p", "dgx-h100", "h100-sxm", 8, 125_000)]))
    rows.append(("build 125,000 nodes, 1,000,000 GPUs", f"{time.perf_counter() - started:.2f}"))
    table("Inputs, s wall", ("what", "time"), rows)


BENCHMARKS: dict[str, Callable[[], None]] = {
    "philly": philly,
    "shell": shell,
    "inputs": inputs,
    "million": million,
    "growth": growth,
    "failures": failures,
    "power": power,
    "schedulers": schedulers,
    "services": services,
}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for name in wanted:
        BENCHMARKS[name]()
