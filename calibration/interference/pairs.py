"""Pairs of jobs measured on one GPU, from Gavel's and Lucid's tables; neither is kept here."""

from __future__ import annotations

import ast
import csv
import gzip
import json
from dataclasses import dataclass

from calibration.heterogeneity.measured import DATA, GAVEL, GAVEL_GPUS, gavel_job

LUCID = DATA / "lucid"  # S-Lab License 1.0: not for commercial use; only what is fitted is kept
GAVEL_SETS = ("p100", "k80", "v100")
SETS = (*GAVEL_SETS, "lucid")
# A card of 24 GB, by the memory that pairs took; which one is not told.
LUCID_MODELS = {
    "DCGAN": "dcgan",
    "EfficientNet": "efficientnet",
    "LSTM": "lstm",
    "MobileNetV2": "mobilenetv2",
    "MobileNetV3": "mobilenetv3",
    "NeuMF": "neumf",
    "PPO": "ppo",
    "PointNet": "pointnet",
    "ResNet18": "resnet18",
    "TD3": "td3",
    "VGG": "vgg",
}


@dataclass(frozen=True)
class Job:
    """One side of a pair."""

    model: str
    batch: int
    amp: bool = False


@dataclass(frozen=True)
class Pair:
    """Two jobs, and the speed of each relative to being alone, at most 1."""

    jobs: tuple[Job, Job]
    rates: tuple[float, float]
    used: tuple[float, float] = (1.0, 1.0)  # share of time with a kernel running, each alone


def read(which: str) -> list[Pair]:
    """The pairs of one set."""
    return _lucid() if which == "lucid" else _gavel(which)


def _gavel(type_: str) -> list[Pair]:
    with gzip.open(GAVEL, "rt", encoding="utf-8") as file:
        table = json.load(file)[type_]
    assert type_ in GAVEL_GPUS
    found = []
    for key, rates in table.items():
        job, gpus = ast.literal_eval(key)
        for other, both in rates.items():
            if gpus != 1 or other == "null" or not min(both) > 0:  # 0.0: the two do not fit
                continue
            if key > other:  # each pair stands twice, mirrored
                continue
            one, two = both[0] / rates["null"], both[1] / table[other]["null"]
            jobs = Job(*gavel_job(job)), Job(*gavel_job(ast.literal_eval(other)[0]))
            found.append(Pair(jobs, (min(one, 1.0), min(two, 1.0))))
    return found


def _lucid() -> list[Pair]:
    with (LUCID / "single_data.csv").open(encoding="utf-8", newline="") as file:
        alone = {
            (row["model"], row["batchsize"], row["amp"]): min(1.0, float(row["gpu_util"]) / 100)
            for row in csv.DictReader(file)
        }
    found = []
    with (LUCID / "colocate_info.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            keys = [(row[f"model{i}"], row[f"batchsize{i}"], row[f"amp{i}"]) for i in (1, 2)]
            one, two = (Job(LUCID_MODELS[m], int(b), a == "1") for m, b, a in keys)
            rates = min(1.0, float(row["speed1"])), min(1.0, float(row["speed2"]))
            found.append(Pair((one, two), rates, (alone[keys[0]], alone[keys[1]])))
    return found


def read_memory() -> dict[str, dict[int, float]]:
    """Memory that each model took alone in single precision, by batch. [bytes]"""
    others = {"BERT": "bert", "ResNet50": "resnet50", "Transformer": "transformer"}
    found: dict[str, dict[int, float]] = {}
    with (LUCID / "single_data.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["amp"] == "0":
                model = (LUCID_MODELS | others)[row["model"]]
                of = found.setdefault(model, {})
                of[int(row["batchsize"])] = float(row["gmem"]) * 2**20
    return found
