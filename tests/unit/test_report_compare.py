"""The comparison: differences that can be checked by hand, verdicts, pairing, what differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report_fixture import FakeRun, assemble, fake_run, jobs_table
from report_reader import Page, assert_stands_alone

from twin.errors import InputError
from twin.report.compare_page import comparison_html, write_comparison
from twin.report.figures.time_axis import thinned
from twin.report.figures.waits import exceedance
from twin.report.pairs import paired, same_jobs
from twin.report.settings import differing, settings
from twin.report.theme import short_names

JOBS = {
    "submit_s": [0.0, 0.0, 0.0, 0.0],
    "gpus": [1, 1, 4, 128],
    "run_s": [100.0, 50.0, 60.0, 10.0],
}


def by_hand(name: str, start_s: list[float], scheduler: str = "fifo") -> FakeRun:
    return assemble(jobs_table(**JOBS, start_s=start_s), name=name, scheduler=scheduler)


@pytest.fixture
def two() -> list[FakeRun]:
    return [by_hand("a", [0, 10, 100, 200]), by_hand("b", [0, 5, 160, 100], "easy-backfill")]


def test_paired_differences(two: list[FakeRun]) -> None:
    assert same_jobs(two[0].jobs, two[1].jobs)
    rows = {row.label: row for row in paired(two[0].jobs, two[1].jobs)}
    everyone = rows["all"]
    assert (everyone.jobs, everyone.less, everyone.same, everyone.more) == (4, 0.5, 0.25, 0.25)
    assert everyone.wait_mean_s == pytest.approx((0 - 5 + 60 - 100) / 4)
    assert rows["1"].wait_median_s == pytest.approx(-2.5)
    assert rows["65–512"].jct_mean_s == pytest.approx(-100)
    assert set(rows) == {"all", "1", "2–8", "65–512"}


def test_other_jobs_are_not_paired(two: list[FakeRun]) -> None:
    two[1].jobs["run_s"] *= 2
    assert not same_jobs(two[0].jobs, two[1].jobs)
    text = Page(comparison_html(two, ["a", "b"])).text
    assert "cannot be paired" in text
    assert "not all given the same jobs" in text


def test_page_says_which_is_better(two: list[FakeRun]) -> None:
    html = comparison_html(two, ["a", "b"])
    assert_stands_alone(html)
    page = Page(html)
    # Waits of 0, 10, 100, 200 s against 0, 5, 160, 100 s: 77.5 s and 66.25 s.
    assert page.row("mean wait")[1:] == ["1.3 min", "1.1 min", "−11.2 s (−15 %) ▼ better"]
    assert page.row("jobs completed")[3] == "the same"
    assert "One run each, all with seed 1: the differences are exact" in page.text
    assert page.row("policies.scheduler") == ["policies.scheduler", "fifo", "easy-backfill"]


def test_more_that_is_worse_has_an_up_arrow(two: list[FakeRun]) -> None:
    page = Page(comparison_html(two[::-1], ["b", "a"]))
    assert page.row("mean wait")[3] == "+11.2 s (+17 %) ▲ worse"


def test_several_seeds_are_remarked_on() -> None:
    runs = [fake_run(40, seed=1), fake_run(40, seed=2)]
    assert "2 different seeds" in Page(comparison_html(runs, ["a", "b"])).text


def test_many_runs_with_hostile_names(tmp_path: Path) -> None:
    names = [
        "<script>alert(1)</script>",
        "$x$",
        "_a",
        "深",
        "</svg><b>",
        "f",
        "g",
        "h",
        "i",
        "x" * 300,
    ]
    runs = [by_hand(name, [0, k, k, k]) for k, name in enumerate(names)]
    path = tmp_path / "report.html"
    write_comparison(runs, path)
    html = path.read_text("utf-8")
    assert_stands_alone(html)
    assert "<script" not in html
    assert all(name in Page(html).text for name in names)


def test_empty_runs_compare() -> None:
    nothing = jobs_table(submit_s=[], gpus=[], run_s=[], start_s=[])
    never = jobs_table(**JOBS, start_s=[np.nan] * 4)
    html = comparison_html([assemble(nothing), assemble(never), by_hand("c", [0] * 4)], list("abc"))
    assert_stands_alone(html)
    assert "nan" not in Page(html).text


def test_same_runs_same_bytes(two: list[FakeRun]) -> None:
    assert comparison_html(two, ["a", "b"]) == comparison_html(two, ["a", "b"])


def test_one_run_is_refused(two: list[FakeRun]) -> None:
    with pytest.raises(InputError, match="two runs or more, found 1"):
        comparison_html(two[:1], ["a"])


def test_settings_are_flat() -> None:
    text = "a: {b: 1, c: [1, 2]}\nd:\n- {e: true}\n- {e: null}\n"
    flat = {"a.b": "1", "a.c": "1, 2", "d[0].e": "true", "d[1].e": "–"}
    assert settings(text) == flat


def test_differing_settings() -> None:
    rows = differing(["name: a\nx: 1\ny: 2\n", "name: b\nx: 1\ny: 3\nz: 4\n"])
    assert [(row.path, row.values) for row in rows] == [("y", ("2", "3")), ("z", ("–", "4"))]


def test_an_alias_bomb_is_cut_short() -> None:
    bomb = "a0: &a0 {x: 1, y: 2}\n"
    for k in range(1, 40):
        bomb += f"a{k}: &a{k} {{x: *a{k - 1}, y: *a{k - 1}}}\n"
    assert len(settings(bomb)) <= 5000


def test_exceedance_by_hand() -> None:
    at_s, share = exceedance(np.array([0.0, 0.0, 50.0, 1000.0]), 1000.0)
    assert share[0] == 0.5
    assert np.interp(49.0, at_s, share) == pytest.approx(0.5)
    assert np.interp(60.0, at_s, share) == pytest.approx(0.25)
    assert share[-1] == 0.0


def test_thinning_keeps_the_integral_and_the_peak() -> None:
    edges_s = np.array([0.0, 1.0, 2.0, 4.0, 5.0, 5.5])
    values = np.array([1.0, 3.0, 10.0, 0.0, 4.0])
    at_s, means, peaks = thinned(edges_s, values, 3)
    assert at_s.tolist() == [0.0, 2.0, 5.0, 5.5]
    assert (means * np.diff(at_s)).sum() == pytest.approx((values * np.diff(edges_s)).sum())
    assert peaks.tolist() == [3.0, 10.0, 4.0]


def test_quantities_are_written_as_people_do_where_nothing_is_lost() -> None:
    rows = differing(["a: 54000 s\nb: 61 s\n", "a: 1209600 s\nb: 2.5e9 bytes\n"])
    assert [row.values for row in rows] == [("15 h", "14 d"), ("61 s", "2.5 GB")]
    assert differing(["p: 0.0008194444444444445 USD/s\n", "p: 0 USD/s\n"])[0].values == (
        "2.95 USD/h", "0 USD/h",
    )  # fmt: skip


def test_a_policy_with_options_is_named_beside_one_without() -> None:
    rows = differing(["p: {scheduler: fifo}\n", "p: {scheduler: {sia: {round: 20 min}}}\n"])
    assert rows[0].values == ("fifo", "sia")
    assert (rows[1].path, rows[1].values) == ("p.scheduler.sia.round", ("–", "20 min"))
    rows = differing(["spot: null\n", "spot: {life: 6 h, notice: 1 s}\n"])
    assert [row.path for row in rows] == ["spot.life", "spot.notice"]


def test_waits_after_giving_way_are_said_to_be_in_the_curve(two: list[FakeRun]) -> None:
    assert (
        "the share of jobs that waited more than an hour" in Page(comparison_html(two, "ab")).text
    )
    for run in two:
        run.jobs["queued_s"] = run.jobs["wait_s"]
    two[1].jobs.loc[0, "queued_s"] += 500.0
    two[1].summary["queued_s"] = {"mean": float(two[1].jobs["queued_s"].mean())}
    html = comparison_html(two, ["a", "b"])
    assert "waits after giving way included" in Page(html).text
    # 3 of 4 waited; all four were queued at some time.
    assert "queued longer than" in html


def test_without_waits_there_is_a_sentence_and_no_picture() -> None:
    idle = [by_hand("a", [0, 0, 0, 0]), by_hand("b", [0, 0, 0, 0])]
    html = comparison_html(idle, ["a", "b"])
    assert "No job that started waited in any run." in Page(html).text
    assert "wait longer than" not in html


def test_what_rounds_to_nothing_is_neither_better_nor_worse(two: list[FakeRun]) -> None:
    two[1].summary["makespan_s"] = 1.0001 * two[0].summary["makespan_s"]
    assert "makespan hardly changed." in Page(comparison_html(two, ["a", "b"])).text


def test_names_of_one_family_keep_their_ends() -> None:
    family = ["on-premise-with-burst", "on-premise-with-spot"]
    assert short_names(family, 17) == ["on-premi…th-burst", "on-premi…ith-spot"]
    assert short_names(["philly-conservative", "fifo"], 10) == ["philly-co…", "fifo"]
