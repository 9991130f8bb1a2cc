"""The parts that a scenario may name: accelerators, nodes, switches and links, with their figures.

The facts stand in the YAML files beside this module, each figure with its source; this module
reads a file on first use and keeps it. All values are SI; peak rates are dense; bandwidths are one
way. A figure that is not known is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from twin.catalog.figures import Figure, Part, count, quantity, read_parts, words
from twin.errors import CatalogError, did_you_mean
from twin.units import BYTES, BYTES_PER_S, FLOP_PER_S, MONEY, MONEY_PER_TIME, POWER, TIME

ScaleUpDomain = Literal["node", "rack"]


@dataclass(frozen=True, kw_only=True)
class GpuType(Part):
    """One accelerator: a package, a board or, of a superchip, the share of one GPU."""

    vendor: str = ""
    form: str = ""
    launch_year: int | None = count("launch_year")
    tdp_w: float | None = quantity("tdp", POWER)
    idle_w: float | None = quantity("idle", POWER)
    memory_bytes: float | None = quantity("memory", BYTES)
    memory_type: str | None = words("memory_type")
    memory_bytes_per_s: float | None = quantity("memory_bandwidth", BYTES_PER_S)
    scale_up_bytes_per_s: float | None = quantity("scale_up_bandwidth", BYTES_PER_S)  # 0: no fabric
    scale_up_gpus: int | None = count("scale_up_gpus")  # that one fabric joins; 1: no fabric
    host_interface: str | None = words("host_interface")
    fp32_flop_per_s: float | None = quantity("fp32", FLOP_PER_S)
    tf32_flop_per_s: float | None = quantity("tf32", FLOP_PER_S)
    bf16_flop_per_s: float | None = quantity("bf16", FLOP_PER_S)
    fp16_flop_per_s: float | None = quantity("fp16", FLOP_PER_S)  # stated where there is no bf16
    fp8_flop_per_s: float | None = quantity("fp8", FLOP_PER_S)
    fp4_flop_per_s: float | None = quantity("fp4", FLOP_PER_S)
    bf16_matmul_flop_per_s: float | None = quantity("bf16_matmul", FLOP_PER_S)  # measured, not peak
    price_usd_low: float | None = quantity("price_low", MONEY)
    price_usd_high: float | None = quantity("price_high", MONEY)
    rent_usd_per_s_low: float | None = quantity("rent_low", MONEY_PER_TIME)
    rent_usd_per_s_high: float | None = quantity("rent_high", MONEY_PER_TIME)


@dataclass(frozen=True, kw_only=True)
class NodeType(Part):
    """What one operating system runs: a server, or a compute tray of a rack-scale system.

    A node without a catalog entry is made from its GPUs alone: ``NodeType(name="", gpus=8)``.
    """

    gpus: int
    gpu: str | None = None  # name of a `GpuType`
    scale_up_domain: ScaleUpDomain = "node"  # how far the fabric among its GPUs reaches
    max_power_w: float | None = quantity("max_power", POWER)
    idle_power_w: float | None = quantity("idle_power", POWER)
    rack_units: int | None = count("rack_units")
    nodes_per_rack: int | None = count("nodes_per_rack")
    rack_power_w: float | None = quantity("rack_power", POWER)
    cooling: str | None = words("cooling")
    nics: int | None = count("nics")  # of the compute network
    nic_bytes_per_s: float | None = quantity("nic_rate", BYTES_PER_S)  # line rate of one NIC
    cpu: str | None = words("cpu")
    price_usd_low: float | None = quantity("price_low", MONEY)
    price_usd_high: float | None = quantity("price_high", MONEY)
    rack_price_usd_low: float | None = quantity("rack_price_low", MONEY)  # where racks are sold
    rack_price_usd_high: float | None = quantity("rack_price_high", MONEY)


@dataclass(frozen=True, kw_only=True)
class SwitchType(Part):
    """A switch chassis, or the chip that makes one."""

    kind: Literal["infiniband", "ethernet", "nvlink"]
    radix: int | None = count("radix")  # ports
    port_bytes_per_s: float | None = quantity("port_rate", BYTES_PER_S)
    latency_s: float | None = quantity("latency", TIME)  # port to port
    power_w: float | None = quantity("power", POWER)  # without optics


@dataclass(frozen=True, kw_only=True)
class LinkType(Part):
    """A generation of links: within a scale-up domain, to the host, between nodes, or a cable."""

    kind: Literal["scale-up", "host", "scale-out", "cable"]
    bytes_per_s: float | None = quantity("rate", BYTES_PER_S)
    power_w: float | None = quantity("power", POWER)  # of the module at one end


# Each kind of part is a file of that name beside this module.
PARTS: dict[str, type[Part]] = {
    "gpus": GpuType,
    "nodes": NodeType,
    "switches": SwitchType,
    "links": LinkType,
}

_SINGULAR = {"gpus": "GPU", "nodes": "node", "switches": "switch", "links": "link"}

# Figures of a whole node or rack that no longer hold once one of these is overridden.
_RESTS_ON: dict[str, tuple[str, ...]] = {
    "max_power_w": ("gpus", "gpu"),
    "idle_power_w": ("gpus", "gpu"),
    "rack_power_w": ("gpus", "gpu", "max_power_w", "nodes_per_rack"),
    "price_usd_low": ("gpus", "gpu"),
    "price_usd_high": ("gpus", "gpu"),
    "rack_price_usd_low": ("gpus", "gpu", "nodes_per_rack", "price_usd_low"),
    "rack_price_usd_high": ("gpus", "gpu", "nodes_per_rack", "price_usd_high"),
}


def gpu(name: str) -> GpuType:
    """The accelerator of that name; raises `CatalogError` with the nearest known name."""
    return cast(GpuType, part("gpus", name))


def node(name: str) -> NodeType:
    """The node of that name; raises `CatalogError` with the nearest known name."""
    return cast(NodeType, part("nodes", name))


def switch(name: str) -> SwitchType:
    """The switch of that name; raises `CatalogError` with the nearest known name."""
    return cast(SwitchType, part("switches", name))


def link(name: str) -> LinkType:
    """The link of that name; raises `CatalogError` with the nearest known name."""
    return cast(LinkType, part("links", name))


def part(kind: str, name: str) -> Part:
    """The part of that kind ("gpus", "nodes", "switches", "links") and name."""
    return _entry(kind, name)[0]


def figures(kind: str, name: str) -> tuple[Figure, ...]:
    """What is known of a part, each figure with its source, in the order of the class's fields."""
    return _entry(kind, name)[1]


