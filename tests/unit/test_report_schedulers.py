"""The comparison of schedulers: tables by hand, intervals, strokes, letters, and whole pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from report_fixture import FakeRun, assemble, jobs_table
from report_reader import Page, assert_stands_alone
from report_schedulers import NAMES, ScheduledRun, rivals, scheduled_run
from test_report_power import inside

from twin.metrics.fairness import fairness_over_time
from twin.metrics.paired import paired_means
from twin.report import schedulers
from twin.report.board import Board, boards, leaders, policies
from twin.report.compare_page import comparison_html
from twin.report.figures.line_letters import places
from twin.report.figures.occupancy_strips import Strip, bins, occupancy_strips
from twin.report.figures.share_error import ShareError, share_error
from twin.report.figures.size_bars import Served, size_bars
from twin.report.figures.waits import Curve, completion_curves, wait_curves
from twin.report.intervals import Intervals, intervals, per_job
from twin.report.occupancy import occupancy
from twin.report.page import report_html
from twin.report.sizes import SIZE_CLASSES
from twin.report.theme import (
    BEHIND,
    GROUP_COLOURS,
    HELD_COLOURS,
    NARROW,
    RUN_COLOURS,
    WIDE,
    Shape,
    run_letter,
    run_name,
    run_strokes,
)

SHAPES = pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)
HOSTILE = "<script>alert(1)</script>"
JOBS = {
    "submit_s": [0.0, 10.0, 20.0, 30.0],
    "gpus": [1, 1, 4, 128],
    "run_s": [100.0, 50.0, 5.0, 10.0],
}


def by_hand(start_s: list[float], scheduler: str = "fifo", **columns: object) -> FakeRun:
    return assemble(jobs_table(**JOBS, start_s=start_s, **columns), scheduler=scheduler)


def board(runs: list[FakeRun], which: int = 0) -> Board:
    drawn = run_strokes(len(runs), [0])
    return boards(runs, [run.name for run in runs], drawn, intervals(runs))[which]


# -- tables


def test_best_is_marked_and_the_difference_is_that_to_the_first() -> None:
    found = board([by_hand([0, 20, 40, 70]), by_hand([0, 10, 20, 30]), by_hand([0, 10, 60, 90])])
    assert found.heads[:2] == ("mean wait", "median wait")
    mean = [row.cells[0] for row in found.rows]
    # Waits of 0, 10, 20, 40 s; none; 0, 0, 40, 60 s.
    assert [cell.value.replace("\xa0", " ") for cell in mean] == ["17.5 s", "0 s", "25 s"]
    assert [cell.best for cell in mean] == [False, True, False]
    assert mean[0].change == ""
    assert mean[1].change.replace("\xa0", " ") == "−17.5 s (−100 %)"
    assert (mean[1].verdict, mean[1].more) == ("better", False)
    assert mean[2].change.replace("\xa0", " ") == "+7.5 s (+43 %)"


def test_equal_runs_have_no_best_and_no_difference() -> None:
    found = board([by_hand([0, 20, 40, 70]), by_hand([0, 20, 40, 70])])
    cells = [cell for row in found.rows for cell in row.cells]
    assert not any(cell.best or cell.change or cell.interval for cell in cells)


def test_what_no_run_has_is_no_column() -> None:
    runs = [by_hand([0, 20, 40, 70]), by_hand([0, 10, 20, 30])]
    drawn = run_strokes(2, [0])
    made = boards(runs, ["a", "b"], drawn, intervals(runs))
    assert [each.caption for each in made] == ["What users felt", "What the cluster did"]
    runs[1].jobs["preemptions"] = [0, 2, 0, 1]
    found = board(runs, 2)
    assert found.heads == ("preemptions",)
    assert [row.cells[0].value for row in found.rows] == ["0", "3"]
    assert [row.cells[0].best for row in found.rows] == [True, False]
    runs[0].summary["scheduling"] = {"jain": 0.912, "fragmentation": 0.25}
    found = board(runs, 2)
    jain = [row.cells[found.heads.index("Jain index of tenants")] for row in found.rows]
    assert [cell.value for cell in jain] == ["0.91", "–"]
    assert not any(cell.best or cell.change for cell in jain)


def test_policies_are_named_with_their_options() -> None:
    run = by_hand([0] * 4, "easy-backfill")
    assert policies(run) == "easy-backfill · best-fit"
    run.scenario_yaml = "policies: {scheduler: {las: {queues: 2, starve: 8 h}}, placement: buddy}\n"
    assert policies(run) == "las (queues 2, starve 8 h) · buddy"
    run.scenario_yaml = "name: bare\n"
    assert policies(run) == ""


def test_leaders_say_who_has_the_best_once() -> None:
    runs = rivals(6)
    lines = leaders(runs, [run.name for run in runs])
    assert lines[0].startswith("Of 6 runs, B (sjf) has the lowest mean wait (")
    assert "and the lowest mean completion time (" in lines[0]
    assert len(lines) == 1  # the rest is the same in all: nobody leads
    assert leaders([runs[0], runs[0]], ["a", "b"]) == []


# -- intervals


def test_intervals_are_those_of_the_paired_differences() -> None:
    runs = rivals(3, 400)
    found = intervals(runs)
    assert set(found.of) == {
        (k, key)
        for k in (1, 2)
        for key in ("wait_s.mean", "queued_s.mean", "jct_s.mean", "bounded_slowdown.mean")
    }
    difference = runs[1].jobs["wait_s"] - runs[0].jobs["wait_s"]
    again = paired_means(runs[0].jobs["submit_s"], [difference])[0]
    assert found.of[1, "wait_s.mean"] == again
    assert found.blocks == again.blocks
    cell = board(list(runs)).rows[1].cells[0]
    assert " to " in cell.interval
    assert cell.interval.startswith("−")


def test_an_interval_with_zero_cannot_tell() -> None:
    first, other = scheduled_run(400), scheduled_run(400)
    up_and_down_s = np.where(np.arange(400) % 2, 60.0, -60.0)
    first.jobs["wait_s"] = 1000.0
    other.jobs["wait_s"] = 1000.0 + up_and_down_s + 0.01
    for run in (first, other):
        run.jobs["queued_s"] = run.jobs["wait_s"]
        for key in ("wait_s", "queued_s"):
            run.summary[key]["mean"] = float(run.jobs["wait_s"].mean())
    cell = board([first, other]).rows[1].cells[0]
    assert cell.verdict == "cannot tell"
    assert "cannot tell" in Page(comparison_html([first, other], ["a", "b"])).text


def test_no_interval_for_other_jobs_or_other_means() -> None:
    first, other = rivals(2, 200)
    other.jobs["run_s"] += 1
    assert intervals([first, other]) == Intervals({})
    # Jobs that did not start in one run: the means are not of the same jobs.
    first, other = rivals(2, 200)
    other.jobs.loc[150:, ["wait_s", "jct_s", "start_s", "end_s"]] = np.nan
    other.summary["wait_s"]["mean"] = float(other.jobs["wait_s"].mean())
    assert intervals([first, other]).of[1, "wait_s.mean"].jobs == 150
    assert board([first, other]).rows[1].cells[0].interval == ""


def test_slowdown_of_a_job_has_the_bound_of_ten_seconds() -> None:
    found = per_job(by_hand([0, 20, 40, 70]).jobs)["bounded_slowdown.mean"]
    assert found.tolist() == pytest.approx([1.0, 60 / 50, 25 / 10, 50 / 10])
    unfinished = by_hand([0, 20, 40, np.nan]).jobs
    assert np.isnan(per_job(unfinished)["bounded_slowdown.mean"][3])


# -- strokes and letters


def test_of_many_runs_a_few_have_colours() -> None:
    assert len({(s.colour, str(s.dash)) for s in run_strokes(8, [0])}) == 8
    many = run_strokes(12, [0, 4, 4, 9])
    assert [k for k, stroke in enumerate(many) if stroke.strong] == [0, 4, 9]
    assert {many[k].colour for k in range(12) if k not in (0, 4, 9)} == {BEHIND}
    assert [many[k].colour for k in (0, 4, 9)] == list(RUN_COLOURS[:3])


def test_the_first_the_best_and_the_worst_stand_out() -> None:
    runs = rivals(10)
    strong = {k for k, stroke in enumerate(schedulers.strokes(runs)) if stroke.strong}
    assert strong == {0, 1, 2, 9}  # by mean JCT: B, C, ... are shorter than A, J the longest


@pytest.mark.parametrize("colours", [GROUP_COLOURS, HELD_COLOURS])
def test_colours_of_strips_differ_in_greyscale(colours: tuple[str, ...]) -> None:
    luma = sorted(np.array([to_rgb(each) for each in colours]) @ [0.299, 0.587, 0.114])
    assert np.diff(luma).min() > 0.06
    assert len(colours) >= 8


def test_letters_stand_on_their_lines_and_not_on_each_other() -> None:
    x = np.linspace(0, 600, 300)
    lines = [np.column_stack([x, 150 + 100 * np.sin(x / 90 + k) + 3 * k]) for k in range(12)]
    found = places(lines, 15.0)
    for line, at in zip(lines, found, strict=True):
        assert at is not None
        assert (line == at).all(axis=1).any()
    points = np.array(found)
    apart = np.hypot(*(points[:, None] - points[None, :]).transpose(2, 0, 1))
    assert apart[np.triu_indices(12, 1)].min() >= 15


def test_a_letter_goes_where_its_line_is_alone() -> None:
    x = np.linspace(0, 600, 301)
    low = np.column_stack([x, np.zeros_like(x)])
    high = np.column_stack([x, np.where((x > 400) & (x < 500), 80.0, 0.0)])
    at = places([low, high], 15.0)[1]
    assert at is not None
    assert at[1] == 80


def test_lines_that_are_the_same_or_empty_do_no_harm() -> None:
    line = np.column_stack([np.linspace(0, 600, 300), np.zeros(300)])
    same = [at for at in places([line] * 5, 15.0) if at is not None]
    assert np.diff(sorted(at[0] for at in same)).min() >= 15
    assert places([np.empty((0, 2)), line], 15.0)[0] is None
    assert places([], 15.0) == []


# -- pictures


def figures(shape: Shape, runs: list[ScheduledRun], labels: list[str]) -> Iterator[Figure]:
    drawn = schedulers.strokes(runs)
    for column, draw in (("wait_s", wait_curves), ("jct_s", completion_curves)):
        curves = [
            Curve(
                run_name(k, labels[k], 17), run.jobs[column].to_numpy(), s.colour, s.dash,
                run_letter(k), s.strong,
            )
            for k, (run, s) in enumerate(zip(runs, drawn, strict=True))
        ]  # fmt: skip
        yield draw(curves, shape)
    means = 10.0 ** np.arange(len(runs)) / 7
    served = [
        Served(run_letter(k), labels[k], drawn[k], [means[k]] * 4 + [np.nan], [0.0] * 5)
        for k in range(len(runs))
    ]
    yield size_bars(SIZE_CLASSES, served, shape)
    end_s = max(float(run.summary["horizon_s"]) for run in runs)
    for groups in ((), ("vc-0", "vc-1", "a group with a rather long name")):
        strips = [
            Strip(
                run_name(k, labels[k], 34),
                occupancy(run, end_s, bins(len(runs), shape), groups),
                0.9**k * end_s,
            )
            for k, run in enumerate(runs)
        ]
        yield occupancy_strips([*strips, Strip("silent", None, end_s)], shape)
    edges_s = np.linspace(0, end_s, 81)
    error = np.abs(np.sin(np.arange(80) / 9))
    errors = [
        ShareError(run_letter(k), drawn[k], edges_s, error / (k + 1)) for k in range(len(runs))
    ]
    yield share_error(errors, shape)


@SHAPES
@pytest.mark.parametrize("number", [1, 2, 7, 12])
def test_nothing_sticks_out_of_a_picture(shape: Shape, number: int) -> None:
    runs = rivals(number, 150, gpus=1024 if number == 2 else 128)
    labels = [f"{name}-{'x' * 40}" for name in NAMES[:number]]
    for figure in figures(shape, runs, labels):
        inside(_as_shown(figure), shape)


def _as_shown(figure: Figure) -> Figure:
    """Without the labels of ticks outside their axes, which are there and not drawn."""
    FigureCanvasAgg(figure).draw()  # places the ticks
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    tick.label1.set_visible(False)
    return figure


def test_ten_runs_make_a_page_of_moderate_size() -> None:
    html = comparison_html(rivals(10, 200), list(NAMES[:10]))
    assert_stands_alone(html)
    assert len(html) < 1_500_000


def test_the_page_has_every_section() -> None:
    runs = rivals(6)
    html = comparison_html(runs, [*NAMES[:5], HOSTILE])
    assert html == comparison_html(rivals(6), [*NAMES[:5], HOSTILE])
    assert_stands_alone(html)
    sections = re.findall(r'<section id="(\w+)"', html)
    for name in ("schedulers", "waits", "completion", "sizes", "nodes", "fairness"):
        assert name in sections
    page = Page(html)
    assert "B sjf" in " ".join(page.row("B\xa0 sjfsjf · best-fit".replace("\xa0", " "))[0].split())
    assert "<b>" in html[html.index('id="schedulers"') : html.index('id="settings"')]
    assert "would move if other arrivals of this kind had come" in page.text


def test_fairness_over_time_is_that_of_the_metrics() -> None:
    run = scheduled_run(200)
    end_s = run.summary["horizon_s"]
    error = fairness_over_time(run.jobs, run.allocations, 128, end_s, end_s / 160)["error"]
    lines = schedulers.errors([run, run], run_strokes(2, []))
    assert [line.letter for line in lines] == ["A", "B"]
    np.testing.assert_array_equal(lines[0].error, error)
    assert lines[0].edges_s[-1] == end_s
    assert len(lines[0].edges_s) == len(error) + 1


def test_runs_without_a_record_of_nodes_have_no_strips() -> None:
    html = comparison_html([by_hand([0] * 4), by_hand([0, 10, 20, 30])], ["a", "b"])
    assert 'id="nodes"' not in html
    assert 'id="fairness"' not in html


def test_the_page_of_a_run_has_its_nodes() -> None:
    html = report_html(scheduled_run(80))
    assert_stands_alone(html)
    assert "Nodes over time" in Page(html).text
    assert "Nodes over time" not in Page(report_html(by_hand([0] * 4))).text
