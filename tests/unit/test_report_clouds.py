"""Clouds in the report: GPUs and money over time by hand, and against the summary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_fixture import fake_run
from report_reader import Page, assert_stands_alone
from report_schedulers import ScheduledRun, allocations, scheduled_run
from test_report_power import inside

from twin.report.clouds import clouds
from twin.report.figures.clouds import clouds_over_time
from twin.report.page import report_html
from twin.report.rented import rented, spent
from twin.report.theme import NARROW, WIDE, Shape
from twin.results.store import Results
from twin.run import load, run
from twin.tables import RENTALS

HOUR_S = 3600.0
GALLERY = Path(__file__).parents[2] / "scenarios" / "schedulers"
SHAPES = pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)


@dataclass
class CloudRun(ScheduledRun):
    """A run directory with a table of rentals."""

    rentals: pd.DataFrame | None = None


def by_hand() -> CloudRun:
    """Node 0 is one's own, node 1 is rented from hour 2 to 6 and again from 8 to 10, then taken."""
    base = scheduled_run(3, gpus=16)
    table = base.jobs
    table["submit_s"], table["gpus"] = 0.0, 8
    table["start_s"], table["end_s"] = [0.0, 3 * HOUR_S, 8 * HOUR_S], 10 * HOUR_S
    table["pool"] = pd.Categorical(["own", "cloud", "cloud"])
    held = allocations(
        [
            (0, 0, 255, 0.0, 10 * HOUR_S),
            (1, 1, 0b1111, 3 * HOUR_S, 5 * HOUR_S),
            (2, 1, 255, 8 * HOUR_S, 10 * HOUR_S),
        ]
    )
    rows = [
        ("cloud", 1, 8, 2 * HOUR_S, 3 * HOUR_S, 6 * HOUR_S, 0, 8 * HOUR_S, 4 * HOUR_S, 64.0),
        ("cloud", 1, 8, 8 * HOUR_S, 8 * HOUR_S, 10 * HOUR_S, 1, 16 * HOUR_S, 2 * HOUR_S, 32.0),
    ]
    made = CloudRun(**{**vars(base), "allocations": held})
    made.rentals = pd.DataFrame(rows, columns=RENTALS.names())
    made.summary |= {
        "horizon_s": 20 * HOUR_S,
        "site": {"gpus": 16, "nodes": 2, "pools": {"own": 8, "cloud": 8}, "rentable_gpus": 8},
        "cost": {"usd_own": 100.0, "usd": 200.0},
        "cloud": {
            "jobs": 2, "rentals": 2, "reclaims": 1, "peak_gpus": 8, "gpu_hours": 48.0,
            "held_gpu_hours": 24.0, "provisioning_gpu_hours": 8.0, "idle_gpu_hours": 16.0,
            "wasted_gpu_hours": 24.0, "billed_gpu_hours": 48.0, "usd": 96.0,
            "egress_bytes": 16e9, "egress_usd": 1.6, "unrented_gpu_hours": 112.0,
        },
    }  # fmt: skip
    made.scenario_yaml = """\
site:
  pools:
  - {name: own, nodes: 1}
  - {name: cloud, nodes: 1, cloud: {egress: 1e-10 USD/byte, data: 1000000000 bytes}}
"""
    return made


@cache
def spot() -> Results:
    return run(load(GALLERY / "on-premise-with-spot.yaml"), report=False)


def test_gpus_over_time_by_hand() -> None:
    made = by_hand()
    assert made.rentals is not None
    found = rented(made, made.rentals, 20)
    hour = np.arange(20)
    assert np.diff(found.edges_s) == pytest.approx(np.full(20, HOUR_S))
    assert found.own_held == pytest.approx(np.where(hour < 10, 8.0, 0.0))
    there = ((hour >= 2) & (hour < 6)) | ((hour >= 8) & (hour < 10))
    assert found.rented == pytest.approx(8.0 * there)
    assert found.rented_held == pytest.approx(
        np.select([(hour >= 3) & (hour < 5), (hour >= 8) & (hour < 10)], [4.0, 8.0], 0.0)
    )
    assert found.reclaimed_s.tolist() == [10 * HOUR_S]
    assert (found.own, found.quota) == (8, 8)


