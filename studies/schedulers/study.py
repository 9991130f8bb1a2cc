"""One study: the same jobs under several schedulers and seeds, and their ratios with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import t

from twin.results.store import Results
from twin.run import load, run

Measure = Callable[[Results], float]


@dataclass(frozen=True)
class Study:
    """What is run: a site and costs, schedulers by name, jobs by seed.

    Attributes
    ----------
    base : mapping
        Sections of a scenario, without workload and scheduler.
    schedulers : mapping
        Name -> the scheduler as a scenario has it.
    jobs : callable
        Seed -> the section ``workload``; a table under ``jobs`` becomes its trace.
    seeds : sequence of int
    """

    base: Mapping[str, Any]
    schedulers: Mapping[str, Any]
    jobs: Callable[[int], dict[str, Any]]
    seeds: Sequence[int] = (1, 2, 3, 4, 5)
    measures: Mapping[str, Measure] = field(default_factory=lambda: {"jct_s": mean_jct_s})

    def table(self) -> pd.DataFrame:
        """One row a seed and scheduler, one column a measure."""
        rows = []
        for seed in self.seeds:
            workload = self.jobs(seed)
            with TemporaryDirectory() as folder:
                if (listed := workload.pop("jobs", None)) is not None:
                    path = Path(folder) / "jobs.parquet"
                    listed.reset_index(drop=True).to_parquet(path)
                    workload["trace"] = {"path": str(path), "format": "generic"}
                for name, scheduler in self.schedulers.items():
                    results = run(self._scenario(Path(folder), seed, workload, scheduler), folder,
                                  report=False)  # fmt: skip
                    measured = {key: of(results) for key, of in self.measures.items()}
                    rows.append({"seed": seed, "scheduler": name, **measured})
        return pd.DataFrame(rows).set_index(["scheduler", "seed"])

    def _scenario(self, folder: Path, seed: int, workload: dict[str, Any], scheduler: Any) -> Any:
        text = {
            "name": "study",
            "seed": seed,
            "horizon": "drained",
            **self.base,
            "workload": workload,
            "policies": {**self.base.get("policies", {}), "scheduler": scheduler},
        }
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
        return load(path)


def mean_jct_s(results: Results) -> float:
    """Mean completion time of the jobs. [s]"""
    return float(results.summary["jct_s"]["mean"])


def p99_jct_s(results: Results) -> float:
    """99th percentile of the completion times. [s]"""
    return float(results.summary["jct_s"]["p99"])


def slowdown(results: Results) -> float:
    """Mean bounded slowdown."""
    return float(results.summary["bounded_slowdown"]["mean"])


def makespan_s(results: Results) -> float:
    """From the first submit to the last end. [s]"""
    return float(results.summary["makespan_s"])


def middle_jct_s(results: Results) -> float:
    """Mean completion time of the middle half of the jobs by submit: warm, and not yet draining."""
    jobs = results.jobs
    n = len(jobs)
    return float(jobs["jct_s"].iloc[n // 4 : n - n // 4].mean())


def rho_max(results: Results) -> float:
    """Worst finish-time fairness of a completed job; NaN where there is one tenant."""
    return float(results.summary["scheduling"].get("rho_max", float("nan")))


def ratio(table: pd.DataFrame, of: str, over: str, measure: str = "jct_s") -> tuple[float, float]:
    """Geometric mean over the seeds of one scheduler's measure over another's, and its interval.

    Returns
    -------
    tuple of float
        The mean, and the factor either side that makes a 95 % interval by Student's law of the
        logarithms; 1 where there is a single seed.
    """
    logs = np.log(table.loc[of, measure].to_numpy() / table.loc[over, measure].to_numpy())
    n = len(logs)
    width = t.ppf(0.975, n - 1) * logs.std(ddof=1) / n**0.5 if n > 1 else 0.0
    return float(np.exp(logs.mean())), float(np.exp(width))


def told(found: tuple[float, float]) -> str:
    """ "3.1 (2.6 to 3.7)"."""
    middle, factor = found
    low, high = middle / factor, middle * factor
    return f"{middle:.2f}" if factor == 1 else f"{middle:.2f} ({low:.2f} to {high:.2f})"
