"""What power costs a run, against the same run without it, and what a decision costs."""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from twin.build import build
from twin.kernel.capping import Capping
from twin.kernel.simulation import Simulation
from twin.registry import POWER
from twin.run import load, run
from twin.scenario.schema import Scenario

ROOT = Path(__file__).resolve().parents[1]
_NODE = "site.pools[gpus].node=dgx-h100"
# At its peak the site draws 1.07 MW. Where the cap binds decisions take most of it: once will do.
CAPS = ("none", "1.2 MW", "1.0 MW")
SIZES = (100, 1_000, 5_000)


def with_power(cap: str) -> list[str]:
    """Overrides of a Philly scenario: power with a cap of the site, or without the section."""
    if cap == "none":
        return [_NODE]
    return [_NODE, f"power={json.dumps({'levels': {'site': {'rating': cap}}})}"]


def kernel_s(scenario: Scenario) -> float:
    """CPU time of the simulation alone. [s]"""
    built = build(scenario)
    simulation = Simulation(
        built.site,
        built.workload.jobs,
        built.scheduler,
        built.placement,
        built.estimate_s,
        built.reliability,
        built.powering,
    )
    gc.collect()
    started = time.process_time()
    simulation.run(scenario.horizon_s)
    return time.process_time() - started


def whole_s(scenario: Scenario, out: str) -> tuple[float, dict[str, float]]:
    """CPU time from the scenario to its results without the report [s], and figures of them."""
    gc.collect()
    started = time.process_time()
    results = run(scenario, out, report=False)
    took_s = time.process_time() - started
    power = results.summary.get("power") or {}
    return took_s, {name: power.get(name) or 0.0 for name in ("peak_w", "throttled_fraction")}


def philly_rows(rounds: int = 5) -> list[tuple[str, ...]]:
    """Whole Philly with and without power, in turn in one process; ratios round by round."""
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as out:
        for name in ("fifo-96", "easy-96"):
            path = ROOT / "scenarios" / "philly" / f"{name}.yaml"
            scenarios = {cap: load(path, with_power(cap)) for cap in CAPS}
            kernel: dict[str, list[float]] = {cap: [] for cap in CAPS}
            whole: dict[str, list[float]] = {cap: [] for cap in CAPS}
            seen: dict[str, dict[str, float]] = {}
            for turn in range(rounds):
                for cap, scenario in scenarios.items():
                    if turn and seen[cap]["throttled_fraction"]:
                        continue
                    kernel[cap].append(kernel_s(scenario))
                    took_s, seen[cap] = whole_s(scenario, out)
                    whole[cap].append(took_s)
            rows += [
                (
                    name,
                    cap,
                    f"{seen[cap]['peak_w'] / 1e6:.3f}" if seen[cap]["peak_w"] else "-",
                    f"{100 * seen[cap]['throttled_fraction']:.2f} %",
                    f"{median(kernel[cap]):.2f}",
                    _ratio(kernel[cap], kernel["none"]),
                    f"{median(whole[cap]):.2f}",
                    _ratio(whole[cap], whole["none"]),
                )
                for cap in CAPS
            ]
    return rows


def _ratio(ours: list[float], others: list[float]) -> str:
    each = [a / b for a, b in zip(ours, others, strict=False)]
    return f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


@contextmanager
def decisions() -> Iterator[list[float]]:
    """How long every decision takes meanwhile, from the meters to the clocks. [s]"""
    taken: list[float] = []
    decide = Capping._decide

    def timed(self: Capping, event: object) -> None:
        started = time.perf_counter()
        decide(self, event)  # type: ignore[arg-type]
        taken.append(time.perf_counter() - started)

    Capping._decide = timed  # type: ignore[method-assign]
    try:
        yield taken
    finally:
        Capping._decide = decide  # type: ignore[method-assign]


def large_row(path: Path) -> tuple[str, ...]:
    """A whole run in which a cap moves all the time."""
    with tempfile.TemporaryDirectory() as out, decisions() as taken:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        results = run(load(path), out, report=False)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        summary = results.summary
    return (
        path.stem,
        f"{summary['site']['gpus']:,}",
        f"{summary['engine']['events']:,}",
        f"{wall:.1f}",
        f"{cpu:.1f}",
        f"{len(taken):,}",
        f"{1e3 * sum(taken) / len(taken):.1f}",
        f"{1e3 * max(taken):.0f}",
    )


def decision_rows() -> list[tuple[str, ...]]:
    """Time per decision of each policy, by how many jobs run; a cap comes and goes."""
    rows = []
    for policy in POWER.names():
        cells = [policy]
        for jobs in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "decisions.yaml"
                path.write_text(json.dumps(_crowd(policy, jobs)))
                with decisions() as taken:
                    run(load(path), folder, report=False)
            cells.append(f"{1e3 * median(taken):.1f}" if taken else "-")
        rows.append(tuple(cells))
    return rows


def _crowd(policy: str, jobs: int) -> dict[str, object]:
    """So many jobs of a node each, of which half may draw their fill every other minute."""
    cap = {"at": "1 min", "lasts": "1 min", "every": "2 min", "cap": f"{8 * jobs} kW"}
    kinds = ("training", "batch", "serving")
    return {
        "name": "decisions",
        "horizon": "20 min",
        "site": {"pools": [{"name": "p", "node": "dgx-h100", "nodes": jobs}]},
        "workload": {
            "jobs": [
                {"name": kind, "kind": kind, "gpus": 8, "run": "1 day", "count": jobs // 3 + 1}
                for kind in kinds
            ]
        },
        "power": {"levels": {"rack": {"oversubscription": 1.2}}, "caps": [cap]},
        "policies": {"power": {policy: {} if policy == "uncapped" else _AT_ONCE}},
    }


_AT_ONCE = {"period": "0 s", "delay": "0 s"}
