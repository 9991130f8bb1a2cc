"""What a scenario may ask of the generator, in any combination; and what it is refused."""

from __future__ import annotations

import re
from datetime import datetime
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from twin.errors import InputError
from twin.scenario.workload import Synthetic
from twin.tables import WORKLOAD
from twin.workload import sessions
from twin.workload.arrivals import MOST_HOURS
from twin.workload.model import load_model, models
from twin.workload.synthetic import generate

SIZES = st.dictionaries(st.integers(1, 512), st.floats(0.1, 9), min_size=1, max_size=5)
ARRIVALS = st.sampled_from(
    [
        None,
        {"poisson": {}},
        {"weekly": {}},
        {"bursty": {}},
        {"bursty": {"cv": 0.1}},
        {"bursty": {"cv": 200.0}},
    ]
)
DURATIONS = st.sampled_from(
    [
        None,
        {"constant": "5 min"},
        {"lognormal": {"median": "20 min", "sigma": 2.0}},
        {"choice": {"values": ["1 s", "10 days"], "weights": [9.0, 1.0]}},
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    jobs=st.integers(1, 400),
    seed=st.integers(0, 2**63 - 1),
    arrivals=ARRIVALS,
    load=st.none() | st.floats(0.01, 20),
    sizes=st.none() | SIZES,
    durations=DURATIONS,
    max_gpus=st.none() | st.integers(1, 600),
    users=st.none() | st.integers(1, 500),
    start=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
)
def test_any_accepted_request_is_met(
    jobs, seed, arrivals, load, sizes, durations, max_gpus, users, start
) -> None:
    if sizes is not None and max_gpus is not None and min(sizes) > max_gpus:
        max_gpus = None  # the schema refuses it
    spec = Synthetic(
        jobs=jobs,
        arrivals=arrivals,
        load=load,
        sizes=sizes,
        durations=durations,
        max_gpus=max_gpus,
        users=users,
    )
    try:
        workload = generate(spec, seed, 64, start=start)
    except InputError as error:
        # Refused for one reason only: the jobs would come over more than two centuries.
        days = re.search(r"the arrivals would take ([\d,]+) d;", str(error))
        assert days and int(days[1].replace(",", "")) > MOST_HOURS / 24 - 2, error
        return
    table = workload.jobs
    assert len(table) == jobs
    assert table.columns.tolist() == WORKLOAD.names()
    assert workload.epoch == start
    submit_s, run_s, gpus = (table[c].to_numpy() for c in ("submit_s", "run_s", "gpus"))
    assert np.isfinite(submit_s).all()
    assert submit_s[0] >= 0
    assert (np.diff(submit_s) >= 0).all()
    assert np.isfinite(run_s).all()
    assert (run_s > 0).all()
    assert gpus.min() >= 1
    assert gpus.max() <= (max_gpus or 10**6)
    assert sizes is None or set(gpus) <= set(sizes)
    assert users is None or table["user"].nunique() <= users
    assert table["user"].notna().all()
    assert set(table["kind"]) == {"training"}
    if load is not None:
        assert submit_s[-1] * load * 64 <= float(run_s @ gpus) * (1 + 1e-12)


@settings(max_examples=60, deadline=None)
@given(
    days=st.floats(0.5, 20),
    seed=st.integers(0, 2**31),
    arrivals=ARRIVALS,
    load=st.none() | st.floats(0.1, 2),
    durations=DURATIONS,
)
def test_jobs_of_a_duration_come_within_it(days, seed, arrivals, load, durations) -> None:
    spec = Synthetic(duration=f"{days} days", arrivals=arrivals, load=load, durations=durations)
    try:
        table = generate(spec, seed, 64).jobs
    except InputError as error:
        # The one way out: a first gap, or a first job, that is larger than all that was asked for.
        assert "no job arrives within" in str(error)
        return
    assert table["submit_s"].iloc[-1] < days * 86400
    if load is not None:
        work_gpu_s = table["run_s"] * table["gpus"]
        assert work_gpu_s.sum() <= load * 64 * days * 86400 + work_gpu_s.max() / 2


def test_sizes_asked_for_are_shares_of_jobs_in_sessions_too() -> None:
    """A session has one size; the error of a share grows with the squares of their numbers."""
    spec = Synthetic(jobs=200_000, sizes={1: 6.0, 8: 3.0, 32: 1.0})
    drawn = sessions.draw_sessions(spec, load_model("philly"), 2, 20_000)
    total = drawn.jobs.sum()
    for gpus, share in ((1, 0.6), (8, 0.3), (32, 0.1)):
        error = sqrt(share * (1 - share) * float((drawn.jobs**2).sum())) / total
        assert drawn.jobs[drawn.gpus == gpus].sum() / total == approx(share, abs=4 * error)


def test_larger_jobs_run_as_long_as_jobs_of_their_size_do() -> None:
    """Sizes take their run times along: 128 GPUs those of the class of 16 and more."""
    table = generate(Synthetic(jobs=20_000, arrivals={"poisson": {}}, sizes={128: 1.0}), 3, 8).jobs
    law = load_model("philly").classes[-1].run_s
    median_s = float(law.quantile(0.5))
    below = (table["run_s"] < median_s).mean()
    assert below == approx(0.5, abs=4 * 0.5 / sqrt(20_000))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"duration": "1 s", "arrivals": {"poisson": {"rate": "1 per day"}}},
            "no job arrives within",
        ),
        ({"jobs": 10, "load": 0.5, "durations": {"constant": "0 s"}}, "offer no load"),
        ({"duration": "1 day", "load": 0.5, "durations": {"constant": "0 s"}}, "offer no load"),
        ({"jobs": 2_000_000_000}, "ask for fewer jobs"),
        ({"duration": "40000 days", "load": 1e9}, "ask for fewer jobs"),
        ({"jobs": 1000, "load": 1e-9}, "raise the load"),
        ({"jobs": 10, "users": 50_000_000}, "the most is 10,000,000"),
    ],
)
def test_what_cannot_be_met_is_refused_with_what_to_do(request_: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(Synthetic(**request_), 1, 64)


def test_jobs_of_no_time_are_accepted_where_no_load_is_asked_for() -> None:
    table = generate(Synthetic(jobs=10, durations={"constant": "0 s"}), 1, 64).jobs
    assert (table["run_s"] == 0).all()


def test_an_unknown_model_names_the_known_ones() -> None:
    assert models() == ["philly"]
    with pytest.raises(InputError, match="did you mean 'philly'"):
        load_model("phily")


def test_notes_say_where_the_jobs_come_from() -> None:
    workload = generate(Synthetic(jobs=10, sizes={4: 1.0}), 1, 64)
    text = " ".join(workload.intake.notes)
    assert "model philly" in text
    assert "calibration/philly" in text
    assert "as the scenario says: sizes" in text
    assert workload.intake.rows_read == 10
