"""The weather outside over simulated time: a constant, a climate of the catalog, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from twin.catalog.climates import climate
from twin.errors import InputError, did_you_mean
from twin.facility.hourly import Hours, read_hours
from twin.facility.series import Array, Series, TypicalYear, flat
from twin.physics.humid_air import SEA_LEVEL_PA, wet_bulb_degc
from twin.scenario import cooling as asked

_SLACK_K = 0.1  # by which a file's wet bulb may exceed the dry bulb: rounding


@dataclass(frozen=True, eq=False)
class Weather:
    """Dry and wet bulb, each constant between changes.

    Parameters
    ----------
    dry_bulb_degc, wet_bulb_degc : Series
        Over seconds since the start. [degC]
    """

    dry_bulb_degc: Series
    wet_bulb_degc: Series

    def at(self, now_s: float) -> tuple[float, float]:
        """Dry and wet bulb that hold from ``now_s`` on. [degC]"""
        return self.dry_bulb_degc.at(now_s), self.wet_bulb_degc.at(now_s)

    def next_change_s(self, now_s: float) -> float:
        """When it may next change, later than ``now_s``; ``inf`` for never. [s]"""
        return min(self.dry_bulb_degc.next_change_s(now_s), self.wet_bulb_degc.next_change_s(now_s))


def weather_asked(given: asked.Weather, epoch: datetime, horizon_s: float | None) -> Weather:
    """The weather that a scenario asks for; arguments and errors as of `weather_from_file`."""
    if given.constant is not None:
        return weather_constant(given.constant.dry_bulb_degc, given.constant.wet_bulb_degc)
    if given.climate is not None:
        return weather_of_climate(given.climate, epoch)
    assert given.file is not None
    return weather_from_file(given.file, epoch, horizon_s)


def weather_constant(dry_bulb_degc: float, wet_bulb_degc: float) -> Weather:
    """The same weather always."""
    return Weather(flat(dry_bulb_degc), flat(wet_bulb_degc))


def weather_of_climate(name: str, epoch: datetime) -> Weather:
    """The typical year of a place, again and again.

    Parameters
    ----------
    name : str
        A climate of the catalog.
    epoch : datetime
        Local standard time of second 0.

    Raises
    ------
    CatalogError
        If the catalog has no such climate.
    """
    dry, wet = climate(name).hours()
    return Weather(TypicalYear(epoch, hours=dry), TypicalYear(epoch, hours=wet))


def weather_from_file(
    path: str,
    epoch: datetime,
    horizon_s: float | None = None,
    *,
    key: str = "power.cooling.weather.file",
) -> Weather:
    """The weather of a file by the hour.

    Parameters
    ----------
    path : str
        A CSV file, plain or gzipped, with ``dry_bulb_c``, with ``wet_bulb_c`` or
        ``rel_humidity_pct``, if it likes with ``pressure_pa``, and with ``time`` or with ``month``,
        ``day`` and ``hour`` of a typical year, where hour 1 ends at 01:00.
    epoch : datetime
        Calendar time of second 0, on the clock of the file.
    horizon_s : float or None
        Length of the run; None if that is not known. [s]
    key : str
        Where the scenario names the file, for messages.

    Returns
    -------
    Weather
        By its dates if they cover the run, else as a year that repeats, in which 29 February is
        like the day before.

    Raises
    ------
    InputError
        If a column or an hour is missing, or a value is out of range; the message names the first.

    Notes
    -----
    Without a wet bulb it is computed from humidity and pressure, by default that at sea level.
    """
    hours = read_hours(path, epoch, key=key)
    dry = hours.column("dry_bulb_c", -60.0, 60.0)
    wet = _wet_bulb_degc(hours, dry)
    return Weather(hours.series(dry, horizon_s), hours.series(wet, horizon_s))


def _wet_bulb_degc(hours: Hours, dry_degc: Array) -> Array:
    """(n_row,) the wet bulb of each row, given or computed. [degC]"""
    if "wet_bulb_c" in hours.columns:
        wet = hours.column("wet_bulb_c", -80.0, 60.0)
        above = np.flatnonzero(wet > dry_degc + _SLACK_K)
        if len(above):
            at = int(above[0])
            raise InputError(
                f"{hours.where}:{at + 2} wet_bulb_c: {wet[at]:g} degC is above the dry bulb, "
                f"{dry_degc[at]:g} degC; it is at most equal to it"
            )
        return np.minimum(wet, dry_degc)
    if "rel_humidity_pct" not in hours.columns:
        raise InputError(
            f"{hours.where}: no column 'wet_bulb_c' or 'rel_humidity_pct', of which one is needed; "
            f"{did_you_mean('wet_bulb_c', hours.columns)}"
        )
    humidity = hours.column("rel_humidity_pct", 0.0, 100.0) / 100
    pressure_pa = np.full_like(dry_degc, SEA_LEVEL_PA)
    if "pressure_pa" in hours.columns:
        pressure_pa = hours.column("pressure_pa", 50e3, 110e3)
    return wet_bulb_degc(dry_degc, humidity, pressure_pa)
