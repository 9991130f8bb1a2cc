"""What stands in the hall: regions > halls > rows > racks > nodes > GPUs, as arrays by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.site.terms import Terms

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Pool:
    """Nodes of one type that a scheduler sees as one; their ids are consecutive.

    ``domain_nodes`` is the number of nodes that share one scale-up (NVLink) fabric: 1 where the
    fabric ends at the node, 18 in an NVL72 rack of 4-GPU trays. ``spares`` nodes are held back in
    each unit of the level ``spares_per``. ``age_s`` is the age of its nodes at the start. [s]
    ``cloud`` has the terms of nodes that are rented when they are needed; ``nodes`` is then the
    most that can be. ``price_usd_per_s`` is what one GPU of a pool of one's own costs, used or not.
    """

    name: str
    node_type: str
    gpu_type: str
    gpus_per_node: int
    nodes: int
    halls: tuple[str, ...] = ("hall-1",)
    nodes_per_rack: int = 4
    racks_per_row: int = 10
    domain_nodes: int = 1
    nodes_per_leaf: int = 32
    racks_per_cdu: int = 4
    rows_per_ups: int = 1
    spares: int = 0
    spares_per: str = "pool"
    age_s: float = 0.0
    price_usd_per_s: float | None = None
    cloud: Terms | None = None

    @property
    def gpus(self) -> int:
        """GPUs in the pool."""
        return self.nodes * self.gpus_per_node


@dataclass(frozen=True)
class Hosts:
    """CPUs and memory of the nodes, by node id, where they are known.

    ``order`` has the node ids in the order of the list that the nodes came in.
    """

    cpus: NDArray[np.float64]  # (n_node,) cores; NaN if not known
    memory_bytes: NDArray[np.float64]  # (n_node,) NaN if not known
    order: NDArray[np.int64]  # (n_node,)


@dataclass(frozen=True)
class Site:
    """The fleet as built, never changed by a run.

    Each array maps an id to the id of what holds it. GPU ids run node by node: GPU ``k`` of node
    ``v`` is ``first_gpu[v] + k``.
    """

    name: str
    pools: tuple[Pool, ...]
    regions: tuple[str, ...]
    halls: tuple[str, ...]
    node_pool: Ids  # (n_node,)
    node_rack: Ids  # (n_node,)
    node_domain: Ids  # (n_node,) scale-up domain
    first_gpu: NDArray[np.int64]  # (n_node + 1,)
    rack_row: Ids  # (n_rack,)
    row_hall: Ids  # (n_row,)
    hall_region: Ids  # (n_hall,)
    hosts: Hosts | None = None

    def __post_init__(self) -> None:
        # Policies see these: nobody may change what stands in the hall.
        for array in (
            *(self.node_pool, self.node_rack, self.node_domain, self.first_gpu),
            *(self.rack_row, self.row_hall, self.hall_region),
        ):
            array.flags.writeable = False

    @property
    def n_nodes(self) -> int:
        """Nodes on the site."""
        return len(self.node_pool)

    @property
    def n_gpus(self) -> int:
        """GPUs on the site."""
        return int(self.first_gpu[-1])

    @property
    def own_gpus(self) -> int:
        """GPUs that stand there whether used or not: all but those of clouds."""
        return sum(pool.gpus for pool in self.pools if pool.cloud is None)

    @property
    def cloud_pools(self) -> list[int]:
        """Pools whose nodes are rented."""
        return [p for p, pool in enumerate(self.pools) if pool.cloud is not None]

    @property
    def node_gpus(self) -> Ids:
        """(n_node,) GPUs of each node."""
        return np.diff(self.first_gpu).astype(np.int32)

    @property
    def gpu_node(self) -> Ids:
        """(n_gpu,) node of each GPU."""
        return np.repeat(np.arange(self.n_nodes, dtype=np.int32), np.diff(self.first_gpu))

    def pool_nodes(self, pool: int) -> range:
        """Ids of the nodes of a pool."""
        first = sum(p.nodes for p in self.pools[:pool])
        return range(first, first + self.pools[pool].nodes)


def lay_out(
    pools: Sequence[Pool],
    *,
    name: str = "site",
    regions: Mapping[str, Sequence[str]] | None = None,
    hosts: Hosts | None = None,
) -> Site:
    """Place pools in halls, rows and racks, and number everything.

    Parameters
    ----------
    pools : sequence of Pool
        In scenario order, which is also the order of node ids.
    regions : mapping of region to halls, optional
        Halls not named there stand in the first region, or in ``region-1``.
    hosts : Hosts, optional
        CPUs and memory of the nodes.

    Returns
    -------
    Site

    Notes
    -----
    A rack holds nodes of one pool, a row racks of one pool. A pool with several halls fills them
    with whole racks, as evenly as they go, the first halls taking the remainder.
    """
    hall_names = list(dict.fromkeys(hall for pool in pools for hall in pool.halls))
    region_of = {hall: region for region, halls in (regions or {}).items() for hall in halls}
    first_region = next(iter(regions), "region-1") if regions else "region-1"
    region_names = list(
        dict.fromkeys([*(regions or {}), *(region_of.get(h, first_region) for h in hall_names)])
    )
    hall_ids = {hall: i for i, hall in enumerate(hall_names)}

    node_pool: list[Ids] = []
    node_rack: list[Ids] = []
    node_domain: list[Ids] = []
    rack_row: list[Ids] = []
    row_hall: list[Ids] = []
    n_rack = n_row = n_domain = 0
    for p, pool in enumerate(pools):
        racks = -(-pool.nodes // pool.nodes_per_rack)
        nodes = np.arange(pool.nodes, dtype=np.int32)
        node_pool.append(np.full(pool.nodes, p, np.int32))
        node_rack.append(n_rack + nodes // pool.nodes_per_rack)
        node_domain.append(n_domain + nodes // pool.domain_nodes)
        n_domain += -(-pool.nodes // pool.domain_nodes)
        shares = np.full(len(pool.halls), racks // len(pool.halls), np.int32)
        shares[: racks % len(pool.halls)] += 1
        for hall, share in zip(pool.halls, shares, strict=True):
            rows = -(-int(share) // pool.racks_per_row)
            rack_row.append(n_row + np.arange(share, dtype=np.int32) // pool.racks_per_row)
            row_hall.append(np.full(rows, hall_ids[hall], np.int32))
            n_row += rows
        n_rack += racks
    per_node = np.repeat([p.gpus_per_node for p in pools], [p.nodes for p in pools])
    return Site(
        name=name,
        pools=tuple(pools),
        regions=tuple(region_names),
        halls=tuple(hall_names),
        node_pool=np.concatenate(node_pool),
        node_rack=np.concatenate(node_rack),
        node_domain=np.concatenate(node_domain),
        first_gpu=np.concatenate([[0], np.cumsum(per_node, dtype=np.int64)]),
        rack_row=np.concatenate(rack_row),
        row_hall=np.concatenate(row_hall),
        hall_region=np.array(
            [region_names.index(region_of.get(h, first_region)) for h in hall_names], np.int32
        ),
        hosts=hosts,
    )
