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
from calibration.interference.pairs import GAVEL_SETS, SETS, Job, Pair, read, read_memory
from calibration.interference.slices import of_slices
from calibration.kept import error_table, plain, refit, told
from twin.physics.interference import Sharing, shared_rates

HERE = Path(__file__).parent
FILE = HERE / "interference.yaml"
HEADER = "# Made by calibration/interference/fit.py; see its README. Do not edit by hand.\n"
FOLDS = 5
PARTNER = "resnet18"  # the one model beside which a model held out was measured; in all sets


def of_set(which: str) -> dict[str, Any]:
    """What interference.yaml holds of one set of pairs: in turns, and side by side."""
    pairs = read(which)
    measured = rates_of(pairs)
    found = of_law(which, pairs, "time-sliced", "turn")
    unit = found["jobs"][PARTNER]["turn"]  # turns have no unit of their own
    for one in found["jobs"].values():
        one["turn"] /= unit
    trivial = {
        "no slow-down": told(np.ones_like(measured), measured),
        "half the speed each": told(np.full_like(measured, 0.5), measured),
        "the mean speed of the other pairs": told(*means(pairs)),
    }
    if which == "lucid":
        trivial["busy in proportion to the GPU's own counter"] = told(*by_counter(pairs))
    return {
        "pairs": len(pairs),
        **found,
        "side_by_side": of_law(which, pairs, "concurrent", "fill"),
        "trivial": trivial,
    }


def of_law(which: str, pairs: Sequence[Pair], sharing: Sharing, second: str) -> dict[str, Any]:
    """Two numbers a model under one law, and the errors of that law."""
    found = fit(pairs, sharing)
    kept = {
        name: dict(
            zip(("busy", second), found.job(Job(name, round(found.middle[name]))), strict=True)
        )
        | {"batch": round(found.middle[name])}
        for name in found.rows
    }
    measured = rates_of(pairs)
    errors = {
        "in sample": told(found.rates(pairs), measured),
        "pairs held out": told(*folds(pairs, sharing)),
        f"**model held out, seen beside {PARTNER} alone**": told(
            *without_models(pairs, PARTNER, sharing)
        ),
        "model held out, not seen at all": told(*without_models(pairs, None, sharing)),
    }
    if which in GAVEL_SETS:
        others = [pair for other in GAVEL_SETS if other != which for pair in read(other)]
        errors["GPU type held out: of the other two"] = told(
            fit(others, sharing).rates(pairs), measured
        )
    return {"jobs": kept, "errors": errors}


def folds(pairs: Sequence[Pair], sharing: Sharing = "time-sliced") -> tuple[Any, Any]:
    """Predicted and measured, each pair by a fit without it."""
    made, known = [], []
    for out, train in _folded(pairs):
        made.append(fit(train, sharing).rates(out))
        known.append(rates_of(out))
    return np.concatenate(made), np.concatenate(known)


def means(pairs: Sequence[Pair]) -> tuple[Any, Any]:
    """Predicted and measured: for each pair the mean speed of those that are not held out."""
    made, known = [], []
    for out, train in _folded(pairs):
        known.append(rates_of(out))
        made.append(np.full_like(known[-1], rates_of(train).mean()))
    return np.concatenate(made), np.concatenate(known)


def _folded(pairs: Sequence[Pair]) -> list[tuple[list[Pair], list[Pair]]]:
    """Pairs held out, and the others."""
    return [
        (list(pairs[k::FOLDS]), [p for i, p in enumerate(pairs) if i % FOLDS != k])
        for k in range(FOLDS)
    ]


def without_models(
    pairs: Sequence[Pair], partner: str | None = None, sharing: Sharing = "time-sliced"
) -> tuple[Any, Any]:
    """Predicted and measured of all pairs of each model, by fits that know at most one partner."""
    made, known = [], []
    for model in sorted({job.model for pair in pairs for job in pair.jobs} - {partner}):
        has = [any(job.model == model for job in pair.jobs) for pair in pairs]
        seen = [partner in (job.model for job in pair.jobs) for pair in pairs]
        train = [p for p, h, s in zip(pairs, has, seen, strict=True) if not h or s]
        test = [p for p, h, s in zip(pairs, has, seen, strict=True) if h and not s]
        if test:
            made.append(fit(train, sharing).rates(test))
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
        {which: of_set(which) for which in SETS}
        | {"slices": of_slices(), "memory": memory(read_memory())}
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
        beside = one["side_by_side"]
        parts.append(f"### {which}: {one['pairs']} pairs, two speeds each\n")
        parts.append(error_table(one["errors"], "in turns"))
        parts.append(error_table(beside["errors"], "side by side"))
        parts.append(error_table(one["trivial"], "trivial"))
        head = "| model | batch | in turns: busy | turn | side by side: busy | fill |\n"
        head += "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        rows = (
            f"| {name} | {job['batch']} | {job['busy']:.2f} | {job['turn']:.2f} | "
            f"{beside['jobs'][name]['busy']:.2f} | {beside['jobs'][name]['fill']:.2f} |\n"
            for name, job in one["jobs"].items()
        )
        parts.append(head + "".join(rows))
    parts.append("### slices of an A100: seven networks alone\n")
    parts.append(error_table(found["slices"]["errors"], "prediction"))
    parts.append(
        "| network | busy | fill |\n| --- | ---: | ---: |\n"
        + "".join(
            f"| {name} | {job['busy']:.2f} | {job['fill']:.2f} |\n"
            for name, job in found["slices"]["jobs"].items()
        )
    )
    return "\n".join(parts)


if __name__ == "__main__":
    refit(everything, tables, FILE, HEADER, rtol=0.05)
