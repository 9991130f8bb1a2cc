"""The section of a run's page on clouds: what was rented, used, paid, and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin.report import numbers
from twin.report.figures.clouds import clouds_over_time
from twin.report.picture import Picture, picture
from twin.report.rented import rented, spent
from twin.report.source import length_s
from twin.report.theme import WIDE, Shape
from twin.results.store import Results
from twin.tables import look_up


@dataclass(frozen=True)
class CloudRow:
    """What was rented of a cloud, written out; hours are of GPUs."""

    name: str
    jobs: str
    rentals: str
    peak: str
    hours: str
    held: str  # shares of the hours
    coming: str
    idle: str
    price: str
    rent: str
    egress: str
    per_hour: str  # rent and egress, by the hour held
    reclaims: str


@dataclass(frozen=True)
class Clouds:
    """What the section is made of; no picture where the run has no table of rentals."""

    sentences: list[str]
    rows: list[CloudRow]
    picture: Picture | None
    egress_drawn: bool


def clouds(run: Results) -> Clouds | None:
    """The section on clouds; None where the site has none."""
    found = look_up(run.summary, "cloud")
    if not found:
        return None
    table = getattr(run, "rentals", None)
    drawn, lines = None, []
    if table is not None and length_s(run) > 0:
        lines = [line.name for line in spent(run, table, rented(run, table, 1).edges_s)]

        def draw(shape: Shape) -> Any:
            seen = rented(run, table, shape.bins)
            return clouds_over_time(seen, spent(run, table, seen.edges_s), shape)

        drawn = picture(
            "clouds",
            draw,
            text="Own and rented GPUs over time, nodes taken back, and money spent.",
        )
    named = {str(name): each for name, each in (found.get("by_pool") or {}).items()}
    pools = list(table["pool"].astype(str).unique()) if table is not None else []
    only = pools[0] if len(pools) == 1 else "cloud"
    rows = [_row(name, each) for name, each in named.items()]
    return Clouds(
        sentences=[_answer(found), *_beside_own(run, found)],
        rows=[*rows, _row("all" if named else only, found)],
        picture=drawn,
        egress_drawn="egress" in lines or not found["egress_usd"],
    )


def _answer(found: Mapping[str, Any]) -> str:
    if not found["rentals"]:
        return "No node was rented."
    gpus, hours = numbers.count(found["peak_gpus"]), numbers.count(found["gpu_hours"])
    text = f"Up to {gpus} GPUs were rented at a time, {hours} GPU-hours in all"
    held = numbers.percent(found["held_gpu_hours"] / found["gpu_hours"])
    text += f"; jobs held {held} of these." if found["gpu_hours"] > 0 else "."
    if found["reclaims"]:
        back, rentals = numbers.count(found["reclaims"]), numbers.count(found["rentals"])
        verb = "was" if found["reclaims"] == 1 else "were"
        text += f" Of {rentals} nodes rented, {back} {verb} taken back."
    return text


def _beside_own(run: Results, found: Mapping[str, Any]) -> list[str]:
    """What an hour of a GPU that jobs held cost, rented and one's own."""
    if not found["held_gpu_hours"] > 0:
        return []
    usd = found["usd"] + found["egress_usd"]
    text = f"With data moved back that came to {numbers.money(usd)}, "
    text += f"{numbers.money(usd / found['held_gpu_hours'])} for each GPU-hour that jobs held"
    own_usd, table = look_up(run.summary, "cost.usd_own"), getattr(run, "rentals", None)
    if not own_usd or table is None:
        return [text + "."]
    seen = rented(run, table, WIDE.bins)
    own_hours = float(seen.own_held @ np.diff(seen.edges_s)) / 3600
    if not own_hours > 0:
        return [text + "."]
    own = numbers.money(own_usd / own_hours)
    return [f"{text}; one's own cost {own}, with those paid for and not held."]


def _row(name: str, found: Mapping[str, Any]) -> CloudRow:
    hours, held = found["gpu_hours"], found["held_gpu_hours"]
    billed, usd = found["billed_gpu_hours"], found["usd"] + found["egress_usd"]
    share = {
        key: numbers.percent(found[f"{key}_gpu_hours"] / hours) if hours > 0 else numbers.NOTHING
        for key in ("held", "provisioning", "idle")
    }
    return CloudRow(
        name=name,
        jobs=numbers.count(found["jobs"]),
        rentals=numbers.count(found["rentals"]),
        peak=numbers.count(found["peak_gpus"]),
        hours=numbers.count(hours),
        held=share["held"],
        coming=share["provisioning"],
        idle=share["idle"],
        price=numbers.money(found["usd"] / billed) if billed > 0 else numbers.NOTHING,
        rent=numbers.money(found["usd"]),
        egress=numbers.money(found["egress_usd"]),
        per_hour=numbers.money(usd / held) if held > 0 else numbers.NOTHING,
        reclaims=numbers.count(found["reclaims"]),
    )
