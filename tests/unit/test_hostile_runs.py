"""Strange inputs from end to end: an answer or one clear message, never a traceback."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from report_reader import Page, assert_stands_alone

from twin import load, run
from twin.errors import InputError, ScenarioError, TraceError

HEADER = "job_id,submit_s,run_s,gpus,user\n"


def test_markup_in_names_is_text_in_the_report(small, tmp_path):
    evil = "<script>alert(1)</script>"
    jobs = (
        HEADER + f"{evil},0,10,4,{evil}\n2,0,900,4,\"<img src=x onerror='alert(2)'>\"\n3,1,5,8,x\n"
    )
    path = small(jobs, more=f"description: '{evil}'\n")
    results = run(path, tmp_path / "out")
    assert results.jobs["user"].tolist()[0] == evil
    page = (results.path / "report.html").read_text()
    assert "<script" not in page and "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_markup_that_steps_out_of_an_attribute_or_a_comment_is_text_too(small, tmp_path):
    """Wherever the page puts a name: nothing in it becomes an element or an attribute."""
    evil = [
        "</style><script>x()</script>",
        "--><b>",
        "'><i onload=x()>",
        "{{ 7 * 7 }}",
        "&lt;u&gt;",
    ]
    rows = [f'"{name}",{i},{9000 - i},8,"{name}","{name}"' for i, name in enumerate(evil)]
    path = small("job_id,submit_s,run_s,gpus,user,group\n" + "\n".join(rows) + "\n")
    html = (run(path, tmp_path / "out").path / "report.html").read_text("utf-8")
    assert_stands_alone(html)
    page = Page(html)
    assert page.names().isdisjoint({"marquee", "blink", "u"})
    for name in evil:
        assert name in page.text


def test_no_jobs_and_one_job(small, tmp_path):
    with pytest.raises(TraceError, match=r"small.csv"):
        run(small(HEADER), tmp_path / "out")
    summary = run(small(HEADER + "1,0,10,8,ann\n"), tmp_path / "out").summary
    assert summary["utilisation"] == 1.0
    assert summary["wait_s"]["max"] == 0


def test_jobs_larger_than_the_site_are_rejected_without_overflow(small, tmp_path):
    jobs = HEADER + "1,0,10,4,a\n2,1,10,10000000,a\n3,2,10,9,a\n4,3,10,8,a\n"
    results = run(small(jobs, nodes=1, gpus=8), tmp_path / "out")
    assert results.jobs["state"].tolist() == ["completed", "rejected", "rejected", "completed"]
    assert results.jobs["start_s"].isna().tolist() == [False, True, True, False]
    assert results.summary["jobs"]["rejected"] == 2
    for gpus in ("1000000000", "9" * 30):
        with pytest.raises(TraceError, match=r"small.csv:2: .*gpus"):
            run(small(HEADER + f"1,0,10,{gpus},a\n"), tmp_path / "out")


def test_all_jobs_rejected_still_gives_a_report(small, tmp_path):
    results = run(small(HEADER + "1,0,10,99,a\n2,7,10,99,a\n"), tmp_path / "out")
    assert results.summary["wait_s"] == {}
    assert (results.path / "report.html").stat().st_size > 1000


def test_jobs_without_duration_pass_in_no_time(small, tmp_path):
    jobs = HEADER + "1,0,0,8,a\n2,0,0,8,a\n3,0,5,8,a\n4,0,0,1,a\n"
    results = run(small(jobs), tmp_path / "out")
    assert results.jobs["start_s"].tolist() == [0, 0, 0, 5]
    assert results.summary["jobs"]["completed"] == 4


def test_a_horizon_before_anything_ends(small, tmp_path):
    results = run(small(horizon="1 s"), tmp_path / "out")
    assert results.summary["jobs"]["running"] == 2
    assert results.summary["jobs"]["queued"] == 1  # submitted at 1 s exactly
    assert results.summary["jobs_not_submitted"] == 3
    assert results.summary["ledgers"]["gpu_time"]["total"] == 8


def test_a_horizon_before_the_first_submit(small, tmp_path):
    """A window may put second 0 before the first job that is left."""
    path = small("submit_s,run_s,gpus\n0,9,1\n90,10,1\n", horizon="20 s")
    window = "workload.transforms=[{window: {start: 30 s}}]"
    results = run(load(path, [window]), tmp_path / "out")
    summary = results.summary
    assert (summary["jobs"]["submitted"], summary["jobs_not_submitted"]) == (0, 1)
    assert summary["ledgers"]["gpu_time"]["shares"]["idle"] == 8 * 20
    assert (summary["makespan_s"], summary["utilisation"], summary["wait_s"]) == (0, 0, {})
    assert len(results.jobs) == 0 and len(results.timeline) == 20
    assert (results.path / "report.html").stat().st_size > 1000


def test_nothing_lasts_at_all(small, tmp_path):
    """One job of no length: a run of zero seconds has a report and a ledger of zeros."""
    summary = run(small(HEADER + "1,5,0,8,ann\n"), tmp_path / "out").summary
    assert summary["horizon_s"] == summary["ledgers"]["gpu_time"]["total"] == 0
    assert summary["jobs"]["completed"] == 1


def test_a_few_missing_estimates_are_counted(small, tmp_path):
    path = small("submit_s,run_s,gpus,estimate_s\n0,10,1,20\n1,10,1,\n2,10,1,5\n")
    with pytest.raises(InputError, match=r"1 of 3 jobs in small\.csv have no estimate"):
        run(load(path, ["workload.estimates=trace"]), tmp_path / "out")


@pytest.mark.parametrize(
    ("override", "error", "words"),
    [
        ("workload.estimates=trace", InputError, "6 of 6 jobs in .* have no estimate; write exact"),
        ("workload.trace.path=.", InputError, "folder|is a directory"),
        ("workload.trace.path=absent.csv", ScenarioError, "no such file; looked for"),
        ("workload.trace.format=swff", ScenarioError, "did you mean 'swf'"),
        (
            "workload.transforms=[{max_gpus: 1}, {window: {start: 1 day}}]",
            InputError,
            "no job is left",
        ),
        ("policies.scheduler=fifoo", ScenarioError, "did you mean 'fifo'"),
        ("site.pools[main].node=dgx-h10", ScenarioError, "did you mean 'dgx-h100'"),
        ("horizon=-1 s", ScenarioError, "horizon"),
        ("seed=-1", ScenarioError, "seed"),
        ("site.pools[main].nodes=0", ScenarioError, "nodes"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(small, tmp_path, override, error, words):
    with pytest.raises(error, match=words):
        run(load(small(), [override]), tmp_path / "out")
    assert not (tmp_path / "out" / "small").exists()


@pytest.mark.parametrize("scheduler", ["fifo", "easy-backfill"])
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("horizon=1e308 s", r"horizon: 1e\+308 s is beyond 1e\+12 s; give a shorter one"),
        ("workload.estimates={exact_times: {constant: 1e308}}", "too large for a number"),
    ],
)
def test_numbers_whose_products_overflow_are_refused(small, tmp_path, scheduler, override, words):
    with pytest.raises(InputError, match=words):
        run(load(small(scheduler=scheduler), [override]), tmp_path / "out")


def test_the_longest_horizon_still_balances(small, tmp_path):
    summary = run(small(horizon="1e12 s"), tmp_path / "out").summary
    ledger = summary["ledgers"]["gpu_time"]
    assert sum(ledger["shares"].values()) == pytest.approx(ledger["total"], rel=1e-12) == 8e12
    assert ledger["shares"]["useful"] == pytest.approx(132)


def test_a_line_longer_than_any_job_is_refused_with_its_number(small, tmp_path):
    with pytest.raises(TraceError, match=r"small\.csv:3: a line of more than 1048576 bytes"):
        run(small(f"{HEADER}1,0,10,4,a\n2,0,10,4,{'x' * 2**21}\n"), tmp_path / "out")


def test_a_pool_that_is_not_there(small, tmp_path):
    jobs = "submit_s,run_s,gpus,pool\n0,10,1,mian\n"
    with pytest.raises(InputError, match=r"jobs ask for pools \['mian'\].* it has \['main'\]"):
        run(small(jobs), tmp_path / "out")


def test_bad_rows_stop_the_run_or_are_listed_in_the_summary(small, tmp_path):
    jobs = HEADER + "1,0,10,4,a\n2,0,-5,4,a\n3,,5,4,a\n4,3,5,0,a\n5,4,nan,1,a\n"
    path = small(jobs)
    with pytest.raises(TraceError, match=r"small.csv:3.*on_bad_row: skip"):
        run(path, tmp_path / "out")
    summary = run(load(path, ["workload.trace.on_bad_row=skip"]), tmp_path / "out").summary
    assert summary["jobs"]["submitted"] == 1
    assert summary["workload"]["skipped_rows"] == 4
    skipped = summary["workload"]["skipped"]
    assert [line.split(":")[0] for line in skipped] == ["line 3", "line 4", "line 5", "line 6"]


def test_a_run_killed_midway_leaves_nothing_half_done(small, tmp_path):
    """SIGKILL while it simulates; the earlier result stays, and the next run cleans up."""
    first = run(small(), tmp_path / "out", report=False)
    before = (first.path / "jobs.parquet").read_bytes()
    plugin = tmp_path / "slow.py"
    plugin.write_text(
        "import time\nfrom twin.policies.base import Scheduler\nfrom twin.registry import policy\n"
        "@policy('slow-in-tests')\nclass Slow(Scheduler):\n    def choose(self, queue, cluster):\n"
        "        print('simulating', flush=True); time.sleep(60); yield\n"
    )
    code = "from twin.cli import main; main()"
    arguments = ["run", small(), "-o", tmp_path / "out", "--plugin", plugin]
    arguments += ["--set", "policies.scheduler=slow-in-tests"]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "simulating\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert (first.path / "jobs.parquet").read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 2
    run(small(), tmp_path / "out", report=False)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["small"]


def test_a_large_scenario_of_many_pools_is_quick(tmp_path):
    """Two hundred pools, each of another size; found by building it, not by trusting it."""
    pools = [{"name": f"p{i}", "node": {"gpus": 1 + i % 16}, "nodes": 50} for i in range(200)]
    jobs = pd.DataFrame(
        {"submit_s": range(2000), "run_s": 500.0, "gpus": [1 + i % 40 for i in range(2000)]}
    )
    jobs.to_csv(tmp_path / "jobs.csv", index=False)
    path = tmp_path / "many.yaml"
    scenario = {
        "name": "many",
        "site": {"pools": pools},
        "workload": {"trace": {"path": "jobs.csv", "format": "generic"}},
        "policies": {"scheduler": "easy-backfill"},
    }
    path.write_text(json.dumps(scenario))
    started = time.process_time()
    results = run(path, report=False)
    assert results.summary["jobs"]["completed"] == 2000
    assert time.process_time() - started < 30
    assert results.domains["domain"].nunique() == 200


def test_progress_is_told_of_jobs_started(tmp_path):
    """What a progress bar gets: never more than there are, and not only at the ends."""
    rows = [f"{i},{i},50,1,u" for i in range(9000)]
    (tmp_path / "jobs.csv").write_text(HEADER + "\n".join(rows) + "\n")
    path = tmp_path / "long.yaml"
    path.write_text(
        "name: long\nsite: {pools: [{name: p, node: {gpus: 8}, nodes: 4}]}\n"
        "workload: {trace: {path: jobs.csv, format: generic}}\n"
    )
    seen = []
    run(path, report=False, advance=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [9000] * 5
    started = [done for done, _ in seen]
    assert started == sorted(started) and 0 < started[2] < 9000
