"""How fast jobs run on which GPUs and on how many, from a table or from the catalog."""

from dataclasses import dataclass

import numpy as np
import pytest

from twin.catalog import models
from twin.errors import InputError
from twin.kernel.simulation import Simulation
from twin.policies.schedulers.gavel import Gavel
from twin.registry import make_policy
from twin.run import load, run
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table
from twin.workload.speeds import Speeds

FAST, SLOW = Pool("fast", "n", "v100-32-sxm", 4, 1), Pool("slow", "n", "k80", 4, 2)
TABLE = {"lm": {"k80": 0.25}, "any": {"k80": 0.5}}


def simulated(jobs, speeds, scheduler="fifo", **options):
    placement = make_policy("placements", "best-fit", {})
    policy = make_policy("schedulers", scheduler, options)
    simulation = Simulation(
        lay_out([FAST, SLOW]), job_table(jobs), policy, placement, speeds=speeds
    )
    return simulation.run()


def test_a_job_takes_as_long_as_its_gpus_need_for_its_model():
    speeds = Speeds("v100-32-sxm", TABLE)
    record = simulated(
        {"submit_s": [0.0] * 3, "run_s": [100.0] * 3, "gpus": [4, 4, 4], "model": ["a", "lm", "b"]},
        speeds,
    )
    assert record.end_s.tolist() == [100.0, 400.0, 200.0]


def test_useful_time_is_the_time_of_the_gpus_whatever_their_speed():
    speeds = Speeds("v100-32-sxm", TABLE)
    record = simulated({"submit_s": [0.0] * 2, "run_s": [100.0] * 2, "gpus": [4, 4]}, speeds)
    assert record.lives["useful"].tolist() == [400.0, 800.0]


def test_gpu_types_are_tried_in_the_order_in_which_a_job_prefers_them():
    jobs = {"submit_s": [0.0], "run_s": [10.0], "gpus": [1]}
    record = simulated(jobs | {"gpu_types": ["k80|v100-32-sxm"]}, Speeds("v100-32-sxm", TABLE))
    assert record.end_s.tolist() == [20.0]
    record = simulated(jobs | {"gpu_types": ["v100-32-sxm|k80"]}, Speeds("v100-32-sxm", TABLE))
    assert record.end_s.tolist() == [10.0]


def test_schedulers_expect_slow_gpus_to_take_longer():
    """The second job would delay the head on the slow pool, though not by its nominal time."""
    jobs = {
        "submit_s": [0.0, 1.0, 2.0, 3.0],
        "run_s": [300.0, 100.0, 100.0, 60.0],
        "gpus": [4, 4, 8, 4],
        "pool": ["fast", "slow", "slow", "slow"],
    }
    record = simulated(jobs, Speeds("v100-32-sxm", TABLE), "easy-backfill")
    # On the slow pool 100 s take 200: the head may start at 201, and 60 s take 120 until 123.
    assert record.start_s.tolist() == [0.0, 1.0, 201.0, 3.0]


def test_amdahls_law_where_a_serial_share_is_given():
    speeds = Speeds("v100-32-sxm", serial={"any": 0.1})
    one, eight = speeds.rate("a", "v100-32-sxm", 1, 1, 8), speeds.rate("a", "v100-32-sxm", 1, 8, 8)
    assert one == 1.0
    assert eight == pytest.approx(1 / (0.1 + 0.9 / 8))
    assert speeds.rate("a", "v100-32-sxm", 8, 1, 8) == pytest.approx(1 / eight)


def test_the_catalog_speaks_for_models_that_the_table_does_not_have():
    speeds = Speeds("v100-32-sxm")
    law = models.model("resnet50")
    assert speeds.rate("resnet50", "k80", 2, 2, 4) == law.relative_speed("k80", "v100-32-sxm")
    gain = law.rate(8, 2, "k80") / law.rate(4, 1, "k80")
    expected = gain * law.relative_speed("k80", "v100-32-sxm")
    assert speeds.rate("resnet50", "k80", 4, 8, 4) == pytest.approx(expected)


