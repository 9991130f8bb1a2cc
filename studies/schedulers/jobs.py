"""Lists of jobs as in the published studies, in the columns of the generic trace.

The data are not part of this repository; they are looked for under ``../shared/data``.
"""

from __future__ import annotations

import ast
import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from twin.catalog.models import model
from twin.physics.scaling import best_goodput

DATA = Path(__file__).resolve().parents[3] / "shared/data"

GAVEL_GPUS = {"v100": "v100-32-sxm", "p100": "p100-pcie", "k80": "k80"}
SIA_REFERENCE = "t4"
SIA_MOST_GPUS = 16  # the largest size of the lists

# What one job of an application takes, in samples worth those of the nominal batch. Progress at the
# end of the runs in sia/models, times the nominal batch.
_SAMPLES = {"cifar10": 39_063 * 128, "imagenet": 576_526 * 200, "bert": 14_774 * 12}
# Two applications come without curves. They take those of a measured model, and the middle of their
# class in Pollux: 1 to 10 and 10 to 100 GPU hours (from memory), here on one T4.
STAND_INS = {"deepspeech2": ("bert", 3.2 * 3600), "yolov3": ("imagenet", 32 * 3600.0)}


@dataclass(frozen=True)
class GavelJobs:
    """Jobs of Gavel, and speeds of their models on each type of GPU over those on the V100."""

    jobs: pd.DataFrame
    speeds: dict[str, dict[str, float]]


def gavel(n: int, jobs_per_h: float, rng: np.random.Generator, *, several_gpus: bool) -> GavelJobs:
    """Jobs as Gavel's generator draws them: Poisson arrivals, all 26 kinds alike.

    Notes
    -----
    Minutes on a V100 are ten to a power between 1.5 and 3, or in one case of five between 3 and 4.
    With ``several_gpus`` 70 % of the jobs ask for 1, 10 % for 2, 15 % for 4 and 5 % for 8. The rate
    infinite stands for a batch that is there from the start.
    """
    rates = _gavel_rates()
    kinds = sorted({name for name, gpus in rates if gpus == 1})
    wide = sorted({name for name, gpus in rates if gpus == 8})
    rows = []
    for _ in range(n):
        gpus = int(rng.choice([1, 2, 4, 8], p=[0.7, 0.1, 0.15, 0.05])) if several_gpus else 1
        name = str(rng.choice(kinds if gpus == 1 else wide))
        power = rng.uniform(3, 4) if rng.random() >= 0.8 else rng.uniform(1.5, 3)
        rows.append((gpus, 60 * 10**power, name))
    gaps_s = rng.exponential(3600 / jobs_per_h, n)
    return _gavel_jobs(np.cumsum(gaps_s), rows, rates)


def gavel_trace(name: str) -> GavelJobs:
    """Jobs of one of Gavel's traces, whose steps tell how long they take on a V100."""
    rates = _gavel_rates()
    path = DATA / "gavel/traces" / name
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows, submit_s = [], []
    for line in text.decode().splitlines():
        part = line.split("\t")
        # Two layouts: seven fields with arrival and GPUs last, or ten with arrival last.
        steps, arrival_s, gpus = (
            (part[4], part[5], part[6]) if len(part) == 7 else (part[5], part[9], part[6])
        )
        if (part[0], int(gpus)) not in rates:
            continue  # never measured on so many GPUs: CycleGAN, A3C
        rows.append((int(gpus), float(steps) / rates[part[0], int(gpus)]["v100"], part[0]))
        submit_s.append(float(arrival_s))
    return _gavel_jobs(np.array(submit_s), rows, rates)


def _gavel_jobs(
    submit_s: np.ndarray,
    rows: list[tuple[int, float, str]],
    rates: dict[tuple[str, int], dict[str, float]],
) -> GavelJobs:
    speeds: dict[str, dict[str, float]] = {}
    fits: dict[str, str] = {}
    for gpus, _, kind in rows:
        label = _label(kind, gpus)
        on = rates[kind, gpus]
        # A rate of 0 means that the job did not run there; its GPUs are then not for it.
        speeds[label] = {GAVEL_GPUS[g]: on[g] / on["v100"] for g in GAVEL_GPUS if on[g] > 0}
        fits[label] = "" if all(on.values()) else "|".join(speeds[label])
    labels = [_label(kind, gpus) for gpus, _, kind in rows]
    jobs = pd.DataFrame(
        {
            "submit_s": submit_s,
            "run_s": [run_s for _, run_s, _ in rows],
            "gpus": [gpus for gpus, _, _ in rows],
            "model": labels,
            "gpu_types": [fits[label] for label in labels],
        }
    )
    return GavelJobs(jobs.sort_values("submit_s", kind="stable"), speeds)


