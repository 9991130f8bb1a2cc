"""Fit the submission model to the Philly trace.

    python calibration/philly/fit.py            refit, print the errors, write parameters and plot
    python calibration/philly/fit.py --check    refit and compare; exit code 1 if anything moved

Run it from the root of the repository, with twin installed. The README beside it explains.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import bursts
import data
import numpy as np
import plot
import readme
import scores
import yaml
from parameters import fit

from twin.workload.model import model_from

PARAMETERS = Path(__file__).parents[2] / "twin/workload/philly.yaml"
HEADER = """\
# Submissions to Microsoft's Philly clusters, 2017: fitted by calibration/philly/fit.py, which also
# tells the error of each fit. Made by that script; do not edit by hand.
"""


def check(fresh: dict[str, Any], kept: dict[str, Any], where: str = "") -> list[str]:
    """What differs by more than the optimisers of other library versions may."""
    if isinstance(fresh, dict) and isinstance(kept, dict) and fresh.keys() == kept.keys():
        return [p for key in fresh for p in check(fresh[key], kept[key], f"{where}.{key}")]
    if isinstance(fresh, list) and isinstance(kept, list) and len(fresh) == len(kept):
        pairs = enumerate(zip(fresh, kept, strict=True))
        return [p for i, (a, b) in pairs for p in check(a, b, f"{where}[{i}]")]
    if isinstance(fresh, float) and isinstance(kept, int | float):
        return [] if np.isclose(fresh, kept, rtol=0.01) else [f"{where}: {fresh} for {kept}"]
    return [] if fresh == kept else [f"{where}: {fresh!r} for {kept!r}"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit the submission model to the Philly trace.")
    parser.add_argument("--check", action="store_true", help="compare with what is kept")
    parser.add_argument("--kinds", action="store_true", help="cross-validate the kinds of run time")
    asked = parser.parse_args()
    if not data.DATA.is_file():
        sys.exit(f"{data.DATA}: no such file; the README says where it comes from")
    jobs = data.with_sessions(data.read_jobs())
    if asked.kinds:
        print(scores.kinds_table(jobs))
        return 0
    found = fit(jobs, data.WEEKS)
    model = model_from(found)
    trained = model_from(fit(data.weeks(jobs, 0, data.TRAIN_WEEKS), data.TRAIN_WEEKS))
    tables = "\n\n".join(
        [
            scores.error_table(jobs, model, trained),
            scores.week_table(jobs),
            bursts.burst_table(jobs, trained),
        ]
    )
    print(tables)
    if asked.check:
        kept = yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))
        moved = check(found, kept) + readme.moved(tables)
        print("\n".join(moved) or "all as kept")
        return 1 if moved else 0
    body = yaml.safe_dump(found, sort_keys=False, default_flow_style=None, width=96)
    PARAMETERS.write_text(HEADER + body, encoding="utf-8")
    readme.write(tables + "\n")
    plot.draw(jobs, trained)
    return 0


if __name__ == "__main__":
    sys.exit(main())
