"""What the page of a run says of power in words, cards and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twin.report import numbers
from twin.report.facts import Card
from twin.report.numbers import is_number
from twin.report.source import length_s
from twin.report.theme import ENERGY_COLOURS, SHARE_COLOURS
from twin.results.store import Results
from twin.tables import ENERGY_SHARES, Share

# The reasons why GPUs are dark, of the section ``power``, in words.
DARK_REASONS: Mapping[str, str] = {
    "power": "power-dark (a cap leaves GPUs off)",
    "heat": "heat-dark (cooling cannot carry their heat)",
    "demand": "demand-dark (off for lack of work)",
    "stranded": "stranded-dark (power here, work there)",
    "failure": "failure-dark (down)",
}
# Of the site and not of its GPUs: what comes off first on the way from the meter.
_OVERHEADS = ("cooling", "conversion", "network", "host")
ENERGY_ORDER: tuple[Share, ...] = (
    *(next(share for share in ENERGY_SHARES if share.name == name) for name in _OVERHEADS),
    *(share for share in ENERGY_SHARES if share.name not in _OVERHEADS),
)
_FULL = 0.995  # clocks from here on are written as 100 %
_LEVELS = ("site", "hall", "ups", "row", "rack", "node")


@dataclass(frozen=True)
class EnergyRow:
    """A share of the energy ledger, written out."""

    share: Share
    colour: str
    energy: str
    percent: str
    zero: bool


def energy_colour(name: str) -> str:
    """The colour of a share of the energy ledger: that of its time where there is such."""
    return ENERGY_COLOURS.get(name) or SHARE_COLOURS[name]


def sentences(run: Results, found: Mapping[str, Any]) -> list[str]:
    """What power did: how much was drawn of what could be, what it cost the GPUs, the clocks."""
    cap_w, site = _cap_w(found), found["levels"].get("site", {})
    said = f"The site drew {numbers.power(found['mean_w'])} in the mean"
    if cap_w:
        said += f", {numbers.percent(found['mean_w'] / cap_w, 0)} of its cap"
    said += f", and {numbers.power(found['peak_w'])} at most"
    if found.get("useful_gpus") is not None:
        said += (
            f"; its useful work is that of {numbers.count(found['useful_gpus'])} GPUs at full speed"
        )
    lines = [said + "."]
    if cap_w and is_number(site.get("oversubscription")) and site["oversubscription"] > 1:
        lines.append(
            f"All nodes at their most would draw {site['oversubscription']:.2f} times the cap, so "
            "not all of the silicon can run at full speed at once."
        )
    return [*lines, *_dark(run, found), *_clocks(found)]


def _dark(run: Results, found: Mapping[str, Any]) -> list[str]:
    """Why GPUs were dark, or that none was; how much of the rest was slowed."""
    dark = {k: float(v) for k, v in (found.get("dark_gpu_s") or {}).items() if v and v > 0}
    installed_gpu_s = float(run.summary["ledgers"]["gpu_time"]["total"])
    throttled = found.get("throttled_fraction") or 0.0
    slowed = (
        f"caps slowed jobs by {numbers.percent(throttled)} of the GPU-time bought"
        if throttled > 0
        else "no job was slowed by a cap"
    )
    if not dark or not installed_gpu_s > 0:
        return [f"No GPU was dark; {slowed}."]
    reasons = sorted(dark, key=lambda name: -dark[name])
    parts = [
        f"{numbers.percent(dark[name] / installed_gpu_s)}{' was' if name == reasons[0] else ''} "
        f"{DARK_REASONS.get(name, name)}"
        for name in reasons
    ]
    return [f"Of the GPU-time bought, {_listed(parts)}. Besides, {slowed}."]


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _clocks(found: Mapping[str, Any]) -> list[str]:
    """Quantiles of the clock in a sentence: a picture of one peak would say no more."""
    clock = found.get("clock") or {}
    if not all(is_number(clock.get(key)) for key in ("p1", "p5", "p50")):
        return []
    if clock["p1"] > _FULL:
        return ["GPUs at work ran at their highest clock for 99 % of their time or more."]
    median = numbers.percent(clock["p50"], 0)
    low = [
        f"below {numbers.percent(clock[key], 0)} for {of}\N{NO-BREAK SPACE}%"
        for key, of in (("p5", 5), ("p1", 1))
        if clock[key] <= _FULL
    ]
    return [
        f"GPUs at work ran at {median} of their highest clock in the median, "
        f"{_listed(low)} of their time."
    ]


def cards(run: Results, found: Mapping[str, Any]) -> list[Card]:
    """Power, what it bought, what kept it back and what it cost; what is unknown is left out."""
    cap_w = _cap_w(found)

    def of_cap(watts: float) -> str:
        return f"{numbers.percent(watts / cap_w)} of the cap" if cap_w else "at the meter"

    days = length_s(run) / 86400
    entries = [
        Card("mean power", numbers.power(found["mean_w"]), of_cap(found["mean_w"])),
        Card("peak power", numbers.power(found["peak_w"]), of_cap(found["peak_w"])),
        Card("P99 power", numbers.power(found["p99_w"]), f"over time; {of_cap(found['p99_w'])}"),
        Card("swing within steps (P99)", numbers.power(found["swing_w"]), "of jobs in lockstep"),
    ]
    if cap_w:
        entries.append(Card("cap", numbers.power(cap_w), "of the site, in the mean"))
    if is_number(found.get("pue")):
        entries.append(Card("PUE", f"{found['pue']:.3f}", "energy at the meter over that of IT"))
    entries.append(
        Card(
            "energy",
            numbers.energy(found["facility_energy_j"]),
            f"{numbers.energy(found['facility_energy_j'] / days)} a day" if days > 0 else "",
        )
    )
    for key, label, more in (
        ("useful_gpus", "useful GPUs", "useful work, in GPUs at full speed"),
        ("useful_gpus_per_mw", "useful GPUs per MW", "of mean power"),
        ("useful_gpus_per_mw_of_cap", "useful GPUs per MW of cap", "of what the site may draw"),
    ):
        if is_number(found.get(key)):
            entries.append(Card(label, numbers.count(found[key]), more))
    for key, label, more in (
        ("powered_fraction", "powered fraction", "GPU-time energised, of what was bought"),
        ("dim_fraction", "dim", "of powered GPU-time, below 95 % of the highest clock"),
        ("throttled_fraction", "throttled fraction", "GPU-time that caps cost jobs"),
    ):
        if is_number(found.get(key)):
            entries.append(Card(label, numbers.percent(found[key]), more))
    if is_number(found.get("energy_per_useful_gpu_hour_j")):
        per_hour = numbers.energy(found["energy_per_useful_gpu_hour_j"])
        entries.append(Card("energy per useful GPU-hour", per_hour, "at the meter"))
    longest = found.get("longest_violation_s") or 0.0
    entries.append(
        Card(
            "time above the cap",
            numbers.duration(found["cap_violation_s"]),
            f"over all domains; {numbers.duration(longest)} at a stretch" if longest else "",
        )
    )
    return entries + _costs(run.summary.get("cost"))


def _costs(cost: object) -> list[Card]:
    """Money, carbon and water, where the run knows them."""
    if not isinstance(cost, Mapping):
        return []
    entries = []
    if is_number(cost.get("usd")):
        parts = [
            f"{name} {numbers.money(cost[key])}"
            for key, name in (
                ("usd_energy", "energy"),
                ("usd_demand", "demand charge"),
                ("usd_own", "own GPUs"),
            )
            if is_number(cost.get(key))
        ]
        entries.append(Card("cost", numbers.money(cost["usd"]), ", ".join(parts)))
    if is_number(cost.get("usd_per_useful_gpu_hour")):
        entries.append(
            Card(
                "cost per useful GPU-hour",
                numbers.money(cost["usd_per_useful_gpu_hour"]),
                "GPUs included" if "usd_own" in cost else "of power alone",
            )
        )
    if is_number(cost.get("kgco2")):
        entries.append(Card("carbon", numbers.mass(cost["kgco2"]), "CO2 of the energy drawn"))
    if is_number(cost.get("water_l")) and cost["water_l"]:
        entries.append(Card("water", numbers.volume(cost["water_l"]), "evaporated by cooling"))
    return entries


def level_rows(run: Results, found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The levels of the power tree from the site down."""
    levels: Mapping[str, Mapping[str, Any]] = found["levels"]
    longest_s = {}
    if run.power is not None:
        level = run.power["level"].astype(str)
        longest_s = run.power.groupby(level)["longest_violation_s"].max().to_dict()
    rows = []
    for name in sorted(levels, key=_place):
        level_found = levels[name]
        over = level_found.get("oversubscription")
        over_s = level_found["violation_s"]
        rows.append(
            {
                "level": name,
                "domains": numbers.count(level_found["domains"]),
                "mean": numbers.power(level_found["mean_w"]),
                "peak": numbers.power(level_found["peak_w"]),
                "cap": numbers.power(level_found.get("cap_w") or float("nan")),
                "oversubscription": f"{over:.2f}" if is_number(over) else numbers.NOTHING,
                "headroom": _signed_percent(level_found.get("headroom")),
                "above": numbers.duration(over_s) if is_number(over) else numbers.NOTHING,
                "longest": numbers.duration(longest_s[name])
                if is_number(over) and name in longest_s
                else numbers.NOTHING,
                "swing": numbers.power(level_found["swing_w"]),
            }
        )
    return rows


def energy_rows(ledger: Mapping[str, Any]) -> list[EnergyRow]:
    """Every share of the energy ledger, zero ones too, from the meter to what was useful."""
    total = float(ledger["total"])
    rows = []
    for share in ENERGY_ORDER:
        part = float(ledger["shares"].get(share.name, 0.0))
        rows.append(
            EnergyRow(
                share=share,
                colour=energy_colour(share.name),
                energy=numbers.energy(part),
                percent=numbers.percent(part / total) if total > 0 else numbers.NOTHING,
                zero=part == 0,
            )
        )
    return rows


def _place(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)


def _cap_w(found: Mapping[str, Any]) -> float:
    """The site's cap, its mean over time; 0 where it has none. [W]"""
    cap_w = found["levels"].get("site", {}).get("cap_w")
    return float(cap_w) if is_number(cap_w) else 0.0


def _signed_percent(fraction: Any) -> str:
    """A share that may be below zero, as a percentage."""
    if not is_number(fraction):
        return numbers.NOTHING
    text = f"{100 * abs(fraction):.1f}"
    sign = numbers.MINUS if fraction < 0 and float(text) else ""
    return f"{sign}{text}\N{NO-BREAK SPACE}%"
