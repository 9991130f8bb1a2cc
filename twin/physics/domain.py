"""Where a model holds: its arguments as arrays, or a `DomainError` that names the one at fault."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import DomainError

Array = NDArray[np.float64]


def finite(**values: ArrayLike) -> list[Array]:
    """Zero or above, and finite; in the order given."""
    return [
        _where(name, a, (a >= 0) & (a < np.inf), "be zero or above and finite")
        for name, a in _arrays(values)
    ]


def positive(**values: ArrayLike) -> list[Array]:
    """Above zero, infinity included, which means never; in the order given."""
    return [_where(name, a, a > 0, "be above zero (inf for never)") for name, a in _arrays(values)]


def fraction(**values: ArrayLike) -> list[Array]:
    """From 0 to 1, both included; in the order given."""
    return [
        _where(name, a, (a >= 0) & (a <= 1), "be a fraction from 0 to 1")
        for name, a in _arrays(values)
    ]


def whole(**values: ArrayLike) -> list[Array]:
    """0, 1, 2, ..., as floats, ready for formulae; in the order given."""
    return [
        _where(
            name,
            a,
            (a >= 0) & (a < np.inf) & (np.floor(a) == a),
            "be a whole number, zero or above",
        )
        for name, a in _arrays(values)
    ]


def celsius(**values: ArrayLike) -> list[Array]:
    """A temperature above absolute zero; in the order given."""
    return [
        _where(name, a, (a > -273.15) & (a < np.inf), "be above -273.15 degC and finite")
        for name, a in _arrays(values)
    ]


def _arrays(values: dict[str, ArrayLike]) -> list[tuple[str, Array]]:
    return [(name, np.asarray(value, float)) for name, value in values.items()]


def _where(name: str, array: Array, holds: NDArray[np.bool_], must: str) -> Array:
    """The array, if the condition holds in all of it: NaN fails every comparison."""
    if not np.all(holds):
        raise DomainError(f"{name}: must {must}, found {array[~np.asarray(holds)].flat[0]:g}")
    return array
