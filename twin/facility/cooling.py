"""How the halls are cooled over simulated time: weather, capacity, and what of it is lost when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.catalog import facilities
from twin.errors import DomainError, InputError, did_you_mean
from twin.facility.model import CapEvent, DomainModel
from twin.facility.series import Array, Steps
from twin.facility.weather import Weather, weather_asked
from twin.physics.cooling import CoolingCurve, CoolingType, cooling_curve
from twin.scenario import cooling as asked
from twin.site.domains import Domains, sum_by

# How much warmer than its set point a hall without any cooling would end at rated heat, from
# memory: with its time constant it sets how soon a hall is too warm.
_UNCOOLED_K = 40.0


@dataclass(frozen=True)
class CoolingOutage:
    """A time in which some of the cooling is lost.

    Attributes
    ----------
    from_s, to_s : float
        [s]
    hall : int or None
        None for all.
    lost : float
        Share of the capacity, spare included. [0..1]
    """

    from_s: float
    to_s: float
    hall: int | None
    lost: float

    def holds(self, hall: int, now_s: float) -> bool:
        """Whether this hall has lost it now."""
        return self.hall in (None, hall) and self.from_s <= now_s < self.to_s


@dataclass(frozen=True, eq=False)
class Cooling:
    """The cooling of all halls.

    Attributes
    ----------
    kind : CoolingType
    rated_w : (n_hall,) array
        Heat that the plant of each hall is built for. [W]
    spare_share : float
        Further capacity, over that.
    weather : Weather
    most_heat_w : (n_hall,) array
        Heat of each hall if all that stands in it drew its nameplate power. [W]
    node_heat_w : (n_node,) array
        Power of each node's share of its cooling distribution unit; ``inf`` for no limit. [W]
    caps : tuple of CapEvent
        The same limit on whole racks, always.
    outages : tuple of CoolingOutage
    assumed : tuple of str
        What was taken for granted, a sentence each.
    """

    kind: CoolingType
    rated_w: Array
    spare_share: float
    weather: Weather
    most_heat_w: Array
    node_heat_w: Array = field(default_factory=lambda: np.zeros(0))
    caps: tuple[CapEvent, ...] = ()
    outages: tuple[CoolingOutage, ...] = ()
    assumed: tuple[str, ...] = ()

    # -- temperatures

    @property
    def supply_degc(self) -> float:
        """Coolant at the inlet of equipment while the cooling meets the heat. [degC]"""
        return self.kind.loop.supply_degc

    @property
    def throttle_degc(self) -> float:
        """At which equipment slows down. [degC]"""
        return self.kind.throttle_degc

    @property
    def off_degc(self) -> float:
        """At which it switches off. [degC]"""
        return self.kind.off_degc

    @property
    def time_constant_s(self) -> float:
        """Of a hall's temperature. [s]"""
        return self.kind.time_constant_s

    def resistance_k_per_w(self, hall: int) -> float:
        """What a watt of lasting excess heat adds to the temperature of a hall. [K/W]"""
        return _UNCOOLED_K / float(self.rated_w[hall])

    @property
    def may_fail(self) -> bool:
        """Whether a hall may ever become too warm: some cooling is lost, or too small for it."""
        capacity_w = self.rated_w * (1 + self.spare_share)
        return bool(self.outages) or bool((capacity_w < self.most_heat_w).any())

    # -- power and capacity

    def curve(self, hall: int, now_s: float) -> CoolingCurve:
        """Power of a hall's cooling against its heat, in the weather from ``now_s`` on."""
        outside = self.weather
        curve = cooling_curve(
            self.kind,
            dry_bulb_degc=outside.dry_bulb_degc.at(now_s),
            wet_bulb_degc=outside.wet_bulb_degc.at(now_s),
            rated_w=float(self.rated_w[hall]),
        )
        # What is lost draws nothing; while the rest can carry the rated heat it draws the same.
        runs = min(1.0, self._left(hall, now_s))
        if runs == 1:
            return curve
        return replace(
            curve,
            fixed_w=curve.fixed_w * runs,
            linear=curve.linear * runs,
            cubic_per_w2=curve.cubic_per_w2 * runs,
            water_l_per_j=curve.water_l_per_j * runs,
        )

    def capacity_w(self, hall: int, now_s: float) -> float:
        """Heat that a hall's cooling can carry from ``now_s`` on, spare included. [W]"""
        return float(self.rated_w[hall]) * self._left(hall, now_s)

    def next_change_s(self, now_s: float) -> float:
        """When weather or capacity may next be another, later than ``now_s``. [s]"""
        edges = (edge for each in self.outages for edge in (each.from_s, each.to_s))
        next_s = min((edge for edge in edges if edge > now_s), default=inf)
        return min(next_s, self.weather.next_change_s(now_s))

    def _left(self, hall: int, now_s: float) -> float:
        """Capacity over the rated."""
        lost = max((each.lost for each in self.outages if each.holds(hall, now_s)), default=0.0)
        return (1 + self.spare_share) * (1 - lost)

    # -- over a run

    def water_l(self, time_s: ArrayLike, heat_w: ArrayLike, horizon_s: float) -> float:
        """Water evaporated and bled off. [l]

        Parameters
        ----------
        time_s, heat_w : (n_change,) array_like
            When the heat of all halls begins to have each value. [s], [W]
        horizon_s : float
            The end of the run. [s]

        Notes
        -----
        Exact while all cooling runs: water goes with heat and weather alone. In an outage it is
        taken as if all heat had been carried away.
        """
        times = np.asarray(time_s, float)
        if not len(times) or horizon_s <= times[0]:
            return 0.0
        at_s, curves = self._curves(float(times[0]), horizon_s)
        used = Steps(at_s, np.array([curve.water_l_per_j for curve in curves]))
        return used.integral(times, heat_w, horizon_s)

    def free_s(self, horizon_s: float) -> float:
        """How long no chiller ran. [s]"""
        at_s, curves = self._curves(0.0, horizon_s)
        return float(np.diff(at_s, append=horizon_s) @ [curve.free == 1 for curve in curves])

    def _curves(self, from_s: float, to_s: float) -> tuple[Array, list[CoolingCurve]]:
        """Times at which the weather changes, and the curve of a plant for 1 W from then on."""
        dry, wet = self.weather.dry_bulb_degc, self.weather.wet_bulb_degc
        changes = {*dry.changes_s(from_s, to_s), *wet.changes_s(from_s, to_s)}
        at_s = [from_s, *sorted(changes)]
        return np.array(at_s), [cooling_curve(self.kind, dry.at(s), wet.at(s), 1.0) for s in at_s]


