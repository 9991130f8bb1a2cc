"""A site as text: halls, power, network, bill of materials, and what is to fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twin.building.site import build_site, node_type
from twin.building.workload import build_workload
from twin.catalog import parts
from twin.console import columns, plural
from twin.errors import DomainError
from twin.show_power import power_sections
from twin.site.layout import Site
from twin.site.topology import FatTree, fat_tree
from twin.units import format_duration, format_si

if TYPE_CHECKING:
    from twin.failures.hazard import Hazard
    from twin.failures.model import FailureModel, FaultClass
    from twin.scenario.schema import Scenario
    from twin.scenario.site import Pool as AskedPool

Tree = tuple[str, list["Tree"]]


@dataclass(frozen=True)
class Bought:
    """What a pool is made of, as far as the catalog knows."""

    node: parts.NodeType
    node_type: str
    nodes: int
    network: FatTree | None
    switch: str | None
    no_network: str = "not known; name a switch and a node type with NICs"  # where there is none


def show(scenario: Scenario) -> str:
    """Text drawings of the site of a scenario, ready to print."""
    site = build_site(scenario)
    bought = [_bought(pool) for pool in scenario.site.pools]
    own = [b for b, pool in zip(bought, scenario.site.pools, strict=True) if pool.cloud is None]
    listed = "not known for a list of nodes"
    power = list(power_sections(scenario, site))
    sections = [
        ("Site", draw(site_tree(site))),
        *(power or [("Power, at nameplate", draw(power_tree(site, bought)))]),
        ("Network of the compute fabric", draw(network_tree(site, bought)) if bought else listed),
        ("Bill of materials", bill(own) if bought else listed),
    ]
    if scenario.failures is not None:
        sections.append(("Failures to expect", to_fail(scenario, site)))
    return "\n\n".join(f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections)


def draw(tree: Tree) -> str:
    """A tree as indented lines.

    >>> print(draw(("a", [("b", []), ("c", [])])))
    a
    ├── b
    └── c
    """
    label, children = tree
    return "\n".join([label, *_branches(children, "")])


def _branches(children: list[Tree], indent: str) -> Iterable[str]:
    for i, (label, below) in enumerate(children):
        last = i == len(children) - 1
        yield f"{indent}{'└── ' if last else '├── '}{label}"
        yield from _branches(below, indent + ("    " if last else "│   "))


def site_tree(site: Site) -> Tree:
    """Regions, halls, and what each pool has in them; rows and racks are counted, not listed."""
    row_of_node = site.rack_row[site.node_rack]
    hall_of_node = site.row_hall[row_of_node]
    regions = []
    for r, region in enumerate(site.regions):
        halls = []
        for h, hall in enumerate(site.halls):
            if site.hall_region[h] != r:
                continue
            pools: list[Tree] = []
            for p, pool in enumerate(site.pools):
                here = (hall_of_node == h) & (site.node_pool == p)
                nodes = int(here.sum())
                if not nodes:
                    continue
                rows = len(np.unique(row_of_node[here]))
                racks = len(np.unique(site.node_rack[here]))
                domains = len(np.unique(site.node_domain[here]))
                fabric = (
                    "the node"
                    if pool.domain_nodes == 1
                    else f"the rack ({pool.domain_nodes * pool.gpus_per_node} GPUs)"
                )
                label = f"pool {pool.name}: {plural(nodes * pool.gpus_per_node, 'GPU')}"
                label += " to rent" if pool.cloud is not None else ""
                detail: list[Tree] = [
                    (" > ".join(map(plural, (rows, racks, nodes), ("row", "rack", "node"))), []),
                    (f"{pool.node_type}: {plural(pool.gpus_per_node, 'GPU')} a node", []),
                    (f"scale-up domain is {fabric}: {plural(domains, 'domain')}", []),
                ]
                pools.append((label, detail))
            halls.append((f"hall {hall}", pools))
        regions.append((f"region {region}", halls))
    total = f"{site.name}: {plural(site.n_nodes, 'node')}, {plural(site.n_gpus, 'GPU')}"
    return total, regions


def power_tree(site: Site, bought: list[Bought]) -> Tree:
    """Feeds from the site down to the rack, each with the nameplate power below it."""
    node_w = np.concatenate(
        [np.full(b.nodes, b.node.max_power_w or np.nan) for b in bought]
        or [np.full(site.n_nodes, np.nan)]
    )
    row = site.rack_row[site.node_rack]
    hall = site.row_hall[row]
    halls: list[Tree] = []
    for h, name in enumerate(site.halls):
        in_hall = hall == h
        if not in_hall.any():  # a pool of fewer racks than halls
            halls.append((f"hall {name}: no nodes", []))
            continue
        row_w, rack_w = (
            np.bincount(np.unique(holder[in_hall], return_inverse=True)[1], weights=node_w[in_hall])
            for holder in (row, site.node_rack)
        )
        below: list[Tree] = [
            (
                f"{plural(len(row_w), 'row feed')}, {_power_range(row_w)} each",
                [(f"{plural(len(rack_w), 'rack')}, {_power_range(rack_w)} each", [])],
            )
        ]
        halls.append((f"hall {name}: {_power(float(node_w[in_hall].sum()))}", below))
    return f"{site.name}: IT equipment {_power(float(node_w.sum()))}, network not counted", halls


def _power(watts: float) -> str:
    return "power not known" if np.isnan(watts) else format_si(watts, "W", 4)


def _power_range(watts: Iterable[float]) -> str:
    every = list(watts)
    known = [value for value in every if not np.isnan(value)]
    if len(known) < len(every):
        return "power not known" + (" for all" if known else "")
    low, high = min(known), max(known)
    return _power(high) if low == high else f"{_power(low)} to {_power(high)}"


def network_tree(site: Site, bought: list[Bought]) -> Tree:
    """For each pool the fat tree that would join all its NICs at full bisection."""
    pools: list[Tree] = []
    for pool, b in zip(site.pools, bought, strict=False):
        label = f"pool {pool.name}"
        if b.network is None or b.switch is None:
            pools.append((f"{label}: {b.no_network}", []))
            continue
        tree, nics = b.network, b.node.nics or 0
        layers: list[Tree] = [
            (f"{count:,} {name} switch" + ("" if count == 1 else "es"), [])
            for name, count in (("core", tree.core), ("spine", tree.spine), ("leaf", tree.leaf))
            if count
        ]
        rate = format_si(8 * (b.node.nic_bytes_per_s or 0), "bit/s")
        ends = f"{plural(b.nodes, 'node')} x {nics} NICs at {rate}"
        layers.append((f"{plural(tree.ports, 'port')}: {ends}", []))
        tiers = f"{tree.tiers}-tier fat tree" if tree.tiers > 1 else "one switch"
        pools.append((f"{label}: {tiers} of {tree.radix}-port {b.switch}", layers))
    return f"{site.name}: full bisection, NIC k of every node on rail k", pools


def bill(bought: list[Bought]) -> str:
    """What to order, with the catalog's price band where it knows one."""
    rows = [("item", "count", "price band, each")]
    for b in bought:
        low, high = b.node.price_usd_low, b.node.price_usd_high
        band = f"{low / 1e3:,.0f} to {high / 1e3:,.0f} kUSD" if low and high else "not known"
        rows.append(
            (f"{b.node_type} ({b.node.gpus} x {b.node.gpu or 'GPU'})", f"{b.nodes:,}", band)
        )
        if b.network is not None and b.switch is not None:
            rows.append((f"{b.switch} switch", f"{b.network.switches:,}", "not known"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(f"{a:<{widths[0]}}  {n:>{widths[1]}}  {p}".rstrip() for a, n, p in rows)


def _bought(pool: AskedPool) -> Bought:
    node = node_type(pool.node)
    switch = pool.switch or _matching_switch(node)
    radix = parts.switch(switch).radix if switch else None
    ports = (node.nics or 0) * pool.nodes
    node_type_name = pool.node.use or f"{node.gpus}-GPU node"
    if not (radix and ports):
        return Bought(node, node_type_name, pool.nodes, None, switch)
    try:
        return Bought(node, node_type_name, pool.nodes, fat_tree(ports, radix), switch)
    except DomainError as error:
        return Bought(node, node_type_name, pool.nodes, None, switch, str(error))


def _matching_switch(node: parts.NodeType) -> str | None:
    """The first InfiniBand switch of the catalog whose ports run at the rate of the node's NICs."""
    for name in parts.names("switches"):
        switch = parts.switch(name)
        if switch.kind == "infiniband" and switch.port_bytes_per_s == node.nic_bytes_per_s:
            return name
    return None


_YEAR_S = 365 * 86400.0


def to_fail(scenario: Scenario, site: Site) -> str:
    """Classes of parts with their failures a year, and how often the largest job is to stop.

    Raises
    ------
    InputError
        If the jobs or the recorded incidents cannot be read.
    """
    from twin.failures.asked import failure_model
    from twin.failures.hazard import Hazard
    from twin.failures.stream import with_alarms
    from twin.site.domains import Domains

    model, domains = failure_model(scenario.failures), Domains(site)
    rows = [["class", "of", "effect", "parts", "one fails every", "failures a year"]]
    for cls in with_alarms(model.classes):
        each_s = _life_s(cls, model)
        parts = "" if cls.of == "job" else f"{domains.units(cls.of) * cls.per:,}"
        a_year = "" if cls.of == "job" else _rate(domains.units(cls.of) * cls.per / each_s)
        of = f"each running {cls.job_scale}" if cls.of == "job" else cls.of
        rows.append(
            [cls.name, of, cls.effect.replace("_", "-"), parts, format_duration(each_s), a_year]
        )
    for work in model.maintenance:
        units = domains.units(work.of)
        every = format_duration(work.every_s)
        rows.append(
            [work.name, work.of, "planned", f"{units:,}", every, _rate(units / work.every_s)]
        )
    lines = columns(rows, left=3) if len(rows) > 1 else []
    if model.incidents:
        lines.append(f"and {plural(len(model.incidents), 'incident')} with a date")
    return "\n".join([*lines, "", _largest(scenario, site, Hazard(model, domains))])


def _life_s(cls: FaultClass, model: FailureModel) -> float:
    """Mean life of a part at the rates of the scenario, of lemons as of any. [s]"""
    rate = model.rate_factor * cls.rate_factor
    if cls.of in ("gpu", "node") and model.lemons is not None:
        rate *= model.lemons.mean
    return cls.life.mean / rate if rate > 0 else float("inf")


def _rate(per_s: float) -> str:
    """Failures a year."""
    a_year = per_s * _YEAR_S
    return f"{a_year:,.0f}" if a_year >= 10 else f"{a_year:.2g}"


def _largest(scenario: Scenario, site: Site, hazard: Hazard) -> str:
    """How often the largest job of the workload is to be interrupted, by the nominal rates."""
    jobs = build_workload(scenario, site).jobs
    fits = {pool.name: pool.gpus for pool in site.pools}
    for _, job in jobs.sort_values("gpus", ascending=False, kind="stable").iterrows():
        gpus = int(job["gpus"])
        pools = [job["pool"]] if job["pool"] else list(fits)
        pool = next((name for name in pools if fits[name] >= gpus), None)
        if pool is not None:
            often = format_duration(hazard.of_pool(pool, gpus))
            what = f"The largest job, {job['job_id']} on {plural(gpus, 'GPU')} of pool {pool}, is"
            if often == "-":
                return f"{what} stopped by nothing but what is planned or has a date."
            return f"{what} expected to be stopped every {often} (MTTI), planned work left aside."
    return "No job of the workload fits."
