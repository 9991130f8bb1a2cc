"""What energy costs and emits: prices, demand charges and carbon over simulated time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike

from twin import units
from twin.catalog import grids
from twin.errors import DomainError, InputError
from twin.facility.hourly import read_hours
from twin.facility.series import HOURS_OF_A_YEAR, Array, Series, TypicalYear, flat
from twin.facility.time_of_use import Period, TimeOfUse
from twin.facility.weather import weather_asked
from twin.scenario import energy
from twin.scenario import power as asked
from twin.units import Dimension, parse_quantity

QUARTER_S = 900.0
_CLEANEST_HOUR = 13  # of the day, where a swing is asked for: when the sun is highest
_WEEKDAYS = {
    "all": frozenset(range(7)),
    "weekdays": frozenset(range(5)),
    "weekends": frozenset((5, 6)),
}


@dataclass(frozen=True)
class Bill:
    """What drawing power cost and emitted; None where the scenario does not say.

    Attributes
    ----------
    energy_usd, demand_usd : float or None
        For energy, and for the highest quarter of an hour of each month. [USD]
    demand_w : tuple of (str, float)
        Month, as in ``2024-02``, and that quarter's mean power. [W]
    kgco2 : float or None
        CO2 equivalent of the grid's generation. [kg]
    """

    energy_usd: float | None
    demand_usd: float | None
    demand_w: tuple[tuple[str, float], ...]
    kgco2: float | None


@dataclass(frozen=True, eq=False)
class Tariff:
    """Prices, carbon intensity and wet bulb, as far as they are known ahead.

    Attributes
    ----------
    price : Series or None
        [USD/J]
    demand_charge_usd_per_w_month : float or None
    carbon : Series or None
        [kg CO2e/J]
    wet_bulb : Series
        [degC]
    """

    epoch: datetime
    price: Series | None
    demand_charge_usd_per_w_month: float | None
    carbon: Series | None
    wet_bulb: Series

    # -- what policies of admission may ask

    def price_usd_per_j(self, at_s: float) -> float:
        """Price of electricity. [USD/J]"""
        return self._series("price").at(at_s)

    def carbon_kg_per_j(self, at_s: float) -> float:
        """Carbon intensity of the grid. [kg CO2e/J]"""
        return self._series("carbon").at(at_s)

    def wet_bulb_degc(self, at_s: float) -> float:
        """Wet bulb outside. [degC]"""
        return self.wet_bulb.at(at_s)

    def changes_s(self, what: str, from_s: float, to_s: float) -> list[float]:
        """Times after ``from_s`` and before ``to_s`` at which ``price``, ``carbon`` or ``wet_bulb``
        changes. [s]"""
        return self._series(what).changes_s(from_s, to_s)

    def _series(self, what: str) -> Series:
        found = {"price": self.price, "carbon": self.carbon, "wet_bulb": self.wet_bulb}[what]
        if found is None:
            raise InputError(
                f"power.{what}: not given, but a policy goes by it; give it, or let the policy go "
                "by something else"
            )
        return found

    # -- what a run cost

    def bill(self, time_s: ArrayLike, power_w: ArrayLike, horizon_s: float) -> Bill:
        """What power drawn at the meter cost and emitted.

        Parameters
        ----------
        time_s, power_w : (n_change,) array_like
            When the meter begins to show each power. [s], [W]
        horizon_s : float
            The end of the run. [s]
        """
        demand = quarter_peaks(time_s, power_w, horizon_s, self.epoch)
        charge = self.demand_charge_usd_per_w_month
        return Bill(
            energy_usd=self.price.integral(time_s, power_w, horizon_s) if self.price else None,
            demand_usd=None
            if charge is None
            else charge * sum(peak.power_w * peak.share for peak in demand),
            demand_w=tuple((peak.month, peak.power_w) for peak in demand),
            kgco2=self.carbon.integral(time_s, power_w, horizon_s) if self.carbon else None,
        )


@dataclass(frozen=True)
class MonthPeak:
    """The highest quarter of an hour of a calendar month.

    Attributes
    ----------
    month : str
        As in ``2024-02``.
    power_w : float
        Mean power of that quarter. [W]
    share : float
        Share of the month that the run covers. [0..1]
    """

    month: str
    power_w: float
    share: float


def quarter_peaks(
    time_s: ArrayLike, power_w: ArrayLike, horizon_s: float, epoch: datetime
) -> list[MonthPeak]:
    """The highest quarter of an hour of each calendar month of a run.

    Parameters
    ----------
    time_s, power_w : (n_change,) array_like
        When a power begins to hold, not falling. [s], [W]
    horizon_s : float
        The end. [s]
    epoch : datetime
        Calendar time of second 0.

    Returns
    -------
    list of MonthPeak

    Notes
    -----
    Means over the quarters of the clock, exact. A quarter that the run covers in part counts only
    in a month without a whole one. A demand charge is for a whole month: a month that is covered in
    part is charged in proportion, so that a run of a week costs a quarter of a month's charge.
    """
    times, power = np.asarray(time_s, float), np.asarray(power_w, float)
    if times.shape != power.shape or np.any(np.diff(times) < 0):
        raise DomainError("time_s, power_w: must be rows of one length, in order of time")
    if not len(times) or horizon_s <= times[0]:
        return []
    start_s, peaks = float(times[0]), []
    knots = np.append(times, horizon_s)
    joules = np.concatenate([[0.0], np.cumsum(np.diff(knots) * power)])
    month = _first_of_month(epoch + timedelta(seconds=start_s))
    while (begins_s := (month - epoch).total_seconds()) < horizon_s:
        after = _first_of_month(month + timedelta(days=32))
        ends_s = (after - epoch).total_seconds()
        from_s, to_s = max(begins_s, start_s), min(ends_s, horizon_s)
        if to_s > from_s:
            whole = np.arange(
                np.ceil((from_s - begins_s) / QUARTER_S),
                np.floor((to_s - begins_s) / QUARTER_S) + 1,
            )
            edges = begins_s + QUARTER_S * whole
            if len(edges) < 2:
                edges = np.array([from_s, to_s])
            mean_w = np.diff(np.interp(edges, knots, joules)) / np.diff(edges)
            share = (to_s - from_s) / (ends_s - begins_s)
            peaks.append(MonthPeak(f"{month:%Y-%m}", float(mean_w.max()), share))
        month = after
    return peaks


def tariff(power: asked.Power, epoch: datetime, horizon_s: float | None = None) -> Tariff:
    """The tariff that a scenario's section `power` asks for.

    Parameters
    ----------
    epoch : datetime
        Calendar time of second 0.
    horizon_s : float or None
        Length of the run; None if that is not known. [s]

    Raises
    ------
    InputError
        If a file does not hold what is needed.
    """
    return Tariff(
        epoch=epoch,
        price=_price(power.price, epoch, horizon_s),
        demand_charge_usd_per_w_month=power.demand_charge_usd_per_w_month,
        carbon=_carbon(power.carbon, epoch, horizon_s),
        wet_bulb=weather_asked(power.cooling.weather, epoch, horizon_s).wet_bulb_degc,
    )


def _price(given: energy.Price | None, epoch: datetime, horizon_s: float | None) -> Series | None:
    if given is None:
        return None
    if given.flat_usd_per_j is not None:
        return flat(given.flat_usd_per_j)
    if given.file is not None:
        return _from_file(given.file, units.MONEY_PER_ENERGY, "power.price.file", epoch, horizon_s)
    assert given.time_of_use is not None
    periods = tuple(
        Period(
            value=period.price_usd_per_j,
            from_hour=period.hours[0],
            to_hour=period.hours[1],
            weekdays=_WEEKDAYS[period.days],
            months=frozenset(period.months),
        )
        for period in given.time_of_use.periods
    )
    otherwise, zone = given.time_of_use.otherwise_usd_per_j, given.time_of_use.zone
    return TimeOfUse(epoch, periods=periods, otherwise=otherwise, zone=zone)


def _carbon(given: energy.Carbon | None, epoch: datetime, horizon_s: float | None) -> Series | None:
    if given is None:
        return None
    if given.file is not None:
        return _from_file(
            given.file, units.CARBON_PER_ENERGY, "power.carbon.file", epoch, horizon_s
        )
    mean = given.flat_kg_per_j
    if mean is None:
        assert given.country is not None
        mean = grids.carbon_kg_per_j(given.country)
    if not given.diurnal_swing:
        return flat(mean)
    middle_h = np.arange(HOURS_OF_A_YEAR) % 24 + 0.5
    wave: Array = np.cos(2 * np.pi * (middle_h - _CLEANEST_HOUR) / 24)
    return TypicalYear(epoch, hours=mean * (1 - given.diurnal_swing * wave))


def _from_file(
    given: energy.PriceFile | energy.CarbonFile,
    dimension: Dimension,
    key: str,
    epoch: datetime,
    horizon_s: float | None,
) -> Series:
    hours = read_hours(given.path, epoch, key=key, gaps=given.gaps, zone=given.zone)
    values = hours.column(given.column) * parse_quantity(f"1 {given.unit}", dimension)
    return hours.series(values, horizon_s)


def _first_of_month(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, 1)
