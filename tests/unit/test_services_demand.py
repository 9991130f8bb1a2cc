"""From demand to rows: the tide of a day, steps, files, and the spells of each replica."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import InputError
from twin.scenario.services import Demand, Service
from twin.workload.jobs import job_table
from twin.workload.services import Tide, demand, no_jobs, spells, with_services

MONDAY = datetime(2025, 1, 6)
DAY_S, WEEK_S = 86_400.0, 7 * 86_400.0


def service(replicas, **more):
    return Service(name="chat", gpus=4, replicas=replicas, **more)


def tide(epoch=MONDAY, end_s=WEEK_S, seed=1, **daily):
    return demand(service({"daily": {"least": 4, "most": 40} | daily}), seed, epoch, end_s)


def at(found: Tide, time_s):
    return int(found.replicas[np.searchsorted(found.time_s, time_s, side="right") - 1])


def rows(replicas, horizon_s=10 * 3600.0, jobs=None, **more):
    workload = no_jobs(MONDAY)
    if jobs is not None:
        workload = workload.with_jobs(jobs)
    return with_services(workload, [service(replicas, **more)], 1, MONDAY, horizon_s).jobs


def test_the_tide_has_its_peak_and_its_ebb_where_they_are_asked_for():
    found = tide(peak="15 h", step="1 min")
    assert at(found, 15 * 3600) == 40
    assert at(found, 3 * 3600) == 4
    # Half way between, at 9 h and at 21 h, the rise is one half.
    assert at(found, 9 * 3600) == at(found, 21 * 3600) == 22
    whole = np.diff(found.time_s, append=WEEK_S) @ found.replicas
    assert whole == pytest.approx(WEEK_S * (4 + 40) / 2, rel=1e-3)


def test_weekends_rise_less_and_never_fall_below_the_least():
    found = tide(weekend=0.5, step="30 min")
    saturday, tuesday = 5 * DAY_S, DAY_S
    assert at(found, tuesday + 15 * 3600) == 40
    assert at(found, saturday + 15 * 3600) == 22
    assert found.replicas.min() == 4
    # A run that begins on Saturday at noon meets the weekend at once.
    begins = datetime(2025, 1, 11, 12)
    assert at(tide(begins, DAY_S, weekend=0.5), 3 * 3600) == 22


def test_steps_begin_at_midnight_whenever_the_run_does():
    found = tide(datetime(2025, 1, 6, 7, 20), DAY_S, step="1 h")
    assert found.time_s[:3].tolist() == [0, 2400, 6000]
    assert at(found, 0) == at(tide(step="1 h"), 7 * 3600)


def test_noise_has_mean_one_and_a_stream_of_its_own():
    quiet = tide(end_s=200 * DAY_S, least=1000, most=1000)
    loud = tide(end_s=200 * DAY_S, least=1000, most=1000, noise=0.2)
    assert quiet.replicas.std() == 0
    assert loud.replicas.mean() == pytest.approx(1000, abs=4 * 200 / np.sqrt(9600))
    assert loud.replicas.std() == pytest.approx(200, rel=0.05)
    again = tide(end_s=200 * DAY_S, least=1000, most=1000, noise=0.2)
    np.testing.assert_array_equal(loud.replicas, again.replicas)
    other = tide(end_s=200 * DAY_S, least=1000, most=1000, noise=0.2, seed=2)
    assert (loud.replicas != other.replicas).mean() > 0.9


def test_steps_before_the_first_want_nothing():
    found = rows({"steps": [["2 h", 1], ["4 h", 2], ["6 h", 0]]})
    assert found["job_id"].tolist() == ["chat/1-1", "chat/2-1"]
    assert found["submit_s"].tolist() == [7200, 14400]
    assert found["until_s"].tolist() == [21600, 21600]
    assert found["run_s"].tolist() == [14400, 7200]
    assert found["gpus"].tolist() == [4, 4]
    assert set(found["kind"]) == {"serving"}


def test_the_last_to_come_is_the_first_to_go():
    found = rows({"steps": [["0 h", 2], ["1 h", 1], ["2 h", 3], ["3 h", 1]]})
    spelt = zip(found["job_id"], found["submit_s"], found["until_s"], strict=True)
    assert list(spelt) == [
        ("chat/1-1", 0, np.inf),  # wanted to the end of the run, and longer
        ("chat/2-1", 0, 3600),
        ("chat/2-2", 7200, 10800),
        ("chat/3-1", 7200, 10800),
    ]
    assert found["run_s"][0] == 10 * 3600


def test_without_a_horizon_services_end_with_the_last_submit():
    jobs = job_table({"submit_s": [0.0, 5000.0], "run_s": [9e9, 1.0], "gpus": [1, 1]})
    found = rows({"steps": [["0 h", 1]]}, None, jobs)
    assert found["until_s"].tolist()[1] == 5000  # behind job 1, which came as early
    assert found["job_id"].tolist() == ["1", "chat/1-1", "2"]


def test_jobs_keep_all_that_they_have():
    jobs = job_table({"submit_s": [10.0], "run_s": [7.0], "gpus": [2], "user": ["ann"],
                      "pool": ["main"], "priority": [3]})  # fmt: skip
    found = rows({"steps": [["0 h", 1]]}, jobs=jobs, user="bob", group="web", model="llama")
    kept = found[found["until_s"].isna()].reset_index(drop=True)
    for column in jobs:
        assert kept[column].astype(object).tolist() == jobs[column].astype(object).tolist() or (
            kept[column].isna().all() and jobs[column].isna().all()
        )
    chat = found[found["until_s"].notna()].iloc[0]
    assert [chat[key] for key in ("user", "group", "model", "pool")] == ["bob", "web", "llama", ""]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("time_s,replicas\n-50,1\n0,2\n3600,5\n", [(0, 2), (3600, 5)]),
        ("time_s,replicas\n-50,3\n3600,5\n", [(0, 3), (3600, 5)]),
        ("time_s,replicas\n100,3\n", [(0, 0), (100, 3)]),
        ("time,replicas\n2025-01-06T01:00,3\n2025-01-06 02:30:00,4\n",
         [(0, 0), (3600, 3), (9000, 4)]),
        ("replicas,zone,time\n7,a,2025-01-05\n", [(0, 7)]),
    ],
)  # fmt: skip
def test_files_hold_from_row_to_row(tmp_path, text, wanted):
    path = tmp_path / "demand.csv"
    path.write_text(text)
    found = demand(service({"file": {"path": str(path)}}), 1, MONDAY, DAY_S)
    assert list(zip(found.time_s, found.replicas, strict=True)) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hour,replicas\n0,1\n", "needs the column replicas, and time_s"),
        ("time_s,count\n0,1\n", "it has time_s, count"),
        ("time_s,replicas\n", "has no rows"),
        ("time_s,replicas\n0,1\nsoon,2\n", r"row 2 (soon, 2): time_s is no time"),
        ("time_s,replicas\n0,1\n5,2.5\n", r"row 2 (5, 2.5): replicas must be a whole number"),
        ("time_s,replicas\n0,-1\n", "row 1 (0, -1): replicas must be a whole number"),
        ("time_s,replicas\n5,1\n5,2\n", "row 2 (5, 2): time_s must come after"),
        ("time,replicas\n2025-01-06T00:00Z,1\n", "names a time zone"),
        ("", "cannot be read as a CSV of replicas"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path, text, said):
    path = tmp_path / "demand.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        demand(service({"file": {"path": str(path)}}), 1, MONDAY, DAY_S)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_service_that_wants_nothing_is_refused():
    with pytest.raises(InputError, match="chat wants no replica before the end"):
        rows({"steps": [["20 h", 5]]})


def test_services_without_an_end_are_refused():
    jobs = job_table({"submit_s": [0.0], "run_s": [10.0], "gpus": [1]})
    with pytest.raises(InputError, match="all jobs come at one time; give the scenario a horizon"):
        rows({"steps": [["0 h", 1]]}, None, jobs)


def test_a_demand_too_fine_for_memory_is_refused():
    with pytest.raises(InputError, match=r"is too fine; give daily\.step more"):
        tide(end_s=1e9, step="1 s")


steps = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 6)), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(1, 9000))
def test_spells_are_the_demand_exactly(drawn, end_s):
    time_s = np.cumsum([0, *(gap for gap, _ in drawn[1:])]).astype(float)
    wanted = np.array([replicas for _, replicas in drawn])
    found = Tide(time_s, wanted)
    replica, from_s, to_s = spells(found, float(end_s))
    # The integral of demand, and demand itself in the middle of every second.
    lasts_s = np.diff(np.minimum(np.append(time_s, end_s), end_s))
    assert (to_s - from_s).sum() == np.maximum(lasts_s, 0) @ wanted
    assert (to_s > from_s).all()
    for middle_s in np.minimum(np.append(time_s, end_s - 1.0), end_s - 1.0) + 0.5:
        here = (from_s <= middle_s) & (middle_s < to_s)
        assert here.sum() == at(found, middle_s)
        assert sorted(replica[here]) == list(range(here.sum()))
    # Spells of one replica lie apart: otherwise they were one.
    for k in set(replica):
        mine = np.argsort(from_s[replica == k])
        assert (from_s[replica == k][mine][1:] > to_s[replica == k][mine][:-1]).all()


def test_daily_demand_needs_whole_sections():
    assert Demand(daily={"least": 1, "most": 2}).daily.step_s == 1800
