"""Quantities: what is read, what is refused and with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import units
from twin.errors import UnitError
from twin.units import format_duration, format_quantity, format_si, parse_quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("700 W", units.POWER, 700.0),
        ("20 MW", units.POWER, 20e6),
        ("0.7kW", units.POWER, 700.0),
        ("30 min", units.TIME, 1800.0),
        ("3 days", units.TIME, 259_200.0),
        ("1.5 h", units.TIME, 5400.0),
        ("400 Gbit/s", units.BYTES_PER_S, 50e9),
        ("400 Gbps", units.BYTES_PER_S, 50e9),
        ("50 GB/s", units.BYTES_PER_S, 50e9),
        ("80 GB", units.BYTES, 80e9),
        ("80 GiB", units.BYTES, 80 * 2**30),
        ("989 TFLOP/s", units.FLOP_PER_S, 989e12),
        ("0.036 USD/kWh", units.MONEY_PER_ENERGY, 1e-8),
        ("3.6 USD/h", units.MONEY_PER_TIME, 1e-3),
        ("12 USD/kW-month", units.MONEY_PER_POWER, 0.012),
        ("8 USD/MW/month", units.MONEY_PER_POWER, 8e-6),
        ("360 g/kWh", units.CARBON_PER_ENERGY, 1e-7),
        ("0.36 tCO2e/MWh", units.CARBON_PER_ENERGY, 1e-7),
        ("10 K", units.TEMPERATURE_DIFFERENCE, 10.0),
        ("12 per hour", units.PER_TIME, 12 / 3600),
        ("27 degC", units.TEMPERATURE, 27.0),
        ("5 kWh", units.ENERGY, 18e6),
        ("-5 degC", units.TEMPERATURE, -5.0),
        ("1_000 W", units.POWER, 1000.0),
        ("1e3 W", units.POWER, 1000.0),
    ],
)
def test_read(text, dimension, value):
    assert parse_quantity(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "dimension", "words"),
    [
        (700, units.POWER, "has no unit; write it with its unit, for example '700 W'"),
        ("0", units.TIME, "has no unit"),
        ("700 W", units.TIME, "is a power, not a duration"),
        ("12 USD/kW", units.MONEY_PER_POWER, "unknown unit 'USD/kW' for a demand charge"),
        ("0.08 USD/kWh", units.MONEY_PER_POWER, "is an energy price, not a demand charge"),
        ("10 degC", units.TEMPERATURE_DIFFERENCE, "is a temperature, not a temperature difference"),
        ("3 mins", units.TIME, "unknown unit 'mins' for a duration; did you mean 'min'?"),
        ("many W", units.POWER, "'many W' is not a power"),
        (None, units.POWER, "found nothing"),
        (True, units.POWER, "found true or false"),
        ([1], units.POWER, "found a list"),
        ("1e999 W", units.POWER, "too large"),
        ("W" * 10_000, units.POWER, "is not a power"),
    ],
)
def test_refused_with_the_remedy(text, dimension, words):
    with pytest.raises(UnitError) as error:
        parse_quantity(text, dimension)
    assert words in str(error.value)
    assert len(str(error.value)) < 400


@given(st.sampled_from(units.DIMENSIONS), st.floats(0, 1e18, allow_nan=False))
def test_what_is_written_reads_back_to_the_last_bit(dimension, value):
    assert parse_quantity(format_quantity(value, dimension), dimension) == value


def test_written_for_people():
    assert format_si(1.25e6, "W") == "1.25 MW"
    assert format_si(0, "W") == "0 W"
    seconds = (5, 90, 7200, 200_000, 1e8)
    assert [format_duration(s) for s in seconds] == ["5 s", "1.5 min", "2.0 h", "2.3 d", "1,157 d"]
