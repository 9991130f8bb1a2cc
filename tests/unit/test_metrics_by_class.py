"""Figures by class of job, against numpy's own on each class alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_case import case

from twin.metrics.by_class import by_class, size_class, size_names
from twin.metrics.jobs import bounded_slowdown


def test_the_classes_of_size():
    gpus = np.array([0, 1, 2, 8, 9, 64, 65, 512, 513, 10**6])
    names = [size_names()[at] for at in size_class(gpus)]
    assert names == ["0", "1", "2-8", "2-8", "9-64", "9-64", "65-512", "65-512", ">512", ">512"]


def test_one_class_is_the_whole_and_is_not_told():
    jobs = case(
        [{"end": 10}, {"end": 20}], [(0, 0, 1, 0, 10), (1, 0, 2, 0, 20)], (1, 8), horizon_s=20
    )
    assert by_class(jobs.jobs) == {}


def test_by_hand():
    rows = [
        {"submit": 0, "end": 10, "gpus": 1, "kind": "batch", "qos": "gold", "useful_gpu_s": 10.0},
        {"submit": 0, "end": 30, "gpus": 1, "qos": "gold", "useful_gpu_s": 20.0},
        {"submit": 0, "gpus": 600},
    ]
    made = case(rows, [(0, 0, 1, 0, 10), (1, 0, 1, 10, 30)], (1, 8), horizon_s=40)
    found = by_class(made.jobs)
    assert set(found) == {"by_size", "by_kind", "by_qos"}
    one, many = found["by_size"]
    assert one["gpus"] == "1"
    assert (one["jobs"], one["completed"], one["useful_gpu_s"]) == (2, 2, 30.0)
    assert one["wait_s"] == {"mean": 5.0, "p50": 5.0, "p90": 9.0, "p99": pytest.approx(9.9)}
    assert one["bounded_slowdown"]["mean"] == (1 + 1.5) / 2
    assert many == {
        **{"gpus": ">512", "jobs": 1, "completed": 0, "useful_gpu_s": 0.0},
        **{"wait_s": {}, "jct_s": {}, "bounded_slowdown": {}},
    }
    assert [entry["qos"] for entry in found["by_qos"]] == ["", "gold"]
    assert [entry["kind"] for entry in found["by_kind"]] == ["batch", "training"]


def test_the_largest_groups_and_the_rest():
    rows = [{"end": 100, "group": f"g{k}", "run_s": 100.0 - k} for k in range(25)]
    jobs = case(rows, [(k, 0, 1, 0, 1) for k in range(25)], (1, 8), horizon_s=100).jobs
    found = by_class(jobs)["by_group"]
    assert [entry["group"] for entry in found] == [*(f"g{k}" for k in range(20)), "others"]
    assert [entry.get("groups") for entry in found] == [None] * 20 + [5]
    assert [entry["jobs"] for entry in found] == [1] * 20 + [5]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_against_each_class_alone(data):
    rows, held = [], []
    for at in range(data.draw(st.integers(2, 12))):
        submit, start, end = sorted(data.draw(st.tuples(*[st.integers(0, 500)] * 3)))
        row = {"submit": submit, "gpus": data.draw(st.sampled_from([1, 2, 8, 9, 100, 1000]))}
        how = data.draw(st.sampled_from(["completed", "failed", "running", "queued"]))
        if how != "queued":
            held.append((at, 0, 1, start, end))
        rows.append(row | ({"end": end, "state": how} if how in ("completed", "failed") else {}))
    jobs = case(rows, held, (1, 8), horizon_s=500).jobs
    code = size_class(jobs["gpus"].to_numpy())
    found = {entry["gpus"]: entry for entry in by_class(jobs).get("by_size", [])}
    assert len(found) == (len(set(code)) if len(set(code)) > 1 else 0)
    for name, entry in found.items():
        mine = jobs[code == size_names().index(name)]
        assert entry["jobs"] == len(mine)
        assert entry["completed"] == (mine["state"] == "completed").sum()
        measures = {"wait_s": mine["wait_s"].dropna(), "jct_s": mine["jct_s"].dropna()}
        for key, values in (measures | {"bounded_slowdown": bounded_slowdown(mine)}).items():
            assert ("mean" in entry[key]) == bool(len(values))
            if len(values):
                assert entry[key]["mean"] == pytest.approx(np.mean(values))
                for p in (50, 90, 99):
                    assert entry[key][f"p{p}"] == pytest.approx(np.percentile(values, p))
