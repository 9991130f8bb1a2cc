"""Where the nodes and GPUs of a run stand, from its directory alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from twin.errors import ResultError
from twin.results.store import SCENARIO, Results
from twin.tables import look_up


@dataclass(frozen=True)
class Pool:
    """Nodes of one size; their ids are consecutive from ``first_node`` on."""

    name: str
    first_node: int
    nodes: int
    gpus_per_node: int


def pools(run: Results) -> list[Pool]:
    """The pools of a run in the order of node ids.

    Raises
    ------
    ResultError
        If the run directory does not say how many nodes each pool has.
    """
    sizes = _sizes(run)
    said = run.summary["site"]
    nodes, gpus = sum(n for _, n, _ in sizes), sum(n * size for _, n, size in sizes)
    if (nodes, gpus) != (said["nodes"], said["gpus"]):
        raise ResultError(
            f"{run.path}: its pools add up to {nodes:,} nodes and {gpus:,} GPUs, its summary says "
            f"{said['nodes']:,} and {said['gpus']:,}; run the scenario again"
        )
    firsts = accumulate((n for _, n, _ in sizes), initial=0)
    return [
        Pool(name, first, n, size) for first, (name, n, size) in zip(firsts, sizes, strict=False)
    ]


def first_gpus(found: Sequence[Pool]) -> NDArray[np.int64]:
    """(n_node + 1,) GPU ids run node by node: GPU ``k`` of node ``v`` is ``first[v] + k``."""
    sizes = [np.full(pool.nodes, pool.gpus_per_node, np.int64) for pool in found]
    return np.concatenate([[0], np.cumsum(np.concatenate(sizes))])


def started(run: Results) -> datetime | None:
    """Calendar time of second 0, if the scenario gives it."""
    said = _scenario(run).get("start")
    try:
        return None if said is None else datetime.fromisoformat(str(said)).replace(tzinfo=None)
    except ValueError:
        return None


def _sizes(run: Results) -> list[tuple[str, int, int]]:
    """Name, nodes and GPUs a node of each pool, from whichever part of the run says it."""
    layout = look_up(run.summary, "reliability.layout")
    if layout:
        return [(str(p["pool"]), int(p["nodes"]), int(p["gpus_per_node"])) for p in layout]
    gpus: Mapping[str, int] = run.summary["site"]["pools"]
    asked = (_scenario(run).get("site") or {}).get("pools") or []
    nodes = {str(pool["name"]): int(pool["nodes"]) for pool in asked}
    if nodes.keys() == gpus.keys():
        return [(name, n, gpus[name] // max(n, 1)) for name, n in nodes.items()]
    # Pools of a node list are called after their GPU and the GPUs of a node: V100x8.
    per_node = [name.rpartition("x")[2] for name in gpus]
    if not all(size.isdigit() and int(size) for size in per_node):
        raise ResultError(f"{run.path}: {SCENARIO} does not say how many nodes each pool has")
    return [(name, gpus[name] // int(n), int(n)) for name, n in zip(gpus, per_node, strict=True)]


def _scenario(run: Results) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        read = yaml.load(run.scenario_yaml, Loader=loader)
    except (yaml.YAMLError, ValueError) as error:
        raise ResultError(f"{run.path / SCENARIO} cannot be read ({error})") from None
    return read if isinstance(read, dict) else {}
