"""Humid air: the wet bulb, down to which evaporation can cool."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import DomainError
from twin.physics.domain import celsius, fraction, positive

Array = NDArray[np.float64]

SEA_LEVEL_PA = 101_325.0
_STEPS = 60  # halvings: to 1e-16 of the bracket


def saturation_pa(temperature_degc: ArrayLike) -> Array:
    """Pressure of water vapour over liquid water. [Pa]

    Notes
    -----
    ``610.94 exp(17.625 T / (T + 243.04))``: within 0.4 % from -40 to 50 degC.

    Sources
    -------
    [alduchov1996], equation 21.
    """
    t = np.asarray(temperature_degc, float)
    return np.asarray(610.94 * np.exp(17.625 * t / (t + 243.04)), float)


def wet_bulb_degc(
    dry_bulb_degc: ArrayLike, rel_humidity: ArrayLike, pressure_pa: ArrayLike = SEA_LEVEL_PA
) -> Array:
    """Temperature to which air cools when water evaporates into it until it is saturated.

    Parameters
    ----------
    dry_bulb_degc : array_like
        Temperature of the air, -60 to 60 degC. [degC]
    rel_humidity : array_like
        Vapour pressure over that at saturation. [0..1]
    pressure_pa : array_like
        Of the air, 50 to 110 kPa. [Pa]

    Returns
    -------
    array
        Thermodynamic wet bulb. [degC]

    Raises
    ------
    DomainError
        If an argument is out of its range.

    Notes
    -----
    The balance of enthalpy at adiabatic saturation, solved by bisection. Over liquid water also
    below 0 degC, where ice would be up to 0.5 K warmer. Within 0.05 K of an independent solution
    with the vapour pressure of Hyland and Wexler from -20 to 50 degC, and 1.0 K below to 0.66 K
    above the closed form of [stull2011], whose stated error is -1.0 to +0.65 K.

    Sources
    -------
    [ashrae-fundamentals], chapter 1, equation 33, from memory; [alduchov1996].
    """
    (t,) = celsius(dry_bulb_degc=dry_bulb_degc)
    (humidity,) = fraction(rel_humidity=rel_humidity)
    (pressure,) = positive(pressure_pa=pressure_pa)
    for name, values, low, high in (
        ("dry_bulb_degc", t, -60.0, 60.0),
        ("pressure_pa", pressure, 50e3, 110e3),
    ):
        outside = (values < low) | (values > high)
        if np.any(outside):
            raise DomainError(
                f"{name}: must be {low:g} to {high:g}, found {values[outside].flat[0]:g}"
            )
    t, humidity, pressure = np.broadcast_arrays(t, humidity, pressure)
    ratio = _ratio(humidity * saturation_pa(t), pressure)
    low_degc, high_degc = np.full(t.shape, -100.0), t.astype(float)
    for _ in range(_STEPS):
        middle = (low_degc + high_degc) / 2
        made = (
            (2501 - 2.326 * middle) * _ratio(saturation_pa(middle), pressure) - 1.006 * (t - middle)
        ) / (2501 + 1.86 * t - 4.186 * middle)
        too_warm = made > ratio
        high_degc = np.where(too_warm, middle, high_degc)
        low_degc = np.where(too_warm, low_degc, middle)
    return np.asarray((low_degc + high_degc) / 2, float)


def _ratio(vapour_pa: Array, pressure_pa: Array) -> Array:
    """Water over dry air by mass."""
    return np.asarray(0.621945 * vapour_pa / (pressure_pa - vapour_pa), float)