def test_proportional_where_nobody_knows_and_the_report_says_so():
    speeds = Speeds("v100-32-sxm", {"any": {"k80": 0.5}})
    assert speeds.rate("mine", "k80", 2, 6, 4) == 1.5
    told = speeds.assumptions(["mine"])
    assert any("in proportion" in line and "mine" in line for line in told)


MIXED = [
    "site.pools=[{name: a, node: {gpus: 4, gpu: v100-32-sxm}, nodes: 2}, "
    "{name: b, node: {gpus: 4, gpu: k80}, nodes: 2}]",
    "workload={jobs: [{gpus: 2, run: 1 h, model: mine}], speeds: {reference: v100-32-sxm}}",
    "horizon=drained",
]


def test_a_speed_that_nobody_knows_is_asked_for(tmp_path):
    with pytest.raises(InputError, match="speed of the model 'mine' on k80 is not known"):
        run(load("scenarios/first.yaml", MIXED), tmp_path)
    with pytest.raises(InputError, match="no job has the model 'yours'"):
        more = "workload.speeds.table={yours: {k80: 0.5}, any: {k80: 0.5}}"
        run(load("scenarios/first.yaml", [*MIXED, more]), tmp_path)
    more = "workload.speeds.table={any: {k80: 0.5}}"
    found = run(load("scenarios/first.yaml", [*MIXED, more]), tmp_path, report=False)
    assert found.jobs["end_s"].tolist() == [3600.0]
    assert "Durations of jobs hold on v100-32-sxm" in " ".join(found.summary["assumptions"])


def test_rolled_back_work_of_a_job_that_changed_gpus_is_no_more_than_it_did():
    """Preempted without saving, a job on slow GPUs loses the time that it held them, no more."""
    jobs = {
        "submit_s": [0.0, 50.0],
        "run_s": [100.0, 10.0],
        "gpus": [8, 8],
        "pool": ["slow", "slow"],
    }
    record = simulated(jobs, Speeds("v100-32-sxm", TABLE), "srtf")
    useful, lost = record.lives["useful"], record.lives["lost"]
    np.testing.assert_allclose(useful + lost, [8 * 200.0, 8 * 20.0])
    assert (lost == 0).all()  # suspended as it is: nobody says what saving takes


def test_least_work_goes_first_though_slow_gpus_need_longer_for_it():
    """Time left on slow GPUs beside nominal time: these two gave way to each other for ever."""
    jobs = {
        "submit_s": [0.0, 10.0, 20.0],
        "run_s": [100.0, 110.0, 40.0],
        "gpus": [8, 8, 8],
        "pool": ["slow"] * 3,
    }
    record = simulated(jobs, Speeds("v100-32-sxm", TABLE), "srtf")
    # At 20 s the first has 90 s of work left: more than the third brings, less than the second.
    assert record.start_s.tolist() == [0.0, 280.0, 20.0]
    assert record.end_s.tolist() == [280.0, 500.0, 100.0]
    assert record.lives["preemptions"].tolist() == [1, 0, 0]


def test_gavel_counts_the_work_that_is_left_not_the_time_that_slow_gpus_need():
    """Of two jobs with as much left, one on slow GPUs, neither is more urgent for the makespan."""
    seen = []

    @dataclass(frozen=True, kw_only=True)
    class Watched(Gavel):
        def _scale(self, jobs, speed, gpus, room, cluster):
            scale = super()._scale(jobs, speed, gpus, room, cluster)
            seen.append(dict(zip([job.row for job in jobs], (1 / scale).tolist(), strict=True)))
            return scale

    jobs = {
        "submit_s": [0.0, 90.0],
        "run_s": [200.0, 150.0],
        "gpus": [8, 8],
        "pool": ["slow"] * 2,
    }
    simulation = Simulation(
        lay_out([FAST, SLOW]),
        job_table(jobs),
        Watched(objective="makespan", round_s=100),
        make_policy("placements", "best-fit", {}),
        speeds=Speeds("v100-32-sxm", TABLE),
    )
    simulation.run()
    assert seen[0] == {0: 200.0}
    assert seen[1] == {0: 150.0, 1: 150.0}
