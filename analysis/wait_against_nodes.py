"""How many nodes are enough? Mean wait against the size of the site, from a sweep's table.

twin sweep scenarios/sweeps/nodes.yaml -o out/nodes
python analysis/wait_against_nodes.py out/nodes
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

NODES, SCHEDULER = "site.pools[h100].nodes", "policies.scheduler"


def draw(points: pd.DataFrame) -> Figure:
    """One line a scheduler through the means over seeds, with a dot for each seed."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    points = points[points["status"] == "ok"].assign(nodes=lambda p: p[NODES].astype(int))
    for colour, (scheduler, rows) in zip(
        ("#1f5a8c", "#c2571a"), points.groupby(SCHEDULER), strict=False
    ):
        hours = rows["wait_s.mean"] / 3600
        axes.plot(rows["nodes"], hours, "o", ms=4, alpha=0.5, color=colour)
        mean = hours.groupby(rows["nodes"]).mean()
        axes.plot(mean.index, mean, color=colour)
        axes.annotate(
            str(scheduler),
            (mean.index[0], mean.iloc[0]),
            (6, 4),
            color=colour,
            textcoords="offset points",
        )
    axes.set_xlabel("nodes of 8 GPUs")
    axes.set_ylabel("mean wait, hours")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python analysis/wait_against_nodes.py SWEEP_DIR")
    folder = Path(sys.argv[1])
    target = folder / "wait_against_nodes.png"
    draw(pd.read_parquet(folder / "points.parquet")).savefig(target, dpi=160)
    print(f"picture: {target}")
