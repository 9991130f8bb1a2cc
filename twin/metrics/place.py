"""Where an incident was: the nodes that it took, and how the site stands around them."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from twin.site.domains import LEVELS, Domains
from twin.site.layout import Site

_UNIT = re.compile(rf"({'|'.join(LEVELS)}) (\d+)")


def place(worst: dict[str, Any] | None, incidents: pd.DataFrame, site: Site) -> dict[str, Any]:
    """What a map of the worst incident needs, for the section ``reliability`` of the summary.

    Parameters
    ----------
    worst : dict or None
        ``worst_incident`` of that section.
    incidents : DataFrame
        `twin.tables.INCIDENTS`.
    site : Site

    Returns
    -------
    dict
        ``layout``, a mapping a pool in the order of node ids; and ``worst_incident`` with
        ``nodes`` added, pairs of first and last id of the nodes that it took: none for software.
    """
    layout = [
        {
            "pool": pool.name,
            "nodes": pool.nodes,
            "gpus_per_node": pool.gpus_per_node,
            "nodes_per_rack": pool.nodes_per_rack,
            "racks_per_row": pool.racks_per_row,
            "halls": list(pool.halls),
        }
        for pool in site.pools
    ]
    if worst is None:
        return {"layout": layout}
    hit = int(incidents["nodes_hit"].iloc[worst["row"]])
    nodes = _ranges(nodes_taken(Domains(site), str(worst["domain"]), hit))
    return {"layout": layout, "worst_incident": {**worst, "nodes": nodes}}


def nodes_taken(domains: Domains, name: str, n: int) -> list[int]:
    """Ids of the ``n`` nodes that an incident took, from the name of the part that failed.

    Notes
    -----
    A part takes its own unit, or one of another level that holds it: the smallest of ``n`` nodes.
    """
    unit = _unit(domains, name)
    if unit is None:
        return []
    own = domains.nodes(*unit)
    if len(own) == n:
        return own
    for level in LEVELS[1:]:
        nodes = domains.nodes(level, int(domains.unit_of(level)[own[0]]))
        if len(nodes) == n:
            return nodes
    return []


def _unit(domains: Domains, name: str) -> tuple[str, int] | None:
    """The level and number that `Domains.name` calls so; None for jobs."""
    found = _UNIT.fullmatch(name)
    if found and int(found[2]) < domains.units(found[1]):
        return found[1], int(found[2])
    for level in ("hall", "region", "site"):
        for unit in range(domains.units(level)):
            if domains.name(level, unit) == name:
                return level, unit
    return None


def _ranges(ids: list[int]) -> list[list[int]]:
    """Ascending ids as pairs of the first and last of each run."""
    pairs: list[list[int]] = []
    for each in ids:
        if pairs and each == pairs[-1][1] + 1:
            pairs[-1][1] = each
        else:
            pairs.append([each, each])
    return pairs
