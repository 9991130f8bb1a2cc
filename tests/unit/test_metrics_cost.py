"""The bill in the summary: by hand, on days of 23 and 25 hours, and against a grid's own record."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from twin import load, run
from twin.errors import InputError
from twin.facility.tariff import tariff
from twin.metrics.cost import cost
from twin.scenario.power import Power

HOUR_S, DAY_S = 3600.0, 86_400.0
KWH_J = 3.6e6
GRIDS = Path(__file__).parents[3] / "shared" / "data" / "dcrl" / "carbon_intensity"


def billed(power, epoch, time_s, meter_w, horizon_s, useful_gpu_s=36_000.0):
    seen = SimpleNamespace(time_s=np.array(time_s), meter_w=np.array(meter_w))
    outcome = SimpleNamespace(
        power_seen=seen, horizon_s=horizon_s, gpu_time={"useful": useful_gpu_s}
    )
    return cost(outcome, tariff(Power.model_validate(power), epoch, horizon_s))


def test_a_bill_by_hand():
    """A day of 12 h at 2 MW and 12 h at 1 MW in a month of 30 days; 10 useful GPU-hours."""
    power = {"price": "0.1 USD/kWh", "demand_charge": "15 USD/kW-month", "carbon": "500 g/kWh"}
    found = billed(power, datetime(2024, 6, 10), [0.0, 12 * HOUR_S], [2e6, 1e6], DAY_S)
    assert found == {
        "covers": "electricity",
        "usd": pytest.approx(3600 + 1000),
        "usd_energy": pytest.approx(36_000 * 0.1),
        "usd_demand": pytest.approx(2000 * 15 / 30),
        "usd_per_useful_gpu_hour": pytest.approx(460),
        "demand_w": {"2024-06": pytest.approx(2e6)},
        "kgco2": pytest.approx(18_000),
        "kgco2_per_useful_gpu_hour": pytest.approx(1800),
        "water_l": None,
    }


def test_what_is_not_given_is_not_guessed():
    start = datetime(2024, 6, 10)
    assert billed({}, start, [0.0], [1e6], DAY_S) == {}
    priced = billed({"price": "0 USD/kWh"}, start, [0.0], [1e6], DAY_S, useful_gpu_s=0.0)
    assert (priced["usd"], priced["usd_demand"], priced["kgco2"]) == (0.0, None, None)
    assert priced["usd_per_useful_gpu_hour"] is None
    charged = billed({"demand_charge": "1 USD/kW-month"}, start, [0.0], [1e6], DAY_S)
    assert charged["usd"] is None  # without a price the cost of power is not known
    assert charged["usd_demand"] == pytest.approx(1000 / 30)


@pytest.mark.parametrize(
    ("day", "night_h", "whole_h"),
    [("2024-03-30", 6, 24), ("2024-03-31", 5, 23), ("2024-10-27", 7, 25), ("2024-12-31", 6, 24)],
)
def test_nights_are_an_hour_shorter_or_longer_where_clocks_change(day, night_h, whole_h):
    night = {"name": "night", "price": "0.05 USD/kWh", "hours": [0, 6]}
    later = {"name": "later", "price": "7 USD/kWh", "hours": [0, 24], "months": [1]}
    by_hour = {"periods": [later, night], "otherwise": "0.2 USD/kWh", "zone": "Europe/Berlin"}
    start = datetime.fromisoformat(day)
    power = {"price": {"time_of_use": by_hour}}
    found = billed(power, start, [0.0], [1000.0], whole_h * HOUR_S)
    by_hand = night_h * 0.05 + (whole_h - night_h) * 0.2
    assert found["usd_energy"] == pytest.approx(by_hand)


def _grid(name):
    path = GRIDS / f"{name}_NG_avgCI.csv.gz"
    if not path.exists():
        pytest.skip(f"needs the data of grids, {path.name}, beside the project")
    return path


@pytest.mark.parametrize("start", ["2022-03-12T18:00", "2022-07-01T00:00", "2022-11-05T09:30"])
def test_carbon_of_a_grid_hour_by_hour(start):
    """ERCOT's 2022 in UTC, clocks in Texas changing within two of the three weeks."""
    path, epoch = _grid("ERCO"), datetime.fromisoformat(start)
    of_file = {"path": str(path), "column": "avg_CI", "zone": "America/Chicago"}
    rng = np.random.default_rng(4)
    times = np.concatenate([[0.0], np.sort(rng.uniform(0, 7 * DAY_S, 40))])
    watts = rng.uniform(0, 5e6, 41)
    found = billed({"carbon": {"file": of_file}}, epoch, times, watts, 7 * DAY_S)
    record = pd.read_csv(path, index_col="timestamp", parse_dates=True)["avg_CI"]
    begin = pd.Timestamp(epoch, tz="America/Chicago").tz_convert("UTC")
    joules = np.concatenate([[0.0], np.cumsum(np.diff(times, append=7 * DAY_S) * watts)])
    kg, at_s = 0.0, 0.0
    while at_s < 7 * DAY_S:
        hour = (begin + timedelta(seconds=at_s)).floor("h")
        ends_s = min((hour + timedelta(hours=1) - begin).total_seconds(), 7 * DAY_S)
        drawn_j = np.diff(np.interp([at_s, ends_s], np.append(times, 7 * DAY_S), joules))[0]
        kg, at_s = kg + drawn_j / KWH_J * record[hour] / 1000, ends_s
    assert found["kgco2"] == pytest.approx(kg, rel=1e-9)


