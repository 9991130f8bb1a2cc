"""Fit the roofline of two terms to steps on seven types of GPU, and say how wrong it is.

    python -m calibration.heterogeneity.fit            refit; write the parameters and the tables
    python -m calibration.heterogeneity.fit --check    refit and compare; exit code 1 if they moved

Run it from the root of the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from calibration.heterogeneity.measured import REFERENCE, Row, rows
from calibration.heterogeneity.model import Found, fit
from calibration.kept import error_table, plain, refit, told
from twin.catalog.achieved import data_sheet

HERE = Path(__file__).parent
FILE = HERE / "heterogeneity.yaml"
HEADER = "# Made by calibration/heterogeneity/fit.py; see its README. Do not edit by hand.\n"


def everything() -> dict[str, Any]:
    """What heterogeneity.yaml holds."""
    measured = rows()
    found, ratios = fit(measured), Ratios(measured)
    models, gpus = (
        sorted({getattr(row, name) for row in ratios.rows}) for name in ("model", "gpu")
    )
    unseen = {model: without_model(measured, model) for model in models}
    blind = {gpu: fit([row for row in measured if row.gpu != gpu]) for gpu in gpus}
    own = {
        model: told(*ratios.of(found, [r for r in ratios.rows if r.model == model]))
        for model in models
    }
    by_model = {
        model: ratios.of(each, [r for r in ratios.rows if r.model == model])
        for model, each in unseen.items()
    }
    by_gpu = {
        gpu: ratios.of(each, [r for r in ratios.rows if r.gpu == gpu])
        for gpu, each in blind.items()
    }
    result: dict[str, Any] = plain(
        {
            "reference": REFERENCE,
            "achieved": found.achieved,
            "default_achieved": found.default_achieved,
            "models": {name: asdict(work) for name, work in found.work.items()},
            "steps": told([found.step_s(r) for r in measured], [r.step_s for r in measured]),
            "errors": {
                "in sample": told(*ratios.of(found, ratios.rows)),
                "**model held out, measured on the V100 alone**": told(*joined(by_model)),
                "**type of GPU held out**": told(*joined(by_gpu)),
                "peak FLOP/s alone": told(*ratios.by_peak("flop_per_s")),
                "bandwidth alone": told(*ratios.by_peak("bytes_per_s")),
                "geometric mean of the other models": told(*ratios.by_mean()),
            },
            "by_model_in_sample": own,
            "by_model_held_out": {name: told(*pair) for name, pair in by_model.items()},
            "by_gpu_held_out": {name: told(*pair) for name, pair in by_gpu.items()},
        }
    )
    return result


def without_model(measured: Sequence[Row], model: str) -> Found:
    """A fit that has seen one of the models on the reference type alone."""
    return fit([row for row in measured if row.model != model or row.gpu == REFERENCE])


def joined(pairs: dict[str, tuple[Any, Any]]) -> list[Any]:
    return [np.concatenate(each) for each in zip(*pairs.values(), strict=True)]


class Ratios:
    """Speeds relative to the reference, of what was measured at one batch on both."""

    def __init__(self, measured: Sequence[Row]) -> None:
        self.base = {(r.model, r.batch): r.step_s for r in measured if r.gpu == REFERENCE}
        self.rows = [r for r in measured if r.gpu != REFERENCE and (r.model, r.batch) in self.base]

    def measured(self, some: Sequence[Row]) -> Any:
        """Of each row."""
        return np.array([self.base[r.model, r.batch] / r.step_s for r in some])

    def of(self, found: Found, some: Sequence[Row]) -> tuple[Any, Any]:
        """Predicted and measured."""
        made = np.array([found.relative(r.model, r.gpu, r.batch) for r in some])
        return made, self.measured(some)

    def by_peak(self, rate: str) -> tuple[Any, Any]:
        """Predicted by one line of the data sheet, and measured."""
        of = getattr(data_sheet(REFERENCE), rate)
        made = np.array([getattr(data_sheet(r.gpu), rate) / of for r in self.rows])
        return made, self.measured(self.rows)

    def by_mean(self) -> tuple[Any, Any]:
        """Predicted by what other models do on that type, and measured."""
        made = []
        for row in self.rows:
            others = [r for r in self.rows if r.gpu == row.gpu and r.model != row.model]
            made.append(np.exp(np.mean(np.log(self.measured(others)))))
        return np.array(made), self.measured(self.rows)


def tables(found: dict[str, Any]) -> str:
    """The tables of the README."""
    parts = ["### Speed relative to the V100\n", error_table(found["errors"], "prediction")]
    parts += ["### By model, held out\n", error_table(found["by_model_held_out"], "model")]
    parts += ["### By type of GPU, held out\n", error_table(found["by_gpu_held_out"], "GPU")]
    head = "| GPU | share of its data sheet, V100 = 1 |\n| --- | ---: |\n"
    parts += [
        "### What types reach\n",
        head + "".join(f"| {gpu} | {share:.2f} |\n" for gpu, share in found["achieved"].items()),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    refit(everything, tables, FILE, HEADER)
