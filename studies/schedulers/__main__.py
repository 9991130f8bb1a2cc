"""Run studies by name and print their tables: ``python -m studies.schedulers gavel tiresias``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from studies.schedulers import cases
from studies.schedulers.study import Study, ratio, told

# Name -> what a value means, and by it the study; who is compared with all others; by what.
STUDIES: dict[str, tuple[dict[str, Callable[[], Study]], str, tuple[str, ...]]] = {
    "tiresias": (
        {f"load {load:g}": lambda load=load: cases.tiresias(load) for load in (1.0, 2.0, 4.0)},
        "tiresias",
        ("jct_s", "rho_max"),
    ),
    "themis": (
        {"load 2, times x 20": lambda: cases.tiresias(2.0, longer=20.0)},
        "themis, no filter",
        ("rho_max", "jct_s"),
    ),
    "gavel": (
        {f"{rate} jobs/h": lambda rate=rate: cases.gavel(rate) for rate in (3.0, 5.0)},
        "gavel",
        ("jct_s",),
    ),
    "gavel-batch": ({"60 jobs": cases.gavel_batch}, "gavel", ("makespan_s",)),
    "sia": (
        {kind: lambda kind=kind: cases.sia(kind) for kind in ("philly", "saturn")},
        "sia",
        ("jct_s",),
    ),
    "backfill": (
        {f"load {load:g}": lambda load=load: cases.backfill(load) for load in (0.7, 0.8, 0.9)},
        "easy",
        ("slowdown", "jct_s"),
    ),
    "philly": (
        {f"{nodes} nodes": lambda nodes=nodes: cases.philly(nodes) for nodes in (72, 80, 96)},
        "fifo",
        ("jct_s", "p99_jct_s", "slowdown"),
    ),
}


def main(names: list[str]) -> None:
    """Each study named, or all: means over the seeds, and ratios to the one of interest."""
    for name in names or STUDIES:
        if name not in STUDIES:
            raise SystemExit(f"no study {name!r}; there are {', '.join(STUDIES)}")
        variants, chosen, measures = STUDIES[name]
        for title, made in variants.items():
            table = made().table()
            print(f"\n{name}, {title}\n")
            print(table.groupby("scheduler").mean().round(2).to_string())
            for measure in measures:
                for rival in table.index.unique("scheduler").drop(chosen):
                    found = told(ratio(table, rival, chosen, measure))
                    print(f"{measure}: {rival} / {chosen} {found}")


if __name__ == "__main__":
    main(sys.argv[1:])
