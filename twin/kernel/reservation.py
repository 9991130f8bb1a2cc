"""A reservation: for whom, how many nodes and from when to when; and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError
from twin.site.layout import Site
from twin.units import format_duration

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reservation:
    """Nodes of a pool for the jobs of some groups and users, from one time to another.

    Attributes
    ----------
    name : str
    pool : int
        By its place in the site.
    nodes : int
    start_s, end_s : float
        [s]
    drain_s : float
        So long before the start the nodes are closed to all. [s]
    groups, users : tuple of str
        Jobs of one of these groups, or of one of these users, may use them.
    notice_s : float
        So long before the start the nodes are chosen, and jobs that would still run there at the
        start begin elsewhere; from the beginning of the run if it is ``inf``. [s]
    """

    name: str
    pool: int
    nodes: int
    start_s: float
    end_s: float
    drain_s: float = 0.0
    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    notice_s: float = inf

    @property
    def known_s(self) -> float:
        """From when on its nodes are chosen. [s]"""
        return min(max(self.start_s - self.notice_s, 0.0), self.closes_s)

    @property
    def closes_s(self) -> float:
        """From when on no job may start on the nodes. [s]"""
        return max(self.start_s - self.drain_s, 0.0)

    def admits(self, jobs: pd.DataFrame) -> Mask:
        """(n_job,) which jobs it is for; none of them is a replica of a service."""
        mine: Mask = (
            jobs["group"].isin(self.groups) | jobs["user"].isin(self.users)
        ).to_numpy() & jobs["until_s"].isna().to_numpy()
        return mine


@dataclass(frozen=True)
class ReservedRecord:
    """What became of reservations.

    Attributes
    ----------
    asked : tuple of Reservation
    jobs_preempted : tuple of int
        Jobs that gave way to each.
    spells : dict of (n_spell,) arrays
        ``reservation, node, start_s, end_s``: for which time each node was closed for which.
    """

    asked: tuple[Reservation, ...]
    jobs_preempted: tuple[int, ...]
    spells: dict[str, Array]


def check_nodes(asked: Sequence[Reservation], site: Site) -> None:
    """Raise `InputError` if reservations of one time ask for more nodes than their pool has."""
    for last in asked:
        pool = site.pools[last.pool]
        # What is closed only grows where another closes: these times are enough.
        here = [
            one
            for one in asked
            if one.pool == last.pool and one.closes_s <= last.closes_s < one.end_s
        ]
        nodes, most = sum(one.nodes for one in here), pool.nodes
        if nodes > most:
            names = " and ".join(one.name for one in here)
            raise InputError(
                f"policies.reservations: {names} close {nodes} nodes of pool {pool.name} at "
                f"{format_duration(last.closes_s)}, and it has {most}; ask for fewer, for other "
                "times, or for a shorter drain"
            )
