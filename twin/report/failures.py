"""The section of a run's page on failures: figures, sentences, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twin import tables
from twin.report import reliability
from twin.report.facts import Card
from twin.report.figures.blast_radius import blast_radius
from twin.report.figures.incidents import incidents
from twin.report.figures.interruptions import interruptions
from twin.report.figures.loss_by_cause import loss_by_cause
from twin.report.figures.node_map import node_map
from twin.report.moments import moments
from twin.report.numbers import is_number
from twin.report.picture import Picture, picture
from twin.report.source import installed_gpus, length_s
from twin.results.store import Results


@dataclass(frozen=True)
class Failures:
    """What the section is made of; pictures that a run gives no data for are left out."""

    sentences: list[str]
    cards: list[Card]
    costs: tuple[tables.Cost, ...]
    components: list[dict[str, Any]]
    sizes: list[dict[str, str]]
    users: list[tuple[str, str]]
    expects: bool  # whether rates say how often jobs are to be interrupted
    planned: bool  # whether jobs were also stopped by what those rates leave out
    worst: str
    where: str
    pictures: dict[str, Picture]


def failures(run: Results) -> Failures | None:
    """The section on failures; None where nothing could fail, and the page has no such section."""
    found = tables.failures(run.summary)
    if found is None:
        return None
    seen = bool(found["incidents"])
    pictures = _pictures(run, found) if seen else {}
    if found["by_size"]:
        pictures["sizes"] = picture(
            "interruptions",
            lambda shape: interruptions(found["by_size"], shape),
            text="Mean time to interruption by GPUs of a job, seen and expected.",
        )
    where = ""
    places = moments(run, found) if seen else None
    if places is not None:
        where = places.where
        pictures["map"] = picture(
            "node-map",
            lambda shape: node_map(places, shape),
            text="Which job held which node before, after and when the worst incident was over.",
        )
    return Failures(
        sentences=reliability.sentences(run, found),
        cards=reliability.cards(run, found),
        costs=tables.INCIDENT_COSTS,
        components=reliability.component_rows(found),
        sizes=reliability.size_rows(found),
        users=reliability.user_rows(found),
        expects=any(is_number(size["expected_mtti_s"]) for size in found["by_size"]),
        planned=seen and _planned(run.incidents),
        worst=reliability.incident(found["worst_incident"]) if seen else "",
        where=where,
        pictures=pictures,
    )


def _planned(table: pd.DataFrame) -> bool:
    """Whether maintenance, or slow parts that were pulled, stopped jobs."""
    evicted = table["kind"].isin(["maintenance", "slow", "degraded"]) & (table["gpus_down"] > 0)
    return bool((evicted & (table["jobs_hit"] > 0)).any())


def _pictures(run: Results, found: Mapping[str, Any]) -> dict[str, Picture]:
    """Pictures of what happened."""
    end_s, gpus, table = length_s(run), installed_gpus(run), run.incidents
    return {
        "causes": picture(
            "causes",
            lambda shape: loss_by_cause(found["by_component"], shape),
            text="GPU-time that each class of parts cost, by kind; the table has the numbers.",
        ),
        "incidents": picture(
            "incidents",
            lambda shape: incidents(table, run.timeline, end_s, gpus, shape),
            text="GPUs at work over time, and below them the incidents by class of parts.",
        ),
        "radius": picture(
            "radius",
            lambda shape: blast_radius(table, shape),
            text="Share of incidents that stop a given number of GPUs or more.",
        ),
    }
