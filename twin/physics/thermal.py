"""Temperatures in time: a room or a loop as one lump of heat, and the junction of a GPU.

While the cooling meets the heat, the air or water that it supplies stays at its set point. Where it
does not, the rest warms the lump until as much flows off elsewhere::

    C dT/dt = excess - (T - T_set) / R,    tau = R C

with C the heat that a kelvin takes [J/K] and R the kelvin that a watt of lasting excess adds [K/W].
Constant heat between two events makes the closed forms exact. All arguments may be arrays that
broadcast. Every function raises `DomainError` where one is out of range.

It stops holding where air is not mixed: a rack beside a failed unit warms sooner than its hall.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from twin.physics.domain import Array, celsius, finite, positive


def time_constant_s(capacity_j_per_k: ArrayLike, resistance_k_per_w: ArrayLike) -> Array:
    """``tau = R C``. [s]"""
    c, r = positive(capacity_j_per_k=capacity_j_per_k, resistance_k_per_w=resistance_k_per_w)
    return np.asarray(c * r, float)


def steady_degc(
    setpoint_degc: ArrayLike, excess_w: ArrayLike, resistance_k_per_w: ArrayLike
) -> Array:
    """Where the temperature ends if nothing changes.

    Parameters
    ----------
    setpoint_degc : array_like
        Of the cooling. [degC]
    excess_w : array_like
        Heat less what the cooling can take, zero or above: a controller does not take more than
        there is. [W]

    Returns
    -------
    array
        ``T_set + R excess``. [degC]

    Sources
    -------
    [incropera2007] for the form.
    """
    (setpoint,) = celsius(setpoint_degc=setpoint_degc)
    excess, r = finite(excess_w=excess_w, resistance_k_per_w=resistance_k_per_w)
    return np.asarray(setpoint + r * excess, float)


def temperature_degc(
    t_s: ArrayLike, start_degc: ArrayLike, steady_degc: ArrayLike, tau_s: ArrayLike
) -> Array:
    """The temperature after a time at constant heat.

    Parameters
    ----------
    t_s : array_like
        Since the temperature was ``start_degc``, zero or above. [s]

    Returns
    -------
    array
        ``steady + (start - steady) exp(-t / tau)``. [degC]

    Notes
    -----
    On the way back to the set point real cooling is faster, since it runs at full power until it is
    there: recovery is not shown too early.

    Sources
    -------
    [incropera2007] for the form.
    """
    start, steady = celsius(start_degc=start_degc, steady_degc=steady_degc)
    (t,), (tau,) = finite(t_s=t_s), positive(tau_s=tau_s)
    return np.asarray(start - np.expm1(-t / tau) * (steady - start), float)


def time_to_reach_s(
    target_degc: ArrayLike, start_degc: ArrayLike, steady_degc: ArrayLike, tau_s: ArrayLike
) -> Array:
    """From the start until the temperature is at a target, on the way up or down.

    Returns
    -------
    array
        ``tau ln((steady - start) / (steady - target))``; 0 if it is there; ``inf`` if it never is:
        it moves away from the target, or ends short of it, or nears it for ever. [s]

    Notes
    -----
    To have passed a limit already and to leave it behind further is ``inf`` too: compare first.

    Sources
    -------
    [incropera2007] for the form.
    """
    target, start, steady = celsius(
        target_degc=target_degc, start_degc=start_degc, steady_degc=steady_degc
    )
    (tau,) = positive(tau_s=tau_s)
    done, rest = target - start, steady - target
    ahead = np.sign(done) * np.sign(rest) > 0
    with np.errstate(over="ignore"):  # a target within a rounding of the end is never met
        waits_s = tau * np.log1p(np.where(ahead, done, 0.0) / np.where(ahead, rest, 1.0))
    return np.asarray(np.where(done == 0, 0.0, np.where(ahead, waits_s, np.inf)), float)


def junction_degc(
    power_w: ArrayLike, inlet_degc: ArrayLike, resistance_k_per_w: ArrayLike
) -> Array:
    """Temperature of a chip.

    Parameters
    ----------
    power_w : array_like
        Of the chip, steady for longer than the seconds that it takes to warm. [W]
    inlet_degc : array_like
        Of the air or water that cools it. [degC]
    resistance_k_per_w : array_like
        From junction to inlet. [K/W] Of air, at the fan speed in question.

    Returns
    -------
    array
        ``T_in + R_th P``. [degC]

    Sources
    -------
    [incropera2007] for the form.
    """
    (inlet,) = celsius(inlet_degc=inlet_degc)
    power, r = finite(power_w=power_w, resistance_k_per_w=resistance_k_per_w)
    return np.asarray(inlet + r * power, float)


def throttle_power_w(
    limit_degc: ArrayLike, inlet_degc: ArrayLike, resistance_k_per_w: ArrayLike
) -> Array:
    """Power of a chip at which it slows down so as not to exceed a temperature.

    Parameters
    ----------
    limit_degc : array_like
        Of the junction. [degC]
    inlet_degc, resistance_k_per_w : array_like
        As of `junction_degc`.

    Returns
    -------
    array
        ``(T_limit - T_in) / R_th``; 0 if the inlet is as warm as the limit. [W]

    Sources
    -------
    [incropera2007] for the form.
    """
    limit, inlet = celsius(limit_degc=limit_degc, inlet_degc=inlet_degc)
    (r,) = positive(resistance_k_per_w=resistance_k_per_w)
    return np.asarray(np.maximum(limit - inlet, 0.0) / r, float)
