"""Tables of runs written by hand or drawn at random, for the metrics of scheduling."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from twin.site.layout import Pool, Site, lay_out
from twin.tables import ALLOCATIONS, GPU_TIME_SHARES, JOBS

_BLANK: dict[str, Any] = {"float64": np.nan, "int32": 0, "int64": 0, "category": "", "string": ""}

Held = tuple[int, int, int, float, float]  # job, node, mask of GPUs, start, end


class Case(NamedTuple):
    """Jobs, who held what, and the site on which that was."""

    jobs: pd.DataFrame
    allocations: pd.DataFrame
    site: Site
    horizon_s: float


def site_of(*pools: tuple[int, int]) -> Site:
    """Pools of (nodes, GPUs per node)."""
    return lay_out([Pool(f"pool-{p}", "n", "", g, n) for p, (n, g) in enumerate(pools)])


def case(
    rows: list[dict[str, Any]], held: list[Held], *pools: tuple[int, int], horizon_s: float
) -> Case:
    """A run from what its jobs say (``submit``, ``end``, ...) and from what they held.

    A job completed at ``end``, or has not ended without one; the start is the first of ``held``.
    """
    made: dict[str, list[Any]] = {name: [] for name in JOBS.names()}
    for at, row in enumerate(rows):
        starts = [start for job, _, _, start, _ in held if job == at]
        submit, end = float(row.get("submit", 0.0)), float(row.get("end", np.nan))
        start = float(min(starts, default=np.nan))
        known = {"job_id": str(at), "submit_s": submit, "start_s": start, "end_s": end}
        known |= {"gpus": 1, "nodes": 1, "wait_s": start - submit, "jct_s": end - submit}
        known |= {"run_s": end - start, "kind": "training", "gpu_fraction": 1.0}
        open_ = "running" if starts else "queued"
        known |= {"state": open_ if np.isnan(end) else "completed", "interrupted_s": 0.0}
        known |= {f"{share.name}_gpu_s": 0.0 for share in GPU_TIME_SHARES}
        known |= {name: value for name, value in row.items() if name not in ("submit", "end")}
        for name in made:
            made[name].append(known.get(name, _BLANK[JOBS[name].dtype]))
    jobs = pd.DataFrame(made).astype({c.name: c.dtype for c in JOBS.columns if c.dtype != "string"})
    columns = zip(*held, strict=True) if held else [[]] * len(ALLOCATIONS.columns)
    table = dict(zip(ALLOCATIONS.names(), columns, strict=True))
    allocations = pd.DataFrame(
        {c.name: np.array(table[c.name], c.dtype) for c in ALLOCATIONS.columns}
    )
    return Case(jobs, allocations, site_of(*pools), horizon_s)


GROUPS = ("a", "b", "c", "d")


@st.composite
def cases(draw, *, pools: int = 1, groups: int = 4) -> Case:
    """Jobs on a small site at whole seconds; each GPU has one job at most."""
    built = [(draw(st.integers(1, 4)), draw(st.integers(1, 4))) for _ in range(pools)]
    site, horizon = site_of(*built), draw(st.integers(1, 24))
    per_node = site.node_gpus.tolist()
    taken = np.zeros((site.n_nodes, 8, horizon), bool)
    rows, held = [], []
    for at in range(draw(st.integers(1, 7))):
        times = draw(st.lists(st.integers(0, horizon), min_size=1, max_size=6, unique=True))
        submit, *times = sorted(times)
        most = 0
        for start, end in zip(times[::2], times[1::2], strict=False):
            for node in draw(st.sets(st.integers(0, site.n_nodes - 1), max_size=3)):
                free = [g for g in range(per_node[node]) if not taken[node, g, start:end].any()]
                mine = free[: draw(st.integers(0, 4))]
                if mine:
                    taken[node, mine, start:end] = True
                    mask = sum(1 << gpu for gpu in mine)
                    held.append((at, node, mask, float(start), float(end)))
                    most = max(most, len(mine))
        last = max((int(end) for job, *_, end in held if job == at), default=submit)
        row = {"submit": submit, "gpus": draw(st.integers(1, 9))}
        row |= {"group": draw(st.sampled_from(GROUPS[:groups]))}
        if draw(st.booleans()) and most:
            row["end"] = draw(st.integers(last, horizon))
        elif draw(st.booleans()) and not most:
            row["state"] = "rejected"
        rows.append(row)
    return case(rows, held, *built, horizon_s=float(horizon))
