"""Numbers as people read them: percent, counts, GPU-hours, durations, differences."""

from __future__ import annotations

import math
from typing import Any

from twin.tables import Headline
from twin.units import format_duration, format_si

NOTHING = "–"  # what stands where there is no number
MINUS = "\N{MINUS SIGN}"
# Last parts of summary keys that hold a fraction, 0..1; they carry no unit, as counts do.
FRACTIONS = frozenset(
    (
        "utilisation",
        "ettr",
        "goodput",
        "availability",
        "powered_fraction",
        "throttled_fraction",
        "slo_attainment",
        "useful_share",
        "served_share",
        "stranded_share",
        "share_error",
        "fragmentation",
        "rho_fair_share",
        "fragmentation",
        "deadline_miss_share",
        "waited_fraction",
    )
)
# Those that hold an index whose second digit matters.
INDICES = frozenset(("jain", "rho_mean", "rho_p50", "rho_p99", "rho_max"))


def is_number(value: object) -> bool:
    """Whether it is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_fraction(entry: Headline) -> bool:
    """Whether a headline figure is a fraction, 0..1, that is printed in per cent."""
    return not entry.unit and entry.key.rpartition(".")[2] in FRACTIONS


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction as a percentage; what would round to zero or to all says so.

    >>> percent(0.6123), percent(0.0), percent(0.0001), percent(0.99999)
    ('61.2 %', '0 %', '<0.1 %', '>99.9 %')
    """
    if not is_number(fraction):
        return NOTHING
    if fraction in (0, 1):
        return f"{fraction:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    smallest = 10.0**-digits
    value = 100 * fraction
    if 0 < value < smallest:
        return f"<{smallest:g}\N{NO-BREAK SPACE}%"
    if 100 - smallest < value < 100:
        return f">{100 - smallest:g}\N{NO-BREAK SPACE}%"
    return f"{value:.{digits}f}\N{NO-BREAK SPACE}%"


def count(value: float) -> str:
    """A count with thousands separated; large fractions of it are rounded away."""
    if not is_number(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.1f}"


def gpu_hours(gpu_s: float) -> str:
    """GPU-time in GPU-hours, without the unit's name."""
    hours = gpu_s / 3600
    if is_number(hours) and 0 < abs(hours) < 10:
        return f"{hours:.2g}"
    return f"{hours:,.0f}" if is_number(hours) else NOTHING


def duration(seconds: float) -> str:
    """A duration in the unit a person would use; a dash where there is none."""
    if not is_number(seconds):
        return NOTHING
    text = format_duration(abs(seconds)).replace(" ", "\N{NO-BREAK SPACE}")
    return f"{MINUS}{text}" if seconds < 0 else text


def si(value: float, unit: str) -> str:
    """A quantity with the prefix that people would use, to three digits: ``1.25 MW``."""
    if not is_number(value):
        return NOTHING
    # Rounded first, so that 999.7 W is 1 kW and no power of ten.
    text = format_si(float(f"{abs(value):.3g}"), unit).replace(" ", "\N{NO-BREAK SPACE}")
    return f"{MINUS}{text}" if value < 0 else text


def power(watts: float) -> str:
    """A power in W, kW or MW."""
    return si(watts, "W")


def energy(joules: float) -> str:
    """An energy in the unit of bills: Wh, kWh, MWh."""
    return si(joules / 3600, "Wh") if is_number(joules) else NOTHING


def money(usd: float) -> str:
    """An amount of money: cents below a hundred, thousands separated above."""
    if not is_number(usd):
        return NOTHING
    text = f"{abs(usd):,.0f}" if abs(usd) >= 100 else f"{abs(usd):,.2f}"
    return f"{MINUS if usd < 0 else ''}{text}\N{NO-BREAK SPACE}USD"


def mass(kg: float) -> str:
    """A mass in kg, in t from ten of them on."""
    if not is_number(kg):
        return NOTHING
    large = abs(kg) >= 1e4
    return f"{count(kg / 1e3 if large else kg)}\N{NO-BREAK SPACE}{'t' if large else 'kg'}"


def volume(litres: float) -> str:
    """A volume of water in l, in m3 from ten of them on."""
    if not is_number(litres):
        return NOTHING
    large = abs(litres) >= 1e4
    return f"{count(litres / 1e3 if large else litres)}\N{NO-BREAK SPACE}{'m³' if large else 'l'}"


def instant(seconds: float) -> str:
    """A time of the run as day and clock, both counted from its start: ``day 3, 04:05``."""
    if not is_number(seconds):
        return NOTHING
    minutes = int(seconds // 60)
    day, minute = divmod(minutes, 1440)
    return f"day\N{NO-BREAK SPACE}{day}, {minute // 60:02d}:{minute % 60:02d}"


def headline(entry: Headline, value: Any) -> str:
    """A headline figure with its unit.

    Parameters
    ----------
    entry : Headline
        Its key and unit say how it is written.
    value : Any
        Its value in the summary; None where the run has no such figure.
    """
    if not is_number(value):
        return NOTHING
    if entry.unit == "s":
        return duration(value)
    if entry.unit == "W":
        return power(value)
    if entry.unit == "USD":
        return money(value)
    if entry.unit == "kg":
        return mass(value)
    if is_fraction(entry):
        return percent(value)
    if entry.key.endswith(".pue"):  # what it is above one is what matters
        return f"{value:.3f}"
    if entry.key.rpartition(".")[2] in INDICES:
        return f"{value:.2f}" if abs(value) < 100 else count(round(value))
    if entry.unit:
        return f"{count(value)}\N{NO-BREAK SPACE}{entry.unit}"
    return count(value)


def difference(entry: Headline, value: Any) -> str:
    """A difference between two values of a headline figure, with its sign."""
    if not is_number(value):
        return NOTHING
    if value == 0:
        return "0"
    sign = "+" if value > 0 else MINUS
    if is_fraction(entry):
        return f"{sign}{points(abs(value))}"
    return sign + headline(entry, abs(value))


def points(fraction: float) -> str:
    """A difference of two fractions, in percentage points."""
    if not is_number(fraction):
        return NOTHING
    if 0 < fraction < 0.0005:
        return "<0.1\N{NO-BREAK SPACE}points"
    return f"{100 * fraction:.1f}\N{NO-BREAK SPACE}points"


def relative(change: float) -> str:
    """A relative difference with its sign; beyond ninefold as a factor."""
    if not is_number(change):
        return NOTHING
    if change == 0:
        return "0\N{NO-BREAK SPACE}%"
    if change > 9:
        return f"{change + 1:,.0f}\N{MULTIPLICATION SIGN}"
    sign = "+" if change > 0 else MINUS
    return sign + percent(abs(change), 0 if 0.1 <= abs(change) <= 0.99 else 1)
