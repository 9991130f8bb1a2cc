"""What the page of a run says of failures in words, cards and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twin.report import numbers
from twin.report.facts import Card, shortened
from twin.report.source import installed_gpus, ledger, length_s
from twin.results.store import Results
from twin.tables import INCIDENT_COSTS

_USERS = 12  # rows of the table of users


def cost_gpu_s(row: Mapping[str, Any]) -> float:
    """All that a component cost. [GPU s]"""
    return float(sum(row[cost.column] for cost in INCIDENT_COSTS))


def sentences(run: Results, found: Mapping[str, Any]) -> list[str]:
    """What failures did: how often, at what cost, the dearest cause, the worst incident."""
    incidents, interruptions = found["incidents"], found["interruptions"]
    if not incidents:
        return ["Nothing failed in this run."]
    said = f"{_things(incidents, 'incident')} stopped jobs {_times(interruptions)}"
    if numbers.is_number(found["mtti_s"]):
        said += f", once every {numbers.duration(found['mtti_s'])} that a job ran"
    all_gpu_s = sum(cost_gpu_s(row) for row in found["by_component"])
    total_gpu_s = float(ledger(run)["total"])
    if not all_gpu_s > 0 or not total_gpu_s > 0:
        return [said + "."]
    hours = f"{numbers.gpu_hours(all_gpu_s)}\N{NO-BREAK SPACE}GPU-hours"
    said += f"; they cost {hours}, {numbers.percent(all_gpu_s / total_gpu_s)} of what was bought."
    return [said, *_dearest(found["by_component"], all_gpu_s), *_worst(found["worst_incident"])]


def _dearest(rows: Sequence[Mapping[str, Any]], all_gpu_s: float) -> list[str]:
    if len(rows) < 2:
        return []
    dearest = rows[0]
    part = cost_gpu_s(dearest)
    largest = max(INCIDENT_COSTS, key=lambda cost: float(dearest[cost.column]))
    return [
        f"The dearest cause was {shortened(dearest['component'])}, with "
        f"{numbers.percent(part / all_gpu_s, 0)} of that, mostly {largest.label} "
        f"({largest.meaning})."
    ]


def _worst(worst: Mapping[str, Any] | None) -> list[str]:
    return [f"The worst single incident: {incident(worst)}."] if worst else []


def incident(worst: Mapping[str, Any]) -> str:
    """The worst incident in words: what, when, what it took, whom it hit and what it cost."""
    took = (
        f"took {_things(worst['gpus_down'], 'GPU')} down"
        if worst["gpus_down"]
        else "took no GPU down"
    )
    hit = (
        f"hit {_things(worst['jobs_hit'], 'job')} of {_things(worst['users_hit'], 'user')}"
        if worst["jobs_hit"]
        else "hit no job"
    )
    hours = f"{numbers.gpu_hours(worst['gpu_s'])}\N{NO-BREAK SPACE}GPU-hours"
    return (
        f"{named(worst['component'], worst['domain'])}, on {numbers.instant(worst['time_s'])}, "
        f"{took}, {hit} and cost {hours}"
    )


def named(component: object, domain: object, most: int = 60) -> str:
    """A cause and where it was, as in ``pdu, row 3``; ``node 7`` says both."""
    what, where = shortened(component), shortened(domain)
    text = where if f"{where} ".startswith(f"{what} ") else f"{what}, {where}"
    return text if len(text) <= most else text[: most - 1] + "…"


def cards(run: Results, found: Mapping[str, Any]) -> list[Card]:
    """How often, whom, for how long; MTTI, ETTR and the like are with the other headlines."""
    days, n = length_s(run) / 86400, found["incidents"]
    recovery = found.get("recovery_s") or {}
    users = found["availability_by_user"]
    entries = [
        Card("incidents", numbers.count(n), f"{n / days:,.2g} a day" if days > 0 and n else ""),
        Card("interruptions", numbers.count(found["interruptions"]), "times that a job stopped"),
        Card(
            "users hit by an incident",
            f"{found.get('users_hit_mean', 0):,.2g}",
            f"on average; P99 {found.get('users_hit_p99', 0):,.3g}",
        ),
    ]
    if numbers.is_number(recovery.get("mean")):
        entries.append(
            Card(
                "mean time to recover",
                numbers.duration(recovery["mean"]),
                "until parts and jobs were all well; median "
                + numbers.duration(recovery.get("p50") or 0.0),
            )
        )
    if numbers.is_number(users.get("min")) and set(users.get("worst", ())) != {""}:
        entries.append(
            Card(
                "availability, worst user",
                numbers.percent(users["min"], 2),
                f"of {_things(users.get('users', 0), 'user')}; mean "
                + numbers.percent(users.get("mean", 1.0), 2),
            )
        )
    worst = found["worst_incident"]
    if worst and installed_gpus(run):
        share = worst["gpus_down"] / installed_gpus(run)
        entries.append(
            Card(
                "GPUs down in the worst incident",
                numbers.count(worst["gpus_down"]),
                f"{numbers.percent(share)} of what is installed",
            )
        )
    return entries


def component_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Causes, the dearest first, with their GPU-time by kind. [GPU s]"""
    return [
        {
            "component": shortened(row["component"]),
            "incidents": row["incidents"],
            "jobs_hit": row["jobs_hit"],
            "costs": [float(row[cost.column]) for cost in INCIDENT_COSTS],
            "all": cost_gpu_s(row),
        }
        for row in found["by_component"]
    ]


def size_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Jobs by size, in powers of two: how often they were stopped, and how much of it was luck."""
    rows = []
    for size in found["by_size"]:
        low, high = (numbers.duration(size[key]) for key in ("mtti_low_s", "mtti_high_s"))
        rows.append(
            {
                "gpus": numbers.count(size["gpus"]),
                "jobs": numbers.count(size["jobs"]),
                "ran": numbers.duration(size["ran_s"]),
                "interruptions": numbers.count(size["interruptions"]),
                "mtti": numbers.duration(size["mtti_s"]),
                "interval": f"over {low}" if high == numbers.NOTHING else f"{low} to {high}",
                "expected": numbers.duration(size["expected_mtti_s"]),
                "ettr": numbers.percent(size["ettr"]),
                "goodput": numbers.percent(size["goodput"]),
            }
        )
    return rows


def user_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Users whose jobs stood still for most of their time, the worst first; the nameless not."""
    worst = found["availability_by_user"].get("worst") or {}
    hit = [(user, share) for user, share in worst.items() if user and share < 1]
    return [(shortened(user), numbers.percent(share, 2)) for user, share in hit[:_USERS]]


def _things(number: int, noun: str) -> str:
    return f"{numbers.count(number)} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    words = {0: "no time", 1: "once", 2: "twice"}
    return words.get(number, f"{numbers.count(number)} times")
