"""Failures in the report: figures against their tables, the map of nodes, odd and hostile runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from report_failures import DAY_S, HELD, INCIDENT_ROWS, FailingRun, failing_run, incident, site
from report_fixture import fake_run
from report_reader import Page, assert_stands_alone

from twin.console import run_lines
from twin.report.compare_page import comparison_html
from twin.report.figures.blast_radius import blast_radius
from twin.report.figures.incidents import incidents
from twin.report.figures.interruptions import interruptions
from twin.report.figures.loss_by_cause import loss_by_cause
from twin.report.figures.node_map import node_map
from twin.report.moments import FREE, Moments, moments
from twin.report.page import report_html
from twin.report.theme import NARROW, WIDE, Shape
from twin.tables import INCIDENT_COSTS

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run() -> FailingRun:
    return failing_run()


@pytest.fixture(scope="module")
def html(run: FailingRun) -> str:
    return report_html(run)


def a_map(run: FailingRun) -> Moments:
    found = moments(run, run.summary["reliability"])
    assert found is not None
    return found


# -- the page


def test_the_page_stands_alone_and_is_the_same_each_time(html: str) -> None:
    assert_stands_alone(html)
    assert report_html(failing_run()) == html


def test_the_section_comes_after_time_and_only_where_something_may_fail(html: str) -> None:
    sections = re.findall(r'<section id="(\w+)"', html)
    assert sections[sections.index("time") + 1] == "failures"
    sound = fake_run(50)
    plain = report_html(sound)
    assert "failures" not in re.findall(r'<section id="(\w+)"', plain)
    # Spares or start-up times alone give a summary with such a section, and nothing to tell.
    empty = failing_run(()).summary["reliability"]
    for size in empty["by_size"]:
        size["expected_mtti_s"] = None
    sound.summary["reliability"] = empty
    assert 'id="failures"' not in report_html(sound)


def test_causes_add_up_to_the_incidents(run: FailingRun, html: str) -> None:
    page = Page(html)
    for name, mine in run.incidents.groupby("component", observed=True):
        cells = page.row(str(name))
        costs = [float(mine[cost.column].sum()) / 3600 for cost in INCIDENT_COSTS]
        assert [float(cell.replace(",", "")) for cell in cells[3:]] == [*costs, sum(costs)]
        assert cells[1] == str(len(mine))
    all_hours = sum(run.incidents[cost.column].sum() for cost in INCIDENT_COSTS) / 3600
    share = all_hours * 3600 / run.summary["ledgers"]["gpu_time"]["total"]
    assert f"they cost {all_hours:.0f} GPU-hours, {100 * share:.1f} % of what was" in page.text
    assert "The dearest cause was pdu, with 80 % of that, mostly down (" in page.text


def test_the_worst_incident_in_words(html: str) -> None:
    words = "pdu, rack 1, on day 2, 00:00, took 32 GPUs down, hit 2 jobs of 2 users and cost 400"
    assert Page(html).text.count(words) == 2  # in the summary, and over the map


def test_interruptions_by_size(html: str) -> None:
    # Job a ran for 9.9 days and was stopped twice; c for five, and once.
    page = Page(html)
    assert page.row("32")[1:5] == ["1", "9.9 d", "2", "5.0 d"]
    assert page.row("32")[6] == "3.1 d"  # 100 days over 32 GPUs
    assert page.row("8")[4] == "5.0 d"
    low, high = page.row("8")[5].split(" to ")
    assert (low, high) == ("21.5 h", "197 d")  # over 5.57 and 0.0253, the exact Poisson limits


def test_users_stand_by_their_availability(html: str) -> None:
    rows = [row for row in Page(html).rows if row[0] in ("ann", "bob", "cy") and len(row) == 2]
    assert rows == [["bob", "98.00 %"], ["ann", "99.00 %"]]


def test_a_run_in_which_nothing_happened_says_so() -> None:
    html = report_html(failing_run(()))
    assert_stands_alone(html)
    text = Page(html).text
    assert "Nothing failed in this run." in text
    assert "What each cause cost" not in text
    assert "node by node" not in text
    assert "Interruptions, by size of job" in text


def _odd() -> Iterator[tuple[str, FailingRun]]:
    free = incident(3, "idle-node", "node 11", gpus_down=8, nodes_hit=1, down_gpu_s=9e5)
    yield "one on idle nodes", failing_run((free,))
    yield "one at second zero", failing_run((incident(0, "feed", "site", nodes_hit=12),))
    bug = INCIDENT_ROWS[2]
    yield "software alone", failing_run((bug,))
    yield "a job that nobody knows", failing_run((bug | {"domain": "job x"},))
    yield "slow alone", failing_run((INCIDENT_ROWS[3],))
    endless = INCIDENT_ROWS[0] | {"recovered_s": np.nan}
    yield "one that is never well", failing_run((endless,))
    yield "very many", failing_run(tuple(INCIDENT_ROWS[k % 4] for k in range(3000)))
    yield "nothing held", failing_run(held=())
    old = failing_run()
    del old.summary["reliability"]["layout"], old.summary["reliability"]["worst_incident"]["nodes"]
    yield "a summary without places", old
    missing = failing_run()
    for size in missing.summary["reliability"]["by_size"]:
        size |= {"expected_mtti_s": None, "mtti_high_s": None, "mtti_s": None}
    missing.summary["reliability"] |= {"mtti_s": None, "ettr": None, "goodput": None}
    yield "figures without values", missing
    no_time = failing_run()
    no_time.timeline = no_time.timeline.iloc[:0]
    yield "an empty timeline", no_time


ODD = dict(_odd())


@pytest.mark.parametrize("what", ODD)
def test_odd_runs_have_a_report(what: str) -> None:
    html = report_html(ODD[what])
    assert_stands_alone(html)
    assert 'id="failures"' in html
    assert not re.search(r"\b(nan|NaN|None|inf)\b", Page(html).text)
    assert len(html) < 600_000


def test_without_places_there_is_no_map() -> None:
    assert "node by node" not in Page(report_html(ODD["a summary without places"])).text
    assert "node by node" in Page(report_html(ODD["one on idle nodes"])).text


def test_hostile_strings_stay_text() -> None:
    run = failing_run(
        tuple(
            row | {"component": f"{HOSTILE}{at}$\\frac{{1}}$", "domain": f'{HOSTILE}"'}
            for at, row in enumerate(INCIDENT_ROWS)
        )
    )
    run.jobs["job_id"] = [f"{HOSTILE}{k}" for k in range(3)]
    found = run.summary["reliability"]
    found["availability_by_user"]["worst"] = {HOSTILE: 0.5, "\ud800\x00\n": 0.6}
    found["worst_incident"]["nodes"] = [[4, 7]]
    html = report_html(run)
    assert_stands_alone(html)
    assert "<script" not in html
    text = Page(html).text
    assert text.count(HOSTILE) > 8
    assert "{{" not in text


def test_compared_where_any_run_has_it(run: FailingRun) -> None:
    sound = fake_run(50)
    both = Page(comparison_html([sound, run], ["sound", "failing"]))
    assert both.row("mean time to interruption (MTTI)")[1:3] == ["–", "6.2 d"]
    assert both.row("GPU availability")[1] == "–"
    neither = Page(comparison_html([sound, fake_run(60)], ["a", "b"]))
    assert "MTTI" not in neither.text


# -- figures


@pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)
def test_nothing_is_cut_off(shape: Shape) -> None:
    """All text lies within the picture, with the longest names too; pages use a narrower type."""
    long = failing_run(
        tuple(
            row | {"component": f"{'long-name-of-a-class-' * 6}{at}"}
            for at, row in enumerate(INCIDENT_ROWS * 5)
        )
    )
    long.jobs["job_id"] = ["job-" + "x" * 200] * 3
    for case in (failing_run(), long, failing_run((INCIDENT_ROWS[3],))):
        for name, figure in _figures(case, shape).items():
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            width, height = canvas.get_width_height()
            for text in figure.findobj(Text):
                assert isinstance(text, Text)
                if not text.get_visible() or not text.get_text():
                    continue
                box = text.get_window_extent()
                where = (name, text.get_text(), box)
                assert box.x0 >= -1, where
                assert box.x1 <= width + 12, where  # the last tick of a clock may hang over
                assert box.y0 >= -1, where
                assert box.y1 <= height + 1, where


def _figures(run: FailingRun, shape: Shape) -> dict[str, Figure]:
    found = run.summary["reliability"]
    end_s = run.summary["horizon_s"]
    return {
        "causes": loss_by_cause(found["by_component"], shape),
        "incidents": incidents(run.incidents, run.timeline, end_s, 96, shape),
        "radius": blast_radius(run.incidents, shape),
        "sizes": interruptions(found["by_size"], shape),
        "map": node_map(a_map(run), shape),
    }


def _bars(figure: Figure) -> list[tuple[float, float]]:
    """Row and length of each row of bars."""
    lengths: dict[float, float] = {}
    for bar in figure.axes[0].patches:
        box = bar.get_extents().transformed(figure.axes[0].transData.inverted())
        row = round((box.y0 + box.y1) / 2)
        lengths[row] = max(lengths.get(row, 0.0), box.x1)
    return sorted(lengths.items())


def test_bars_are_as_long_as_the_costs(run: FailingRun) -> None:
    figure = loss_by_cause(run.summary["reliability"]["by_component"], WIDE)
    # pdu 400, gpu 95, and 1 GPU-hour for the bug and the switch each.
    assert [length for _, length in _bars(figure)] == pytest.approx(
        [1, 95 / 400, 1 / 400, 1 / 400], abs=2e-3
    )


def test_many_causes_end_in_one_row_for_the_others() -> None:
    rows = [
        {"component": f"c{k}", **{c.column: 3600.0 * (30 - k) for c in INCIDENT_COSTS}}
        for k in range(25)
    ]
    figure = loss_by_cause(rows, NARROW)
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "16 others" in texts
    lengths = [length for _, length in _bars(figure)]
    assert len(lengths) == 10
    assert lengths[-1] == pytest.approx(1.0)  # the longest bar fills the panel
    assert lengths[0] == pytest.approx(30 / sum(30 - k for k in range(9, 25)))


def test_every_incident_has_a_mark(run: FailingRun) -> None:
    many = pd.DataFrame(
        [
            incident(k % 10, f"c{k % 12}", f"node {k % 12}", gpus_down=8, down_gpu_s=k)
            for k in range(240)
        ]
    )
    marks = incidents(many, run.timeline, 10 * DAY_S, 96, WIDE).axes[1]
    numbers = [int(t.get_text()) for t in marks.texts if t.get_text().isdecimal()]
    assert len(numbers) == 7  # six causes and the others
    assert sum(numbers) == len(many)
    assert sorted(numbers)[:-1] == [20] * 6
    # Each cause strikes on five days or ten, and marks of one day are one mark.
    drawn = [line for line in marks.lines if np.isnan(line.get_ydata()).any()]
    assert [len(line.get_xdata()) // 3 for line in drawn] == [5] * 6 + [10]


@pytest.mark.parametrize("seed", range(5))
def test_the_line_of_blast_radii_is_the_share_of_incidents(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hit = (2 ** rng.integers(0, 9, 200)) * rng.integers(0, 3, 200)
    table = pd.DataFrame({"gpus_down": hit // 2, "gpus_idled": hit - hit // 2})
    table[["component", "domain"]] = "x"
    line = blast_radius(table, WIDE).axes[0].lines[0]
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    for size in range(1, int(hit.max()) + 1):
        # The line falls at a size, just after it: of its points there, the highest counts.
        at = int(np.searchsorted(x, size, side="left"))
        assert y[at] == pytest.approx((hit >= size).mean())


def test_intervals_and_the_line_expected(run: FailingRun) -> None:
    sizes = run.summary["reliability"]["by_size"]
    axes = interruptions(sizes, WIDE).axes[0]
    expected = axes.lines[0]
    assert list(expected.get_xdata()) == [8, 16, 32]
    assert list(expected.get_ydata()) == pytest.approx([100 * DAY_S / n for n in (8, 16, 32)])
    intervals = [line for line in axes.lines[1:] if len(line.get_xdata()) == 2]
    for size, line in zip(sizes, intervals, strict=True):
        assert tuple(line.get_ydata()) == (size["mtti_low_s"], size["mtti_high_s"])
        assert size["mtti_low_s"] < size["mtti_s"] < size["mtti_high_s"]


# -- the map


def test_who_was_where(run: FailingRun) -> None:
    found = a_map(run)
    assert found.jobs == ["a (32 GPUs)", "b (16 GPUs)"]
    assert np.flatnonzero(found.hit).tolist() == [4, 5, 6, 7]
    before, after, over = found.panels
    assert [panel.title.replace("\xa0", " ") for panel in found.panels] == [
        "just before, day 2, 00:00",
        "just after",
        "well again, 12.0 h later",
    ]
    assert np.flatnonzero(before.holder == 0).tolist() == [2, 3, 4, 5]
    assert np.flatnonzero(before.holder == 1).tolist() == [6, 7]
    assert before.holder[0] < FREE  # a job, and not one that was hit
    assert not (before.down | before.idled).any()
    assert np.flatnonzero(after.down).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(after.idled).tolist() == [2, 3]
    assert (after.holder[4:] == FREE).all()
    assert np.flatnonzero(over.holder == 0).tolist() == [2, 3, 8, 9]
    assert np.flatnonzero(over.holder == 1).tolist() == [10, 11]
    assert not (over.down | over.idled).any()
    assert found.where == "All 12 nodes"
    assert [(rack.row, list(rack.nodes)) for rack in found.racks] == [
        (0, [0, 1, 2, 3]),
        (0, [4, 5, 6, 7]),
        (1, [8, 9, 10, 11]),
    ]


def test_a_fault_that_is_found_later_is_shown_when_jobs_left() -> None:
    silent = INCIDENT_ROWS[0] | {"time_s": 1 * DAY_S, "kind": "silent"}
    _, after, _ = a_map(failing_run((silent,))).panels
    assert after.title.replace("\xa0", " ") == "out of service, 1.0 d later"
    assert np.flatnonzero(after.down).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(after.idled).tolist() == [2, 3]


def test_software_stops_the_nodes_of_its_job() -> None:
    found = a_map(failing_run((INCIDENT_ROWS[2],)))
    assert found.jobs == ["a (32 GPUs)"]
    assert found.takes == ""
    assert np.flatnonzero(found.panels[1].idled).tolist() == [2, 3, 8, 9]


def test_what_is_slow_is_marked_and_goes_on() -> None:
    found = a_map(failing_run((INCIDENT_ROWS[3],)))
    assert found.takes == "hit"
    assert found.panels[1].marked.all()
    assert not (found.panels[1].down | found.panels[1].idled).any()
    assert not found.panels[0].marked.any()


def test_what_is_not_well_yet_is_still_down_at_the_end() -> None:
    over = a_map(ODD["one that is never well"]).panels[-1]
    assert over.title == "not well yet when the run ended"
    assert np.flatnonzero(over.down).tolist() == [4, 5, 6, 7]


def test_a_shared_node_has_the_colour_of_the_job_that_was_hit() -> None:
    run = failing_run()
    extra = pd.DataFrame(
        [(2, node, mask, 0.0, 10 * DAY_S) for node, mask in ((2, 255), (0, 1))],
        columns=run.allocations.columns,
    )
    run.allocations = pd.concat([run.allocations, extra], ignore_index=True)
    assert a_map(run).panels[0].holder[2] == 0


@pytest.mark.parametrize(("nodes", "per_row"), [(5000, 16), (40_000, 2000), (3000, 1)])
def test_large_sites_show_the_surroundings_of_the_incident(nodes: int, per_row: int) -> None:
    hit = nodes // 8 * 4  # the first node of a rack amid the site
    rack = hit // 4
    row = INCIDENT_ROWS[0] | {"domain": f"rack {rack}"}
    held = tuple((job, tuple(n + hit - 4 for n in at), *days) for job, at, *days in HELD)
    run = failing_run((row,), held=held, built=site(nodes, per_row=per_row))
    found = a_map(run)
    shown = [node for rack in found.racks for node in rack.nodes]
    assert 12 <= len(shown) <= 1024
    assert shown == sorted(set(shown))
    assert {hit, hit + 1, hit + 2, hit + 3} <= set(shown)
    if per_row > 1:  # and the nodes that its jobs went to
        assert set(range(hit + 4, hit + 8)) <= set(shown)
    assert found.where.startswith(f"{len(shown):,} of {nodes:,} nodes, the r")
    html = report_html(run)
    assert found.where in Page(html).text
    assert len(html) < 600_000
    json.dumps(run.summary["reliability"])  # and stays small enough to be one


# -- the terminal


def test_the_terminal_names_the_dearest_cause(run: FailingRun) -> None:
    run.summary |= {"waited_fraction": 0.0, "jobs_not_submitted": 0}
    lines = run_lines(run)
    assert (
        "  dearest cause                    pdu: 400 GPU-hours, 80 % of what failures cost" in lines
    )
    without = failing_run(())
    without.summary |= {"waited_fraction": 0.0, "jobs_not_submitted": 0}
    for size in without.summary["reliability"]["by_size"]:
        size["expected_mtti_s"] = None
    assert "what failed" not in run_lines(without)
