"""The report of a run: stands alone, escapes, says what the summary says, bears odd runs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_fixture import FakeRun, assemble, fake_run, jobs_table
from report_reader import Page, assert_stands_alone

from twin.errors import StorageError
from twin.report import numbers
from twin.report.page import report_html, write_report
from twin.tables import GPU_TIME_SHARES, HEADLINES, look_up, tells

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run() -> FakeRun:
    return fake_run(1500)


@pytest.fixture(scope="module")
def html(run: FakeRun) -> str:
    return report_html(run)


def test_stands_alone(html: str) -> None:
    assert_stands_alone(html)


def test_same_run_same_bytes(html: str) -> None:
    assert report_html(fake_run(1500)) == html


def test_sections_in_order(html: str) -> None:
    wanted = (
        "numbers ledger time waits completion sizes jobs intake assumptions scenario provenance"
    )
    assert re.findall(r'<section id="(\w+)"', html) == wanted.split()


def test_headlines_equal_the_summary(run: FakeRun, html: str) -> None:
    cards = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", html)
    shown = dict(cards)
    for entry in HEADLINES:
        if not tells(entry, run.summary):
            assert entry.label not in shown  # a section that the run does not have
            continue
        assert shown[entry.label] == numbers.headline(entry, look_up(run.summary, entry.key))
    ledger = run.summary["ledgers"]["gpu_time"]
    useful = ledger["shares"]["useful"] / ledger["total"]
    assert shown["useful GPU-time"] == f"{100 * useful:.1f}\N{NO-BREAK SPACE}%"
    waited = float((run.jobs["wait_s"] > 0).mean())
    assert shown["jobs that waited"] == f"{100 * waited:.1f}\N{NO-BREAK SPACE}%"


def test_every_ledger_share_is_shown(run: FakeRun, html: str) -> None:
    page, ledger = Page(html), run.summary["ledgers"]["gpu_time"]
    for share in GPU_TIME_SHARES:
        _, hours, percent, meaning = page.row(share.label)
        part = ledger["shares"][share.name]
        assert hours == f"{part / 3600:,.0f}"
        assert percent == numbers.percent(part / ledger["total"]).replace("\xa0", " ")
        assert meaning == share.meaning


def test_waterfall_names_what_is_not_zero(html: str) -> None:
    figure = html[html.index('id="ledger"') : html.index("<details>")]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", figure)
    assert {"bought", "idle", "stranded", "useful"} <= set(texts)
    assert "throttled" not in texts


def test_size_classes_count_every_job_once(run: FakeRun, html: str) -> None:
    page = Page(html)
    gpus = run.jobs["gpus"]
    for label, mine in {
        "1": gpus == 1,
        "2–8": (gpus > 1) & (gpus <= 8),
        "9–64": gpus.between(9, 64),
    }.items():
        row = page.row(label)
        assert row[1] == f"{mine.sum():,}"
        assert row[4] == numbers.duration(run.jobs["wait_s"][mine].mean()).replace("\xa0", " ")


def test_answer_names_gpus_time_and_waits(run: FakeRun, html: str) -> None:
    answer = re.search(r'<p class="answer">([^<]*)</p>', html)
    assert answer is not None
    said = answer[1].replace("\xa0", " ")
    span = numbers.duration(run.summary["horizon_s"]).replace("\xa0", " ")
    assert said.startswith(f"Of 128 GPUs over {span}, ")
    assert "% of jobs waited" in said


def test_longest_waits_come_first(run: FakeRun, html: str) -> None:
    first = run.jobs.loc[run.jobs["wait_s"].idxmax()]
    assert Page(html).row(first["job_id"])[6] == numbers.duration(first["wait_s"]).replace(
        "\xa0", " "
    )


def test_hostile_strings_stay_text() -> None:
    run = fake_run(60, name=f'{HOSTILE} " onload="x')
    n = len(run.jobs)
    run.jobs["user"] = pd.Categorical([HOSTILE] * n)
    run.jobs["group"] = pd.Categorical(["'><img src=x onerror=alert(1)>"] * n)
    run.jobs["job_id"] = [f"{HOSTILE}{k}" for k in range(n)]
    run.summary["workload"]["source"] = HOSTILE
    run.summary["workload"]["skipped"] = [f"row 3: user {HOSTILE} is not a number"]
    run.summary["workload"]["dropped"] = {HOSTILE: 2}
    run.summary["assumptions"] = [HOSTILE]
    run.provenance["inputs"] = [{"path": HOSTILE, "sha256": HOSTILE}]
    run.scenario_yaml = f"name: x\ndescription: '{HOSTILE}</pre>{{{{ 7*7 }}}}'\n"
    html = report_html(run)
    assert_stands_alone(html)
    assert "<script" not in html
    text = Page(html).text
    assert text.count(HOSTILE) > 2 * 12
    assert "{{ 7*7 }}" in text


def test_odd_names_do_not_break_a_page(tmp_path: Path) -> None:
    run = fake_run(30, name="$\\frac{1}$ 深层 a\x00\x07\nb \ud800 " + "x" * 500)
    run.jobs.loc[0, "job_id"] = "y" * 100_000
    path = tmp_path / "report.html"
    write_report(run, path)
    assert_stands_alone(path.read_text("utf-8"))
    assert path.stat().st_size < 400_000


def _odd_runs() -> dict[str, FakeRun]:
    nothing = {"submit_s": [], "gpus": [], "run_s": [], "start_s": []}
    one = {"submit_s": [0.0], "gpus": [8], "run_s": [3600.0], "start_s": [0.0]}
    never = {
        "submit_s": [0.0, 5.0],
        "gpus": [4, 900],
        "run_s": [10.0, 10.0],
        "start_s": [np.nan] * 2,
    }
    running = {"submit_s": [0.0, 1.0], "gpus": [4, 2], "run_s": [1e5, 3.0], "start_s": [0.0, 9.0]}
    runs = {
        "no jobs, no time": assemble(jobs_table(**nothing)),
        "one job that did not wait": assemble(jobs_table(**one)),
        "all rejected": assemble(jobs_table(**never, state=pd.Categorical(["rejected"] * 2))),
        "all queued": assemble(jobs_table(**never)),
        "one still running": assemble(
            jobs_table(
                **running, end_s=[np.nan, 12.0], jct_s=[np.nan, 11.0],
                state=pd.Categorical(["running", "completed"]),
            )
        ),
        "no waits": assemble(jobs_table(**{k: v * 3 for k, v in one.items()})),
        "runs of no time": assemble(jobs_table(**(one | {"run_s": [0.0]}))),
    }  # fmt: skip
    bare = fake_run(20)
    bare.summary = {"scenario": "bare", "horizon_s": bare.summary["horizon_s"]}
    bare.provenance, bare.scenario_yaml = {}, "{not yaml"
    runs["a summary with nothing in it"] = bare
    blank = fake_run(20)
    blank.summary["wait_s"] = dict.fromkeys(("mean", "p50", "p99", "max"), None)
    blank.summary["utilisation"] = float("nan")
    runs["figures without values"] = blank
    return runs


ODD = _odd_runs()


@cache
def odd(what: str) -> str:
    return report_html(ODD[what])


@pytest.mark.parametrize("what", ODD)
def test_odd_runs_have_a_report(what: str) -> None:
    html = odd(what)
    assert_stands_alone(html)
    text = Page(html).text
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)


def test_a_run_without_waits_says_so() -> None:
    text = Page(odd("one job that did not wait")).text
    assert "no job waited." in text


def test_jobs_that_wait_to_the_end_are_not_forgotten() -> None:
    jobs = {"submit_s": [0.0, 5.0], "gpus": [4, 4], "run_s": [1e12, 10.0], "start_s": [0.0, np.nan]}
    states, gone = pd.Categorical(["running", "queued"]), [np.nan] * 2
    html = report_html(assemble(jobs_table(**jobs, end_s=gone, jct_s=gone, state=states)))
    text = Page(html).text
    assert "no job that started waited, and 1 still waited at the end." in text
    assert "No job ended." in text
    assert "endless" in text
    assert "11,574,074 d" not in text
    assert "longer than" not in html  # no empty panels


def test_assumptions_are_sentences_and_not_said_twice() -> None:
    run = fake_run(20)
    run.summary["assumptions"] = ["GPUs and nodes never fail.", "offered load 0.9"]
    text = Page(report_html(run)).text
    assert "Offered load 0.9." in text
    assert "failures and repairs" not in text
    assert "Not modelled in this run: power and cooling;" in text


def test_a_run_where_nothing_started_says_so() -> None:
    text = Page(odd("all rejected")).text
    assert "none of the 2 jobs started." in text
    assert "2 rejected" in text


def test_what_is_not_modelled_is_named(html: str, run: FakeRun) -> None:
    assert "failures and repairs" in Page(html).text
    with_failures = fake_run(50)
    with_failures.summary["reliability"] = {"incidents": 3}
    assert "failures and repairs" not in Page(report_html(with_failures)).text


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be written"):
        write_report(fake_run(5), tmp_path / "nowhere" / "report.html")
