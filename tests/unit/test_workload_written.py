"""Jobs written out in a scenario: what they say of themselves reaches the job table."""

import numpy as np
import pytest
from pydantic import ValidationError

from twin.scenario.workload import WrittenJobs
from twin.workload.written import written


def test_a_deadline_counts_from_each_submit():
    spec = WrittenJobs(gpus=4, run="1 h", submit="10 s", count=3, every="5 s", deadline="2 h")
    jobs = written([spec, WrittenJobs(gpus=1, run="1 s", submit="20 s")]).jobs
    assert jobs["deadline_s"].tolist()[:3] == [7210.0, 7215.0, 7220.0]
    assert np.isnan(jobs["deadline_s"][3])


def test_sizes_types_and_classes():
    spec = WrittenJobs(
        gpus=4,
        run="1 h",
        min_gpus=2,
        max_gpus=16,
        qos="gold",
        gpu_types=["h100", "a100"],
        model="resnet50",
        gpu_fraction=0.5,
    )
    told = ["qos", "min_gpus", "max_gpus", "gpu_types", "model", "gpu_fraction"]
    jobs = written([spec, WrittenJobs(gpus=1, run="1 s")]).jobs[told]
    assert jobs.iloc[0].tolist() == ["gold", 2, 16, "h100|a100", "resnet50", 0.5]
    assert jobs.iloc[1].tolist() == ["", 0, 0, "", "", 1.0]


@pytest.mark.parametrize(
    "sizes", [{"min_gpus": 5}, {"max_gpus": 3}, {"min_gpus": 9, "max_gpus": 8}]
)
def test_it_asks_for_a_number_that_it_can_work_on(sizes):
    with pytest.raises(ValidationError, match=r"gpus: 4 must lie between min_gpus \(\d\)"):
        WrittenJobs(gpus=4, run="1 h", **sizes)
