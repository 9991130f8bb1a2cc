"""What a scheduler or a placement may do wrong, and what is said of it."""

import math
from dataclasses import dataclass

import pytest

from twin.errors import InvariantError, PolicyError, ScenarioError
from twin.kernel.simulation import Simulation
from twin.policies.base import PlacementPolicy, Scheduler
from twin.policies.decisions import Start, Wake
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.run import load
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table


def simulate(scheduler, placement=None, n=5, nodes=1):
    jobs = job_table({"submit_s": [0.0] * n, "run_s": [3600.0] * n, "gpus": [4] * n})
    site = lay_out([Pool("main", "node", "", 8, nodes)])
    return Simulation(site, jobs, scheduler, placement or BestFit()).run()


@dataclass(frozen=True)
class Odd(Scheduler):
    """Starts what fits, and then does something odd."""

    decision: object
    preempts = True

    def choose(self, queue, cluster):
        for job in queue:
            if cluster.fits(job.shape):
                yield job
        for job in queue:
            yield self.decision(job, cluster)


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (lambda job, _: Start(job, "2"), "with gpus='2', which is no whole number"),
        (lambda job, _: Start(job, pool="a"), "with pool='a', which is no whole number"),
        (lambda job, _: Start(job, at=5), r"at 5; write nodes and the GPUs on each"),
        (lambda job, _: Start(job, at=[(0,)]), r"at \[\(0,\)\]; write nodes"),
        (lambda job, _: Start(job, at=[(0, 4)]), "where that many GPUs are not free"),
        (lambda job, _: Wake("10 s"), "'10 s' at 0 s, which is no number of seconds"),
        (lambda job, _: Wake(0.0), "which is not ahead"),
        (lambda job, _: None, "which is no job and no decision"),
        (lambda job, _: (_ for _ in ()).throw(SystemExit(3)), "raised SystemExit: 3, at 0 s"),
    ],
)
def test_odd_decisions(decision, told):
    with pytest.raises(PolicyError, match=told):
        simulate(Odd(decision))


def test_a_scheduler_that_never_lets_time_pass():
    """Each wake is ahead, by the least that a number can be."""
    restless = Odd(lambda job, cluster: Wake(math.nextafter(cluster.now_s, math.inf)))
    with pytest.raises(PolicyError, match=r"asked? again 10000 times in .* did nothing"):
        simulate(restless)


def test_a_scheduler_may_ask_each_minute_for_long():
    """Two jobs run at a time for an hour; ten seconds apart it asks in vain, and is let."""
    record = simulate(Odd(lambda job, cluster: Wake(cluster.now_s + 0.01)), n=3)
    assert record.end_s.tolist() == [3600, 3600, 7200]


class _Placement(PlacementPolicy):
    def place(self, gpus, pool):
        return self.answer(gpus)


class Divides(_Placement):
    def answer(self, gpus):
        return [(gpus // 0, gpus)]


class Nowhere(_Placement):
    def answer(self, gpus):
        return None


class Beyond(_Placement):
    def answer(self, gpus):
        return [(10**6, gpus)]


class Always(_Placement):
    def answer(self, gpus):
        return [(0, gpus)]


class TooFew(_Placement):
    def answer(self, gpus):
        return [(0, 1)]


@pytest.mark.parametrize(
    ("placement", "error", "told"),
    [
        (Divides(), PolicyError, "the placement Divides raised ZeroDivisionError"),
        (Nowhere(), InvariantError, "or the placement Nowhere finds them no place"),
        (Beyond(), PolicyError, r"the placement Beyond gave \[\(1000000, 4\)\]"),
        (Always(), PolicyError, "the placement Always gave .*node 0 has 0 GPUs free"),
        (TooFew(), PolicyError, "the placement TooFew gave 1 GPUs"),
    ],
)
def test_faults_of_a_placement_are_its_own(placement, error, told):
    with pytest.raises(error, match=told):
        simulate(EasyBackfill(), placement, nodes=2)


def test_a_placement_at_fault_is_told_with_job_and_time():
    with pytest.raises(PolicyError, match=r"for Job\(row=2, .* at 0 s; run with --debug"):
        simulate(EasyBackfill(), Always(), nodes=2)


def test_what_is_not_known_of_written_jobs_is_said_before_they_run(tmp_path):
    path = tmp_path / "jobs.yaml"
    path.write_text(
        "name: jobs\n"
        "site: {pools: [{name: a, node: dgx-h100, nodes: 1}]}\n"
        "workload:\n"
        "  jobs: [{gpus: 2, run: 1 h, gpu_types: [h100-sxm, h100x]}]\n"
    )
    import twin

    with pytest.raises(ScenarioError, match=r"jobs.yaml:4:\d+ .*gpu_types\[1\]: .*'h100-sxm'"):
        twin.run(path)
    path.write_text(
        "name: jobs\nhorizon: 1 day\n"
        "site: {pools: [{name: a, node: dgx-h100, nodes: 1}]}\n"
        "workload:\n"
        "  services: [{name: chat, gpus: 1, replicas: {steps: [[0 h, 1]]}}]\n"
        "  speeds: {reference: h100-sxm}\n"
    )
    with pytest.raises(ScenarioError, match="say which model this service serves"):
        load(path)


def test_the_site_cannot_be_written():
    site = lay_out([Pool("main", "node", "", 8, 4)])
    for array in (site.node_pool, site.node_rack, site.first_gpu, site.rack_row):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