def test_money_over_time_by_hand() -> None:
    made = by_hand()
    assert made.rentals is not None
    lines = {line.name: line.usd for line in spent(made, made.rentals, np.arange(21) * HOUR_S)}
    assert lines["own GPUs"] == pytest.approx(np.arange(21) * 5.0)
    paid = np.interp(np.arange(21), [2, 6, 8, 10], [0, 64, 64, 96])
    assert lines["rent"] == pytest.approx(paid)
    # Two jobs of 8 GPUs, 1 GB each at 0.1 USD, end at hour 10.
    assert lines["egress"] == pytest.approx(np.where(np.arange(21) > 10, 1.6, 0.0))


def test_data_that_jobs_tell_themselves_is_not_guessed() -> None:
    made = by_hand()
    assert made.rentals is not None
    made.summary["cloud"]["egress_usd"] = 7.0
    assert [line.name for line in spent(made, made.rentals, np.arange(21) * HOUR_S)] == [
        "own GPUs",
        "rent",
    ]
    found = clouds(made)
    assert found is not None
    assert not found.egress_drawn
    assert "do not say what each job moved back" in Page(report_html(made)).text


def test_the_section_by_hand() -> None:
    page = Page(report_html(by_hand()))
    assert "Up to 8 GPUs were rented at a time, 48 GPU-hours in all; jobs held 50.0 %" in page.text
    assert "Of 2 nodes rented, 1 were taken back" not in page.text
    assert "Of 2 nodes rented, 1 was taken back" in page.text
    # (96 + 1.6) / 24 GPU-hours held, against 100 / 80 of one's own.
    assert "4.07 USD for each GPU-hour that jobs held; one's own cost 1.25 USD" in page.text
    row = next(row for row in page.rows if row[:1] == ["cloud"] and row[1] == "2")
    assert row[1:8] == ["2", "2", "8", "48", "50.0 %", "16.7 %", "33.3 %"]
    assert row[8:] == ["2.00 USD", "96.00 USD", "1.60 USD", "4.07 USD", "1"]


def test_a_run_agrees_with_its_summary() -> None:
    """Areas and ends of the lines are the figures of the summary, however many bins there are."""
    found, table = spot(), spot().rentals
    assert table is not None
    told = found.summary["cloud"]
    for most in (7, 160, 480):
        seen = rented(found, table, most)
        hours = np.diff(seen.edges_s) / HOUR_S
        assert seen.rented @ hours == pytest.approx(told["gpu_hours"])
        assert seen.rented_held @ hours == pytest.approx(told["held_gpu_hours"])
        ends = {line.name: line.usd[-1] for line in spent(found, table, seen.edges_s)}
        assert ends["rent"] == pytest.approx(told["usd"])
        assert ends["egress"] == pytest.approx(told["egress_usd"])
        assert ends["own GPUs"] == pytest.approx(found.summary["cost"]["usd_own"])
    assert len(seen.reclaimed_s) == told["reclaims"] > 20


def test_several_clouds_have_a_row_each() -> None:
    made = by_hand()
    one = made.summary["cloud"]
    made.summary["cloud"] = one | {"by_pool": {"<b onclick='x'>": one, "east": one}}
    html = report_html(made)
    assert_stands_alone(html)
    assert "<b onclick" not in html
    names = [row[0] for row in Page(html).rows if len(row) == 13]
    assert names[-3:] == ["<b onclick='x'>", "east", "all"]


def test_nothing_rented_and_no_table() -> None:
    made = by_hand()
    made.rentals = made.rentals.iloc[:0] if made.rentals is not None else None
    made.allocations = allocations([])
    zero = dict.fromkeys(made.summary["cloud"], 0)
    made.summary["cloud"] = zero
    text = Page(report_html(made)).text
    assert "No node was rented." in text
    made.rentals = None  # a run of an earlier version
    found = clouds(made)
    assert found is not None
    assert found.picture is None
    assert '<section id="clouds">' in report_html(made)
    assert '<section id="clouds">' not in report_html(fake_run(20))


@SHAPES
@pytest.mark.parametrize("large", [1.0, 1e7])
def test_words_stand_apart(shape: Shape, large: float) -> None:
    made = by_hand()
    assert made.rentals is not None
    made.summary["cost"]["usd_own"] *= large
    seen = rented(made, made.rentals, shape.bins)
    inside(clouds_over_time(seen, spent(made, made.rentals, seen.edges_s), shape), shape)
    table = spot().rentals
    assert table is not None
    seen = rented(spot(), table, shape.bins)
    inside(clouds_over_time(seen, spent(spot(), table, seen.edges_s), shape), shape)
