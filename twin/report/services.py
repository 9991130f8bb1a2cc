"""The section of a run's page on services: replicas wanted and had, and jobs around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twin.report import numbers
from twin.report.batch import batch_jobs, is_replica
from twin.report.figures.mean_day import mean_day
from twin.report.figures.services_over_time import services_over_time
from twin.report.mean_day import MeanDay, day_of
from twin.report.picture import Picture, picture
from twin.report.service_series import Series, joined, wanted_and_had, who_held
from twin.report.source import length_s
from twin.report.theme import WIDE, Shape
from twin.results.services import service_of
from twin.results.store import Results
from twin.tables import failures, look_up


@dataclass(frozen=True)
class ServiceRow:
    """What became of a service, written out."""

    name: str
    gpus: str  # of a replica
    wanted: str
    had: str
    share: str
    spells: str
    waited: str  # spells that waited for GPUs
    longest: str
    never_ran: str
    to_running: str
    gave_way: str
    lost: str


@dataclass(frozen=True)
class Services:
    """What the section is made of; pictures that a run gives no data for are left out."""

    sentences: list[str]
    rows: list[ServiceRow]
    guests: bool  # whether jobs ran in the gaps of services
    by_day: bool  # whether the picture has means of days
    pictures: dict[str, Picture]


def services(run: Results) -> Services | None:
    """The section on services; None where there are none, and the page has no such section."""
    found = look_up(run.summary, "services")
    if not found or not is_replica(run.jobs).any():
        return None
    series, day = wanted_and_had(run), day_of(run)
    rows = [_row(name, each, run.jobs) for name, each in _by_service(found).items()]
    return Services(
        sentences=[
            _answer(run, found),
            *_cost(run, found),
            *_gaps(run),
            *_by_day(day),
            *_silence(series),
        ],
        rows=rows,
        guests=any(pool.guests.any() for pool in who_held(run, 1).pools),
        by_day=any(
            np.diff(joined(one.edges_s, one.had, WIDE.bins)[0])[0] >= 86400 for one in series
        ),
        pictures=_pictures(run, series, day),
    )


def _by_service(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    named = {str(name): each for name, each in (found.get("by_service") or {}).items()}
    return named if len(named) == 1 else {**named, "": found}


def _row(name: str, found: Mapping[str, Any], jobs: pd.DataFrame) -> ServiceRow:
    mine = jobs[is_replica(jobs)]
    if name:
        mine = mine[service_of(mine) == name]
    waits_s = mine["wait_s"].to_numpy(float)
    waits_s = waits_s[waits_s > 0]
    sizes = [int(gpus) for gpus in mine["gpus"].unique()]
    p99_s = (found.get("to_running_s") or {}).get("p99")
    return ServiceRow(
        name=name or "all",
        gpus=numbers.count(sizes[0]) if len(sizes) == 1 else numbers.NOTHING,
        wanted=numbers.gpu_hours(found["wanted_replica_s"]),
        had=numbers.gpu_hours(found["served_replica_s"]),
        share=numbers.percent(found["served_share"]),
        spells=numbers.count(found["spells"]),
        waited=numbers.count(len(waits_s)),
        longest=numbers.duration(waits_s.max()) if len(waits_s) else numbers.NOTHING,
        never_ran=numbers.count(found["never_ran"]),
        to_running=numbers.duration(p99_s) if p99_s is not None else numbers.NOTHING,
        gave_way=numbers.count(found["jobs_preempted"]),
        lost=numbers.gpu_hours(found["lost_gpu_s"]),
    )


def _answer(run: Results, found: Mapping[str, Any]) -> str:
    had = numbers.percent(found["served_share"])
    wanted = numbers.gpu_hours(found["wanted_replica_s"])
    wait_s = run.jobs["wait_s"][is_replica(run.jobs)].to_numpy(float)
    late = int((wait_s > 0).sum())
    rest = "start-up" + (" and faults" if failures(run.summary) else "")
    text = f"Services had {had} of the {wanted} replica-hours that they wanted. "
    if not late:
        return f"{text}None waited for GPUs: what is missing is {rest}."
    longest = numbers.duration(float(np.nanmax(wait_s)))
    of_all = f"Of {numbers.count(len(wait_s))} times that a replica was wanted, "
    waited = f"{numbers.count(late)} waited for GPUs, {longest} at most"
    return f"{text}{of_all}{waited}. What is missing beside that is {rest}."


def _cost(run: Results, found: Mapping[str, Any]) -> list[str]:
    """What jobs gave up, in a sentence."""
    times = found["jobs_preempted"]
    if not len(batch_jobs(run)):
        return []
    if not times:
        return ["No job gave way to a replica."]
    lost = numbers.gpu_hours(found["lost_gpu_s"])
    jobs = batch_jobs(run)
    again_gpu_s = float(jobs["restart_gpu_s"][jobs["preemptions"] > 0].sum())
    often = "once" if times == 1 else f"{numbers.count(times)} times"
    return [
        f"Jobs gave way to replicas {often}. Saving, and work that was not saved, took "
        f"{lost} GPU-hours; the jobs that were preempted spent {numbers.gpu_hours(again_gpu_s)} "
        "GPU-hours on beginning again."
    ]


def _gaps(run: Results) -> list[str]:
    """What jobs made of the time that replicas left on their GPUs."""
    lent_gpu_s = look_up(run.summary, "guests.lent_gpu_s")
    filled = look_up(run.summary, "guests.filled_share")
    if not lent_gpu_s or filled is None:
        return []
    return [
        f"Replicas at work left {numbers.gpu_hours(lent_gpu_s)} GPU-hours of their GPUs to others; "
        f"jobs that ran beside them had {numbers.percent(filled)} of it."
    ]


def _by_day(day: MeanDay | None) -> list[str]:
    """When services and jobs hold most, on the mean day."""
    if day is None:
        return []
    held = np.sum([pool.parts for pool in day.pools], axis=0)
    service, jobs = held[:-1].sum(axis=0), held[-1]
    if not jobs.any() or np.ptp(service) < 1:
        return []
    high, low = int(service.argmax()), int(service.argmin())
    at_high, at_low = (
        f"{numbers.count(round(service[k]))} GPUs and jobs {numbers.count(round(jobs[k]))}"
        for k in (high, low)
    )
    return [
        f"On the mean day services hold {at_high} at {day.clock(high)}, when services hold most, "
        f"and {at_low} at {day.clock(low)}, when they hold least."
    ]


def _step_s(one: Series) -> float:
    """Width of the bins of the picture. [s]"""
    edges_s, _ = joined(one.edges_s, one.had, WIDE.bins)
    return float(edges_s[1] - edges_s[0])


def _silence(series: Sequence[Series]) -> list[str]:
    """What the run folder does not tell."""
    if series:
        return []
    return ["Replicas over time are not in the tables of this run; run the scenario again."]


def _pictures(run: Results, series: Sequence[Series], day: MeanDay | None) -> dict[str, Picture]:
    def over_time(shape: Shape) -> Any:
        return services_over_time(series, who_held(run, shape.bins), length_s(run), shape)

    drawn = {}
    if series or who_held(run, 1).pools:
        drawn["time"] = picture(
            "services-time",
            over_time,
            text="Replicas of services wanted and had, and GPUs that services and jobs hold.",
        )
    if day is not None:
        drawn["day"] = picture(
            "mean-day",
            lambda shape: mean_day(day, shape),
            text="GPUs that services and jobs hold by the hour of the day, mean over all days.",
        )
    return drawn
