"""The distinct shapes of a workload: what decides whether a job fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.failures.restart import RestartModel
from twin.kernel.shared import Wants, could_hold
from twin.policies.view import Shape
from twin.site.layout import Site
from twin.site.shares import WHOLE


def shapes_of(
    jobs: pd.DataFrame,
    site: Site,
    restarts: RestartModel | None = None,
    wanted: Wants | None = None,
    by: Sequence[str] = (),
) -> tuple[list[Shape], NDArray[np.int32]]:
    """The distinct shapes of a workload, smallest first, and the shape index of each job.

    A shape with no pools is one that the site could never hold: larger than any pool that it may
    use, by GPUs or by whole nodes, or of GPU types that it does not have. Where GPUs are shared,
    jobs of one shape want the same of GPUs and hosts as well. They are alike in the columns that
    ``by`` names.
    """
    gpus_of = jobs["gpus"].to_numpy(np.int64)
    pool_names, pool_of = _texts(jobs["pool"])
    types, type_of = _texts(jobs["gpu_types"]) if "gpu_types" in jobs else ([""], pool_of * 0)
    labels = [_texts(jobs[name]) for name in by]
    columns = (gpus_of, pool_of, type_of, *(wanted.columns() if wanted is not None else ()))
    shape_of = _alike((*columns, *(label_of for _, label_of in labels)))
    shapes = []
    for index, row in enumerate(np.unique(shape_of, return_index=True)[1].tolist()):
        gpus, name, wanted_types = int(gpus_of[row]), pool_names[pool_of[row]], types[type_of[row]]
        possible = [
            p
            for p, pool in enumerate(site.pools)
            if name in ("", pool.name)
            and -(-gpus // pool.gpus_per_node) <= pool.nodes
            and (not wanted_types or pool.gpu_type in wanted_types.split("|"))
            and (wanted is None or could_hold(site, wanted, row, gpus, p))
        ]
        standby = 0
        if restarts is not None and restarts.standby_nodes and possible:
            # Sized for the first pool that could hold it; other pools must hold as many GPUs.
            size = site.pools[possible[0]].gpus_per_node
            nodes = -(-gpus // size)
            standby = restarts.standbys(nodes) * size
            gpus += standby
            possible = [p for p in possible if -(-gpus // site.pools[p].gpus_per_node)
                        <= site.pools[p].nodes - site.pools[p].spares]  # fmt: skip
        if wanted_types:  # written in the order in which a job prefers them
            order = wanted_types.split("|")
            possible.sort(key=lambda p: order.index(site.pools[p].gpu_type))
        told = tuple(names[label_of[row]] for names, label_of in labels)
        part = wanted.wanted_milli[row] / WHOLE if wanted is not None else 1
        shapes.append(Shape(index, gpus, tuple(possible), standby, told, part))
    return shapes, shape_of.astype(np.int32)


def _texts(column: pd.Series[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts of a column, and the number of each cell's."""
    texts = column.astype("category")
    return [str(text) for text in texts.cat.categories], np.asarray(texts.cat.codes, np.int64)


def _alike(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(n,) numbers of the distinct rows, in their order."""
    number = np.zeros(len(columns[0]), np.int64)
    for values in columns:
        if len(values) and values.min() < values.max():
            distinct, code = np.unique(values, return_inverse=True)
            number = np.unique(number * len(distinct) + code, return_inverse=True)[1]
    return number