def names(kind: str) -> list[str]:
    """All names of one kind, sorted."""
    return sorted(_file(kind))


def with_overrides(base: NodeType, overrides: Mapping[str, Any]) -> NodeType:
    """A node with some of its fields replaced by what the user says.

    Parameters
    ----------
    base : NodeType
        A node of the catalog, or one made by hand.
    overrides : mapping
        Field -> value in SI, for example ``{"gpus": 4, "max_power_w": 6000.0}``.

    Returns
    -------
    NodeType
        The new node. What rests on a field that changed is None unless it is given as well:
        the power and the price of a server of 8 GPUs say nothing about one of 4.

    Raises
    ------
    CatalogError
        If a field is unknown, or the GPU is not in the catalog.
    """
    known = [f.name for f in fields(NodeType)]
    for name in overrides:
        if name not in known:
            raise CatalogError(f"a node has no {name!r}; {did_you_mean(name, known)}")
    if overrides.get("gpu") is not None:
        gpu(overrides["gpu"])
    changed = {name for name, value in overrides.items() if value != getattr(base, name)}
    unknown = {name: None for name, rests in _RESTS_ON.items() if changed.intersection(rests)}
    return replace(base, **{**unknown, **overrides})


def _entry(kind: str, name: str) -> tuple[Part, tuple[Figure, ...]]:
    entries = _file(kind)
    if name not in entries:
        spelt = name.strip().lower().replace("_", "-").replace(" ", "-")  # nearest as we write it
        raise CatalogError(
            f"unknown {_SINGULAR[kind]} {name!r}; {did_you_mean(spelt, entries, most=40)}"
        )
    return entries[name]


@cache
def _file(kind: str) -> dict[str, tuple[Part, tuple[Figure, ...]]]:
    """One file of the catalog, read once."""
    if kind not in PARTS:
        raise CatalogError(f"no kind of part {kind!r}; {did_you_mean(kind, PARTS)}")
    return read_parts(Path(__file__).with_name(f"{kind}.yaml"), PARTS[kind])
