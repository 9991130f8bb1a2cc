"""How many GPUs to buy: useful work against size in the page of a sweep, optimum marked."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from report_reader import Page, assert_stands_alone

from twin.report.figures.line_names import apart
from twin.report.figures.optimum import Sized, optimum
from twin.report.points import INSTALLED, headlines, lead, plot_axis, points
from twin.report.sweep_page import sweep_html
from twin.report.theme import NARROW, WIDE, Shape

AXES = ["nodes", "policy"]
# Useful GPUs by nodes: the first has its most inside, the second at the largest size, the third
# the same all along.
USEFUL = {"dim": (75, 150, 140), "dark": (70, 130, 145), "half": (60, 60, 60)}


def table(useful: dict[str, tuple[float, ...]] = USEFUL, **columns: Any) -> pd.DataFrame:
    """Ten, twenty and forty nodes of eight GPUs, two seeds one useful GPU apart."""
    rows = [
        {
            "nodes": nodes, "policy": policy, "seed": seed, "status": "ok", "site.gpus": 8 * nodes,
            "power.useful_gpus": of_size + (seed - 1.5), "power.useful_gpus_per_mw": 10 * of_size,
            "power.mean_w": 1e3 * nodes, "wait_s.mean": 60.0 * nodes, **columns,
        }
        for policy, values in useful.items()
        for nodes, of_size in zip((10, 20, 40), values, strict=True)
        for seed in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_best_size_of_each_line() -> None:
    html = sweep_html(table(), AXES)
    assert_stands_alone(html)
    page = Page(html)
    rows = {row[0].split()[-1]: row[1:] for row in page.rows if re.match(r"[ABC] ", row[0])}
    assert rows["dim"] == ["150", "160", "1,500", ""]
    assert rows["dark"] == ["145", "320", "1,450", "the largest size tried: more may be better"]
    assert rows["half"] == ["60", "80", "600", ""]  # of equals the smallest
    assert "150 useful of 160" in page.text
    assert "The best number of useful GPUs, 150, is at nodes = 20, policy = dim." in page.text


def test_power_leads_where_a_sweep_has_it() -> None:
    frame = table()
    found = points(frame, AXES)
    assert headlines(frame)[0].key == "power.useful_gpus"
    assert headlines(frame)[-1].key == "wait_s.mean"
    first = lead(found, headlines(frame))
    assert first is not None
    assert first.key == "power.useful_gpus"
    assert found[1].mean(INSTALLED) == 160
    # What does not differ does not lead.
    flat = table(dict.fromkeys("ab", (50.0, 50.0, 50.0)))
    second = lead(points(flat, AXES), [e for e in headlines(flat) if "useful" not in e.key])
    assert second is not None
    assert second.key == "wait_s.mean"


def test_size_is_the_axis_even_where_another_number_comes_first() -> None:
    frame = pd.concat([table().assign(cap=cap) for cap in (10, 20)])
    found = points(frame, ["cap", "nodes", "policy"])
    assert plot_axis(found, ["cap", "nodes", "policy"]) == 1
    # Zipped with the load of work, nodes vary along no axis alone.
    zipped = points(frame.assign(load=frame["nodes"] / 10), ["load", "nodes", "policy"])
    assert plot_axis(zipped, ["load", "nodes", "policy"]) == 0


@pytest.mark.parametrize("without", ["site.gpus", "power.useful_gpus"])
def test_no_such_picture_without_sizes_or_power(without: str) -> None:
    html = sweep_html(table().drop(columns=without), AXES)
    assert_stands_alone(html)
    assert 'id="sizing"' not in html


def test_sizes_that_do_not_differ_are_no_axis() -> None:
    assert 'id="sizing"' not in sweep_html(table(**{"site.gpus": 64}), AXES)


def test_points_that_failed_are_left_out_of_their_line() -> None:
    frame = table()
    frame.loc[(frame["policy"] == "dim") & (frame["nodes"] == 20), "power.useful_gpus"] = None
    frame.loc[frame["policy"] == "half", "power.useful_gpus"] = None
    html = sweep_html(frame, AXES)
    assert_stands_alone(html)
    lines = [row for row in Page(html).rows if re.match(r"[ABC] ", row[0])]
    assert [row[0].split()[-1] for row in lines] == ["dim", "dark"]
    assert lines[0][1:3] == ["140", "320"]


def test_hostile_policies_stay_text() -> None:
    bad = {"<script>alert(1)</script>" + "x" * 200: (1.0, 2.0, 3.0), "$a$": (2.0, 1.0, 0.0)}
    html = sweep_html(table(bad), AXES)
    assert_stands_alone(html)
    assert "<script" not in html


def sized(stroke: int, name: str, useful: list[float]) -> Sized:
    installed = [80.0, 160.0, 320.0][: len(useful)]
    return Sized(stroke, name, installed, useful, [(value,) for value in useful])


@pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)
@pytest.mark.parametrize(
    "lines",
    [
        [sized(0, "alone", [80, 150, 140])],
        [sized(k, f"policy {k} with a long name", [70, 120, 140 + 1e-3 * k]) for k in range(8)],
        [sized(0, "none", [0, 0, 0]), sized(1, "first", [80, 70, 60])],
        [sized(0, "many", [8e4, 9e4, 1e5]), sized(1, "last", [1, 2, 3])],
    ],
    ids=["one", "eight alike", "none", "far apart"],
)
def test_names_stand_apart_and_inside(lines: list[Sized], shape: Shape) -> None:
    figure = optimum(lines, shape)
    FigureCanvasAgg(figure).draw()
    width, height = (72 * size for size in figure.get_size_inches())
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text().strip()
    ]
    for words, box in boxes:
        assert -2 <= box.y0 < box.y1 <= height + 2, words
        assert -2 <= box.x0 < box.x1 <= width + 2, words
    names = [(words, box) for words, box in boxes if box.x0 > width - 150 and box.y0 > 60]
    for k, (words, box) in enumerate(names):
        for others, other in names[k + 1 :]:
            over_x = min(box.x1, other.x1) - max(box.x0, other.x0)
            over_y = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert over_x < 3 or over_y < 5, (words, others)


@given(st.lists(st.floats(0, 100), max_size=9), st.floats(1, 12))
def test_names_are_pushed_apart_in_their_order(heights: list[float], gap: float) -> None:
    found = apart(heights, gap, 100.0)
    order = sorted(range(len(found)), key=lambda k: heights[k])
    for low, high in itertools.pairwise(order):
        assert found[high] - found[low] >= gap - 1e-9
    assert max(found, default=0.0) <= 100
    # Those that have room stay where they are.
    if all(heights[high] - heights[low] >= gap for low, high in itertools.pairwise(order)):
        assert found == pytest.approx(heights)
