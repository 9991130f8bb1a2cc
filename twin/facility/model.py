"""What draws power, what feeds it and what it may draw: what a simulation of power is made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.physics.conversion import Loss
from twin.physics.power import OperatingCurve

if TYPE_CHECKING:
    from twin.facility.cooling import Cooling
    from twin.facility.tariff import Tariff

Array = NDArray[np.float64]
T = TypeVar("T", float, NDArray[np.float64])


@dataclass(frozen=True)
class NodeModel:
    """What a node of a pool draws at its input, as a function of what its GPUs draw.

    Attributes
    ----------
    gpus : int
    tdp_w, gpu_idle_w : float
        Of one GPU. [W]
    rest_w : float
        Host at rest: CPUs, memory, NICs. [W]
    per_w : float
        What the host draws more for each watt of its GPUs above rest.
    fan_per_w3 : float
        Fans: cubic in the heat of the GPUs. [W/W^3]
    supply : Loss
        Of the node's power supplies.
    network_w : float
        Switches and optics, for each node, lit or dark. [W]
    off_w, wake_w, wake_s : float
        Switched off; while it starts; and for how long. [W], [W], [s]
    """

    gpus: int
    tdp_w: float
    gpu_idle_w: float
    rest_w: float
    per_w: float
    fan_per_w3: float
    supply: Loss
    network_w: float
    off_w: float
    wake_w: float
    wake_s: float

    def load_w(self, gpu_w: T) -> T:
        """What the power supplies deliver: GPUs, host and fans. [W] Also of arrays."""
        above_w = gpu_w - self.gpus * self.gpu_idle_w
        return gpu_w + self.rest_w + self.per_w * above_w + self.fan_per_w3 * gpu_w * gpu_w * gpu_w

    def input_w(self, gpu_w: float) -> float:
        """What the node draws. [W]"""
        return float(self.supply.input_w(self.load_w(gpu_w)))

    def with_each_w(self, each_w: Array) -> Array:
        """What the node draws if each of its GPUs draws so much, at so many powers. [W]"""
        return self.supply.input_w(self.load_w(self.gpus * each_w))

    @cached_property
    def idle_w(self) -> float:
        """Of a whole node at rest. [W]"""
        return self.input_w(self.gpus * self.gpu_idle_w)

    @cached_property
    def nameplate_w(self) -> float:
        """Of a whole node with all GPUs at their rated power. [W]"""
        return self.input_w(self.gpus * self.tdp_w)


@dataclass(frozen=True)
class Work:
    """The power of one kind of work on one type of GPU.

    Attributes
    ----------
    profile : str
    curve : OperatingCurve
        While it computes.
    startup_w, restart_w, checkpoint_w, waiting_w : float
        Of one GPU in the other phases of a job. [W]
    synchronous : bool
        Whether all GPUs of a job change phase together.
    swing_below, swing_above : float
        What smoothing leaves of the swing between its phases, below batteries and above them.
    """

    profile: str
    curve: OperatingCurve
    startup_w: float
    restart_w: float
    checkpoint_w: float
    waiting_w: float
    synchronous: bool
    swing_below: float = 1.0
    swing_above: float = 1.0


@dataclass(frozen=True)
class Trip:
    """When the breaker of a unit trips: see `twin.physics.breaker`."""

    trips_at: float
    time_constant_s: float
    at_once: float
    reset_s: float


@dataclass(frozen=True)
class DomainModel:
    """The units of one level of the tree.

    Attributes
    ----------
    level : str
    rated_w : (n_unit,) array
        What a unit may draw for long with all its feeds; ``inf`` for no limit. [W]
    feed_w : (n_unit,) array
        Rating of one feed. [W]
    breaker_w : (n_unit,) array
        Rating of the breakers of a unit, of those feeds that it uses. [W]
    feeds : int
    nameplate_w : (n_unit,) array
        Sum of the nodes below at most, networks included, losses not. [W]
    fixed_w, linear, quadratic_per_w : (n_unit,) arrays
        Loss as a polynomial of the power that a unit passes on. [W], [-], [1/W]
    trip : Trip or None
    """

    level: str
    rated_w: Array
    feed_w: Array
    breaker_w: Array
    feeds: int
    nameplate_w: Array
    fixed_w: Array
    linear: Array
    quadratic_per_w: Array
    trip: Trip | None = None

    def input_w(self, output_w: Array) -> Array:
        """(n_unit,) what the units draw for what they pass on. [W]"""
        return output_w + self.fixed_w + output_w * (self.linear + output_w * self.quadratic_per_w)


@dataclass(frozen=True, eq=False)
class CapEvent:
    """A cap of some units of a level while it holds.

    Attributes
    ----------
    from_s, to_s : float
        When it begins and ends. [s]
    level : str
    units : (n_unit,) array
        Which units.
    cap_w : (n_unit,) array
        What each may draw meanwhile. [W]
    why : str
    feeds_lost : int
        Feeds of each unit that are out meanwhile.
    """

    from_s: float
    to_s: float
    level: str
    units: NDArray[np.int64]
    cap_w: Array
    why: str
    feeds_lost: int = 0


@dataclass(frozen=True)
class PowerModel:
    """All of it.

    Attributes
    ----------
    nodes : tuple of NodeModel
        By pool.
    work : dict of (pool, profile) to Work
    profile_of : dict of str to str
        Kind of job, or model, to its profile.
    domains : tuple of DomainModel
        ``rack, row, ups, hall, site``, from below.
    caps : tuple of CapEvent
    cooling : Cooling
    tariff : Tariff
    battery_level : str or None
        Where batteries stand that take up swings.
    assumed : tuple of str
        What was taken for granted, for the report.
    """

    nodes: tuple[NodeModel, ...]
    work: dict[tuple[int, str], Work]
    profile_of: dict[str, str]
    domains: tuple[DomainModel, ...]
    caps: tuple[CapEvent, ...]
    cooling: Cooling
    tariff: Tariff
    battery_level: str | None = None
    assumed: tuple[str, ...] = field(default=())

    @property
    def may_interrupt(self) -> bool:
        """Whether power or heat may take nodes away from jobs: breakers, cooling that fails."""
        return self.cooling.may_fail or any(domain.trip is not None for domain in self.domains)
