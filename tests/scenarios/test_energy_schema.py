"""What editors are told of prices, carbon and cooling is what is read."""

import pytest
from json_schema import faults

from twin.scenario.load import schema_json
from twin.scenario.power import Power

PEAK = {"name": "peak", "price": "0.19 USD/kWh", "hours": [22, 6.5], "months": [6]}
BY_HOUR = {"periods": [PEAK], "otherwise": "0.09 USD/kWh", "zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    "power",
    [
        {"price": "0.08 USD/kWh", "carbon": "369 g/kWh", "cooling": {"weather": "phoenix"}},
        {"price": {"time_of_use": BY_HOUR}, "carbon": {"country": "NO", "diurnal_swing": 0.4}},
        {"price": {"file": {"path": "x.csv", "unit": "USD/kWh", "gaps": "hold"}}},
        {"demand_charge": "12 USD/kW-month", "cooling": {"weather": {"constant": {}}}},
        {"cooling": {"outages": [{"at": "2024-07-01", "lasts": "1 h"}], "off_at": "45 degC"}},
    ],
)
def test_the_schema_takes_what_is_read(power):
    Power.model_validate(power)
    whole = schema_json()
    assert faults(power, whole["$defs"]["Power"], whole) == []


@pytest.mark.parametrize(
    "power",
    [
        {"price": {"flt": "0 USD/kWh"}},
        {"price": 0.08},
        {"carbon": {"country": "XX"}},
        {"price": {"time_of_use": BY_HOUR | {"periods": [PEAK | {"hours": [22]}]}}},
        {"price": {"time_of_use": BY_HOUR | {"periods": [PEAK | {"months": [13]}]}}},
        {"cooling": {"type": "none"}},
    ],
)
def test_the_schema_refuses_what_is_refused(power):
    with pytest.raises(ValueError):
        Power.model_validate(power)
    whole = schema_json()
    assert faults(power, whole["$defs"]["Power"], whole)
