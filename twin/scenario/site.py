"""What stands on the site: pools of nodes, and the halls and regions that they stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.errors import did_you_mean
from twin.scenario import check
from twin.scenario.check import KnownName
from twin.scenario.quantities import Count, FilePath, GpusPerNode, Name, PositiveWatts
from twin.scenario.section import Section, fault

GpuName = Annotated[str, KnownName("GPU", check.gpus)]
NodeName = Annotated[str, KnownName("node", check.nodes)]
SwitchName = Annotated[str, KnownName("switch", check.switches)]


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
    scale_up_domain: Literal["node", "rack"] | None = Field(
        default=None,
        description="what the scale-up (NVLink) fabric joins; by default the catalog's",
    )
    switch: SwitchName | None = Field(default=None, description="switch of the compute network")

    @model_validator(mode="after")
    def _each_hall_has_a_node(self) -> Self:
        for at, hall in _repeated(self.halls):
            raise fault(f"hall {hall!r} is given twice", hall, "halls", at)
        if self.nodes < len(self.halls):
            raise ValueError(f"has too few nodes ({self.nodes}) for {len(self.halls)} halls")
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
    def _names_are_unique_and_known(self) -> Self:
        for at, name in _repeated([pool.name for pool in self.pools]):
            raise fault(f"pool {name!r} is given twice", name, "pools", at, "name")
        for _, hall in _repeated([hall for halls in self.regions.values() for hall in halls]):
            raise fault(f"hall {hall!r} is given twice", hall, "regions")
        known = {hall for halls in self.regions.values() for hall in halls}
        for at, pool in enumerate(self.pools):
            for hall in pool.halls:
                if known and hall not in known:
                    message = f"hall {hall!r} is in no region; {did_you_mean(hall, known)}"
                    raise fault(message, hall, "pools", at, "halls")
        return self


def _repeated(names: Sequence[str]) -> list[tuple[int, str]]:
    """Names that stand earlier in the list as well, with their places."""
    return [(at, name) for at, name in enumerate(names) if name in names[:at]]
