"""Put what the calibrations of speeds found into the catalog.

    python -m calibration.models            write twin/catalog/models.yaml and achieved.yaml
    python -m calibration.models --check    compare; exit code 1 if they differ

Run it from the root of the repository, after the three fits.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CATALOG = HERE.parent / "twin/catalog"
HEADER = (
    "# Made by calibration/models.py from the fits of calibration/{}.\n# Do not edit by hand.\n\n"
)

TITLES = {
    "a3c": "A3C, reinforcement learning on Pong",
    "bert": "BERT, fine-tuning on SQuAD",
    "cifar10": "ResNet-18 on CIFAR-10, elastic",
    "cyclegan": "CycleGAN",
    "dcgan": "DCGAN on LSUN",
    "efficientnet": "EfficientNet on CIFAR-10",
    "imagenet": "ResNet-50 on ImageNet, elastic",
    "lm": "LSTM language model on Wikitext-2",
    "lstm": "LSTM on Wikitext-2, a smaller job than lm",
    "mobilenetv2": "MobileNetV2 on CIFAR-10",
    "mobilenetv3": "MobileNetV3 on ImageNet",
    "neumf": "NeuMF recommendation on MovieLens",
    "pointnet": "PointNet on ShapeNet",
    "ppo": "PPO, reinforcement learning on LunarLander",
    "recommendation": "Autoencoder recommendation on ML-20M",
    "resnet18": "ResNet-18 on CIFAR-10",
    "resnet50": "ResNet-50 on ImageNet",
    "td3": "TD3, reinforcement learning on BipedalWalker",
    "transformer": "Transformer, translation on Multi30k",
    "vgg": "VGG on CIFAR-10",
}
# Samples on one GPU at which the speed on a type of GPU is told: the middle of those measured.
BATCHES = {
    "bert": 8, "cifar10": 256, "imagenet": 128, "lm": 20, "recommendation": 2048, "resnet18": 64,
    "resnet50": 64, "transformer": 64,
}  # fmt: skip
SAME_NETWORK = {"cifar10": "resnet18", "imagenet": "resnet50"}  # whose demands they take
SHARED_ON = {"p100": "p100-pcie", "k80": "k80", "lucid": "card-24gb", "v100": "v100-32-sxm"}
HELD_OUT = "**model held out, seen beside resnet18 alone**"
BASES = {
    "roofline": {
        "sources": ["gavel2020", "sia2023"],
        "place": "calibration/heterogeneity",
    },
    "sweeps-sia": {"sources": ["sia2023"], "place": "calibration/scaling"},
    "sweeps-gavel": {"sources": ["gavel2020"], "place": "calibration/scaling"},
    "noise": {"sources": ["sia2023", "pollux2021"], "place": "calibration/scaling"},
    "pairs-gavel": {"sources": ["gavel2020"], "place": "calibration/interference"},
    "pairs-lucid": {"sources": ["lucid2023"], "place": "calibration/interference"},
    "pairs": {"sources": ["gavel2020", "lucid2023"], "place": "calibration/interference"},
}
ELASTIC = ("bert", "cifar10", "imagenet")


def kept(name: str) -> dict[str, Any]:
    """What one of the fits found."""
    text = (HERE / name / f"{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def models() -> dict[str, Any]:
    """What models.yaml holds."""
    types, sizes, pairs = kept("heterogeneity"), kept("scaling"), kept("interference")
    entries: dict[str, Any] = {}
    for name, title in TITLES.items():
        entry: dict[str, Any] = {"title": title}
        if name in BATCHES:
            entry["batch"] = BATCHES[name]
        if name in types["models"]:
            error = types["by_model_held_out"][name]["median"]
            entry["work"] = {"basis": "roofline", **types["models"][name], "error": error}
        if name in sizes["laws"]:
            basis = "sweeps-sia" if name in ELASTIC else "sweeps-gavel"
            entry["laws"] = {"basis": basis} | {
                gpu: {
                    "law": one["law"],
                    "local_limit": one["local_limit"],
                    "most_gpus": one["most_gpus"],
                    "error": one["errors"]["placements held out"]["median"],
                }
                for gpu, one in sizes["laws"][name].items()
            }
        if name in sizes["noise"]:
            keys = ("nominal_batch", "most_batch", "noise")
            entry["adaptive"] = {"basis": "noise", **{k: sizes["noise"][name][k] for k in keys}}
        network = SAME_NETWORK.get(name, name)
        demands = {
            at: {k: pairs[of]["jobs"][network][k] for k in ("busy", "turn")}
            | {"error": pairs[of]["errors"][HELD_OUT]["median"]}
            for of, at in SHARED_ON.items()
            if network in pairs[of]["jobs"]
        }
        if demands:
            on = {at == "card-24gb" for at in demands}
            basis = "pairs" if len(on) == 2 else "pairs-lucid" if True in on else "pairs-gavel"
            entry["demands"] = {"basis": basis, **demands}
            entry["fillings"] = {"basis": basis} | {
                at: {k: pairs[of]["side_by_side"]["jobs"][network][k] for k in ("busy", "fill")}
                | {"error": pairs[of]["side_by_side"]["errors"][HELD_OUT]["median"]}
                for of, at in SHARED_ON.items()
                if at in demands
            }
        if name in pairs["memory"]:
            entry["memory"] = {"basis": "pairs-lucid", "bytes": pairs["memory"][name]["bytes"]}
        if name in SAME_NETWORK:
            entry["notes"] = f"Beside other jobs it is taken to be {network}: the same network."
        entries[name] = entry
    rests = {name: {**one, "kind": "fitted", "status": "derived"} for name, one in BASES.items()}
    return {"bases": rests, "parts": entries}


def achieved() -> dict[str, Any]:
    """What achieved.yaml holds."""
    types = kept("heterogeneity")
    basis = {**BASES["roofline"], "kind": "fitted", "status": "derived"}
    shares = {**types["achieved"], "default": types["default_achieved"]}
    return {
        "bases": {"roofline": basis},
        "parts": {
            name: {"title": name, "figures": {"roofline": {"share": share}}}
            for name, share in shares.items()
        },
    }


def files() -> dict[Path, str]:
    """Both files of the catalog as they should stand."""
    texts = {
        "models": (models(), "heterogeneity, scaling, interference"),
        "achieved": (achieved(), "heterogeneity"),
    }
    return {
        CATALOG / f"{name}.yaml": HEADER.format(of)
        + yaml.safe_dump(what, sort_keys=False, default_flow_style=None, width=100)
        for name, (what, of) in texts.items()
    }


def main() -> None:
    """Write, or compare."""
    wrong = []
    for path, text in files().items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            wrong.append(f"{path.name} is not what the fits found")
    print("\n".join(wrong) or "as found")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
