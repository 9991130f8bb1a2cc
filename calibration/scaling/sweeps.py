"""Steps over GPUs and nodes, and gradient noise, from Sia's and Gavel's tables; none kept here."""

from __future__ import annotations

import ast
import csv
import gzip
import json
from dataclasses import dataclass

from calibration.heterogeneity.measured import (
    GAVEL,
    GAVEL_GPUS,
    SIA,
    SIA_GPUS,
    SIA_MODELS,
    gavel_job,
)

__all__ = ["SIA_GPUS", "SIA_MODELS", "Run", "Step", "read_gavel", "read_runs", "read_sia"]


@dataclass(frozen=True)
class Step:
    """One measured step."""

    place: str  # "1124": GPUs on each node; of a place that was not told, its size
    gpus: int
    nodes: int
    local_batch: int
    step_s: float


@dataclass(frozen=True)
class Run:
    """Mean progress of one iteration at one batch, over a part of a training run."""

    batch: int
    gain: float  # iterations at the nominal batch that one iteration is worth


def read_sia(model: str, type_: str) -> list[Step]:
    """Both sweeps of one model on one kind of machine; points that stand in both count once."""
    found: dict[tuple[int, int, int, float], Step] = {}
    for kind in ("placements", "scalability"):
        with (SIA / model / f"{kind}-{type_}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):  # the order of columns differs between files
                if kind == "placements":
                    place = row["placement"]
                    gpus, nodes = sum(map(int, place)), len(place)
                else:
                    gpus, nodes = (int(float(row[key])) for key in ("num_replicas", "num_nodes"))
                    place = f"{gpus} on {nodes}"
                batch, step = int(float(row["local_bsz"])), float(row["step_time"])
                found.setdefault((gpus, nodes, batch, step), Step(place, gpus, nodes, batch, step))
    return list(found.values())


def read_gavel(model: str, type_: str) -> list[Step]:
    """Gavel's rates over 1 to 8 GPUs, read as iterations of all GPUs together.

    That reading is ours: rates grow with the GPUs at one batch size. Spread jobs count as one
    node per GPU.
    """
    assert type_ in GAVEL_GPUS
    with gzip.open(GAVEL, "rt", encoding="utf-8") as file:
        table = json.load(file)
    found = []
    for spread, key_ in ((False, type_), (True, f"{type_}_unconsolidated")):
        for key, rates in table[key_].items():
            job, gpus = ast.literal_eval(key)
            name, batch = gavel_job(job)
            if name != model or not rates["null"] > 0 or (spread and gpus == 1):
                continue
            nodes = gpus if spread else 1
            step_s = gpus / rates["null"]
            found.append(Step(f"{gpus} on {nodes}", gpus, nodes, batch, step_s))
    return found


def read_runs(model: str, *, first: float = 0.0, last: float = 1.0) -> list[Run]:
    """Gains of the training runs, between two shares of their progress."""
    found = []
    for path in sorted((SIA / model).glob("validation-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(float(r["progress"]), float(r["iteration"])) for r in csv.DictReader(file)]
        end = rows[-1][0]
        rows = [(0.0, 0.0), *rows] if first == 0 else rows
        rows = [(p, i) for p, i in rows if first * end <= p <= last * end * (1 + 1e-9)]
        gain = (rows[-1][0] - rows[0][0]) / (rows[-1][1] - rows[0][1])
        found.append(Run(int(path.stem.split("-")[1]), gain))
    return sorted(found, key=lambda run: run.batch)
