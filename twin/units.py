"""Quantities with units: "20 MW" <-> 20e6 W. The only home of prefixes.

A quantity is a number, white space if liked, and a unit: ``700 W``, ``30 min``, ``400 Gbit/s``,
``80 GB``, ``0.08 USD/kWh``. Decimal prefixes are powers of ten, binary ones (``GiB``) powers of
two. Months and years are not units of time here: a year has no fixed length; write days.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from twin.errors import UnitError, did_you_mean

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}


@dataclass(frozen=True)
class Dimension:
    """What a quantity measures, its SI unit, and an example for messages."""

    name: str
    si: str
    example: str


TIME = Dimension("a duration", "s", "30 min")
POWER = Dimension("a power", "W", "700 W")
ENERGY = Dimension("an energy", "J", "5 kWh")
BYTES = Dimension("an amount of data", "bytes", "80 GB")
BYTES_PER_S = Dimension("a data rate", "bytes/s", "400 Gbit/s")
FLOP_PER_S = Dimension("a compute rate", "FLOP/s", "989 TFLOP/s")
FREQUENCY = Dimension("a frequency", "Hz", "1.98 GHz")
TEMPERATURE = Dimension("a temperature", "degC", "27 degC")
TEMPERATURE_DIFFERENCE = Dimension("a temperature difference", "K", "10 K")
MONEY = Dimension("an amount of money", "USD", "30000 USD")
MONEY_PER_ENERGY = Dimension("an energy price", "USD/J", "0.08 USD/kWh")
MONEY_PER_TIME = Dimension("a price by time", "USD/s", "2.5 USD/h")
MONEY_PER_POWER = Dimension("a demand charge", "USD/W-month", "12 USD/kW-month")
MONEY_PER_BYTE = Dimension("a price of data", "USD/byte", "0.09 USD/GB")
CARBON_PER_ENERGY = Dimension("a carbon intensity", "kg/J", "369 g/kWh")
PER_TIME = Dimension("a rate of events", "1/s", "12 per hour")

_TIME_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    "ms": 1e-3,
    "us": 1e-6,
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("week", "weeks"), 7 * 86400.0),
}


@cache
def _units(dimension: Dimension) -> dict[str, float]:
    """Every spelling of a unit of this dimension -> its size in SI."""
    if dimension is TIME:
        return _TIME_UNITS
    if dimension is POWER:
        return {f"{p}W": f for p, f in _DECIMAL.items()}
    if dimension is ENERGY:
        joules = {f"{p}J": f for p, f in _DECIMAL.items()}
        return joules | {f"{p}Wh": f * 3600.0 for p, f in _DECIMAL.items()}
    if dimension in (BYTES, BYTES_PER_S):
        data: dict[str, float] = {}
        for prefix, factor in (_DECIMAL | _BINARY).items():
            for spelling in ("B", "byte", "bytes"):
                data[prefix + spelling] = factor
            for spelling in ("b", "bit", "bits"):
                data[prefix + spelling] = factor / 8
        if dimension is BYTES:
            return data
        rates = {f"{unit}/s": factor for unit, factor in data.items()}
        return rates | {f"{p}bps": f / 8 for p, f in _DECIMAL.items()}
    if dimension is FLOP_PER_S:
        rates = {f"{p}FLOP/s": f for p, f in _DECIMAL.items()}
        return rates | {f"{p}FLOPS": f for p, f in _DECIMAL.items()}
    if dimension is FREQUENCY:
        return {f"{p}Hz": f for p, f in _DECIMAL.items()}
    if dimension is TEMPERATURE:
        return {"degC": 1.0, "°C": 1.0, "C": 1.0}
    if dimension is TEMPERATURE_DIFFERENCE:
        return {"K": 1.0}
    if dimension is MONEY:
        return {"USD": 1.0, "kUSD": 1e3, "MUSD": 1e6}
    if dimension is MONEY_PER_ENERGY:
        return {"USD/kWh": 1 / 3.6e6, "USD/MWh": 1 / 3.6e9, "USD/J": 1.0}
    if dimension is MONEY_PER_TIME:
        return {f"USD/{unit}": 1 / size for unit, size in _TIME_UNITS.items()}
    if dimension is MONEY_PER_POWER:
        watts = {f"{p}W": f for p, f in _DECIMAL.items()}
        return {f"USD/{w}{per}month": 1 / f for w, f in watts.items() for per in ("-", "/")}
    if dimension is MONEY_PER_BYTE:
        return {
            f"USD{per}{prefix}{unit}": 1 / factor
            for prefix, factor in (_DECIMAL | _BINARY).items()
            for unit in ("B", "byte")
            for per in ("/", " per ")
        }
    if dimension is CARBON_PER_ENERGY:
        mass = {"g": 1e-3, "kg": 1.0, "t": 1e3}
        energy = {"kWh": 3.6e6, "MWh": 3.6e9, "J": 1.0}
        return {
            f"{m}{co2}/{e}": kg / joules
            for m, kg in mass.items()
            for co2 in ("", "CO2", "CO2e")
            for e, joules in energy.items()
        }
    return {
        f"{per}{unit}": 1 / size
        for unit, size in _TIME_UNITS.items()
        for per in ("per ", "/", "1/")
    }


_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*\Z")


def parse_quantity(text: object, dimension: Dimension) -> float:
    """Read a quantity with its unit.

    Parameters
    ----------
    text : object
        What the user wrote; anything but a string with a unit is refused, zero included.
    dimension : Dimension
        What it must measure, one of the constants of this module.

    Returns
    -------
    float
        The value in the SI unit of the dimension (degC for temperatures, USD for money).

    Raises
    ------
    UnitError
        If it has no unit, an unknown one, or one of another dimension.
    """
    example = f"write it with its unit, for example {dimension.example!r}"
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise UnitError(f"expected {dimension.name}, found {_kind(text)}; {example}")
    match = _QUANTITY.match(str(text)[:200])
    if match is None:
        raise UnitError(f"{_short(text)} is not {dimension.name}; {example}")
    number, unit = float(match[1].replace("_", "")), re.sub(r"\s+", " ", match[2])
    if not unit:
        raise UnitError(f"{_short(text)} has no unit; {example}")
    if not math.isfinite(number):
        raise UnitError(f"{_short(text)} is too large to be {dimension.name}; {example}")
    units = _units(dimension)
    factor = units.get(unit, units.get(unit.replace(" ", "")))
    if factor is None:
        other = next((d for d in DIMENSIONS if unit in _units(d)), None)
        if other is not None:
            raise UnitError(f"{_short(text)} is {other.name}, not {dimension.name}; {example}")
        raise UnitError(
            f"unknown unit {_short(unit)} for {dimension.name}; {did_you_mean(unit, units)}"
        )
    return number * factor


DIMENSIONS = (
    TIME,
    POWER,
    ENERGY,
    BYTES,
    BYTES_PER_S,
    FLOP_PER_S,
    FREQUENCY,
    TEMPERATURE,
    MONEY,
    MONEY_PER_ENERGY,
    MONEY_PER_TIME,
    MONEY_PER_POWER,
    MONEY_PER_BYTE,
    CARBON_PER_ENERGY,
    TEMPERATURE_DIFFERENCE,
    PER_TIME,
)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return {"dict": "a mapping", "list": "a list", "bool": "true or false"}.get(
        type(value).__name__, type(value).__name__
    )


def format_si(value: float, unit: str, digits: int = 3) -> str:
    """A value with the decimal prefix that leaves one to three digits before the point.

    >>> format_si(1.25e6, "W")
    '1.25 MW'
    """
    if not math.isfinite(value):
        return f"{value} {unit}"
    prefix, factor = "", 1.0
    for name, size in _DECIMAL.items():
        if abs(value) >= size:
            prefix, factor = name, size
    return f"{value / factor:.{digits}g} {prefix}{unit}"


def format_duration(seconds: float) -> str:
    """A duration in the unit a person would use: ``42 s``, ``3.5 min``, ``2.1 h``, ``12.3 d``."""
    if not math.isfinite(seconds):
        return "-"
    size = abs(seconds)
    if size < 60:
        return f"{seconds:.3g} s"
    for limit, divisor, unit in ((3600, 60, "min"), (86400, 3600, "h")):
        if size < limit:
            return f"{seconds / divisor:.1f} {unit}"
    return f"{seconds / 86400:.1f} d" if size < 100 * 86400 else f"{seconds / 86400:,.0f} d"


def format_quantity(value: float, dimension: Dimension) -> str:
    """A value as ``parse_quantity`` reads it back, to the last bit: for resolved scenarios."""
    unit = {
        "bytes": "bytes",
        "1/s": "per s",
        "FLOP/s": "FLOP/s",
    }.get(dimension.si, dimension.si)
    return (
        f"{value!r} {unit}"
        if value != int(value) or abs(value) >= 2**53
        else f"{int(value)} {unit}"
    )
