"""The section ``scheduling`` of real runs: it agrees with the ledger, and keys have words."""

from pathlib import Path

import numpy as np
import pytest

from twin.run import run

RESULTS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "results.md"


def trace(seed, n=60):
    rng = np.random.default_rng(seed)
    rows = ["submit_s,run_s,gpus,group,deadline_s,qos"]
    for submit in np.sort(rng.integers(0, 400, n)):
        gpus, run_s = rng.choice([1, 1, 2, 3, 4, 6, 8, 12, 16]), rng.integers(1, 120)
        rows.append(f"{submit},{run_s},{gpus},g{rng.integers(3)},{submit + 100},q{rng.integers(2)}")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("horizon", ["drained", "500 s"])
@pytest.mark.parametrize("scheduler", ["fifo", "easy-backfill", "srtf", "time-slice"])
def test_reasons_add_up_to_what_the_ledger_has_stranded(small, scheduler, horizon):
    path = small(trace(1), scheduler=scheduler, nodes=3, gpus=8, horizon=horizon)
    summary = run(path, report=False).summary
    reasons = summary["scheduling"]["stranded_gpu_s"]
    assert set(reasons) == {"not_asked_for", "too_few", "fragmented", "blocked"}
    assert reasons["fragmented"] > 0
    # Whatever fits passes under time-slice; under the others something waits in front.
    assert (reasons["blocked"] > 0) == (scheduler != "time-slice")
    stranded = summary["ledgers"]["gpu_time"]["shares"]["stranded"]
    assert sum(reasons.values()) == pytest.approx(stranded)


@pytest.mark.parametrize("scheduler", ["greedy", "smallest-first"])
def test_who_passes_over_nobody_that_fits_blocks_nothing(small, scheduler):
    path = small(trace(1), scheduler=scheduler, nodes=3, gpus=8)
    reasons = run(path, report=False).summary["scheduling"]["stranded_gpu_s"]
    assert reasons["blocked"] == 0
    assert min(reasons["too_few"], reasons["fragmented"]) > 0


@pytest.mark.parametrize("scheduler", ["srtf", "time-slice"])
def test_time_without_gpus_is_what_running_and_the_first_wait_leave(small, scheduler):
    results = run(small(trace(1), scheduler=scheduler, nodes=3, gpus=8), report=False)
    jobs, section = results.jobs, results.summary["scheduling"]
    spells = results.allocations.drop_duplicates(["job", "start_s"])
    held_s = (spells["end_s"] - spells["start_s"]).groupby(spells["job"]).sum()
    again_s = jobs["jct_s"] - jobs["wait_s"] - held_s.reindex(jobs.index)
    hit = jobs["preemptions"] > 0
    assert section["jobs_preempted"] == hit.sum() > 3
    assert section["waited_again_s"] == pytest.approx(again_s[hit].mean())
    assert section["preemptions"] == len(spells) - len(jobs) == jobs["preemptions"].sum()
    # All that went on somewhere else was taken away first.
    assert 0 < section["migrations"] <= section["preemptions"]


def test_under_backfill_less_is_blocked(small):
    blocked = []
    for scheduler in ("fifo", "easy-backfill"):
        path = small(trace(2), scheduler=scheduler, nodes=3, gpus=8)
        blocked.append(run(path, report=False).summary["scheduling"]["stranded_gpu_s"]["blocked"])
    assert blocked[1] < blocked[0] / 2


def test_every_key_has_its_words(small):
    """In the reference page, as ``scheduling.<key>``."""
    path = small(trace(3), nodes=3, gpus=8)
    section = run(path, report=False).summary["scheduling"]
    page = RESULTS_PAGE.read_text("utf-8")
    assert {"jain", "rho_max", "fragmentation", "deadline_misses", "by_group", "by_qos"} <= set(
        section
    )
    assert [key for key in section if f"`scheduling.{key}`" not in page] == []


def test_what_fails_leaves_fragmentation_out(small):
    crash = "failures: {incidents: [{at: 4 s, name: crash, of: node, lasts: 6 s}]}"
    path = small(trace(4), nodes=3, gpus=8, more=crash)
    section = run(path, report=False).summary["scheduling"]
    assert "fragmentation" not in section
    assert set(section["stranded_gpu_s"]) == {"not_asked_for"}
