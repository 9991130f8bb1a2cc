"""Steps of models on one GPU, from Gavel's and Sia's tables; neither is part of this repository."""

from __future__ import annotations

import ast
import csv
import gzip
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

DATA = Path(__file__).parents[3] / "shared/data"
GAVEL = DATA / "gavel/simulation_throughputs.json.gz"
SIA = DATA / "sia/models"

# Names of the catalog: what each source calls the model, and its GPUs.
GAVEL_MODELS = {
    "A3C": "a3c",
    "CycleGAN": "cyclegan",
    "LM": "lm",
    "Recommendation": "recommendation",
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "Transformer": "transformer",
}
GAVEL_GPUS = {"k80": "k80", "p100": "p100-pcie", "v100": "v100-32-sxm"}
SIA_MODELS = ("bert", "cifar10", "imagenet")
SIA_GPUS = {
    "aws": "t4",
    "azure": "v100-32-sxm",
    "dgx-ext": "a100-40-sxm",
    "quad": "rtx-6000",
    "rtx": "rtx-2080-ti",
}
REFERENCE = "v100-32-sxm"  # the one type that both have


@dataclass(frozen=True)
class Row:
    """One measured step."""

    model: str
    gpu: str
    batch: int
    step_s: float


def rows() -> list[Row]:
    """All steps on one GPU."""
    return [*_gavel(), *_sia()]


def gavel_job(text: str) -> tuple[str, int]:
    """Name in the catalog and batch of "ResNet-50 (batch size 64)"; 1 where no batch is told."""
    found = re.fullmatch(r"(.*) \(batch size (\d+)\)", text)
    name, batch = (found[1], int(found[2])) if found else (text, 1)
    return GAVEL_MODELS[name], batch


def _gavel() -> list[Row]:
    with gzip.open(GAVEL, "rt", encoding="utf-8") as file:
        table = json.load(file)
    found = []
    for type_, gpu in GAVEL_GPUS.items():
        for key, rates in table[type_].items():
            job, gpus = ast.literal_eval(key)
            if gpus == 1 and rates["null"] > 0:  # 0.0: does not fit
                name, batch = gavel_job(job)
                found.append(Row(name, gpu, batch, 1 / rates["null"]))
    return found


def _sia() -> list[Row]:
    found = []
    for model in SIA_MODELS:
        for type_, gpu in SIA_GPUS.items():
            steps: dict[int, set[float]] = defaultdict(set)  # files repeat each other's rows
            for kind, one in (("placements", "placement"), ("scalability", "num_replicas")):
                path = SIA / model / f"{kind}-{type_}.csv"
                with path.open(encoding="utf-8", newline="") as file:
                    for line in csv.DictReader(file):
                        if line[one] in ("1", "1.0"):
                            batch = int(float(line["local_bsz"]))
                            steps[batch].add(float(line["step_time"]))
            found += [
                Row(model, gpu, batch, median(times)) for batch, times in sorted(steps.items())
            ]
    return found
