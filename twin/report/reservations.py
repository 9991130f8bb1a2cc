"""The section of a run's page on reservations: what was asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from twin.errors import UnitError
from twin.report import numbers
from twin.report.batch import is_replica
from twin.report.figures.reservations import Lane, reservations_over_time
from twin.report.held import Array, bin_edges, in_bins, node_pools
from twin.report.picture import Picture, picture
from twin.report.source import length_s
from twin.report.theme import WIDE, Shape
from twin.results.store import Results
from twin.tables import look_up
from twin.units import TIME, parse_quantity

_MOST = 10  # reservations in the picture
_PARTS = ("used", "idle", "others", "short")  # of the node-time asked for, in the table's order


@dataclass(frozen=True)
class ReservationRow:
    """What became of a reservation, written out."""

    name: str
    pool: str
    nodes: str
    start: str
    end: str
    node_hours: str
    parts: tuple[str, ...]  # in the order used, idle, others, short
    complete: str
    gave_way: str
    drained: str


@dataclass(frozen=True)
class Reservations:
    """What the section is made of; no picture where nothing lies within the run."""

    sentence: str
    rows: list[ReservationRow]
    picture: Picture | None
    means: bool  # whether some bars have nothing but means over their length
    late: bool
    left_out: str


def reservations(run: Results) -> Reservations | None:
    """The section on reservations; None where there are none."""
    found: dict[str, dict[str, Any]] = look_up(run.summary, "reservations") or {}
    if not found:
        return None
    found = dict(sorted(found.items(), key=lambda item: (item[1]["start_s"], item[0])))
    begun = [name for name, each in found.items() if each["reserved_node_s"] > 0]
    left, drawn = len(begun) - _MOST, {name: found[name] for name in begun[:_MOST]}
    lanes = _lanes(run, drawn, WIDE)
    return Reservations(
        sentence=_sentence(found),
        rows=[_row(name, each) for name, each in found.items()],
        picture=_picture(run, drawn),
        means=any(lane.used is None for lane in lanes),
        late=any(lane.complete_s > lane.start_s for lane in lanes),
        left_out=f"The first {_MOST} of {len(begun)} are drawn." if left > 0 else "",
    )


def _sentence(found: Mapping[str, Mapping[str, Any]]) -> str:
    asked_s = sum(each["reserved_node_s"] for each in found.values())
    if not asked_s > 0:
        return "No reservation began before the end of the run."
    used_s = sum(each["used_node_s"] for each in found.values())
    short_s = sum(each["short_node_s"] for each in found.values())
    what = "The reservation" if len(found) == 1 else f"{numbers.count(len(found))} reservations"
    used = numbers.percent(used_s / asked_s)
    text = f"{what} asked for {numbers.gpu_hours(asked_s)} node-hours within the run. "
    text += f"Jobs that they were for used {used} of that" if len(found) > 1 else ""
    text += f"The jobs that it was for used {used} of that" if len(found) == 1 else ""
    if short_s > 1e-9 * asked_s:
        return f"{text}, and {numbers.percent(short_s / asked_s)} could not be had."
    return f"{text}; all of it could be had."


def _row(name: str, found: Mapping[str, Any]) -> ReservationRow:
    asked_s = found["reserved_node_s"]
    return ReservationRow(
        name=name,
        pool=str(found["pool"]),
        nodes=numbers.count(found["nodes"]),
        start=numbers.instant(found["start_s"]),
        end=numbers.instant(found["end_s"]),
        node_hours=numbers.gpu_hours(asked_s),
        parts=tuple(
            numbers.percent(found[f"{part}_node_s"] / asked_s) if asked_s > 0 else numbers.NOTHING
            for part in _PARTS
        ),
        complete=_complete(found),
        gave_way=numbers.count(found["jobs_preempted"]),
        drained=numbers.gpu_hours(found["drained_gpu_s"]),
    )


def _complete(found: Mapping[str, Any]) -> str:
    """When all nodes were had, in words; a dash where it never began or the run does not say."""
    if "complete_s" not in found or not found["reserved_node_s"] > 0:
        return numbers.NOTHING
    if found["complete_s"] is None:
        return "never all"
    late_s = found["complete_s"] - found["start_s"]
    return f"{numbers.duration(late_s)} late" if late_s > 1 else "in time"


def _picture(run: Results, found: Mapping[str, Mapping[str, Any]]) -> Picture | None:
    if not found:
        return None
    return picture(
        "reservations",
        lambda shape: reservations_over_time(_lanes(run, found, shape), shape),
        text="Reservations over time: nodes asked for, and what of them was used, idle, not had.",
    )


def _lanes(run: Results, found: Mapping[str, Mapping[str, Any]], shape: Shape) -> list[Lane]:
    asked = _asked(run)
    return [_lane(run, name, each, asked, shape) for name, each in found.items()]


def _lane(
    run: Results, name: str, found: Mapping[str, Any], asked: Mapping[str, Any], shape: Shape
) -> Lane:
    terms = asked.get(name, {})
    start_s, end_s = found["start_s"], min(found["end_s"], length_s(run))
    nodes = float(found["nodes"])
    lasts_s = found["reserved_node_s"] / nodes
    complete_s = found.get("complete_s")
    return Lane(
        name=name,
        pool=str(found["pool"]),
        nodes=nodes,
        closes_s=max(start_s - _seconds(terms.get("drain")), 0.0),
        start_s=start_s,
        end_s=end_s,
        complete_s=complete_s if complete_s is not None else start_s,
        complete=_complete(found),
        parts={part: found[f"{part}_node_s"] / lasts_s for part in _PARTS},
        used=_used(run, found, terms, shape),
    )


def _used(
    run: Results, found: Mapping[str, Any], terms: Mapping[str, Any], shape: Shape
) -> tuple[Array, Array] | None:
    """Edges [s] and nodes that its jobs held in the pool meanwhile; None if those are others too.

    Notes
    -----
    The tables do not say which nodes were reserved. Where its jobs held in the whole pool just what
    they held on them, all of it was there, and all of a picture is exact.
    """
    of_node, spells = node_pools(run), getattr(run, "allocations", None)
    pools = list(look_up(run.summary, "site.pools") or ())
    if of_node is None or spells is None or found["pool"] not in pools:
        return None
    if found["others_node_s"] > 0 or found["short_node_s"] > 0:
        return None  # when, the run does not say
    jobs, size = run.jobs, look_up(run.summary, "site.pools")[found["pool"]]
    here = of_node == pools.index(found["pool"])
    admits = jobs["group"].isin(_names(terms.get("group"))) | jobs["user"].isin(
        _names(terms.get("user"))
    )
    mine = (admits.to_numpy() & ~is_replica(jobs))[spells["job"].to_numpy()]
    mine &= here[spells["node"].to_numpy()]
    held = spells[mine]
    end_s = min(found["end_s"], length_s(run))
    gpus = np.bitwise_count(held["gpu_mask"].to_numpy().astype(np.uint64)).astype(float)
    nodes = gpus * int(here.sum()) / size
    edges_s = bin_edges(end_s - found["start_s"], shape.bins)
    from_s, to_s = (held[side].to_numpy(float) - found["start_s"] for side in ("start_s", "end_s"))
    used = in_bins(np.zeros(len(held), np.intp), from_s, to_s, nodes, 1, edges_s)[0]
    total_s = float(used @ np.diff(edges_s))
    if abs(total_s - found["used_node_s"]) > 1e-6 * max(found["reserved_node_s"], 1.0):
        return None
    return edges_s + found["start_s"], used


def _asked(run: Results) -> dict[str, dict[str, Any]]:
    """The reservations of the scenario, by name; none where it cannot be read."""
    try:
        read = yaml.load(run.scenario_yaml, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return {str(one["name"]): one for one in read["policies"]["reservations"]}
    except (yaml.YAMLError, ValueError, KeyError, TypeError):
        return {}


def _names(value: Any) -> list[str]:
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def _seconds(value: Any) -> float:
    try:
        return parse_quantity(value, TIME)
    except UnitError:
        return 0.0
