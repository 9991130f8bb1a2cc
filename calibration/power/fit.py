"""Fit curves of power and speed to sweeps of power limits, and power to the work of serving.

    python calibration/power/fit.py            refit; write the parameters and the tables
    python calibration/power/fit.py --check    refit and compare; exit code 1 if anything moved

Run it from the root of the repository, with twin installed: the model that is fitted is twin's own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import held_out
import numpy as np
import plot
import sanity
import serving
import sweeps
import tables
import yaml
from model import Law

HERE = Path(__file__).parent
FILES = {
    "zeus": HERE / "zeus.yaml",
    "serving": HERE / "serving.yaml",
    "sanity": HERE / "sanity.yaml",
}
HEADER = "# Made by calibration/power/fit.py, whose README explains it; do not edit by hand.\n"


def of_sweeps() -> dict[str, Any]:
    """What zeus.yaml holds: the law of each GPU, its errors, and how far it carries."""
    jobs = {gpu: sweeps.read_sweeps(gpu) for gpu in sweeps.GPUS}
    found = {gpu: held_out.of_gpu(jobs[gpu], tdp_w) for gpu, tdp_w in sweeps.GPUS.items()}
    laws = {gpu: Law(**found[gpu]["law"]) for gpu in found}
    pairs = [("v100", "rtx6000"), ("rtx6000", "v100")]
    again = sweeps.read_second_campaign()
    return {
        "source": "ml-energy/zeus @ 75a8b939, Apache-2.0: summary_power_*.csv, power_limit_sweeps",
        "gpus": found,
        "transfer": {
            f"{a}_to_{b}": held_out.transfer(laws[a], laws[b], sweeps.GPUS[b], jobs[b])
            for a, b in pairs
        },
        "second_campaign_v100": held_out.told(held_out.errors(laws["v100"], 250.0, again)),
    }


def everything() -> dict[str, Any]:
    """What all files hold."""
    found: dict[str, Any] = plain(
        {"zeus": of_sweeps(), "serving": serving.everything(), "sanity": sanity.everything()}
    )
    return found


def plain(value: Any) -> Any:
    """As YAML takes it, floats with four digits."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.4g}")
    return int(value) if isinstance(value, np.integer) else value


def moved(fresh: Any, kept: Any, where: str = "") -> list[str]:
    """What differs by more than the optimisers of other library versions may."""
    if isinstance(fresh, dict) and isinstance(kept, dict) and fresh.keys() == kept.keys():
        return [p for key in fresh for p in moved(fresh[key], kept[key], f"{where}.{key}")]
    if isinstance(fresh, list) and isinstance(kept, list) and len(fresh) == len(kept):
        pairs = enumerate(zip(fresh, kept, strict=True))
        return [p for i, (a, b) in pairs for p in moved(a, b, f"{where}[{i}]")]
    if isinstance(fresh, float) and isinstance(kept, int | float):
        near = np.isclose(fresh, kept, rtol=0.02, atol=0.002)
        return [] if near else [f"{where}: {fresh} for {kept}"]
    return [] if fresh == kept else [f"{where}: {fresh!r} for {kept!r}"]


def kept() -> dict[str, Any]:
    """What stands in the files."""
    return {name: yaml.safe_load(path.read_text("utf-8")) for name, path in FILES.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit curves of power and speed.")
    parser.add_argument("--check", action="store_true", help="compare with what is kept")
    asked = parser.parse_args()
    if not sweeps.FOLDER.is_dir():
        sys.exit(f"{sweeps.FOLDER}: no such folder; the README says where the data come from")
    found = everything()
    if asked.check:
        lines = moved(found, kept()) + tables.moved(kept())
        print("\n".join(lines) or "nothing moved")
        return 1 if lines else 0
    for name, path in FILES.items():
        text = yaml.safe_dump(found[name], sort_keys=False, allow_unicode=True)
        path.write_text(HEADER + text, encoding="utf-8")
    tables.write(found)
    plot.draw()
    print(tables.markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
