"""The published experiments, as near as the data at hand allow."""

from __future__ import annotations

from typing import Any

import numpy as np

from studies.schedulers import jobs as lists
from studies.schedulers.study import (
    Study,
    makespan_s,
    mean_jct_s,
    middle_jct_s,
    p99_jct_s,
    rho_max,
    slowdown,
)

_SAVES = ["training", "batch", "interactive"]


def _stops(restart_s: float, write_s: float) -> dict[str, Any]:
    """What a preempted job costs."""
    return {"restart": f"{restart_s} s", "checkpoint": {"write": f"{write_s} s", "kinds": _SAVES}}


def gavel(jobs_per_h: float, *, several_gpus: bool = False, n: int = 400, scale: int = 12) -> Study:
    """Continuous jobs on V100, P100 and K80, as many of each, with and without known speeds.

    The study has 36 of each, 5,000 jobs and three seeds; its authors advise 16 of each and fewer
    jobs where time is short. Here jobs come as often by GPU, and the middle half is measured.
    """

    def listed(seed: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, 1])
        drawn = lists.gavel(n, jobs_per_h * scale / 36, rng, several_gpus=several_gpus)
        return _gavel_workload(drawn)

    rivals = {
        "gavel": "gavel",
        "agnostic": {"gavel": {"aware": False}},
        "tiresias": "tiresias",
        "fifo": "fifo",
    }
    measures = {"jct_s": middle_jct_s, "all_jct_s": mean_jct_s}
    return Study(_gavel_fleet(scale), rivals, listed, measures=measures)


def gavel_batch(n: int = 60, scale: int = 12) -> Study:
    """A batch of jobs of several GPUs, there from the start: which is done first?"""

    def listed(seed: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, 2])
        return _gavel_workload(lists.gavel(n, 1e9, rng, several_gpus=True))

    rivals = {
        "gavel": {"gavel": {"objective": "makespan"}},
        "agnostic": {"gavel": {"aware": False}},
        "blind makespan": {"gavel": {"objective": "makespan", "aware": False}},
        "fifo": "fifo",
    }
    return Study(_gavel_fleet(scale), rivals, listed, measures={"makespan_s": makespan_s})


def _gavel_fleet(scale: int) -> dict[str, Any]:
    pools = [
        {"name": name, "node": {"gpus": 4, "gpu": gpu}, "nodes": scale // 4}
        for name, gpu in lists.GAVEL_GPUS.items()
    ]
    return {"site": {"name": "mixed", "pools": pools}, "recovery": _stops(10, 5)}


def _gavel_workload(found: lists.GavelJobs) -> dict[str, Any]:
    return {"jobs": found.jobs, "speeds": {"reference": "v100-32-sxm", "table": found.speeds}}


def tiresias(load: float, longer: float = 1.0) -> Study:
    """480 jobs, one every 30 s, on 15 nodes of 4 GPUs: the testbed of Tiresias.

    Its jobs are not at hand: these are drawn from the Philly trace, as its authors drew from a
    longer one, and shortened so that they ask for ``load`` times the cluster while they arrive.
    ``longer`` stretches all times, for schedulers whose leases are longer than these jobs.
    """

    def listed(seed: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, 3])
        drawn = lists.philly(480, 30.0, rng, most_gpus=16, load_gpus=60 * load)
        drawn[["submit_s", "run_s"]] *= longer
        return {"jobs": drawn}

    rivals = {
        "tiresias": "tiresias",
        "fifo": "fifo",
        "time-slice": {"time-slice": {"quantum": "10 min"}},
        "srtf": "srtf",
        "sjf": "sjf",
        "qssf": "qssf",
        "themis": "themis",
        "themis, no filter": {"themis": {"filter": 0}},
    }
    measures = {
        "jct_s": mean_jct_s,
        "p99_jct_s": p99_jct_s,
        "slowdown": slowdown,
        "rho_max": rho_max,
    }
    pools = [{"name": "p100", "node": {"gpus": 4, "gpu": "p100-pcie"}, "nodes": 15}]
    base = {"site": {"name": "testbed", "pools": pools}, "recovery": _stops(30, 10)}
    return Study(base, rivals, listed, measures=measures)


def philly(nodes: int) -> Study:
    """The whole Philly trace on nodes of 8 GPUs, once: how long the queue is depends on these."""
    trace = {"path": str(lists.DATA / "sia/philly.csv.gz"), "format": "philly-csv"}
    rivals = dict.fromkeys(
        ("fifo", "easy-backfill", "sjf", "srtf", "qssf", "themis", "tiresias"), None
    )
    measures = {"jct_s": mean_jct_s, "p99_jct_s": p99_jct_s, "slowdown": slowdown,
                "rho_max": rho_max}  # fmt: skip
    pools = [{"name": "gpus", "node": {"gpus": 8}, "nodes": nodes}]
    base = {
        "site": {"name": "philly", "pools": pools},
        "policies": {"placement": "best-fit"},
        "recovery": _stops(60, 30),
    }
    named = {name: name for name in rivals}
    return Study(base, named, lambda _: {"trace": trace}, seeds=(1,), measures=measures)


def backfill(load: float) -> Study:
    """Synthetic jobs after Philly's laws on 16 nodes of 8 GPUs, at a load; estimates are exact."""

    def drawn(_: int) -> dict[str, Any]:
        law = {"duration": "56 days", "arrivals": {"poisson": {}}, "load": load, "max_gpus": 128}
        return {"synthetic": law}

    rivals = {"fifo": "fifo", "easy": "easy-backfill", "srtf": "srtf"}
    pools = [{"name": "gpus", "node": {"gpus": 8}, "nodes": 16}]
    base = {"site": {"name": "hall", "pools": pools}, "recovery": _stops(60, 30)}
    measures = {"jct_s": mean_jct_s, "p99_jct_s": p99_jct_s, "slowdown": slowdown}
    return Study(base, rivals, drawn, measures=measures)


def sia(kind: str) -> Study:
    """Sia's lists of 160 jobs on 64 GPUs of three types: elastic against jobs of one size."""

    def listed(seed: int) -> dict[str, Any]:
        return {"jobs": lists.sia(kind, seed), "speeds": {"reference": lists.SIA_REFERENCE}}

    pools = [
        {"name": "t4", "node": {"gpus": 4, "gpu": "t4"}, "nodes": 6},
        {"name": "rtx", "node": {"gpus": 8, "gpu": "rtx-2080-ti"}, "nodes": 3},
        {"name": "a100", "node": {"gpus": 8, "gpu": "a100-40-sxm"}, "nodes": 2},
    ]
    rivals = {
        "sia": {"sia": {"restart": "45 s"}},
        "gavel": "gavel",
        "tiresias": "tiresias",
        "fifo": "fifo",
    }
    base = {"site": {"name": "sia", "pools": pools}, "recovery": _stops(40, 5)}
    return Study(base, rivals, listed, measures={"jct_s": mean_jct_s, "makespan_s": makespan_s})
