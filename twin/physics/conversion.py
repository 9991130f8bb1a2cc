"""Losses of converters: power supplies, busbars, distribution, UPS, transformers."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError

T = TypeVar("T", float, NDArray[np.float64])

# Loads, as shares of the rating, at which efficiencies are quoted.
FIFTH, HALF, FULL = 0.2, 0.5, 1.0


@dataclass(frozen=True)
class Loss:
    """What a converter loses, as a convex polynomial of the power that it passes on.

    Parameters
    ----------
    fixed_w : float
        Lost at no load: fans, control, magnetisation. [W]
    linear : float
        Lost for each watt passed on: diodes, switching. [-]
    quadratic_per_w : float
        Lost in resistance. [1/W]

    Raises
    ------
    DomainError
        If it is not convex, or would be a gain at some load.

    Notes
    -----
    ``loss = fixed + linear · P + quadratic · P²``. Convex, so a chord between two loads bounds it
    from above. ``linear`` may be slightly below zero where efficiencies peak at half load. It holds
    up to the rating; nothing stops a load beyond it.
    """

    fixed_w: float
    linear: float
    quadratic_per_w: float

    def __post_init__(self) -> None:
        known = (self.fixed_w, self.linear, self.quadratic_per_w)
        if not all(isfinite(value) for value in known):
            raise DomainError(f"loss: must be finite, found {known}")
        if self.fixed_w < 0 or self.quadratic_per_w < 0:
            raise DomainError(
                "loss: fixed_w and quadratic_per_w must be zero or above, found "
                f"{self.fixed_w:g} and {self.quadratic_per_w:g}"
            )
        least = -2 * sqrt(self.fixed_w * self.quadratic_per_w)
        if self.linear < least or self.linear <= -1:
            raise DomainError(
                f"loss: at some load more would come out than goes in; linear must be "
                f"{max(least, -1.0):g} or above, found {self.linear:g}"
            )

    def loss_w(self, output_w: T) -> T:
        """Lost while ``output_w`` is passed on. [W]"""
        return self.fixed_w + output_w * (self.linear + output_w * self.quadratic_per_w)

    def input_w(self, output_w: T) -> T:
        """Drawn so that ``output_w`` is passed on. [W]"""
        return output_w + self.loss_w(output_w)

    def output_w(self, input_w: float) -> float:
        """Passed on when ``input_w`` is drawn; below zero where that does not cover the loss. [W]

        The inverse of `input_w`, in the form that does not lose digits at small losses.
        """
        b, c = 1 + self.linear, self.fixed_w - input_w
        inside = b * b - 4 * self.quadratic_per_w * c
        return -2 * c / (b + sqrt(max(inside, 0.0)))

    def efficiency(self, output_w: float) -> float:
        """Output over input. [0..1]"""
        return output_w / self.input_w(output_w)

    def scaled(self, rated_w: float) -> Loss:
        """The same converter for another rating, if this one is rated for 1 W."""
        if not (isfinite(rated_w) and rated_w > 0):
            raise DomainError(f"rated_w: must be above zero and finite, found {rated_w:g}")
        return Loss(self.fixed_w * rated_w, self.linear, self.quadratic_per_w / rated_w)


NO_LOSS = Loss(0.0, 0.0, 0.0)


def loss_from_efficiency(
    rated_w: float, *, full: float, half: float | None = None, fifth: float | None = None
) -> Loss:
    """The loss that goes through quoted efficiencies.

    Parameters
    ----------
    rated_w : float
        Largest output. [W]
    full, half, fifth : float
        Output over input at 100 %, 50 % and 20 % of the rating. [0..1]

    Returns
    -------
    Loss
        With ``full`` alone the same share at every load; with ``half`` a fixed and a resistive
        part, as of a transformer; with ``fifth`` all three parts.

    Raises
    ------
    DomainError
        If an efficiency is not in (0, 1], or no convex loss goes through them.

    Notes
    -----
    At load x of the rating the loss is ``x (1/efficiency - 1)`` of the rating; the parts solve
    these equations exactly.
    """
    given = {"full": full, "half": half, "fifth": fifth}
    for name, value in given.items():
        if value is not None and not 0 < value <= 1:
            raise DomainError(f"{name}: must be an efficiency above 0, at most 1, found {value:g}")
    if half is None and fifth is not None:
        raise DomainError("half: needed where the efficiency at a fifth of the load is given")
    at_full = FULL * (1 / full - 1)
    if half is None:
        return Loss(0.0, at_full, 0.0).scaled(rated_w)
    at_half = HALF * (1 / half - 1)
    if fifth is None:
        resistive = (at_full - at_half) / (FULL**2 - HALF**2)
        parts = (at_full - resistive, 0.0, resistive)
    else:
        at_fifth = FIFTH * (1 / fifth - 1)
        upper, lower = (at_full - at_half) / (FULL - HALF), (at_half - at_fifth) / (HALF - FIFTH)
        resistive = (upper - lower) / (FULL - FIFTH)
        linear = lower - resistive * (HALF + FIFTH)
        parts = (at_full - linear - resistive, linear, resistive)
    try:
        return Loss(*(part if abs(part) > 1e-15 else 0.0 for part in parts)).scaled(rated_w)
    except DomainError as error:
        quoted = ", ".join(f"{100 * value:g} % at {name}" for name, value in given.items() if value)
        raise DomainError(f"no convex loss goes through {quoted} load ({error})") from None