def test_blank_hours_of_a_grid_are_told_and_may_be_held():
    path = _grid("CISO")
    blank = pd.read_csv(path)["avg_CI"].isna()
    first_line = int(np.flatnonzero(blank)[0]) + 2
    given = {"path": str(path), "column": "avg_CI", "zone": "America/Los_Angeles"}
    epoch = datetime(2022, 6, 1)
    with pytest.raises(InputError, match=rf"power\.carbon\.file: .*:{first_line} .*gaps: hold"):
        tariff(Power.model_validate({"carbon": {"file": given}}), epoch, DAY_S)
    held = {"carbon": {"file": given | {"gaps": "hold"}}}
    year = pd.read_csv(path)["avg_CI"].ffill()
    of = tariff(Power.model_validate(held), datetime(2021, 12, 31, 16), 365 * DAY_S)
    assert of.carbon.mean(0, 365 * DAY_S) * 1000 * KWH_J == pytest.approx(year.mean(), rel=1e-9)


SCENARIO = """\
name: bill
start: 2024-06-10
horizon: 2 days
site: {pools: [{name: a, node: dgx-h100, nodes: 8}]}
workload: {jobs: [{gpus: 32, run: 6 h, count: 6, every: 3 h}]}
power:
  price: {file: {path: prices.csv}}
  demand_charge: 10 USD/kW-month
  carbon: 369 g/kWh
"""


def test_the_bill_of_a_run_is_that_of_its_meter(tmp_path):
    rows = [f"2024-06-{day}T{hour:02}:00,50" for day in (10, 11) for hour in range(24)]
    (tmp_path / "prices.csv").write_text("\n".join(["time,price", *rows]))
    (tmp_path / "bill.yaml").write_text(SCENARIO)
    results = run(load(tmp_path / "bill.yaml"), tmp_path / "out", report=False)
    bill, power = results.summary["cost"], results.summary["power"]
    kwh = power["facility_energy_j"] / KWH_J
    assert bill["usd_energy"] == pytest.approx(0.05 * kwh)
    assert bill["kgco2"] == pytest.approx(0.369 * kwh)
    month_w = bill["demand_w"]["2024-06"]
    assert power["mean_w"] <= month_w <= power["peak_w"] * (1 + 1e-9)
    assert bill["usd_demand"] == pytest.approx(month_w / 1000 * 10 * 2 / 30)
    useful_h = results.summary["ledgers"]["gpu_time"]["shares"]["useful"] / HOUR_S
    assert useful_h == pytest.approx(6 * 32 * 6)
    assert bill["usd_per_useful_gpu_hour"] == pytest.approx(bill["usd"] / useful_h)
    page = (Path(__file__).parents[2] / "docs/reference/results.md").read_text("utf-8")
    assert [key for key in bill if f"`cost.{key}`" not in page] == []
    hashed = [Path(each["path"]).name for each in results.provenance["inputs"]]
    assert hashed == ["prices.csv"]
