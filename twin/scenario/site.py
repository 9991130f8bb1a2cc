"""What stands on the site: pools of nodes, and the halls and regions that they stand in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.errors import did_you_mean
from twin.scenario import check
from twin.scenario.check import KnownName
from twin.scenario.cloud import Cloud
from twin.scenario.quantities import (
    Bytes,
    Count,
    DollarsPerSecond,
    FilePath,
    GpusPerNode,
    Name,
    PositiveWatts,
    Seconds,
    WholeNumber,
)
from twin.scenario.section import Section, fault

GpuName = Annotated[str, KnownName("GPU", check.gpus)]
NodeName = Annotated[str, KnownName("node", check.nodes)]
SwitchName = Annotated[str, KnownName("switch", check.switches)]

DEFAULT_NODES_PER_RACK = 4


class NodeRef(Section):
    """A node type of the catalog, with overrides; or, without ``use``, a nameless node of GPUs.

    ``dgx-h100`` is short for ``{use: dgx-h100}``. What is None is as the catalog says.
    """

    shorthand: ClassVar[str] = "use"

    use: NodeName | None = Field(default=None, description="node type of the catalog")
    gpus: GpusPerNode | None = Field(default=None, description="GPUs in a node")
    gpu: GpuName | None = Field(default=None, description="GPU type of the catalog")
    max_power_w: PositiveWatts | None = Field(
        default=None, description="largest power of the whole node"
    )
    cpus: Count | None = Field(default=None, description="CPU cores of a node, for sharing.limits")
    memory_bytes: Bytes | None = Field(
        default=None, description="host memory of a node, for sharing.limits"
    )

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if self.use is None and self.gpus is None:
            raise ValueError("needs a node type, as in dgx-h100, or its GPUs, as in {gpus: 8}")
        return self


class Pool(Section):
    """Nodes of one type, spread over one or more halls in equal parts, the first halls first."""

    name: Name = Field(description="a name for the pool")
    node: NodeRef = Field(description="the node type: a name of the catalog, or {gpus: 8}")
    nodes: Count = Field(description="the number of nodes in the pool")
    halls: tuple[Name, ...] = Field(
        default=("hall-1",), min_length=1, description="halls it stands in"
    )
    nodes_per_rack: Count | None = Field(
        default=None, description="nodes in a rack; else the catalog's"
    )
    racks_per_row: Count = Field(default=10, description="racks in a row")
    nodes_per_leaf: Count = Field(
        default=32, description="nodes that share a group of leaf switches"
    )
    racks_per_cdu: Count = Field(
        default=4, description="racks that share a coolant distribution unit"
    )
    rows_per_ups: Count = Field(default=1, description="rows behind one UPS block")
    spares: WholeNumber = Field(default=0, description="nodes held back as hot spares")
    spares_per: Literal["pool", "row", "rack"] = Field(
        default="pool", description="held back in the pool, or in each row or rack"
    )
    age_s: Seconds = Field(
        default=0.0, description="age of its nodes at the start, for policies that heed it"
    )
    scale_up_domain: Literal["node", "rack"] | None = Field(
        default=None,
        description="what the scale-up (NVLink) fabric joins; by default the catalog's",
    )
    switch: SwitchName | None = Field(default=None, description="switch of the compute network")
    price_usd_per_s: DollarsPerSecond | None = Field(
        default=None, description="what one GPU of a pool of one's own costs, used or not"
    )
    cloud: Cloud | None = Field(
        default=None, description="its nodes are rented when policies.overflow asks for them"
    )

    @model_validator(mode="before")
    @classmethod
    def _cloud_has_a_hall_of_its_own(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("cloud") and not data.get("halls"):
            return {**data, "halls": [data.get("name")]}
        return data

    @model_validator(mode="after")
    def _cloud_is_apart(self) -> Self:
        if self.cloud is None:
            return self
        if self.price_usd_per_s is not None:
            message = "is for nodes of one's own; write the price of rented ones under cloud"
            raise fault(message, self.price_usd_per_s, "price")
        if self.spares:
            raise fault("a cloud holds no spares back; leave it out", self.spares, "spares")
        return self

    @model_validator(mode="after")
    def _each_hall_has_a_node(self) -> Self:
        for at, hall in check.repeated(self.halls):
            raise fault(f"hall {hall!r} is given twice", hall, "halls", at)
        if self.nodes < len(self.halls):
            raise ValueError(f"has too few nodes ({self.nodes}) for {len(self.halls)} halls")
        return self

    @model_validator(mode="after")
    def _spares_leave_some(self) -> Self:
        of_catalog = check.nodes_per_rack(self.node.use) if self.node.use else None
        rack = self.nodes_per_rack or of_catalog or DEFAULT_NODES_PER_RACK
        size = {"pool": self.nodes, "row": rack * self.racks_per_row, "rack": rack}[self.spares_per]
        if self.spares >= size:
            message = f"leaves nothing of the {size} nodes of a {self.spares_per}; hold back fewer"
            raise fault(message, self.spares, "spares")
        return self


class NodeList(Section):
    """Nodes one by one from a file, as published with a trace."""

    path: FilePath = Field(description="the file of the nodes")
    format: Literal["auto", "alibaba-2020", "alibaba-2023", "alibaba-2026", "generic"] = Field(
        default="auto", description="its format; auto goes by the columns"
    )


class Site(Section):
    """Pools of nodes, or a list of single nodes; halls lie in regions if these are given."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("pools", "node_list"),)

    name: Name = Field(default="site", description="name of the site")
    regions: Mapping[Name, tuple[Name, ...]] = Field(
        default_factory=dict, description="region -> its halls; by default one region has them all"
    )
    pools: tuple[Pool, ...] = Field(default=(), description="pools of nodes")
    node_list: NodeList | None = Field(default=None, description="a file that lists the nodes")

    @model_validator(mode="after")
    def _clouds_stand_elsewhere(self) -> Self:
        own = {hall for pool in self.pools if pool.cloud is None for hall in pool.halls}
        for at, pool in enumerate(self.pools):
            shared = own & set(pool.halls) if pool.cloud is not None else set()
            for hall in shared:
                message = (
                    f"hall {hall!r} has nodes of one's own; a cloud stands elsewhere: give it "
                    "another, or leave halls out"
                )
                raise fault(message, hall, "pools", at, "halls")
        if self.pools and not own:
            raise ValueError("all pools are rented; give one of one's own, if only of one node")
        return self

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        for at, name in check.repeated([pool.name for pool in self.pools]):
            raise fault(f"pool {name!r} is given twice", name, "pools", at, "name")
        for _, hall in check.repeated([hall for halls in self.regions.values() for hall in halls]):
            raise fault(f"hall {hall!r} is given twice", hall, "regions")
        known = {hall for halls in self.regions.values() for hall in halls}
        for at, pool in enumerate(self.pools):
            for hall in pool.halls:
                if known and hall not in known:
                    message = f"hall {hall!r} is in no region; {did_you_mean(hall, known)}"
                    raise fault(message, hall, "pools", at, "halls")
        return self
