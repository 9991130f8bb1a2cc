"""Power in the report: figures against their tables, maps, prices, odd and hostile runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.text import Text
from report_fixture import DAY_S, fake_run
from report_power import BINS, GPUS, KW, PoweredRun, power_table, powered_run
from report_reader import Page, assert_stands_alone

from twin.console import run_lines
from twin.report import numbers
from twin.report.compare_page import comparison_html
from twin.report.figures.dark_silicon import dark_silicon, silicon
from twin.report.figures.energy_waterfall import energy_waterfall
from twin.report.figures.power_over_time import power_over_time
from twin.report.figures.power_runs import Metered, above_mean, power_runs
from twin.report.figures.rack_map import rack_map
from twin.report.page import report_html
from twin.report.power_series import Rate, power_series, rates
from twin.report.racks import Racks, racks
from twin.report.theme import NARROW, WIDE, Shape
from twin.tables import ENERGY_SHARES, HEADLINES, look_up

HOSTILE = "<script>alert(1)</script>"
SHAPES = pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)


@pytest.fixture(scope="module")
def run() -> PoweredRun:
    return powered_run()


@pytest.fixture(scope="module")
def html(run: PoweredRun) -> str:
    return report_html(run)


def a_map(run: PoweredRun) -> Racks:
    found = racks(run)
    assert found is not None
    return found


# -- the page


def test_the_page_stands_alone_and_is_the_same_each_time(html: str) -> None:
    assert_stands_alone(html)
    assert report_html(powered_run()) == html


def test_the_section_comes_after_time_and_only_where_power_is_computed(html: str) -> None:
    sections = re.findall(r'<section id="(\w+)"', html)
    assert sections[sections.index("time") + 1] == "power"
    assert 'id="power"' not in report_html(fake_run(30))


def test_every_headline_of_power_is_shown_once(run: PoweredRun, html: str) -> None:
    cards = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", html)
    for entry in HEADLINES:
        if entry.key.startswith(("power.", "cost.")):
            shown = [value for label, value in cards if label == entry.label]
            assert shown == [numbers.headline(entry, look_up(run.summary, entry.key))], entry


def test_power_is_set_against_the_cap(html: str) -> None:
    text = Page(html).text
    assert "drew 103 kW in the mean, 88 % of its cap, and 130 kW at most" in text
    assert "would draw 2.05 times the cap" in text  # 240 kW of nodes under 117 kW
    assert "111.1 % of the cap" in text  # the peak


def test_reasons_for_dark_are_said_the_largest_first(html: str) -> None:
    # 60 and 20 GPU-days of 1,920.
    said = "3.1 % was power-dark (a cap leaves GPUs off) and 1.0 % demand-dark (off for"
    assert said in Page(html).text
    assert "below 90 % for 5 % and below 80 % for 1 % of their time." in Page(html).text
    light = Page(report_html(powered_run(dark=False))).text
    assert "No GPU was dark; no job was slowed by a cap." in light
    assert "What the silicon did" not in light
    assert "at their highest clock for 99 % of their time" in light


def test_levels_stand_from_the_site_down(html: str) -> None:
    page = Page(html)
    head = next(row for row in page.rows if row and row[0] == "level")
    levels = [row for row in page.rows if row[0] in ("site", "row", "rack")]
    assert [row[0] for row in levels] == ["site", "row", "rack"]
    site, row, rack = (dict(zip(head, cells, strict=True)) for cells in levels)
    assert (site["cap"], site["headroom"], site["above the cap"]) == ("117 kW", "−11.1 %", "2.0 d")
    assert (site["at a stretch"], site["swing"]) == ("1.0 d", "5 kW")
    assert (row["cap"], row["oversubscription"], row["above the cap"]) == ("–", "–", "–")
    assert (rack["domains"], rack["peak"], rack["headroom"]) == ("6", "20 kW", "0.0 %")


def test_energy_shares_are_those_of_the_ledger(run: PoweredRun, html: str) -> None:
    ledger = run.summary["ledgers"]["energy"]
    after = Page(html[html.index("Where the energy went") :])
    for share in ENERGY_SHARES:
        _, energy, percent, meaning = after.row(share.label)
        part = ledger["shares"][share.name]
        assert energy == numbers.energy(part).replace("\xa0", " ")
        assert percent == numbers.percent(part / ledger["total"]).replace("\xa0", " ")
        assert meaning == share.meaning


def test_hostile_names_stay_text() -> None:
    bad = powered_run(name=HOSTILE, site=f"{HOSTILE}$x$", why=f"{HOSTILE}\x00深" + "y" * 300)
    html = report_html(bad)
    assert_stands_alone(html)
    assert "<script" not in html
    assert "<script" not in comparison_html([bad, powered_run()], [HOSTILE, "b"])


def _odd() -> dict[str, PoweredRun]:
    still = powered_run()
    still.summary["horizon_s"] = 0.0
    blank = powered_run(rates=False, dark=False)
    for key in ("useful_gpus", "useful_gpus_per_mw", "energy_per_useful_gpu_hour_j", "pue"):
        blank.summary["power"][key] = None
    blank.summary["power"]["clock"] = None
    del blank.summary["ledgers"]["energy"]
    free = powered_run()
    assert free.power is not None
    free.power["cap_w"] = free.power["least_cap_w"] = np.inf
    for level in free.summary["power"]["levels"].values():
        level |= {"cap_w": None, "oversubscription": None, "headroom": None}
    free.domains = free.domains[free.domains["quantity"] != "cap_w"]
    lone = powered_run()
    lone.power = power_table(racks=1)
    short = powered_run()
    short.timeline, short.domains = short.timeline.iloc[:1], short.domains.iloc[:0]
    sometimes = powered_run()  # a cap for a time only
    values = sometimes.domains["value"].to_numpy(copy=True)
    values[values == 120 * KW] = np.inf
    sometimes.domains["value"] = values
    nothing = powered_run()
    nothing.summary["power"]["dark_gpu_s"] = {}
    nothing.summary["ledgers"]["energy"] |= {"total": 0.0}
    return {
        "no time": still, "figures without values": blank, "no caps": free, "one rack": lone,
        "one bin": short, "a cap for a time": sometimes, "no energy": nothing,
    }  # fmt: skip


ODD = _odd()


@pytest.mark.parametrize("what", ODD)
def test_odd_runs_have_a_section(what: str) -> None:
    html = report_html(ODD[what])
    assert_stands_alone(html)
    assert 'id="power"' in html
    assert not re.search(r"\b(nan|NaN|None|inf)\b", Page(html).text)


# -- series


def test_the_fullest_domain_of_each_level_with_caps(run: PoweredRun) -> None:
    found = power_series(run)
    assert found is not None
    assert [domain.title for domain in found.domains] == [
        "Site, at the meter", "Rack 5, the fullest of 6",
    ]  # fmt: skip
    assert set(found.domains[1].power_w) == {20 * KW}
    assert np.array_equal(found.domains[0].power_w, run.timeline["facility_power_w"])
    assert set(found.domains[0].cap_w) == {90 * KW, 120 * KW}


def test_reasons_of_caps_come_once_with_all_their_times(run: PoweredRun) -> None:
    found = power_series(run)
    assert found is not None
    (reason,) = found.reasons
    assert reason.text == "demand response, 2 times"
    assert reason.spans_s == ((6 * DAY_S, 7 * DAY_S), (8 * DAY_S, 10 * DAY_S))


def test_rates_are_in_the_units_of_bills(run: PoweredRun) -> None:
    price, carbon = rates(run, np.arange(BINS + 1.0))
    assert (price.values.min(), price.values.max()) == (pytest.approx(30), pytest.approx(90))
    assert carbon.values.mean() == pytest.approx(400, rel=1e-3)
    assert (price.title, carbon.title) == (
        "Price of electricity, USD/MWh", "Carbon intensity, g/kWh",
    )  # fmt: skip
    assert rates(powered_run(rates=False), np.arange(BINS + 1.0)) == []


def test_what_the_silicon_did_adds_up_to_what_is_installed(run: PoweredRun) -> None:
    layers = silicon(run.timeline, run.domains)
    assert sum(values for _, _, values in layers) == pytest.approx(np.full(BINS, GPUS))
    names = [name for name, _, _ in layers]
    assert names == ["at full speed", "slowed by caps", "idle", "demand-dark", "power-dark"]
    slowed = {name: values for name, _, values in layers}["slowed by caps"]
    assert slowed.mean() == pytest.approx(2.4)  # 24 GPUs for a day of ten


def test_slowed_gpus_do_not_pass_for_idle_ones(run: PoweredRun) -> None:
    # Where failures are modelled, what works is counted at its speed: 96 GPUs, 24 of them at 0.5.
    timeline = run.timeline.copy()
    slowed = silicon(timeline, run.domains)[1][2]
    timeline["working_gpus"] -= 0.5 * slowed
    names = [name for name, _, _ in silicon(timeline, run.domains)]
    held = {n: v for n, _, v in silicon(timeline, run.domains)}["held, not at work"]
    assert names[:2] == ["at full speed", "slowed by caps"]
    assert held.max() <= 0.5 * slowed.max() + 1e-9


# -- the map of racks


def test_shares_of_racks_by_hand(run: PoweredRun) -> None:
    found = a_map(run)
    power, dark, throttled = found.shown
    # Of nameplate, 40 kW, for the first three; of their cap, 20 kW, for the others.
    assert power.shares.tolist() == pytest.approx([0.25, 0.3, 0.35, 0.8, 0.9, 1.0])
    assert dark.shares.tolist() == pytest.approx([0, 0, 0, 0, 0, 0.5])
    assert throttled.shares.tolist() == pytest.approx(np.arange(6) * 0.1 / 32)
    assert (power.end, dark.end, throttled.end) == (1.0, 0.5, pytest.approx(0.02))
    assert dark.note.replace("\xa0", " ") == "highest 50.0 %, rack 5"
    assert found.row.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("n", "per_row", "rows"), [(7, 3, [0, 0, 0, 1, 1, 1, 2]), (2, 10, [0, 0]), (3, 1, [0, 1, 2])]
)
def test_racks_stand_in_the_rows_that_their_gpus_tell(
    n: int, per_row: int, rows: list[int]
) -> None:
    run = powered_run()
    run.power = power_table(n, per_row)
    assert a_map(run).row.tolist() == rows


def test_one_rack_has_no_map_and_very_many_are_shown_by_row() -> None:
    run = powered_run()
    run.power = power_table(1)
    assert racks(run) is None
    run.power = many_racks(5000, 10)
    found = a_map(run)
    assert (found.level, len(found.row)) == ("row", 500)


def many_racks(n: int, per_row: int) -> pd.DataFrame:
    """A large table of power, made of the small one."""
    small = power_table()
    rack, row = small[small["level"] == "rack"], small[small["level"] == "row"]
    all_racks = rack.iloc[np.arange(n) % len(rack)].assign(
        unit=np.arange(n), domain=[f"rack {k}" for k in range(n)]
    )
    rows = row.iloc[np.zeros(-(-n // per_row), int)].assign(
        domain=[f"row {k}" for k in range(-(-n // per_row))],
        gpus=[32 * min(per_row, n - k) for k in range(0, n, per_row)],
    )
    return pd.concat([all_racks, rows, small[small["level"] == "site"]], ignore_index=True)


@SHAPES
@pytest.mark.parametrize(
    ("n", "per_row"), [(2, 1), (6, 3), (16, 10), (40, 40), (300, 7), (1400, 10)]
)
def test_racks_stand_inside_the_map_and_apart(shape: Shape, n: int, per_row: int) -> None:
    run = powered_run()
    run.power = many_racks(n, per_row)
    figure = rack_map(a_map(run), shape)
    for axes in figure.axes:
        width, height = axes.get_xlim()[1], axes.get_ylim()[0]
        at, side = [], 0.0
        for patch in axes.patches:
            if isinstance(patch, PathPatch):
                corners = patch.get_path().vertices
                side = patch.get_linewidth()
                at += corners[::2].tolist()
                assert np.asarray(corners)[:, 0].max() <= width + 1e-6
                assert np.asarray(corners)[:, 1].max() <= height + 1e-6
        assert len(at) == n
        points = np.array(at)
        near = np.abs(points[:, None] - points[None]).max(axis=2)
        np.fill_diagonal(near, np.inf)
        assert near.min() >= side  # no two squares overlap
        assert side >= 4
    assert figure.get_size_inches()[1] * 72 < (560 if shape is WIDE else 1300)


# -- several runs


def test_compared_runs_show_power_over_the_price() -> None:
    page = Page(comparison_html([powered_run(), powered_run(name="b", rates=False)], ["a", "b"]))
    assert "hours in which the price of electricity is above its mean" in page.text
    assert page.row("mean power")[1:] == ["103 kW", "103 kW", "the same"]
    assert page.row("cost")[1:3] == ["1,500 USD", "–"]
    plain = Page(comparison_html([fake_run(20), fake_run(20)], ["a", "b"])).text
    assert "Power over time" not in plain
    dry = powered_run(rates=False)
    without = Page(comparison_html([dry, dry], ["a", "b"])).text
    assert "Power over time" in without
    assert "above its mean" not in without


def test_dear_hours_are_those_above_the_mean() -> None:
    rate = Rate("", "", np.array([0.0, 1.0, 2.0, 10.0, 11.0]), np.array([3.0, 9.0, 1.0, 4.0]))
    # The mean over time is (3 + 9 + 8 + 4) / 11 = 2.2.
    assert above_mean(rate) == [(0.0, 2.0), (10.0, 11.0)]


# -- the terminal


def test_the_terminal_says_power_in_three_lines(run: PoweredRun) -> None:
    site: dict[str, Any] = {"gpus": GPUS}
    extra = {"waited_fraction": 0.0, "jobs_not_submitted": 0}
    lines = run_lines(SimpleNamespace(summary={**run.summary, **extra, "site": site}))
    told = lines[lines.index("power") + 1 :][:3]
    assert [line[:30].strip() for line in told] == [
        "mean, peak power", "dark, throttled", "PUE, cost, carbon",
    ]  # fmt: skip
    assert [line[31:] for line in told] == [
        "103 kW (88 % of the cap), 130 kW (111 % of the cap)",
        "4.2 % (mostly power-dark), 0.4 % of GPU-time",
        "1.250, 1,500 USD, 9,900 kg",
    ]


# -- pictures


def figures(shape: Shape, run: PoweredRun) -> Iterator[Figure]:
    found = power_series(run)
    assert found is not None
    yield power_over_time(found, shape)
    yield dark_silicon(silicon(run.timeline, run.domains), found.edges_s, GPUS, shape)
    yield energy_waterfall(run.summary["ledgers"]["energy"], shape)
    yield rack_map(a_map(run), shape)
    metered = [Metered(k, found.edges_s, found.domains[0].power_w * (1 + k)) for k in range(3)]
    yield power_runs(metered, rates(run, found.edges_s), shape)


@SHAPES
def test_nothing_sticks_out_of_a_picture(shape: Shape) -> None:
    run = powered_run(why="a call of the grid operator that came without any warning at all, twice")
    large = powered_run()
    large.power = many_racks(1400, 10)
    for each in (run, large, ODD["no caps"], ODD["a cap for a time"]):
        for figure in figures(shape, each):
            inside(figure, shape)


def inside(figure: Figure, shape: Shape) -> None:
    """All texts stand inside the figure, and no two of them on each other."""
    FigureCanvasAgg(figure).draw()
    width, height = (72 * size for size in figure.get_size_inches())
    boxes = []
    for text in figure.findobj(Text):
        if not isinstance(text, Text) or not text.get_visible() or not text.get_text().strip():
            continue
        box = text.get_window_extent()
        assert box.x0 >= -2, (text.get_text(), shape.name)
        assert box.x1 <= width + 2, (text.get_text(), shape.name)
        assert box.y0 >= -2, (text.get_text(), shape.name)
        assert box.y1 <= height + 2, (text.get_text(), shape.name)
        boxes.append((text.get_text(), box))
    for k, (words, box) in enumerate(boxes):
        for others, other in boxes[k + 1 :]:
            over_x = min(box.x1, other.x1) - max(box.x0, other.x0)
            over_y = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert over_x < 3 or over_y < 5, (words, others, shape.name)
