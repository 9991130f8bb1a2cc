"""What policies of power see: running jobs and their watts, nodes that may be off, prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]

LIT, POWER_DARK, HEAT_DARK, DEMAND_DARK = range(4)  # answers of a lighting policy, a node each


@dataclass(frozen=True)
class Curve:
    """Speed against power of one GPU under one kind of work, both ascending and concave enough.

    Attributes
    ----------
    power_w : (n,) array
        Mean power of a GPU, from that at the least cap to that without one. [W]
    rate : (n,) array
        Speed over the speed without a cap; the last is 1.
    """

    power_w: Array
    rate: Array


@dataclass(frozen=True)
class Demand:
    """All running jobs, and the watts that they may share: one decision's worth.

    A job's GPUs run at one operating point, because a gang is as fast as its slowest GPU. Its power
    is ``idle_w`` where it is paused, or lies between ``floor_w`` and ``top_w``. For powers ``p``
    per GPU the domains draw at most ``share @ (p - idle_w)`` above what they draw with all jobs
    paused; that must not exceed ``budget_w``.

    Attributes
    ----------
    now_s : float
        Time of the decision. [s]
    gpus : (n_job,) array
        GPUs of each job.
    kind : sequence of str
        Training, batch, interactive or serving.
    phase : sequence of str
        The work done by now, a name of a profile: ``training``, ``prefill``, ``decode``, ...
    priority, start_s : (n_job,) arrays
        Higher goes first; when each started. [s]
    idle_w, floor_w, top_w, tdp_w, power_w : (n_job,) arrays
        Of one GPU of each job: at rest, at the least cap, without a cap, the rated power, and now.
        [W]
    curve : (n_job,) array
        Which of ``curves`` the GPUs of each job follow, from ``floor_w`` to ``top_w``.
    curves : sequence of Curve
    share : (n_domain, n_job) sparse array
        Watts that a domain draws for each watt of one GPU of a job.
    budget_w : (n_domain,) array
        What all jobs may draw above rest, in each domain that has a cap; negative where the cap
        is below what the domain draws at rest. [W]
    load : (n_domain,) array
        Power drawn now over the cap.
    cap_w : (n_domain,) array
        The caps themselves. [W]
    """

    now_s: float
    gpus: NDArray[np.float64]
    kind: Sequence[str]
    phase: Sequence[str]
    priority: NDArray[np.int64]
    start_s: Array
    idle_w: Array
    floor_w: Array
    top_w: Array
    tdp_w: Array
    power_w: Array
    curve: NDArray[np.int64]
    curves: Sequence[Curve]
    share: csr_array
    budget_w: Array
    load: Array
    cap_w: Array


@dataclass(frozen=True)
class Hall:
    """The nodes of the site, and what caps leave them: what a lighting policy sees.

    Attributes
    ----------
    now_s : float
        Time of the decision. [s]
    lit, busy : (n_node,) bool arrays
        Powered now; holding a job now. A node that is to be dark goes off once its jobs have ended.
    down : (n_node,) bool array
        Failed or in repair: neither lit nor dark, whatever the answer.
    idle_since_s, lit_s : (n_node,) arrays
        Since when no job holds it (NaN while one does); for how long it was powered, in all. [s]
    age_s, inlet_degc : (n_node,) arrays
        Age at the start of the run plus ``now_s`` [s]; temperature of the air or water that it
        takes in [degC].
    gpus, pool : (n_node,) arrays
        GPUs of each node, and its pool.
    off_w, idle_w, floor_w, nameplate_w : (n_node,) arrays
        Power of a node switched off, at rest, with all GPUs at work under the least cap, and at
        most. [W]
    tdp_w, gpu_idle_w : (n_node,) arrays
        Of one GPU of it. [W]
    curves : sequence of Curve
        Of the usual work of each pool: GPU power against speed.
    units : mapping of level to (n_node,) arrays
        ``node, scale-up, leaf, rack, cdu, row, ups, hall, site``: the unit each node stands in.
    cap_level, cap_unit : sequence of str, sequence of int
        Which domain each cap is of.
    cap_w : (n_cap,) array
        The caps. [W]
    node_w : sequence of callables
        By pool: what a node draws if each of its GPUs draws so much, also of arrays. [W]
    drawn_w : callable
        What all units of each level of the power tree draw, networks, losses and cooling of now
        included, for the power of all nodes: ``drawn_w(node_w)["row"][3]``. Convex. [W]
    heat_cap_w : (n_node,) array
        IT power of the cooling unit that the node hangs on which it can carry away now, shared
        evenly over its nodes; ``inf`` where cooling is no limit. [W]
    queued_gpus, waiting_gpus : int, (n_pool,) array
        GPUs asked for by waiting jobs, in all and by pool that may take them.
    """

    now_s: float
    lit: NDArray[np.bool_]
    busy: NDArray[np.bool_]
    down: NDArray[np.bool_]
    idle_since_s: Array
    lit_s: Array
    age_s: Array
    inlet_degc: Array
    gpus: NDArray[np.int32]
    pool: NDArray[np.int32]
    off_w: Array
    idle_w: Array
    floor_w: Array
    nameplate_w: Array
    tdp_w: Array
    gpu_idle_w: Array
    curves: Sequence[Curve]
    units: dict[str, NDArray[np.int32]]
    cap_level: Sequence[str]
    cap_unit: Sequence[int]
    cap_w: Array
    node_w: Sequence[Callable[[Array], Array]]
    drawn_w: Callable[[Array], Mapping[str, Array]]
    heat_cap_w: Array
    queued_gpus: int
    waiting_gpus: NDArray[np.int64]


class Outlook(Protocol):
    """What is known ahead when a job is submitted: prices, carbon and weather by the hour."""

    def price_usd_per_j(self, at_s: float) -> float:
        """Price of electricity. [USD/J]"""

    def carbon_kg_per_j(self, at_s: float) -> float:
        """Carbon intensity of the grid. [kg CO2e/J]"""

    def wet_bulb_degc(self, at_s: float) -> float:
        """Wet bulb outside. [degC]"""

    def changes_s(self, what: str, from_s: float, to_s: float) -> list[float]:
        """Times after ``from_s`` up to ``to_s`` at which ``price``, ``carbon`` or ``wet_bulb``
        changes, ascending."""