def _label(kind: str, gpus: int) -> str:
    """A name for the model of a scenario: "LM, batch 20, x 4"."""
    return kind.replace(" (batch size ", ", batch ").replace(")", "") + f", x {gpus}"


@cache
def _gavel_rates() -> dict[tuple[str, int], dict[str, float]]:
    """(kind, GPUs) -> type of GPU -> iterations per second, for what runs on a V100 at all."""
    with gzip.open(DATA / "gavel/simulation_throughputs.json.gz", "rt", encoding="utf-8") as file:
        table = json.load(file)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for gpu in GAVEL_GPUS:
        for key, rates in table[gpu].items():
            found.setdefault(ast.literal_eval(key), {})[gpu] = float(rates["null"])
    return {key: on for key, on in found.items() if on.get("v100", 0.0) > 0}


def sia(kind: str, number: int) -> pd.DataFrame:
    """One of Sia's lists; each job may have from one GPU to `SIA_MOST_GPUS`."""
    listed = pd.read_csv(DATA / f"sia/workloads/{kind}/workload-{number}.csv")
    rows = []
    for application, gpus in zip(listed["application"], listed["num_replicas"], strict=True):
        name, one_s = STAND_INS.get(application, (application, None))
        one_s = one_s or _SAMPLES[application] / _goodput_per_s(name)
        rows.append((one_s / model(name).rate(int(gpus), -(-int(gpus) // 4), SIA_REFERENCE), name))
    return pd.DataFrame(
        {
            "submit_s": listed["time"],
            "run_s": [run_s for run_s, _ in rows],
            "gpus": listed["num_replicas"],
            "model": [name for _, name in rows],
            "min_gpus": 1,
            "max_gpus": SIA_MOST_GPUS,
        }
    )


@cache
def _goodput_per_s(name: str) -> float:
    """Samples a second on one T4, each weighed by its worth."""
    of, one = model(name), np.array([1])
    law = of.law(SIA_REFERENCE)
    assert of.adaptive is not None
    tuned = vars(of.adaptive)
    best = best_goodput(law.law, one, one, **tuned, local_limit=law.local_limit)
    return float(best.goodput_per_s[0])


def philly(
    n: int, mean_gap_s: float, rng: np.random.Generator, *, most_gpus: int, load_gpus: float
) -> pd.DataFrame:
    """Jobs of two minutes and more drawn from the Philly trace, with Poisson arrivals.

    Durations are divided by one number, so that they ask for ``load_gpus`` GPUs on average while
    they arrive; none is cut below two minutes. Each is a job of one of 20 users.
    """
    trace = _philly()
    trace = trace[trace["num_gpus"] <= most_gpus]
    drawn = trace.iloc[rng.integers(0, len(trace), n)]
    submit_s = np.cumsum(rng.exponential(mean_gap_s, n))
    gpus, run_s = drawn["num_gpus"].to_numpy(), drawn["duration"].to_numpy()
    asked_gpu_s = load_gpus * submit_s[-1]
    low, high = 1e-6, 1.0
    for _ in range(60):  # what is divided by grows until the rest is little enough
        scale = (low * high) ** 0.5
        too_much = (gpus * np.maximum(run_s * scale, 120.0)).sum() > asked_gpu_s
        low, high = (low, scale) if too_much else (scale, high)
    return pd.DataFrame(
        {
            "submit_s": submit_s,
            "run_s": np.maximum(run_s * low, 120.0),
            "gpus": gpus,
            "user": [f"u{user}" for user in rng.integers(0, 20, n)],
        }
    )


@cache
def _philly() -> pd.DataFrame:
    trace = pd.read_csv(DATA / "sia/philly.csv.gz", skip_blank_lines=True)
    return trace[trace["duration"] >= 120]


def tiresias_list() -> pd.DataFrame:
    """The list of 60 jobs that comes with Tiresias."""
    listed = pd.read_csv(DATA / "tiresias/60_job.csv")
    names = {"submit_time": "submit_s", "duration": "run_s", "num_gpu": "gpus"}
    return listed.rename(columns=names)[list(names.values())]
