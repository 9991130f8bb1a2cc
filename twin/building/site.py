"""The site: what the scenario asks for, or a published list of nodes, laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twin.errors import InputError
from twin.site.layout import Hosts, Pool, Site, lay_out
from twin.site.terms import Terms

if TYPE_CHECKING:
    from twin.catalog.parts import NodeType
    from twin.scenario import site as asked
    from twin.scenario.cloud import Cloud
    from twin.scenario.schema import Scenario

DEFAULT_NODES_PER_RACK = 4


def build_site(scenario: Scenario) -> Site:
    """The fleet, its pools and where they stand."""
    asked_site = scenario.site
    if asked_site.node_list is not None:
        pools, listed = _listed_pools(asked_site.node_list)
        return lay_out(pools, name=asked_site.name, regions=asked_site.regions, hosts=listed)
    pools = [_pool(pool) for pool in asked_site.pools]
    hosts = _hosts(asked_site.pools)
    return lay_out(pools, name=asked_site.name, regions=asked_site.regions, hosts=hosts)


def _hosts(pools: Sequence[asked.Pool]) -> Hosts | None:
    """CPUs and memory of the nodes, NaN where nothing is said; None if nothing is of any."""
    given = [(pool.node.cpus, pool.node.memory_bytes) for pool in pools]
    if all(cpus is None and memory_bytes is None for cpus, memory_bytes in given):
        return None
    nodes = [pool.nodes for pool in pools]
    cpus, memory_bytes = (
        np.repeat([np.nan if value is None else float(value) for value in values], nodes)
        for values in zip(*given, strict=True)
    )
    return Hosts(cpus, memory_bytes, np.arange(sum(nodes)))


def node_type(ref: asked.NodeRef) -> NodeType:
    """A node of the catalog with the user's overrides, or a nameless one made from its GPUs."""
    from twin.catalog import parts

    base = parts.node(ref.use) if ref.use else parts.NodeType(name="", gpus=ref.gpus or 1)
    given = {"gpus": ref.gpus, "gpu": ref.gpu, "max_power_w": ref.max_power_w}
    return parts.with_overrides(base, {k: v for k, v in given.items() if v is not None})


def _pool(asked_pool: asked.Pool) -> Pool:
    ref, node = asked_pool.node, node_type(asked_pool.node)
    nodes_per_rack = asked_pool.nodes_per_rack or node.nodes_per_rack or DEFAULT_NODES_PER_RACK
    domain = asked_pool.scale_up_domain or node.scale_up_domain
    return Pool(
        name=asked_pool.name,
        node_type=ref.use or f"{node.gpus}-GPU node",
        gpu_type=node.gpu or "",
        gpus_per_node=node.gpus,
        nodes=asked_pool.nodes,
        halls=asked_pool.halls,
        nodes_per_rack=nodes_per_rack,
        racks_per_row=asked_pool.racks_per_row,
        domain_nodes=nodes_per_rack if domain == "rack" else 1,
        nodes_per_leaf=asked_pool.nodes_per_leaf,
        racks_per_cdu=asked_pool.racks_per_cdu,
        rows_per_ups=asked_pool.rows_per_ups,
        spares=asked_pool.spares,
        spares_per=asked_pool.spares_per,
        age_s=asked_pool.age_s,
        price_usd_per_s=asked_pool.price_usd_per_s,
        cloud=_terms(asked_pool.cloud),
    )


def _terms(cloud: Cloud | None) -> Terms | None:
    """On what terms a cloud has nodes; None for nodes of one's own."""
    if cloud is None:
        return None
    terms = Terms(
        price_usd_per_s=cloud.price_usd_per_s,
        provisioning_s=cloud.provisioning_s,
        minimum_s=cloud.minimum_s,
        idle_s=cloud.idle_s,
        egress_usd_per_byte=cloud.egress_usd_per_byte,
        data_bytes=cloud.data_bytes,
    )
    spot = cloud.spot
    if spot is None:
        return terms
    return replace(terms, mean_life_s=spot.mean_life_s, notice_s=spot.notice_s)


def _listed_pools(node_list: asked.NodeList) -> tuple[list[Pool], Hosts]:
    """One pool for each GPU model and node size of a published node list, largest pool first."""
    from twin.workload.traces.nodes import read_nodes

    nodes = read_nodes(Path(node_list.path), format=node_list.format)
    with_gpus = nodes[nodes["gpus"] > 0].reset_index(drop=True)
    if with_gpus.empty:
        raise InputError(f"{node_list.path}: no node in it has a GPU; give a list of GPU nodes")
    by_pool = []
    for _, rows in with_gpus.groupby(["gpu_model", "gpus"], observed=True):
        model, gpus = str(rows["gpu_model"].iloc[0]), int(rows["gpus"].iloc[0])
        pool = Pool(f"{model or 'gpu'}x{gpus}", f"{gpus}-GPU node", model, gpus, len(rows))
        by_pool.append((pool, rows))
    by_pool.sort(key=lambda pair: (-pair[0].gpus, pair[0].name))
    listed = np.concatenate([rows.index.to_numpy() for _, rows in by_pool])  # row of each node
    cpus, memory_bytes = (with_gpus[name].to_numpy()[listed] for name in ("cpus", "memory_bytes"))
    order = np.argsort(listed, kind="stable")
    return [pool for pool, _ in by_pool], Hosts(cpus, memory_bytes, order)
