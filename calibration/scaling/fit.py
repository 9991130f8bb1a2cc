"""Fit scaling laws and noise scales, and say how wrong they are on places they have not seen.

    python -m calibration.scaling.fit            refit; write the parameters and the tables
    python -m calibration.scaling.fit --check    refit and compare; exit code 1 if they moved

Run it from the root of the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize_scalar

from calibration.heterogeneity.measured import GAVEL_GPUS, SIA_GPUS, SIA_MODELS
from calibration.kept import error_table, plain, refit, told
from calibration.scaling.sweeps import Run, Step, read_gavel, read_runs, read_sia
from twin.physics.scaling import ScalingLaw, efficiency, step_s

Array = NDArray[np.float64]

HERE = Path(__file__).parent
FILE = HERE / "scaling.yaml"
HEADER = "# Made by calibration/scaling/fit.py; see its README. Do not edit by hand.\n"
GAVEL_JOBS = ("lm", "resnet18", "resnet50", "transformer")  # the others ran on one GPU alone
GAVEL_TYPES = ("p100", "k80")  # V100: 4 GPUs slower than 2, 8 faster by 5; not one machine
MOST_OVERLAP = 10.0
ROBUST = 0.1  # residuals of a log beyond this count linearly
FOLDS = 5
KINDS = ("in sample", "placements held out", "more GPUs than seen", "no exchange at all")


def predict(law: ScalingLaw, steps: Sequence[Step]) -> Array:
    """What the law makes of the measured places."""
    asked = np.array([(s.gpus, s.nodes, s.local_batch) for s in steps])
    return step_s(law, *asked.T)


def fit(steps: Sequence[Step]) -> ScalingLaw:
    """Least squares of log(step), robust; all times above zero, overlap from 1 to 10."""
    gpus, nodes, batch = np.array([(s.gpus, s.nodes, s.local_batch) for s in steps]).T
    measured = np.array([s.step_s for s in steps])
    least = float(measured.min())

    def law(x: Array) -> ScalingLaw:
        times = np.exp(x[:6])
        overlap = 1 + (MOST_OVERLAP - 1) / (1 + np.exp(-x[6]))
        return ScalingLaw(**dict(zip(NAMES, map(float, times), strict=True)), overlap=overlap)

    def residuals(x: Array) -> Array:
        off = np.log(step_s(law(x), gpus, nodes, batch) / measured)
        return np.concatenate([off, 1e-3 * (x - start)])  # what no row tells stays where it was

    shares = np.array([0.5, 0.5 / batch.mean(), 0.2, 0.01, 0.5, 0.02])
    start = np.append(np.log(least * shares), -1.0)
    best = least_squares(residuals, start, loss="soft_l1", f_scale=ROBUST, max_nfev=200)
    return law(best.x)


NAMES = ("step_s", "sample_s", "node_s", "node_gpu_s", "cluster_s", "cluster_gpu_s")


def of_machine(steps: Sequence[Step]) -> dict[str, Any]:
    """Law, limits and errors of one model on one kind of machine."""
    law = fit(steps)
    measured = np.array([s.step_s for s in steps])
    most = max(s.gpus for s in steps)
    alone = [s for s in steps if s.gpus == 1]
    lone = fit(alone)
    few, many = ([s for s in steps if (s.gpus <= most / 2) == small] for small in (True, False))
    pairs = {
        "in sample": (predict(law, steps), measured),
        "placements held out": folds(steps),
        "more GPUs than seen": (predict(fit(few), many), [s.step_s for s in many]),
        "no exchange at all": (
            lone.step_s + lone.sample_s * np.array([s.local_batch for s in steps]),
            measured,
        ),
    }
    return {
        "law": asdict(law),
        "local_limit": max(s.local_batch for s in alone),
        "most_gpus": most,
        "most_nodes": max(s.nodes for s in steps),
        "errors": {name: told(*pair) for name, pair in pairs.items()},
    }


def folds(steps: Sequence[Step]) -> tuple[Any, Any]:
    """Predicted and measured, each place by a fit that has not seen it at any batch."""
    places = sorted({s.place for s in steps})
    made, known = [], []
    for k in range(min(FOLDS, len(places))):
        out = set(places[k::FOLDS])
        test = [s for s in steps if s.place in out]
        made.append(predict(fit([s for s in steps if s.place not in out]), test))
        known.append([s.step_s for s in test])
    return np.concatenate(made), np.concatenate(known)


def of_noise(model: str) -> dict[str, Any]:
    """Noise scale of a model, in samples, and how well it foretells gains at other batches."""
    runs = read_runs(model)
    nominal = runs[0].batch
    held_out = [
        gains(noise_of([r for r in runs if r is not run], nominal), [run], nominal)[0]
        for run in runs[1:]
    ]
    parts = {"early": (0.0, 1 / 3), "late": (2 / 3, 1.0)} if model != "bert" else {}
    return {
        "nominal_batch": nominal,
        "most_batch": runs[-1].batch,
        "noise": noise_of(runs, nominal),
        **{
            f"noise_{name}": noise_of(read_runs(model, first=first, last=last), nominal)
            for name, (first, last) in parts.items()
        },
        "errors": {"batch held out": told(held_out, [run.gain for run in runs[1:]])},
    }


def noise_of(runs: Sequence[Run], nominal: int) -> float:
    """The noise scale whose gains are nearest to those of the runs."""

    def loss(log_noise: float) -> float:
        made = gains(float(np.exp(log_noise)), runs, nominal)
        return float(np.sum(np.log(made / np.array([run.gain for run in runs])) ** 2))

    return float(np.exp(minimize_scalar(loss, bounds=(0.0, 20.0), method="bounded").x))


def gains(noise: float, runs: Sequence[Run], nominal: int) -> Array:
    """Iterations at the nominal batch that one iteration of each run is worth."""
    batch = np.array([max(run.batch, nominal) for run in runs], float)
    return batch / nominal * efficiency(batch, nominal, noise)


def everything() -> dict[str, Any]:
    """What scaling.yaml holds."""
    laws: dict[str, Any] = {
        model: {gpu: of_machine(read_sia(model, type_)) for type_, gpu in SIA_GPUS.items()}
        for model in SIA_MODELS
    }
    laws |= {
        model: {GAVEL_GPUS[type_]: of_machine(read_gavel(model, type_)) for type_ in GAVEL_TYPES}
        for model in GAVEL_JOBS
    }
    found: dict[str, Any] = plain(
        {"laws": laws, "noise": {model: of_noise(model) for model in SIA_MODELS}}
    )
    return found


def tables(found: dict[str, Any]) -> str:
    """The tables of the README."""
    head = "| model | GPU | GPUs, nodes | rows |" + "".join(
        f" {kind}: median, p90 |" for kind in KINDS
    )
    lines = [head, "| --- | --- | ---: | ---: |" + " ---: |" * len(KINDS)]
    for model, gpus in found["laws"].items():
        for gpu, one in gpus.items():
            errors = (one["errors"][kind] for kind in KINDS)
            cells = " | ".join(f"{100 * e['median']:.1f} %, {100 * e['p90']:.0f} %" for e in errors)
            size = f"{one['most_gpus']}, {one['most_nodes']}"
            rows = one["errors"]["in sample"]["rows"]
            lines.append(f"| {model} | {gpu} | {size} | {rows} | {cells} |")
    noise = {name: one["errors"]["batch held out"] for name, one in found["noise"].items()}
    scales = "| model | nominal batch | noise scale | first third | last third |\n" + (
        "| --- | ---: | ---: | ---: | ---: |\n"
    )
    for name, one in found["noise"].items():
        parts = (one.get(key) for key in ("noise_early", "noise_late"))
        cells = " | ".join("-" if part is None else f"{part:.0f}" for part in parts)
        scales += f"| {name} | {one['nominal_batch']} | {one['noise']:.0f} | {cells} |\n"
    return "\n".join(
        [
            "### Steps\n",
            "\n".join(lines) + "\n",
            "### Noise scale, in samples\n",
            scales,
            "### Gain of an iteration at a batch held out\n",
            error_table(noise, "model"),
        ]
    )


if __name__ == "__main__":
    refit(everything, tables, FILE, HEADER, rtol=0.05)
