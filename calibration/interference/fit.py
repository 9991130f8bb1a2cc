"""Fit what jobs ask of a shared GPU to measured pairs, and say how wrong it is.

    python -m calibration.interference.fit            refit; write the parameters and the tables
    python -m calibration.interference.fit --check    refit and compare; exit code 1 if they moved

Run it from the root of the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from calibration.interference.model import fit, rates_of
from calibration.interference.pairs import SETS, Job, Pair, read, read_memory
from calibration.kept import error_table, plain, refit, told
from twin.physics.interference import shared_rates

HERE = Path(__file__).parent
FILE = HERE / "interference.yaml"
HEADER = "# Made by calibration/interference/fit.py; see its README. Do not edit by hand.\n"
FOLDS = 5
PARTNER = "resnet18"  # the one model beside which a model held out was measured; in all sets


def of_set(which: str) -> dict[str, Any]:
    """What interference.yaml holds of one set of pairs."""
    pairs = read(which)
    found, measured = fit(pairs), rates_of(pairs)
    kept = {
        name: dict(
            zip(("busy", "turn"), found.job(Job(name, round(found.middle[name]))), strict=True)
        )
        | {"batch": round(found.middle[name])}
        for name in found.rows
    }
    unit = kept[PARTNER]["turn"]  # turns have no unit of their own
    for one in kept.values():
        one["turn"] /= unit
    errors = {
        "in sample": told(found.rates(pairs), measured),
        "pairs held out": told(*folds(pairs)),
        f"**model held out, seen beside {PARTNER} alone**": told(*without_models(pairs, PARTNER)),
        "model held out, not seen at all": told(*without_models(pairs)),
        "no slow-down": told(np.ones_like(measured), measured),
        "half the speed each": told(np.full_like(measured, 0.5), measured),
    }
    if which == "lucid":
        errors["busy in proportion to the GPU's own counter"] = told(*by_counter(pairs))
    return {"pairs": len(pairs), "jobs": kept, "errors": errors}


def folds(pairs: Sequence[Pair]) -> tuple[Any, Any]:
    """Predicted and measured, each pair by a fit without it."""
    made, known = [], []
    for k in range(FOLDS):
        out = pairs[k::FOLDS]
        made.append(fit([p for i, p in enumerate(pairs) if i % FOLDS != k]).rates(out))
        known.append(rates_of(out))
    return np.concatenate(made), np.concatenate(known)


def without_models(pairs: Sequence[Pair], partner: str | None = None) -> tuple[Any, Any]:
    """Predicted and measured of all pairs of each model, by fits that know at most one partner."""
    made, known = [], []
    for model in sorted({job.model for pair in pairs for job in pair.jobs} - {partner}):
        has = [any(job.model == model for job in pair.jobs) for pair in pairs]
        seen = [partner in (job.model for job in pair.jobs) for pair in pairs]
        train = [p for p, h, s in zip(pairs, has, seen, strict=True) if not h or s]
        test = [p for p, h, s in zip(pairs, has, seen, strict=True) if h and not s]
        if test:
            made.append(fit(train).rates(test))
            known.append(rates_of(test))
    return np.concatenate(made), np.concatenate(known)


def by_counter(pairs: Sequence[Pair]) -> tuple[Any, Any]:
    """Predicted from the share of time in which the GPU says that a kernel ran, and measured."""
    used, measured = np.array([pair.used for pair in pairs]), rates_of(pairs)

    def loss(scale: float) -> float:
        return float(np.abs(shared_rates(scale * used) - measured).sum())

    scale = minimize_scalar(loss, bounds=(0.1, 1.0), method="bounded").x
    return shared_rates(scale * used), measured


def everything() -> dict[str, Any]:
    """What interference.yaml holds."""
    found: dict[str, Any] = plain(
        {which: of_set(which) for which in SETS} | {"memory": memory(read_memory())}
    )
    return found


def memory(taken: dict[str, dict[int, float]]) -> dict[str, Any]:
    """Memory at the middle batch by a straight line over batches, in single precision."""
    found = {}
    for model, by_batch in taken.items():
        batch, used = np.array(list(by_batch)), np.array(list(by_batch.values()))
        middle = float(np.exp(np.mean(np.log(batch))))
        slope, level = np.polyfit(batch, used, 1) if len(batch) > 1 else (0.0, used[0])
        found[model] = {"batch": round(middle), "bytes": float(f"{level + slope * middle:.2g}")}
    return found


def tables(found: dict[str, Any]) -> str:
    """The tables of the README."""
    parts = []
    for which in SETS:
        one = found[which]
        parts.append(f"### {which}: {one['pairs']} pairs, two speeds each\n")
        parts.append(error_table(one["errors"], "prediction"))
        head = "| model | batch | busy | turn |\n| --- | ---: | ---: | ---: |\n"
        rows = (
            f"| {name} | {job['batch']} | {job['busy']:.2f} | {job['turn']:.2f} |\n"
            for name, job in one["jobs"].items()
        )
        parts.append(head + "".join(rows))
    return "\n".join(parts)


if __name__ == "__main__":
    refit(everything, tables, FILE, HEADER, rtol=0.05)
