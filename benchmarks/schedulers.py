"""What schedulers and placements cost to decide, by queue and by fleet, and whole Philly.

Times are of the processor. A busy cluster and its queue are made up; then jobs end and arrive one
at a time, and each decision is timed with the starts that it makes. A decision comes beside the
one of `fifo` in the same state, a whole run beside as many bare SimPy timeouts: those ratios
survive a machine that others use, bare times do not.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from twin.errors import PolicyError
from twin.kernel.hazards import nothing_fails
from twin.kernel.simulation import Simulation
from twin.policies.base import PlacementPolicy, Scheduler
from twin.policies.view import Placement, PoolView, Shape
from twin.registry import PLACEMENTS, SCHEDULERS, make_policy
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

ROOT = Path(__file__).resolve().parents[1]
# Waiting jobs and nodes of 8 GPUs: the queue grows on a fleet, then the fleet under a queue.
CASES = ((100, 1_250), (1_000, 1_250), (10_000, 1_250), (1_000, 64), (1_000, 12_500))
FEW = ((1, 2, 4, 8, 16, 32, 64, 128), (30, 15, 15, 25, 7, 4, 3, 1))  # sizes and their weights
HUNDREDS = (tuple(range(1, 513)), (1,) * 512)
EXACT = (1.0,)  # estimates over durations, all as likely
SHORT = (0.3, 0.6, 1.0, 1.5)
_STEP_S = 20.0  # between an arrival and the next; a running job ends halfway
_LIMIT_S = 30.0  # wall clock; who takes longer to decide is left out
# Of schedulers that cannot do without any, and of those that preempt only with some.
OPTIONS: dict[str, dict[str, Any]] = {
    "quotas": {"gpus": {"a": 100, "b": 100}},
    "multifactor": {"qos": {"urgent": 2, "normal": 1}},
}
Sizes = tuple[tuple[int, ...], tuple[int, ...]]


def busy(waiting: int, nodes: int, sizes: Sizes, steps: int, seed: int = 1) -> pd.DataFrame:
    """Jobs that fill the cluster at 0 s, a queue that comes at 1 s, then single arrivals.

    As many of those that fill it end, one by one, as arrive. The rest run on, as far as anybody
    knows for hours to days.
    """
    rng = np.random.default_rng(seed)
    asked, weights = sizes
    chance = np.array(weights) / sum(weights)
    largest = max(nodes * 8 // 4, 1)
    pick = np.minimum(rng.choice(asked, 2 * nodes * 8, p=chance), largest)
    fill = pick[: int(np.searchsorted(np.cumsum(pick), nodes * 8, "right"))]
    queue = np.minimum(rng.choice(asked, waiting + steps, p=chance), largest)
    run_s = rng.lognormal(10.0, 1.0, len(fill) + len(queue)) + _STEP_S * (steps + 1)
    ends = rng.choice(len(fill), min(steps, len(fill)), replace=False)
    run_s[ends] = 1.0 + _STEP_S * (np.arange(len(ends)) + 1.5)
    at_s = 1.0 + _STEP_S * (np.arange(steps) + 1.0)
    n = len(run_s)
    return job_table(
        {
            "submit_s": np.concatenate([np.zeros(len(fill)), np.ones(waiting), at_s]),
            "run_s": run_s,
            "gpus": np.concatenate([fill, queue]),
            "user": rng.choice([f"u{i}" for i in range(50)], n),
            "group": rng.choice(["a", "b", "c", "d"], n),
            "qos": rng.choice(["urgent", "normal"], n, p=[0.05, 0.95]),
            "deadline_s": run_s * 3 + 1000.0,
        }
    )


def timed_scheduler(policy: Scheduler, took_s: list[tuple[float, float]]) -> Scheduler:
    """The same scheduler, which takes down when it was asked and how long it took."""

    class Timed(type(policy)):  # type: ignore[misc]
        def choose(self, queue: Any, cluster: Any) -> Iterator[Any]:
            started = process_time()
            yield from super().choose(queue, cluster)
            took_s.append((cluster.now_s, process_time() - started))

    return _as(Timed, policy)


def timed_placement(policy: PlacementPolicy, took_s: list[float]) -> PlacementPolicy:
    """The same placement, which takes down how long it took."""

    class Timed(type(policy)):  # type: ignore[misc]
        def place_shape(self, shape: Shape, pool: PoolView) -> Placement | None:
            started = process_time()
            place: Placement | None = super().place_shape(shape, pool)
            took_s.append(process_time() - started)
            return place

    return _as(Timed, policy)


def _as(cls: type, policy: Any) -> Any:
    other = object.__new__(cls)
    other.__dict__.update(policy.__dict__)
    return other


def _play(
    jobs: pd.DataFrame,
    nodes: int,
    scheduler: Scheduler,
    placement: PlacementPolicy,
    steps: int,
    estimates: Sequence[float] = EXACT,
) -> None:
    estimate_s = jobs["run_s"].to_numpy() * np.random.default_rng(3).choice(estimates, len(jobs))
    site = lay_out([Pool("p", "node", "", 8, nodes)])
    reliability = nothing_fails() if scheduler.preempts else None
    simulation = Simulation(
        *(site, jobs, scheduler, placement, estimate_s),
        reliability=reliability,
        decision_limit_s=_LIMIT_S,
    )
    gc.collect()
    simulation.run(1.0 + _STEP_S * (steps + 1))


def decisions_s(
    name: str,
    waiting: int,
    nodes: int,
    sizes: Sizes = FEW,
    steps: int = 100,
    estimates: Sequence[float] = EXACT,
) -> tuple[float, list[float]]:
    """The first look at the queue, and each decision after it. [s]"""
    took_s: list[tuple[float, float]] = []
    policy = timed_scheduler(make_policy("schedulers", name, OPTIONS.get(name, {})), took_s)
    jobs = busy(waiting, nodes, sizes, steps)
    _play(jobs, nodes, policy, make_policy("placements", "best-fit", {}), steps, estimates)
    first_s = max((took for now_s, took in took_s if now_s == 1.0), default=0.0)
    return first_s, [took for now_s, took in took_s if now_s > 1.0]


def places_s(name: str, nodes: int, steps: int = 400) -> list[float]:
    """Each search for a place in a busy cluster, with or without success. [s]"""
    took_s: list[float] = []
    policy = timed_placement(make_policy("placements", name, {}), took_s)
    jobs = busy(50, nodes, FEW, steps)
    filling = int((jobs["submit_s"] == 0.0).sum())
    _play(jobs, nodes, make_policy("schedulers", "greedy", {}), policy, steps)
    return took_s[filling:]


def _least(runs: Sequence[list[float]]) -> list[float]:
    """Of the same decisions made several times, the least that each took. [s]"""
    return [min(times) for times in zip(*runs, strict=True)]


@contextmanager
def _left_out() -> Iterator[None]:
    """Who takes longer than the limit is left out of the table."""
    try:
        yield
    except PolicyError as error:
        if "takes more than" not in str(error):
            raise


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


def _figures(times_s: Sequence[float]) -> tuple[str, ...]:
    """Mean, median, 99th percentile and longest. [ms]"""
    p50_s, p99_s = np.percentile(times_s, [50, 99]).tolist()
    return tuple(map(_ms, (float(np.mean(times_s)), p50_s, p99_s, max(times_s))))


def scheduler_rows(
    cases: Sequence[tuple[int, int]] = CASES,
    names: Sequence[str] = (),
    repeats: int = 2,
    steps: int = 100,
    sizes: Sizes = FEW,
    estimates: Sequence[float] = EXACT,
) -> list[tuple[str, ...]]:
    """Each scheduler in each case: the repeats go in turn, and the least of each decision counts.

    The last cell is the noise: by how much the repeats' means differ, in the mean over repeats.
    """
    rows = []
    for waiting, nodes in cases:
        runs: dict[str, list[tuple[float, list[float]]]] = {}
        for _ in range(repeats):
            for name in dict.fromkeys(("fifo", *(names or SCHEDULERS.names()))):
                seen = runs.setdefault(name, [])
                with _left_out():
                    seen.append(decisions_s(name, waiting, nodes, sizes, steps, estimates))
        of_fifo_s = float(np.mean(_least([times for _, times in runs["fifo"]])))
        for name, seen in runs.items():
            where = (name, f"{waiting:,}", f"{nodes:,}")
            if len(seen) < repeats:
                rows.append((*where, *["-"] * 4, f"> {_LIMIT_S:g} s", "-", "-"))
                continue
            least = _least([times for _, times in seen])
            means = [float(np.mean(times)) for _, times in seen]
            rows.append(
                (
                    *where,
                    _ms(min(first_s for first_s, _ in seen)),
                    *_figures(least),
                    f"{float(np.mean(least)) / of_fifo_s:.1f}",
                    f"{100 * (max(means) / min(means) - 1):.0f} %",
                )
            )
    return rows


def placement_rows(
    fleets: Sequence[int] = (64, 1_250, 12_500),
    names: Sequence[str] = (),
    repeats: int = 2,
    steps: int = 400,
) -> list[tuple[str, ...]]:
    """Each placement on each fleet, beside `best-fit`; noise as for schedulers."""
    rows = []
    for nodes in fleets:
        runs: dict[str, list[list[float]]] = {}
        for _ in range(repeats):
            for name in dict.fromkeys(("best-fit", *(names or PLACEMENTS.names()))):
                with _left_out():
                    runs.setdefault(name, []).append(places_s(name, nodes, steps))
        base_s = float(np.mean(_least(runs["best-fit"])))
        for name, seen in runs.items():
            if len(seen) < repeats:  # the cluster was not filled in time
                rows.append((name, f"{nodes:,}", *["-"] * 6))
                continue
            least = _least(seen)
            means = [float(np.mean(times)) for times in seen]
            ratio = f"{float(np.mean(least)) / base_s:.1f}"
            noise = f"{100 * (max(means) / min(means) - 1):.0f} %"
            rows.append((name, f"{nodes:,}", *_figures(least), ratio, noise))
    return rows


def short_rows(
    cases: Sequence[tuple[int, int]] = ((1_000, 64), (1_000, 1_250), (1_000, 12_500)),
    repeats: int = 2,
    steps: int = 100,
) -> list[tuple[str, ...]]:
    """Conservative backfill where half of the estimates are too short: promises keep breaking."""
    return scheduler_rows(cases, ["conservative-backfill"], repeats, steps, estimates=SHORT)


def deep_rows(
    waiting: int = 5_000, nodes: int = 12_500, repeats: int = 3, steps: int = 100
) -> list[tuple[str, ...]]:
    """EASY on 100,000 GPUs with a deep queue, of few sizes and of hundreds."""
    rows = []
    for title, sizes in (("8 sizes", FEW), ("512 sizes", HUNDREDS)):
        found = scheduler_rows([(waiting, nodes)], ["easy-backfill"], repeats, steps, sizes)
        rows += [(title, *row) for row in found]
    return rows


_RUN = """
import json, resource, sys
sys.path.insert(0, "benchmarks")
from floor import timeouts_s
from twin.run import load, run
results = run(load(sys.argv[1]), sys.argv[2], report=sys.argv[3] == "report")
usage = resource.getrusage(resource.RUSAGE_SELF)
engine = results.summary["engine"]
bare_s = timeouts_s(engine["events"])
print(json.dumps(engine | {"cpu_s": usage.ru_utime + usage.ru_stime, "bare_s": bare_s}))
"""


def run_rows(scenarios: Sequence[Path], repeats: int = 2) -> list[tuple[str, ...]]:
    """Whole runs, each in a process of its own from its start to its end, without report and with.

    The least of the repeats, which go in turn, and the spread of them.
    """
    cases = [(path, how) for path in scenarios for how in ("results", "report")]
    runs: dict[tuple[Path, str], list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(repeats):
        for path, how in cases:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-c", _RUN, str(path), folder, how]
                done = subprocess.run(
                    command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
                )
            runs[path, how].append(json.loads(done.stdout))
    rows = []
    for (path, how), seen in runs.items():
        cpu_s = [each["cpu_s"] for each in seen]
        ratio = median(each["cpu_s"] / each["bare_s"] for each in seen)
        decisions = [f"{1e3 * seen[0][f'decision_{which}_s']:.3g}" for which in ("p50", "p99")]
        rows.append(
            (
                *(path.stem, how, f"{seen[0]['decisions']:,}"),
                *(f"{min(cpu_s):.1f}", f"{min(cpu_s):.1f} to {max(cpu_s):.1f}", f"{ratio:.0f}"),
                *decisions,
            )
        )
    return rows