def cooling_model(
    given: asked.Cooling,
    domains: Domains,
    levels: Sequence[DomainModel],
    epoch: datetime,
    horizon_s: float | None = None,
) -> Cooling:
    """The cooling that a scenario asks for.

    Parameters
    ----------
    levels : sequence of DomainModel
        From below, the hall's among them.
    epoch : datetime
        Calendar time of second 0.
    horizon_s : float or None
        Length of the run; None if that is not known. [s]

    Raises
    ------
    InputError
        If the weather, an outage or a temperature does not hold together.
    """
    key = "power.cooling"
    kind = facilities.cooling_type(given.type)
    try:
        kind = replace(
            kind,
            loop=replace(kind.loop, supply_degc=_or(given.supply_degc, kind.loop.supply_degc)),
            time_constant_s=given.time_constant_s or kind.time_constant_s,
            throttle_degc=_or(given.throttle_at_degc, kind.throttle_degc),
            off_degc=_or(given.off_at_degc, kind.off_degc),
        )
    except DomainError as error:
        raise InputError(f"{key}: {error}") from None
    names = domains.site.halls
    rated_w = np.full(len(names), given.rated_w or 0.0)
    most_heat_w = _heat_w(domains, levels)
    if given.rated_w is None:
        rated_w = most_heat_w
    assumed = []
    if given.rated_w is None:
        assumed.append("The cooling of each hall is rated for the heat of its nameplate power.")
    fixed = given.weather.constant
    if fixed is not None:
        assumed.append(
            f"The weather is always the same: {fixed.dry_bulb_degc:g} degC, with a wet bulb of "
            f"{fixed.wet_bulb_degc:g} degC."
        )
    node_heat_w = _node_heat_w(given, kind, domains, key)
    return Cooling(
        kind=kind,
        rated_w=rated_w,
        spare_share=given.spare_share,
        weather=weather_asked(given.weather, epoch, horizon_s),
        most_heat_w=most_heat_w,
        node_heat_w=node_heat_w,
        caps=_rack_caps(node_heat_w, domains),
        outages=tuple(_outages(given, names, epoch, f"{key}.outages")),
        assumed=tuple(assumed),
    )


