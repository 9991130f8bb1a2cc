"""Reservations in the report: areas by hand, what was late, what the tables do not tell."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_fixture import fake_run
from report_reader import Page, assert_stands_alone
from test_report_power import inside

from twin.report.figures.reservations import reservations_over_time
from twin.report.figures.time_axis import window_clock
from twin.report.page import report_html
from twin.report.reservations import _lanes, reservations
from twin.report.theme import NARROW, WIDE, Shape
from twin.results.store import Results
from twin.run import load, run

SHAPES = pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)
TEXT = """\
name: reserved
site: {pools: [{name: main, node: dgx-h100, nodes: 2}, {name: side, node: dgx-h100, nodes: 1}]}
horizon: 3000 s
workload:
  jobs:
    - {name: m, group: a, gpus: 8, run: 200 s, count: 2, every: 400 s, submit: 1000 s, pool: main}
    - {name: other, group: b, gpus: 4, run: 100 s, count: 3, every: 10 s, pool: main}
policies:
  scheduler: easy-backfill
  reservations:
    - {name: demo, pool: main, nodes: 1, start: 1000 s, end: 2000 s, group: a, drain: 300 s}
    - {name: later, pool: main, nodes: 2, start: 9000 s, end: 9100 s, group: b}
recovery: {checkpoint: {write: 10 s, read: 10 s}, restart: 20 s}
"""
OUTAGE = """\
failures:
  incidents:
    - {at: 900 s, name: mains, of: site, unit: 0, lasts: 400 s, effect: fail-stop}
"""


@cache
def reserved(*, late: bool = False) -> Results:
    path = Path("reserved.yaml")
    text = TEXT + (OUTAGE if late else "")
    return run(load_text(text, path), report=False)


def load_text(text: str, path: Path) -> Any:
    """A scenario from its text, read as if it stood in a file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path
        file.write_text(text)
        return load(file)


def test_a_reservation_by_hand() -> None:
    """Its node is used from 1000 to 1200 and from 1400 to 1600, of 1000 to 2000: two fifths."""
    found = reservations(reserved())
    assert found is not None
    assert "asked for 0.28 node-hours" in found.sentence
    assert "used 40.0 %" in found.sentence.replace("\xa0", " ")
    assert "all of it could be had" in found.sentence
    first, later = found.rows
    parts = [part.replace("\xa0", " ") for part in first.parts]
    assert parts == ["40.0 %", "60.0 %", "0 %", "0 %"]
    assert (first.complete, first.gave_way) == ("in time", "0")
    assert (later.name, later.complete, set(later.parts)) == ("later", "–", {"–"})
    assert not found.means
    assert not found.late


def test_use_over_time_is_exact() -> None:
    asked = reserved().summary["reservations"]["demo"]
    (lane,) = _lanes(reserved(), {"demo": asked}, WIDE)
    assert (lane.closes_s, lane.start_s, lane.end_s) == (700, 1000, 2000)
    assert lane.used is not None
    edges_s, used = lane.used
    at_s = (edges_s[1:] + edges_s[:-1]) / 2
    whole = np.abs(at_s - 1000 - 200 * np.round((at_s - 1000) / 200)) > np.diff(edges_s)
    inside_s = ((at_s < 1200) | ((at_s > 1400) & (at_s < 1600))).astype(float)
    assert used[whole] == pytest.approx(inside_s[whole])
    assert used @ np.diff(edges_s) == pytest.approx(asked["used_node_s"])


def test_what_began_late_says_so() -> None:
    """The site is out from 900 to 1300: the node is had 300 s late, and so it is told."""
    found = reservations(reserved(late=True))
    assert found is not None
    told = reserved(late=True).summary["reservations"]["demo"]
    assert told["complete_s"] == 1300
    assert told["short_node_s"] == 300
    assert found.rows[0].complete.replace("\xa0", " ") == "5.0 min late"
    assert "30.0 % could not be had" in found.sentence.replace("\xa0", " ")
    assert found.means
    assert found.late
    (lane,) = _lanes(reserved(late=True), {"demo": told}, WIDE)
    assert lane.used is None  # when its node was missing, the tables do not say
    assert sum(lane.parts.values()) == pytest.approx(1)


def test_what_never_came_is_null() -> None:
    assert reserved().summary["reservations"]["later"]["complete_s"] is None


def test_jobs_elsewhere_leave_means_alone() -> None:
    """The group's job runs on the other node too: what was used when, the tables do not tell."""
    text = TEXT.replace("count: 2, every: 400 s", "count: 4, every: 1 s")
    elsewhere = run(load_text(text, Path("x.yaml")), report=False)
    asked = elsewhere.summary["reservations"]["demo"]
    (lane,) = _lanes(elsewhere, {"demo": asked}, WIDE)
    assert lane.used is None
    assert lane.parts["used"] == pytest.approx(asked["used_node_s"] / 1000)


def test_earlier_runs_do_not_say_when() -> None:
    old = fake_run(20)
    told = dict(reserved().summary["reservations"]["demo"])
    del told["complete_s"]
    old.summary["reservations"] = {'<b onclick="x">&amp;': told | {"pool": "<i>"}}
    old.summary["horizon_s"] = 3000.0
    html = report_html(old)
    assert_stands_alone(html)
    assert "<b onclick" not in html
    assert "<i>" not in html
    row = Page(html).row('<b onclick="x">&amp;')
    assert row[10] == "–"


@SHAPES
@pytest.mark.parametrize("late", [False, True])
def test_words_stand_apart(shape: Shape, late: bool) -> None:
    found = reserved(late=late)
    asked = found.summary["reservations"]["demo"]
    names = ["demo", "a-reservation-with-a-name-that-goes-on-and-on-and-on-and-on", "x"]
    lanes = _lanes(found, dict.fromkeys(names, asked), shape)
    inside(reservations_over_time(lanes, shape), shape)


@SHAPES
@pytest.mark.parametrize("hours", [6, 26, 59, 60, 24 * 30])
def test_the_clock_of_a_part_of_a_run(shape: Shape, hours: int) -> None:
    """Ticks lie within the part, at whole hours or more, and their words stand apart."""
    figure = shape.figure(120)
    axes = shape.axes(figure, left=58, right=46, top=10, bottom=46)
    from_s, end_s = 10.05 * 86400, 10.05 * 86400 + hours * 3600
    window_clock(axes, from_s, end_s, shape)
    ticks = axes.get_xticks()
    assert len(ticks) >= 2
    assert ((ticks >= from_s) & (ticks <= end_s)).all()
    assert ticks / 3600 == pytest.approx(np.round(ticks / 3600))
    axes.set_yticks([])
    inside(figure, shape)
    if hours == 26:
        assert "day 10" in axes.xaxis.get_ticklabels()[0].get_text().replace("\xa0", " ")


def test_the_page_has_the_section() -> None:
    html = report_html(reserved())
    assert '<section id="reservations">' in html
    assert Page(html).row("demo")[1:4] == ["main", "1", "day 0, 00:16"]
    assert '<section id="reservations">' not in report_html(fake_run(20))
