"""Bills by hand, the demand charge against a meter read every second, and what a scenario asks."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import DomainError, InputError
from twin.facility.series import Steps, flat
from twin.facility.tariff import Tariff, quarter_peaks, tariff
from twin.scenario.power import Power

HOUR_S, DAY_S = 3600.0, 86_400.0
KWH_J, MW = 3.6e6, 1e6
JUNE = datetime(2023, 6, 1)


def asked(epoch=JUNE, horizon_s=None, **power):
    return tariff(Power.model_validate(power), epoch, horizon_s)


# -- demand


@st.composite
def meters(draw):
    """A power over a few hours about the turn of a month, in whole 50 s from a whole 50 s on."""
    steps = draw(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), min_size=1, max_size=8))
    since = draw(st.integers(-100, 20))
    return (
        datetime(2024, 3, 1) + timedelta(seconds=50 * since),
        np.cumsum([0, *(50 * lasts for lasts, _ in steps)]),
        [watts for _, watts in steps],
    )


@given(meters())
def test_the_highest_quarter_of_the_clock_by_a_meter_read_every_50_s(meter):
    epoch, times, power = meter
    horizon_s = int(times[-1])
    read, months = {}, {}
    for at_s in range(0, horizon_s, 50):
        now = epoch + timedelta(seconds=at_s)
        watts = power[np.searchsorted(times, at_s, side="right") - 1]
        quarter = now.replace(minute=now.minute // 15 * 15, second=0)
        read.setdefault(quarter, []).append(watts)
        months.setdefault(f"{now:%Y-%m}", []).append(watts)
    peaks = quarter_peaks(times[:-1], power, horizon_s, epoch)
    assert [peak.month for peak in peaks] == sorted(months)
    for peak in peaks:
        days = {"2024-02": 29, "2024-03": 31}[peak.month]
        seen = months[peak.month]
        assert peak.share == pytest.approx(50 * len(seen) / (days * DAY_S))
        whole = [
            np.mean(each)
            for quarter, each in read.items()
            if len(each) == 18 and f"{quarter:%Y-%m}" == peak.month
        ]
        assert peak.power_w == pytest.approx(max(whole, default=np.mean(seen)), abs=1e-9)


def test_months_that_are_covered_in_part_are_charged_in_part():
    epoch = datetime(2023, 1, 22)
    peaks = quarter_peaks([0.0, 20 * DAY_S], [2 * MW, 5 * MW], 45 * DAY_S, epoch)
    assert [(p.month, p.power_w) for p in peaks] == [
        ("2023-01", 2 * MW),
        ("2023-02", 5 * MW),
        ("2023-03", 5 * MW),
    ]
    assert [p.share for p in peaks] == pytest.approx([10 / 31, 1, 7 / 31])


def test_a_spike_counts_by_its_quarter():
    """Five minutes at 4 MW above 1 MW are a quarter at 2 MW, or two at 1.6 and 1.4 MW."""
    for begins_s, peak_w in ((900.0, 2.0), (900 * 2 - 180.0, 1.6)):
        times = [0.0, begins_s, begins_s + 300]
        (peak,) = quarter_peaks(times, [1.0, 4.0, 1.0], DAY_S, JUNE)
        assert peak.power_w == pytest.approx(peak_w)


def test_no_meter_no_demand():
    assert quarter_peaks([], [], DAY_S, JUNE) == []
    assert quarter_peaks([5.0], [1.0], 5.0, JUNE) == []
    with pytest.raises(DomainError, match="in order of time"):
        quarter_peaks([5.0, 1.0], [1.0, 1.0], 9.0, JUNE)


# -- bills


def test_a_bill_by_hand():
    """30 days at 1 MW: 720,000 kWh at 0.08 USD and 369 g, and a June of 12 USD/kW."""
    bill = asked(
        price="0.08 USD/kWh", demand_charge="12 USD/kW-month", carbon={"country": "US"}
    ).bill([0.0], [MW], 30 * DAY_S)
    assert bill.energy_usd == pytest.approx(57_600)
    assert bill.demand_usd == pytest.approx(12_000)
    assert bill.kgco2 == pytest.approx(720_000 * 0.369)
    assert bill.demand_w == (("2023-06", MW),)


def test_what_is_not_asked_is_not_billed():
    bill = asked().bill([0.0], [MW], DAY_S)
    assert (bill.energy_usd, bill.demand_usd, bill.kgco2) == (None, None, None)


def test_drawing_at_prices_below_zero_pays():
    bill = asked(price="-20 USD/MWh").bill([0.0, HOUR_S], [5 * MW, 0.0], DAY_S)
    assert bill.energy_usd == pytest.approx(-100)


def test_time_of_use_by_hand():
    """A Thursday and a Friday before a weekend: 5 h of peak each on the first two days."""
    peak = {"name": "peak", "price": "0.3 USD/kWh", "hours": [16, 21], "days": "weekdays"}
    sun = {"name": "sun", "price": "-0.05 USD/kWh", "hours": [11, 14], "days": "weekends"}
    of = asked(price={"time_of_use": {"periods": [peak, sun], "otherwise": "0.1 USD/kWh"}})
    bill = of.bill([0.0], [1000.0], 4 * DAY_S)
    assert bill.energy_usd == pytest.approx(10 * 0.3 + 6 * -0.05 + 80 * 0.1)
    assert of.price_usd_per_j(16 * HOUR_S) == pytest.approx(0.3 / KWH_J)
    assert of.changes_s("price", 0.0, DAY_S) == [16 * HOUR_S, 21 * HOUR_S]


@given(st.floats(0.0, 1.0), st.datetimes(datetime(2020, 1, 1), datetime(2024, 1, 1)))
def test_a_swing_leaves_the_mean_and_is_least_at_midday(swing, epoch):
    of = asked(epoch.replace(microsecond=0), carbon={"flat": "400 g/kWh", "diurnal_swing": swing})
    assert of.carbon.mean(0, DAY_S) == pytest.approx(0.4 / KWH_J)
    values = [of.carbon_kg_per_j(h * HOUR_S) for h in range(24)]
    dirtiest, cleanest = max(values), min(values)
    assert dirtiest - cleanest == pytest.approx(2 * swing * 0.4 / KWH_J, rel=0.02, abs=1e-12)
    if swing > 0.1:
        hour = (epoch + timedelta(hours=int(np.argmin(values)))).hour
        assert hour in (12, 13)


@pytest.mark.parametrize(("unit", "usd_per_kwh"), [("USD/MWh", 0.042), ("USD/kWh", 42.0)])
def test_prices_from_a_file_have_its_unit(tmp_path, unit, usd_per_kwh):
    path = tmp_path / "spot.csv"
    rows = [f"2023-06-0{day}T{hour:02}:00,42" for day in (1, 2) for hour in range(24)]
    path.write_text("\n".join(["time,spot", *rows]))
    given = {"file": {"path": str(path), "column": "spot", "unit": unit}}
    of = asked(price=given, horizon_s=2 * DAY_S)
    assert of.bill([0.0], [1000.0], DAY_S).energy_usd == pytest.approx(24 * usd_per_kwh)
    with pytest.raises(InputError, match=r"power\.price\.file: .*but the run goes from"):
        asked(price=given, horizon_s=3 * DAY_S)


# -- what policies ask


def test_a_policy_that_goes_by_what_is_not_given_is_told_so():
    for what, ask in (("price", Tariff.price_usd_per_j), ("carbon", Tariff.carbon_kg_per_j)):
        with pytest.raises(InputError, match=f"power.{what}: not given, but a policy goes by it"):
            ask(asked(), 0.0)
        with pytest.raises(InputError, match=f"power.{what}"):
            asked().changes_s(what, 0.0, 1.0)


def test_a_policy_may_look_past_the_end_of_what_is_known():
    prices = Steps(np.array([0.0, HOUR_S]), np.array([1.0, 2.0]), ends_s=2 * HOUR_S)
    of = Tariff(JUNE, prices, None, None, flat(14.0))
    assert of.changes_s("price", 0.0, DAY_S) == [HOUR_S]
    assert of.changes_s("price", 3 * HOUR_S, DAY_S) == []
    assert of.changes_s("wet_bulb", 0.0, 1e12) == []


def test_the_wet_bulb_is_that_of_the_cooling():
    constant = {"dry_bulb": "30 degC", "wet_bulb": "21 degC"}
    of = asked(cooling={"weather": {"constant": constant}})
    assert of.wet_bulb_degc(5.0) == 21
    climate = asked(cooling={"weather": "phoenix"})
    assert len(climate.changes_s("wet_bulb", 0.0, DAY_S)) == 23