def _or(given: float | None, known: float) -> float:
    return known if given is None else given


def _heat_w(domains: Domains, levels: Sequence[DomainModel]) -> Array:
    """(n_hall,) heat in each hall at nameplate power, with what is lost on the way to it. [W]"""
    hall_of = domains.unit_of("hall")
    heat_w: Array = np.zeros(domains.units("hall"))
    for level in levels:
        if level.level == "hall":
            return heat_w + level.nameplate_w
        hall_of_unit: NDArray[np.int64] = np.zeros(len(level.nameplate_w), np.int64)
        hall_of_unit[domains.unit_of(level.level)] = hall_of
        lost_w = level.input_w(level.nameplate_w) - level.nameplate_w
        heat_w += np.bincount(hall_of_unit, weights=lost_w, minlength=len(heat_w))
    raise ValueError("there is no level 'hall'")


def _node_heat_w(given: asked.Cooling, kind: CoolingType, domains: Domains, key: str) -> Array:
    """(n_node,) power of each node's even share of its cooling distribution unit. [W]"""
    if given.cdu_w is None:
        return np.full(domains.site.n_nodes, inf)
    if not facilities.has_cdus(given.type):
        liquid = [name for name in facilities.cooling_names() if facilities.has_cdus(name)]
        raise InputError(
            f"{key}.cdu: {given.type} has no cooling distribution units; leave it out, or give a "
            f"type that has: {', '.join(liquid)}"
        )
    cdu_of = domains.unit_of("cdu")
    shared: Array = given.cdu_w / kind.share / np.bincount(cdu_of)
    return shared[cdu_of]


def _rack_caps(node_heat_w: Array, domains: Domains) -> tuple[CapEvent, ...]:
    """The shares of the nodes of each rack as caps that always hold."""
    if not np.isfinite(node_heat_w).any():
        return ()
    racks = np.arange(domains.units("rack"))
    cap_w = sum_by(domains.unit_of("rack"), node_heat_w, len(racks))
    return (CapEvent(0.0, inf, "rack", racks, cap_w, "cooling distribution unit"),)


def _outages(
    given: asked.Cooling, names: Sequence[str], epoch: datetime, key: str
) -> Iterator[CoolingOutage]:
    for at, outage in enumerate(given.outages):
        if outage.hall is not None and outage.hall not in names:
            hint = did_you_mean(outage.hall, names)
            raise InputError(f"{key}[{at}].hall: there is no hall {outage.hall!r}; {hint}")
        from_s = outage.at
        if isinstance(from_s, datetime):
            from_s = (from_s - epoch).total_seconds()
        if from_s < 0:
            raise InputError(
                f"{key}[{at}].at: {outage.at} lies before the start of the run, {epoch}"
            )
        hall = None if outage.hall is None else list(names).index(outage.hall)
        yield CoolingOutage(from_s, from_s + outage.lasts_s, hall, outage.lost)
