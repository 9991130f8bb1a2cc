"""What it takes to carry heat out of a hall, given the weather: fans, pumps, chillers, water."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from twin.errors import DomainError

Sink = Literal["dry", "wet", "adiabatic"]

_ZERO_DEGC_K = 273.15
_LEAST_LIFT_K = 20.0  # below which chillers gain no more: COP of 7 at half of Carnot
_LATENT_J_PER_L = 2.45e6  # of water near 25 degC
_CYCLES = 5.0  # of concentration: a fifth of a tower's water is bled off


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One way of heat from the coolant that equipment sees to the air outside.

    Parameters
    ----------
    supply_degc, rise_k : float
        Coolant at the equipment's inlet, and how much warmer it leaves at most. [degC], [K]
    hx_k : float
        Coolant at the inlet over the water or air that cools it, across heat exchangers. [K]
    approach_k : float
        That water or air over the outside air. [K]
    sink : {'dry', 'wet', 'adiabatic'}
        Heat goes to dry-bulb air; by evaporation to wet-bulb air; or to air that is wetted just as
        far as chillers can be spared.
    economiser : bool
        Whether outside air takes what heat it can before chillers do.
    carnot : float
        COP of the chillers over that of Carnot. [0..1]
    lift_k : float
        Condenser over outside air and approach, and evaporator below its water, together. [K]
    moving, least_moving : float
        Fans and pumps inside at rated heat, over that heat; share of it that remains at no heat.
    rejection : float
        Fans and pumps outside, over the heat that they reject.
    """

    supply_degc: float
    rise_k: float
    hx_k: float
    approach_k: float
    sink: Sink
    economiser: bool
    carnot: float
    lift_k: float
    moving: float
    least_moving: float
    rejection: float

    def __post_init__(self) -> None:
        if not -_ZERO_DEGC_K < self.supply_degc < 100:
            raise DomainError(f"supply_degc: must be -273 to 100 degC, found {self.supply_degc:g}")
        if self.sink not in ("dry", "wet", "adiabatic"):
            raise DomainError(f"sink: must be dry, wet or adiabatic, found {self.sink!r}")
        for name in ("hx_k", "approach_k", "lift_k", "moving", "rejection"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise DomainError(f"{name}: must be zero or above and finite, found {value:g}")
        for name, most in (("rise_k", 100.0), ("carnot", 1.0)):
            value = getattr(self, name)
            if not 0 < value <= most:
                raise DomainError(f"{name}: must be above 0, at most {most:g}, found {value:g}")
        if not 0 <= self.least_moving <= 1:
            raise DomainError(
                f"least_moving: must be a fraction from 0 to 1, found {self.least_moving:g}"
            )


@dataclass(frozen=True, kw_only=True)
class CoolingType:
    """How a hall is cooled.

    Parameters
    ----------
    loop : Loop
        The main way of heat.
    share : float
        Share of heat that goes that way. [0..1]
    rest : Loop or None
        The way of the rest, such as air beside liquid.
    overhead : float
        Lights, controls and offices, over the rated heat: fixed.
    time_constant_s : float
        In which the coolant would go 63 % of its way if heat or cooling changed for good. [s]
    throttle_degc, off_degc : float
        Coolant at the inlet at which equipment slows down, and at which it switches off. [degC]

    Raises
    ------
    DomainError
        If the figures are out of order.
    """

    loop: Loop
    share: float = 1.0
    rest: Loop | None = None
    overhead: float = 0.0
    time_constant_s: float = 300.0
    throttle_degc: float = 60.0
    off_degc: float = 70.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or (self.share < 1 and self.rest is None):
            raise DomainError(
                f"share: must be above 0, at most 1, and 1 without a rest, found {self.share:g}"
            )
        if not (isfinite(self.overhead) and self.overhead >= 0):
            raise DomainError(f"overhead: must be zero or above, found {self.overhead:g}")
        if not 0 < self.time_constant_s < inf:
            raise DomainError(f"time_constant_s: must be above 0, found {self.time_constant_s:g}")
        if not self.loop.supply_degc < self.throttle_degc <= self.off_degc < inf:
            raise DomainError(
                f"throttle_degc, off_degc: must lie above the supply, {self.loop.supply_degc:g} "
                f"degC, and in that order, found {self.throttle_degc:g} and {self.off_degc:g}"
            )

    @property
    def loops(self) -> tuple[tuple[float, Loop], ...]:
        """Share of heat and way, for each way."""
        if self.rest is None or self.share == 1:
            return ((1.0, self.loop),)
        return ((self.share, self.loop), (1 - self.share, self.rest))


@dataclass(frozen=True, slots=True)
class CoolingCurve:
    """Power of cooling against heat in one weather: convex and increasing.

    Attributes
    ----------
    fixed_w, linear, cubic_per_w2 : float
        ``fixed + linear · heat + cubic · heat³``. [W], [-], [1/W^2]
    water_l_per_j : float
        Water evaporated and bled off, for each joule of heat. [l/J]
    free : float
        Share of the heat that no chiller carries. [0..1]
    """

    fixed_w: float
    linear: float
    cubic_per_w2: float
    water_l_per_j: float = 0.0
    free: float = 1.0

    def power_w(self, heat_w: float) -> float:
        """Drawn to carry this heat away. [W]"""
        return self.fixed_w + heat_w * (self.linear + self.cubic_per_w2 * heat_w * heat_w)


def cooling_curve(
    kind: CoolingType, dry_bulb_degc: float, wet_bulb_degc: float, rated_w: float
) -> CoolingCurve:
    """The power of cooling as a polynomial of heat, for one weather.

    Parameters
    ----------
    dry_bulb_degc, wet_bulb_degc : float
        Of the air outside. [degC]
    rated_w : float
        Heat that the plant is built for. [W]

    Returns
    -------
    CoolingCurve

    Raises
    ------
    DomainError
        If the wet bulb is above the dry bulb, or the rating is not above zero.

    Notes
    -----
    Outside air makes coolant of ``T = T_air + approach + hx``. At or below the supply setpoint
    cooling is free; at or above the return chillers carry all; in between outside air takes
    ``(return - T) / rise`` first and chillers the rest, so nothing jumps when the weather turns.
    Fans and pumps inside follow the cube of the flow, and the flow the heat, from a least speed on;
    a chiller's COP is a share of Carnot between evaporator and condenser, whatever its load. The
    temperatures are those at rated heat; at less heat outside air would take a larger share.
    Chillers are always large enough, and beyond the rated heat the cube still holds; capacity is
    for others to watch. What converters lose is no part of it.

    Sources
    -------
    [from-memory] for the form and the share of Carnot; tests/validation/test_cooling.py compares
    the PUE of the catalog's types over a year of five cities with published ranges.
    """
    if not (isfinite(dry_bulb_degc) and isfinite(wet_bulb_degc)):
        raise DomainError("dry_bulb_degc, wet_bulb_degc: must be finite")
    if wet_bulb_degc > dry_bulb_degc + 1e-6:
        raise DomainError(
            f"wet_bulb_degc: must not be above the dry bulb, {dry_bulb_degc:g} degC, found "
            f"{wet_bulb_degc:g}"
        )
    if not (isfinite(rated_w) and rated_w > 0):
        raise DomainError(f"rated_w: must be above zero and finite, found {rated_w:g}")
    fixed, linear, cubic, water, free = kind.overhead, 0.0, 0.0, 0.0, 1.0
    for share, loop in kind.loops:
        air_degc, evaporated = _outside(loop, dry_bulb_degc, wet_bulb_degc)
        chilled = _chilled_share(loop, air_degc)
        rejected = 1.0
        if chilled > 0:
            compressed = chilled / chiller_cop(loop, air_degc)
            linear += share * compressed
            rejected += compressed
            free -= share * chilled
        linear += share * rejected * loop.rejection
        fixed += share * loop.moving * loop.least_moving
        cubic += share * loop.moving * (1 - loop.least_moving)
        water += share * rejected * evaporated
    return CoolingCurve(
        fixed_w=fixed * rated_w,
        linear=linear,
        cubic_per_w2=cubic / rated_w**2,
        water_l_per_j=water / _LATENT_J_PER_L * _CYCLES / (_CYCLES - 1),
        free=min(max(free, 0.0), 1.0),  # but for rounding
    )


def chiller_cop(loop: Loop, air_degc: float) -> float:
    """Heat that the chillers of a loop carry for each watt that they draw. [-]"""
    evaporator_degc = loop.supply_degc - loop.hx_k
    lift_k = air_degc + loop.approach_k + loop.lift_k - evaporator_degc
    return loop.carnot * (evaporator_degc + _ZERO_DEGC_K) / max(lift_k, _LEAST_LIFT_K)


def _outside(loop: Loop, dry_bulb_degc: float, wet_bulb_degc: float) -> tuple[float, float]:
    """The air that takes the heat [degC], and the share of it that leaves as vapour."""
    if loop.sink == "dry":
        return dry_bulb_degc, 0.0
    if loop.sink == "wet":
        return wet_bulb_degc, 1.0
    # Wetted as far as is needed, at most to the wet bulb. Air that warms by the loop's rise while
    # it takes the heat has taken depression over rise of it in vapour.
    wanted_degc = loop.supply_degc - loop.hx_k - loop.approach_k
    air_degc = max(min(dry_bulb_degc, wanted_degc), min(wet_bulb_degc, dry_bulb_degc))
    return air_degc, (dry_bulb_degc - air_degc) / loop.rise_k


def _chilled_share(loop: Loop, air_degc: float) -> float:
    """Share of heat that chillers carry. [0..1]"""
    if not loop.economiser:
        return 1.0
    made_degc = air_degc + loop.approach_k + loop.hx_k
    return min(max((made_degc - loop.supply_degc) / loop.rise_k, 0.0), 1.0)
