"""Services in the report: exact means, the mean day, tables by hand, and jobs told apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import DAY_S, assemble, jobs_table
from report_reader import Page, assert_stands_alone
from report_schedulers import ScheduledRun, allocations
from test_report_power import inside

from twin.metrics.stay import stay
from twin.report.batch import batch_jobs, holders, is_replica
from twin.report.compare_page import comparison_html
from twin.report.facts import answer
from twin.report.figures.mean_day import mean_day
from twin.report.figures.services_over_time import services_over_time
from twin.report.held import batch_timeline, bin_edges, held_by, in_bins, node_pools
from twin.report.mean_day import day_of
from twin.report.occupancy import few_groups
from twin.report.page import report_html
from twin.report.service_series import (
    Series,
    joined,
    largest_services,
    most_wanted,
    wanted_and_had,
    who_held,
)
from twin.report.services import services
from twin.report.theme import NARROW, WIDE, Shape
from twin.results.spells import waiting

HOUR_S = 3600.0
SHAPES = pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)


@dataclass
class ServedRun(ScheduledRun):
    """A run directory with replicas over time."""

    domains: pd.DataFrame = field(default_factory=pd.DataFrame)


def served(days: int = 4, name: str = "chat", start: str = "2025-01-06T00:00:00") -> ServedRun:
    """Two nodes of 8 GPUs; a replica stays, one comes for 08:00 to 20:00 of the run's days.

    The second waits for ten minutes each day until a job on its node has saved. That job holds the
    node from 20:00 to 08:10, all of it in one row of the job table, and waits in between.
    """
    end_s, rows, held = days * DAY_S, [], []
    rows.append((f"{name}/1-1", 0.0, 0.0, end_s))
    held.append((0, 0, 255, 0.0, end_s))
    for day in range(days):
        wanted_s = day * DAY_S + 8 * HOUR_S
        rows.append((f"{name}/2-{day + 1}", wanted_s, wanted_s + 600, wanted_s + 12 * HOUR_S))
        held.append((day + 1, 1, 255, wanted_s + 600, wanted_s + 12 * HOUR_S))
    ids, submit_s, start_s, until_s = zip(*rows, strict=True)
    n = days + 2
    jobs = jobs_table(
        submit_s=[*submit_s, 0.0], gpus=[8] * n, start_s=[*start_s, 0.0],
        run_s=[*np.subtract(until_s, start_s), end_s], until_s=[*until_s, np.nan],
        job_id=[*ids, "tune"], preemptions=[0] * (n - 1) + [days],
        restart_gpu_s=[0.0] * (n - 1) + [7200.0],
    )  # fmt: skip
    for day in range(days + 1):
        from_s = max(day * DAY_S - 4 * HOUR_S, 0.0)
        held.append((n - 1, 1, 255, from_s, min(day * DAY_S + 8 * HOUR_S + 600, end_s)))
    run = ServedRun(**vars(assemble(jobs, gpus=16, bins=24 * days)), allocations=allocations(held))
    run.scenario_yaml = run.scenario_yaml.replace("horizon: drained", f"start: '{start}'")
    run.summary["jobs"] = {"submitted": 1, "completed": 1}
    hour = np.arange(24 * days) % 24
    wanted = 1.0 + ((hour >= 8) & (hour < 20))
    had = wanted - np.where(hour == 8, 1 / 6, 0.0)
    told = {
        "spells": days + 1, "never_ran": 0, "wanted_replica_s": float(wanted.sum() * HOUR_S),
        "served_replica_s": float(had.sum() * HOUR_S),
        "served_share": float(had.sum() / wanted.sum()),
        "wanted_gpu_s": float(8 * wanted.sum() * HOUR_S),
        "to_running_s": {"mean": 600.0, "p99": 600.0}, "jobs_preempted": days,
        "lost_gpu_s": 8 * 600.0 * days,
    }  # fmt: skip
    run.summary["services"] = told | {"by_service": {name: told}}
    parts = [
        pd.DataFrame(
            {"time_s": np.arange(24 * days) * HOUR_S, "domain": name, "quantity": q, "value": v}
        )
        for q, v in (("wanted_replicas", wanted), ("served_replicas", had))
    ]
    run.domains = pd.concat(parts, ignore_index=True)
    return run


@pytest.fixture(scope="module")
def run() -> ServedRun:
    return served()


@given(st.floats(1.0, 4e8), st.integers(2, 500))
def test_bins_cover_the_run_and_do_not_beat_against_days(end_s: float, most: int) -> None:
    edges_s = bin_edges(end_s, most)
    width_s = np.diff(edges_s)
    assert edges_s[0] == 0
    assert edges_s[-1] == end_s
    assert (width_s > 0).all()
    assert len(width_s) <= most
    assert width_s[:-1] == pytest.approx(np.full(len(width_s) - 1, width_s[0]))
    if end_s > 60 * most and len(width_s) > 1:
        assert DAY_S % width_s[0] == 0 or width_s[0] % DAY_S == 0


SPELLS = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 9e4), st.floats(0, 9e4), st.floats(0.1, 8)),
    max_size=8,
)


@given(SPELLS, st.floats(100.0, 9e4), st.integers(2, 40))
def test_means_in_bins_are_those_of_brute_force(
    spells: list[tuple[int, float, float, float]], end_s: float, most: int
) -> None:
    edges_s = bin_edges(end_s, most)
    rows = [(row, min(a, b), max(a, b), weight) for row, a, b, weight in spells]
    row, from_s, to_s, weight = np.array(rows, float).reshape(-1, 4).T
    found = in_bins(row.astype(int), from_s, to_s, weight, 3, edges_s)
    for k, (low, high) in enumerate(pairwise(edges_s)):
        for which in range(3):
            area = sum(
                w * max(0.0, min(b, high) - max(a, low)) for r, a, b, w in rows if r == which
            )
            assert found[which, k] == pytest.approx(area / (high - low), abs=1e-6)


@given(
    st.floats(60.0, 7200.0), st.lists(st.floats(0, 50), min_size=1, max_size=300),
    st.floats(0.05, 1.0), st.integers(2, 60),
)  # fmt: skip
def test_wider_bins_have_the_same_area(
    width_s: float, values: list[float], last: float, most: int
) -> None:
    fine_s = np.append(np.arange(len(values)) * width_s, (len(values) - 1 + last) * width_s)
    edges_s, means = joined(fine_s, np.array(values), most)
    assert len(edges_s) == len(means) + 1
    assert len(means) <= most
    assert set(edges_s) <= set(fine_s)
    assert means @ np.diff(edges_s) == pytest.approx(np.array(values) @ np.diff(fine_s), abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=12), st.integers(1, 9))
def test_the_most_wanted_at_a_time(spells: list[tuple[int, int]], bins: int) -> None:
    """Against the count in the middle of every second; bins begin and end at whole seconds."""
    from_s = np.array([start for start, _ in spells], float)
    to_s = np.array([start + lasts for start, lasts in spells], float)
    edges_s = np.append(np.arange(bins) * 7.0, bins * 7.0)
    none = np.zeros(bins)
    found = most_wanted(Series("x", 1, 1.0, edges_s, none, none, from_s, to_s), edges_s)
    middle = np.arange(7 * bins) + 0.5
    wanted = ((from_s <= middle[:, None]) & (middle[:, None] < to_s)).sum(axis=1)
    assert found.tolist() == wanted.reshape(bins, 7).max(axis=1).tolist()


def test_replicas_are_no_jobs(run: ServedRun) -> None:
    assert is_replica(run.jobs).sum() == 5
    assert list(batch_jobs(run)["job_id"]) == ["tune"]
    assert list(holders(run.jobs)) == ["chat (service)"] * 5 + ["jobs"]
    assert few_groups([run]) == ("chat (service)", "jobs")
    old = run.jobs.drop(columns="until_s")  # a run of an earlier version
    assert not is_replica(old).any()


def test_groups_of_jobs_stay_apart_beside_services(run: ServedRun) -> None:
    jobs = pd.concat([run.jobs, run.jobs.tail(1)], ignore_index=True)
    jobs["group"] = pd.Categorical(["x"] * 5 + ["a", "b"])
    assert list(holders(jobs)) == ["chat (service)"] * 5 + ["a", "b"]


def test_waiting_replicas_are_no_waiting_jobs(run: ServedRun) -> None:
    """Against the spells for which jobs alone waited, counted one by one."""
    found = batch_timeline(run)
    spells = (run.allocations[name].to_numpy() for name in ("job", "start_s", "end_s"))
    job, from_s, to_s = waiting(*stay(run.jobs, 4 * DAY_S), *spells)
    start_s = run.timeline["time_s"].to_numpy()
    # The fixture's own queue knows no second wait: give it what jobs and replicas waited in truth.
    lasts = np.clip(
        np.minimum.outer(to_s, start_s + HOUR_S) - np.maximum.outer(from_s, start_s), 0, None
    )
    run.timeline["queued_jobs"] = lasts.sum(axis=0) / HOUR_S
    run.timeline["queued_gpus"] = 8 * run.timeline["queued_jobs"]
    found = batch_timeline(run)
    alone = lasts[job == 5].sum(axis=0) / HOUR_S
    assert found["queued_jobs"].to_numpy() == pytest.approx(alone, abs=1e-9)
    assert found["queued_gpus"].to_numpy() == pytest.approx(8 * alone, abs=1e-9)
    assert (run.timeline["queued_jobs"].to_numpy() > alone + 0.1).sum() == 4
    assert run.timeline["busy_gpus"].equals(found["busy_gpus"])


def test_gpus_by_who_held_them(run: ServedRun) -> None:
    found = who_held(run, 96)
    assert found.holders == ("chat", "jobs")
    (pool,) = found.pools
    assert (pool.pool, pool.gpus) == ("main", 16)
    hour = np.arange(96) % 24
    service = 8.0 + np.where((hour > 8) & (hour < 20), 8.0, 0.0) + np.where(hour == 8, 8 * 5 / 6, 0)
    assert pool.parts[0] == pytest.approx(service)
    jobs = np.where((hour < 8) | (hour >= 20), 8.0, np.where(hour == 8, 8 / 6, 0.0))
    assert pool.parts[1] == pytest.approx(jobs)


def test_pools_are_told_apart_where_nodes_are_known(run: ServedRun) -> None:
    code = np.zeros(len(run.jobs), np.intp)
    run.summary["site"]["pools"] = {"a": 8, "b": 8}
    pools = "pools:\n  - {name: a, nodes: 1}\n  - {name: b, nodes: 1}\nworkload"
    whole, run.scenario_yaml = run.scenario_yaml, "site:\n  " + pools + ": {}\n"
    try:
        assert list(node_pools(run)) == [0, 1]  # type: ignore[arg-type]
        first, second = held_by(run, code, 1, np.array([0.0, DAY_S]), pools=True)
        assert (first.pool, second.pool) == ("a", "b")
        assert first.parts == pytest.approx(np.array([[8.0]]))
        assert second.parts == pytest.approx(np.array([[8.0]]))
        run.scenario_yaml = "{not yaml"
        assert node_pools(run) is None
        run.scenario_yaml = "site:\n  " + pools.replace("b,", "b, cloud: {price: 1},") + ": {}\n"
        both = held_by(run, code, 1, np.array([0.0, DAY_S]), pools=True)
        assert [pool.cloud for pool in both] == [False, True]
        run.scenario_yaml = "{not yaml"
        (site,) = held_by(run, code, 1, np.array([0.0, DAY_S]), pools=True)
        assert site.parts == pytest.approx(np.array([[16.0]]))
    finally:
        run.scenario_yaml, run.summary["site"]["pools"] = whole, {"main": 16}


@pytest.mark.parametrize(
    "start", ["2025-01-06T00:00:00", "2025-01-06T17:00:00", "2025-01-06T08:17"]
)
def test_the_mean_day_by_the_clock(start: str) -> None:
    """Against a count minute by minute; second 0 may lie at any time of the day."""
    run = served(3, start=start)
    day = day_of(run)
    assert day is not None
    assert day.dated
    hour, minute = int(start[11:13]), int(start[14:16])
    minutes = np.arange(3 * 1440)
    of_run = minutes % 1440
    busy = np.where((of_run >= 490) & (of_run < 1200), 16.0, 8.0)
    step = (minutes + 60 * hour + minute) % 1440 // 30
    expected = np.bincount(step, busy) / np.bincount(step)
    assert day.pools[0].parts[0] == pytest.approx(expected)
    assert day.clock(17) == "08:30"


def test_guests_are_a_line_over_the_services() -> None:
    """A job on half of the GPUs of a node of the service from 00:00 to 06:00 of the second day."""
    lodging = served(2)
    lodging.stays = allocations([(3, 0, 0b1111, DAY_S, DAY_S + 6 * HOUR_S)])  # type: ignore[attr-defined]
    lodging.summary["guests"] = {"lent_gpu_s": 48 * HOUR_S, "filled_share": 0.5}
    found, day = who_held(lodging, 48), day_of(lodging)
    hour = np.arange(48)
    assert found.pools[0].guests == pytest.approx(4.0 * ((hour >= 24) & (hour < 30)))
    assert found.pools[0].parts == pytest.approx(who_held(served(2), 48).pools[0].parts)
    assert day is not None
    assert day.pools[0].guests == pytest.approx(2.0 * (np.arange(48) < 12))
    section = services(lodging)
    assert section is not None
    assert section.guests
    text = Page(report_html(lodging)).text
    assert "left 48 GPU-hours of their GPUs to others; jobs that ran beside them had 50.0 %" in text
    for shape in (WIDE, NARROW):
        inside(mean_day(day, shape), shape)
        held = who_held(lodging, shape.bins)
        inside(services_over_time(wanted_and_had(lodging), held, 2 * DAY_S, shape), shape)


def test_a_short_or_undated_run_has_no_day_of_its_own() -> None:
    assert day_of(served(1)) is None
    undated = served(2)
    undated.scenario_yaml = undated.scenario_yaml.replace("start: '2025-01-06T00:00:00'", "")
    day = day_of(undated)
    assert day is not None
    assert not day.dated


def test_the_section_in_words_and_figures(run: ServedRun) -> None:
    found = services(run)
    assert found is not None
    text = " ".join(found.sentences).replace("\xa0", " ")
    assert "Services had 99.5 % of the 144 replica-hours that they wanted." in text
    assert "Of 5 times that a replica was wanted, 4 waited for GPUs, 10.0 min at most" in text
    assert "Jobs gave way to replicas 4 times." in text
    assert "took 5.3 GPU-hours" in text
    assert "spent 2 GPU-hours on beginning again" in text
    assert "services hold 16 GPUs and jobs 0 at 08:30" in text
    assert "8 GPUs and jobs 8 at 00:00" in text
    row = Page(report_html(run)).row("chat")
    assert row[1:] == [
        "8",
        "144",
        "143",
        "99.5 %",
        "5",
        "4",
        "10.0 min",
        "0",
        "10.0 min",
        "4",
        "5.3",
    ]


def test_jobs_are_told_of_alone(run: ServedRun) -> None:
    html = report_html(run)
    page = Page(html)
    assert page.row("2–8")[1] == "1"  # one job of eight GPUs, and no replica
    assert "none of the" not in answer(run)
    assert "no job waited" in answer(run)
    ids = [row[0] for row in page.rows if row and row[0].startswith("chat/")]
    assert not ids
    assert '<section id="services">' in html
    assert_stands_alone(html)


def test_two_runs_with_other_services_have_the_same_jobs() -> None:
    first, other = served(3), served(3, name="search")
    text = Page(comparison_html([first, other], ["a", "b"])).text
    assert "not all given the same jobs" not in text
    assert "they cannot be paired" not in text


def test_runs_without_services_have_no_section() -> None:
    bare = served(2)
    del bare.summary["services"]
    assert services(bare) is None
    assert '<section id="services">' not in report_html(bare)


def test_a_run_that_does_not_tell_says_so() -> None:
    silent = served(2)
    silent.domains = silent.domains.iloc[:0]
    silent.allocations = allocations([])
    assert wanted_and_had(silent) == []
    text = Page(report_html(silent)).text
    assert "Replicas over time are not in the tables of this run" in text


def test_names_stay_text() -> None:
    hostile = served(2, name='<b onclick="x">&amp;')
    html = report_html(hostile)
    assert_stands_alone(html)
    assert "<b onclick" not in html
    assert '<b onclick="x">&amp;' in Page(html).text


@SHAPES
def test_words_of_the_pictures_stand_apart(run: ServedRun, shape: Shape) -> None:
    inside(
        services_over_time(wanted_and_had(run), who_held(run, shape.bins), 4 * DAY_S, shape), shape
    )
    day = day_of(run)
    assert day is not None
    inside(mean_day(day, shape), shape)


@SHAPES
def test_many_services_fit(shape: Shape) -> None:
    """Six services with long names: three have a colour, the rest share one."""
    many = served(3)
    told = many.summary["services"]["by_service"].pop("chat")
    parts = []
    for k in range(6):
        name = f"a-service-with-a-long-name-{k}"
        many.summary["services"]["by_service"][name] = told | {"wanted_gpu_s": 10.0 - k}
        parts.append(many.domains.assign(domain=name))
    many.domains = pd.concat(parts, ignore_index=True)
    many.jobs["job_id"] = [f"a-service-with-a-long-name-{k}/1-1" for k in range(4)] + ["tune"]
    assert largest_services(many)[0].endswith("-0")
    held = who_held(many, shape.bins)
    assert held.holders[3:] == ("other services", "jobs")
    assert sum(pool.parts.sum() for pool in held.pools) > 0
    series = wanted_and_had(many)
    assert len(series) == 3
    inside(services_over_time(series, held, 3 * DAY_S, shape), shape)


def test_a_year_is_drawn_from_few_points() -> None:
    """Bins of a year are whole days, so that no tide of days is aliased, and the page is small."""
    year = served(365)
    held = who_held(year, WIDE.bins)
    assert np.unique(np.diff(held.edges_s)) == pytest.approx([DAY_S])
    assert np.ptp(held.pools[0].parts[0]) == pytest.approx(0, abs=1e-6)
    found = services(year)
    assert found is not None
    assert len(found.pictures["time"].svg) < 150_000
    assert found.by_day
    series = wanted_and_had(year)
    for shape in (WIDE, NARROW):
        inside(services_over_time(series, who_held(year, shape.bins), 365 * DAY_S, shape), shape)
    assert re.search("services hold 16 GPUs", found.sentences[2].replace("\xa0", " "))
