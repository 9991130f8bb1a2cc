"""Random numbers by address: the k-th life of a part is the same whatever else happens.

A stream that is drawn from in turn gives a part another life as soon as any policy makes another
part fail once more or once less. Here each number is a hash of what it is for, so rival policies
meet the same failures of the same parts, and a million lives are one array operation.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from math import exp, log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.distributions import (
    Constant,
    Distribution,
    Exponential,
    Lognormal,
    Uniform,
    Weibull,
)

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_TURN = 0xD1B54A32D192ED03
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_TO_UNIT = 2.0**-53


def key(seed: int, name: str) -> int:
    """The 64-bit key of one cause under one seed."""
    return int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def uniform(key: int, part: int, turn: int = 0) -> float:
    """A uniform number in (0, 1): that of one part and one turn.

    SplitMix64's finaliser [steele2014] over the key and the address; 53 bits of it, and half a
    step so that neither end is ever met.
    """
    z = (key + part * _STEP + turn * _TURN) & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return (((z ^ (z >> 31)) >> 11) + 0.5) * _TO_UNIT


def uniforms(key: int, parts: int) -> NDArray[np.float64]:
    """`uniform` of parts 0 to ``parts - 1`` at turn 0, as an array."""
    z = np.arange(parts, dtype=np.uint64) * np.uint64(_STEP) + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(float) + 0.5) * _TO_UNIT


def at(law: Distribution, p: float) -> float:
    """The quantile of one number, without the cost of an array where the law is a simple one."""
    fast = _FAST.get(type(law))
    return fast(law, p) if fast is not None else float(law.quantile(p))


def _lognormal(law: Lognormal, p: float) -> float:
    from scipy.special import ndtri

    return law.median * exp(law.sigma * float(ndtri(p)))


# By the very class: asking an abstract base class whether it has an instance is slow.
_FAST: dict[type, Callable[[Any, float], float]] = {
    Constant: lambda law, p: law.value,
    Exponential: lambda law, p: -law.mean_ * log1p(-p),
    Uniform: lambda law, p: law.low + (law.high - law.low) * p,
    Weibull: lambda law, p: law.scale * (-log1p(-p)) ** (1 / law.shape),
    Lognormal: _lognormal,
}
