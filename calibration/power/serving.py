"""Power of H100 while they serve chat, against the work in a batch: forms, held out by model.

Rows are saturated deployments of 16 models, prompts and answers mixed, on 1 to 8 GPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

from twin.catalog import parts

Array = NDArray[np.float64]
Form = Callable[[Array, pd.DataFrame], Array]

FILE = Path(__file__).parents[2] / (
    "../shared/data/mlenergy_leaderboard/tasks/lm-arena-chat_h100.csv"
)
SCALE = 0.05
H100 = parts.gpu("h100-sxm")
IDLE_W = float(H100.idle_w or 0.0)


def read_rows() -> pd.DataFrame:
    """A row a deployment, with power per GPU and what its GPUs do per second."""
    rows = pd.read_csv(FILE)
    bytes_each = np.where(rows.weight_precision == "fp8", 1.0, 2.0)
    active, total = rows.activated_params_billions, rows.total_params_billions
    tokens_per_s = rows.output_throughput_tokens_per_sec
    batch = rows.avg_batch_size
    # A mixture of experts reads those that any token of the batch asks for.
    touched = total * (1 - (1 - (active / total).clip(upper=1)) ** batch)
    read_per_s = 1e9 * touched * bytes_each * tokens_per_s / batch / rows.num_gpus
    flop_per_s = 2e9 * active * tokens_per_s / rows.num_gpus
    return pd.DataFrame(
        {
            "model": rows.model_id,
            "size": [f"{a:g} of {t:g}" for a, t in zip(active, total, strict=True)],
            "deployment": rows.model_id + " " + rows.num_gpus.astype(str) + rows.weight_precision,
            "dense": (active == total) | active.isna(),
            "batch": batch,
            "work": batch * active / rows.num_gpus,  # 1e9 parameters used per step and GPU
            "memory": read_per_s / float(H100.memory_bytes_per_s or 1),
            "compute": flop_per_s / float(H100.bf16_flop_per_s or 1),
            "power_w": rows.avg_power_watts / rows.num_gpus,
        }
    )


def _constant(p: Array, rows: pd.DataFrame) -> Array:
    return np.full(len(rows), p[0])


def _batch(p: Array, rows: pd.DataFrame) -> Array:
    return np.asarray(IDLE_W + p[0] + p[1] * rows.batch / (rows.batch + p[2]), float)


def _two_resources(p: Array, rows: pd.DataFrame) -> Array:
    return np.asarray(IDLE_W + p[0] + p[1] * rows.memory + p[2] * rows["compute"], float)


def _work(p: Array, rows: pd.DataFrame) -> Array:
    return np.asarray(IDLE_W + p[0] + p[1] * rows.work / (rows.work + p[2]), float)


FORMS: dict[str, tuple[Form, list[float]]] = {
    "constant": (_constant, [500.0]),
    "saturating in the batch": (_batch, [300.0, 300.0, 64.0]),
    "bytes and operations per second": (_two_resources, [300.0, 100.0, 500.0]),
    "saturating in work": (_work, [300.0, 250.0, 500.0]),
}


def fit(form: str, rows: pd.DataFrame) -> Array:
    """Parameters of a form, none below zero."""
    function, start = FORMS[form]

    def wrong(p: Array) -> Array:
        return np.asarray(np.log(function(p, rows) / rows.power_w.to_numpy()), float)

    best = least_squares(
        wrong, start, bounds=(0, np.inf), x_scale=start, loss="soft_l1", f_scale=SCALE
    )
    return np.asarray(best.x, float)


def everything() -> dict[str, Any]:
    """Parameters of the form for use, and the errors of all on models held out by size."""
    rows = read_rows()
    base, range_w, half = fit("saturating in work", rows)
    errors: dict[str, dict[str, list[float]]] = {
        form: {"all": [], "dense": [], "one_row_known": []} for form in FORMS
    }
    for size in sorted(rows["size"].unique()):  # two models of one size leave together
        seen, unseen = rows[rows["size"] != size], rows[rows["size"] == size]
        for form, (function, _) in FORMS.items():
            p, of_form = fit(form, seen), errors[form]
            for _, one in unseen.groupby("deployment"):
                power_w = one.power_w.to_numpy()
                told_w = function(p, one)
                error = list(told_w / power_w - 1)
                of_form["all"] += error
                of_form["dense"] += error if one.dense.all() else []
                scaled_w = IDLE_W + (told_w - IDLE_W) * (power_w[0] - IDLE_W) / (told_w[0] - IDLE_W)
                of_form["one_row_known"] += list((scaled_w / power_w - 1)[1:])
    return {
        "source": "ml-energy/leaderboard @ 0cd52dab, lm-arena-chat on H100",
        "rows": len(rows),
        "models": rows.model.nunique(),
        "law": {
            "idle_w": IDLE_W,
            "loaded_w": IDLE_W + base,
            "saturated_w": IDLE_W + base + range_w,
            "half_work": half,
        },
        "held_out": {
            form: {
                which: {
                    "median": float(np.median(np.abs(values))),
                    "p90": float(np.quantile(np.abs(values), 0.9)),
                }
                for which, values in of_form.items()
            }
            for form, of_form in errors.items()
        },
    }
