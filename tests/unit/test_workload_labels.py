"""Labels drawn for the jobs of a trace that says nothing of them."""

import numpy as np
import pytest
from scipy.stats import binomtest

from twin.errors import ScenarioError
from twin.run import load
from twin.scenario.labels import Label
from twin.workload.jobs import Workload, job_table
from twin.workload.labels import label

N = 4000


def jobs(n=N):
    rng = np.random.default_rng(4)
    return Workload(
        job_table(
            {
                "submit_s": np.arange(n, dtype=float),
                "run_s": rng.exponential(100, n),
                "gpus": rng.choice([0, 1, 2, 8, 64], n),
            }
        )
    )


def labelled(**given):
    spec = Label.model_validate(given)
    return label(jobs(), spec, np.random.default_rng(7)).jobs


def test_labels_come_by_their_weights_and_leave_the_rest_alone():
    found = labelled(qos={"urgent": 1, "normal": 3}, model={"bert": 1})
    urgent = int((found["qos"] == "urgent").sum())
    assert binomtest(urgent, N, 0.25).pvalue > 1e-6
    assert set(found["model"]) == {"bert"}
    before = jobs().jobs
    for name in ("submit_s", "run_s", "gpus", "user", "group", "deadline_s", "min_gpus"):
        assert before[name].equals(found[name])


def test_a_deadline_is_the_run_time_times_the_slack_after_the_submit():
    found = labelled(slack={"uniform": {"low": 2.0, "high": 3.0}})
    slack = (found["deadline_s"] - found["submit_s"]) / found["run_s"]
    assert slack.between(2.0, 3.0).all()
    assert slack.std() > 0.2


def test_elastic_sizes_enclose_what_is_asked_for():
    found = labelled(shrinks=4, grows=4, most_gpus=32)
    gpus, least, most = (found[name].to_numpy() for name in ("gpus", "min_gpus", "max_gpus"))
    by_size = {g: (a, b) for g, a, b in zip(gpus, least, most, strict=True)}
    assert by_size == {0: (0, 0), 1: (1, 4), 2: (1, 8), 8: (2, 32), 64: (16, 64)}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{}", "draws nothing"),
        ("{qos: {a: 0}}", "qos: needs a weight above zero"),
        ("{grows: 0}", "must be 1 or above"),
    ],
)
def test_what_draws_nothing_is_refused(given, told):
    with pytest.raises(ScenarioError, match=told):
        load("scenarios/first.yaml", [f"workload.transforms=[{{label: {given}}}]"])
