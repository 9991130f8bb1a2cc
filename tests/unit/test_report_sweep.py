"""The page of a sweep: points, best values, failures, and axes of all kinds."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from report_reader import Page, assert_stands_alone

from twin.report.figures.sweep import Line
from twin.report.figures.sweep import sweep as draw_sweep
from twin.report.points import best, headlines, plot_axis, points, series_axes
from twin.report.sweep_page import sweep_html, write_sweep
from twin.report.theme import SMALL
from twin.tables import HEADLINES

WAIT = next(entry for entry in HEADLINES if entry.key == "wait_s.mean")


def table(**axes: list[Any]) -> pd.DataFrame:
    """A mean wait of 3600 / (1 + row) seconds at each point, seeds 1 and 2 ten seconds apart."""
    rows = []
    for k, values in enumerate(itertools.product(*axes.values())):
        for seed in (1, 2):
            wait_s = 3600 / (1 + k) + 10 * seed
            figures = {"wait_s.mean": wait_s, "utilisation": 0.5, "jobs.completed": 100}
            rows.append(
                {**dict(zip(axes, values, strict=True)), "seed": seed, "status": "ok", **figures}
            )
    return pd.DataFrame(rows)


def test_points_join_seeds() -> None:
    found = points(table(nodes=[64, 96], scheduler=["fifo", "easy"]), ["nodes", "scheduler"])
    assert [point.key for point in found] == [
        ("64", "fifo"), ("64", "easy"), ("96", "fifo"), ("96", "easy"),
    ]  # fmt: skip
    assert found[0].figures[WAIT] == (3610.0, 3620.0)
    assert found[0].mean(WAIT) == 3615.0
    assert best(found, WAIT) == {("96", "easy")}


def test_plots_go_along_a_numeric_axis() -> None:
    axes = ["scheduler", "nodes", "power"]
    frame = table(scheduler=["fifo", "easy"], nodes=[64, 96])
    frame["power"] = frame["nodes"] * 700  # zipped with nodes: makes no line of its own
    found = points(frame, axes)
    assert plot_axis(found, axes) == 1
    assert series_axes(found, axes, 1) == [0]


def test_page_shows_points_ranges_and_the_best() -> None:
    frame = table(nodes=[64, 96], scheduler=["fifo", "easy"])
    html = sweep_html(frame, ["nodes", "scheduler"])
    assert_stands_alone(html)
    page = Page(html)
    assert ["64", "fifo", "2", "50.0 %", "100", "1.0 h1.0 h to 1.0 h"] in page.rows
    assert ["96", "easy", "2", "50.0 %", "100", "★ 15.2 min15.2 min to 15.3 min"] in page.rows
    assert "The best mean wait, 15.2 min, is at nodes = 96, scheduler = easy." in page.text
    assert "The same at every point: utilisation (50.0 %), jobs completed (100)." in page.text
    assert html.count("<figure>") == 1


def test_failures_are_listed_and_not_fatal() -> None:
    frame = table(nodes=[64, 96])
    frame.loc[0, "status"] = "out of memory"
    frame.loc[0, ["wait_s.mean", "utilisation", "jobs.completed"]] = np.nan
    html = sweep_html(frame, ["nodes"], [("0001", "<script>alert(1)</script>")])
    assert_stands_alone(html)
    page = Page(html)
    assert "1 failed" in page.text
    assert "0001: <script>alert(1)</script>" in page.text
    assert page.row("64")[1] == "1"


def test_all_points_failed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"nodes": [1, 2], "seed": [1, 1], "status": ["broken"] * 2})
    write_sweep(frame, ["nodes"], tmp_path / "s.html", [("1", "broken"), ("2", "broken")])
    text = Page((tmp_path / "s.html").read_text("utf-8")).text
    assert "No point finished" in text


@pytest.mark.parametrize(
    "values",
    [
        ["fifo", "easy", "</svg><script>", "$a$", "x" * 200],
        [1, 1000, 1_000_000],
        [0, 1],
        [7],
        [0.1, "often", None],
        [[1, 2], {"a": 1}],
        [True, False],
        list(range(40)),
    ],
)
def test_axes_of_all_kinds(values: list[Any]) -> None:
    html = sweep_html(table(axis=values), ["axis"])
    assert_stands_alone(html)
    assert "<script" not in html


def test_labels_of_an_axis_stand_apart() -> None:
    axes = ["nodes"]
    found = points(table(nodes=[1500, 1750, 2000, 3000, 5000]), axes)
    figure = draw_sweep(WAIT, [Line(0, tuple(found))], "nodes", 0, SMALL)
    FigureCanvasAgg(figure).draw()
    labels = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert len(labels) > 2
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(labels))


def test_more_lines_than_colours() -> None:
    html = sweep_html(table(nodes=[1, 2], name=list("abcdefghijkl")), ["nodes", "name"])
    assert "4 more combinations are in the table" in Page(html).text


def test_no_runs_at_all() -> None:
    frame = pd.DataFrame({"nodes": [], "seed": [], "status": []})
    assert_stands_alone(sweep_html(frame, ["nodes"]))


def test_headlines_without_numbers_are_left_out() -> None:
    frame = table(nodes=[1, 2])
    frame["makespan_s"] = None
    assert {entry.key for entry in headlines(frame)} == {
        "wait_s.mean",
        "utilisation",
        "jobs.completed",
    }


def test_same_table_same_bytes() -> None:
    frame = table(nodes=[1, 2], scheduler=["fifo", "easy"])
    assert sweep_html(frame, ["nodes", "scheduler"]) == sweep_html(frame, ["nodes", "scheduler"])


def test_figures_that_say_nothing_new_have_no_picture() -> None:
    frame = table(nodes=[64, 96])
    frame["queued_s.mean"] = frame["wait_s.mean"]
    frame["jobs.completed"] = 100 + 10 * frame["seed"]  # other jobs, and the same at each point
    text = Page(sweep_html(frame, ["nodes"])).text
    assert "mean time queued" not in text
    assert "The same at every point: utilisation (50.0 %), jobs completed (115)." in text
    frame.loc[0, "queued_s.mean"] += 60
    assert "mean time queued" in Page(sweep_html(frame, ["nodes"])).text
