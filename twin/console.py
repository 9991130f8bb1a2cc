"""What a person reads on the terminal: a run in 15 lines, a comparison as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from twin.report import numbers
from twin.report.numbers import is_fraction
from twin.tables import (
    GPU_TIME_SHARES,
    HEADLINES,
    INCIDENT_COSTS,
    Headline,
    failures,
    gpu_time_bought,
    look_up,
    tells,
)
from twin.units import format_duration, format_si

if TYPE_CHECKING:
    from twin.results.store import Results

_BAR = 24
_FELT = ("wait_s.mean", "wait_s.p99", "queued_s.mean", "jct_s.mean", "bounded_slowdown.mean")
_SIDE_BY_SIDE = 4  # runs; more stand below each other


def headline_text(headline: Headline, value: float | None) -> str:
    """A headline figure as a person writes it."""
    if value is None or value != value:
        return "-"
    if headline.unit == "s":
        return format_duration(value)
    if is_fraction(headline):
        return f"{100 * value:.1f} %"
    if headline.unit:  # W, USD, kg
        return _plain(numbers.headline(headline, value))
    whole = float(value).is_integer() or abs(value) >= 1000  # cents of thousands tell nothing
    return f"{value:,.0f}" if whole else f"{value:,.2f}"


def plural(number: int, noun: str) -> str:
    """A number of things, in the singular or the plural."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def run_lines(results: Results) -> list[str]:
    """A run in about 15 lines: what ran, where the GPU-time went, what users felt."""
    summary = results.summary
    jobs = summary["jobs"]
    states = ", ".join(
        f"{jobs[state]:,} {state}" for state in jobs if state != "submitted" and jobs[state]
    )
    lines = [
        f"{summary['scenario']}: {plural(jobs['submitted'], 'job')} "
        f"on {_gpus(summary)} "
        f"for {format_duration(summary['horizon_s'])} ({states or 'none submitted'})",
        "",
        "where the GPU-time went",
    ]
    ledger = gpu_time_bought(summary) or {}
    for share in GPU_TIME_SHARES:
        part = ledger["shares"][share.name] / ledger["total"] if ledger["total"] else 0.0
        if part > 0:
            bar = "█" * round(part * _BAR)
            lines.append(f"  {share.label:<14} {100 * part:5.1f} %  {bar}".rstrip())
    lines += ["", "what users felt"]
    waited = summary["waited_fraction"]
    lines.append(f"  {'jobs that waited':<28} {100 * waited:.1f} %")
    for headline in HEADLINES:
        if headline.key in _FELT and tells(headline, summary):
            value = look_up(summary, headline.key)
            lines.append(f"  {headline.label:<28} {headline_text(headline, value)}")
    if jobs["rejected"]:
        lines.append(
            f"  {plural(jobs['rejected'], 'job')} rejected: larger than any one pool, or of a pool "
            "or GPU type that is not there"
        )
    intake, late = summary["workload"], summary["jobs_not_submitted"]
    if late:
        lines.append(f"  {plural(late, 'job')} left out: submitted after the end")
    if intake["skipped_rows"]:
        lines.append(f"  {plural(intake['skipped_rows'], 'bad row')} of the trace left out")
    for cause, dropped in intake["dropped"].items():
        lines.append(f"  {plural(dropped, 'job')} left out: {cause}")
    if "services" in summary:
        lines += ["", "what services got", *_service_lines(summary["services"])]
    if "guests" in summary:
        lines += _guest_lines(summary["guests"])
    if "cloud" in summary:
        lines += ["", "what was rented", *_cloud_lines(summary)]
    if "reservations" in summary:
        lines += ["", "what was reserved", *_reservation_lines(summary["reservations"])]
    if failures(summary) is not None:
        lines += ["", "what failed", *_reliability_lines(summary)]
    if look_up(summary, "power.levels"):
        lines += ["", "power", *_power_lines(summary)]
    engine = summary["engine"]
    speed = engine["events"] / engine["wall_s"] if engine["wall_s"] else 0.0
    pace = f"{engine['wall_s']:.1f} s ({format_si(speed, 'events/s')})"
    memory = format_si(engine["peak_rss_bytes"], "B")
    lines += [
        "",
        f"{plural(engine['events'], 'event')} in {pace}, {memory} of memory",
    ]
    return lines


def _gpus(summary: dict[str, Any]) -> str:
    """GPUs of a site; those of clouds, which are there only while they are rented, apart."""
    gpus, rentable = summary["site"]["gpus"], summary["site"].get("rentable_gpus", 0)
    own = plural(gpus - rentable, "GPU")
    return own + (f" and up to {rentable:,} of clouds" if rentable else "")


def _service_lines(found: dict[str, Any]) -> Iterator[str]:
    """What each service was given of what it wanted, and who gave way to it: two lines each."""
    for name, seen in found["by_service"].items():
        yield (
            f"  {name:<28} {100 * seen['served_share']:.1f} % of "
            f"{seen['wanted_replica_s'] / 3600:,.0f} replica-hours, "
            f"{plural(seen['jobs_preempted'], 'preemption')}"
        )
        if seen["to_running_s"]:
            mean, p99 = (format_duration(seen["to_running_s"][key]) for key in ("mean", "p99"))
            yield f"  {'  from wanted to running':<28} {mean}, P99 {p99}"


def _guest_lines(found: dict[str, Any]) -> list[str]:
    """The time that services left of their GPUs, and who had it: a line."""
    lent = f"{found['lent_gpu_s'] / 3600:,.0f} GPU-hours left"
    if not found["lent_gpu_s"]:
        return [f"  {'gaps':<28} none"]
    if not found["jobs"]:
        return [f"  {'gaps':<28} {lent}, no guests"]
    filled = f"{100 * found['filled_share']:.1f} % had by {plural(found['jobs'], 'guest')}"
    return [f"  {'gaps':<28} {lent}, {filled}"]


def _cloud_lines(summary: dict[str, Any]) -> Iterator[str]:
    """Nodes of clouds, what jobs had of them, and what all GPUs cost: two lines."""
    found, cost = summary["cloud"], summary["cost"]
    hours = found["gpu_hours"]
    held = f", {100 * found['held_gpu_hours'] / hours:.1f} % held by jobs" if hours else ""
    back = f", {found['reclaims']:,} taken back" if found["reclaims"] else ""
    yield f"  {plural(found['rentals'], 'node') + back:<28} {hours:,.0f} GPU-hours{held}"
    away = found["usd"] + found["egress_usd"]
    yield f"  {'cost':<28} {cost['usd']:,.0f} USD, {away:,.0f} USD of it for clouds"


def _reservation_lines(found: dict[str, Any]) -> Iterator[str]:
    """What became of each reservation, and what it took: two lines each."""
    for name, seen in found.items():
        hours = seen["reserved_node_s"] / 3600
        parts = [
            f"{100 * seen[f'{what}_node_s'] / 3600 / hours:.1f} % {what}"
            for what in ("used", "idle", "others", "short")
            if hours and seen[f"{what}_node_s"]
        ]
        yield f"  {name:<28} {', '.join(parts or ['nothing'])} of {hours:,.0f} node-hours"
        took = f"{seen['drained_gpu_s'] / 3600:,.0f} GPU-hours drained"
        yield f"  {'':<28} {took}, {plural(seen['jobs_preempted'], 'preemption')}"


def _reliability_lines(summary: dict[str, Any]) -> Iterator[str]:
    """Incidents and what jobs met of them, for a run in which something might fail."""
    seen = summary["reliability"]
    yield f"  {'incidents':<32} {seen['incidents']:,}"
    yield f"  {'interruptions of jobs':<32} {seen['interruptions']:,}"
    for headline in HEADLINES:
        if headline.key.startswith("reliability."):
            value = look_up(summary, headline.key)
            yield f"  {headline.label:<32} {headline_text(headline, value)}"
    causes = [
        (sum(row[cost.column] for cost in INCIDENT_COSTS), row["component"])
        for row in seen["by_component"]
    ]
    if causes and causes[0][0] > 0:
        gpu_s, name = causes[0]
        share = gpu_s / sum(each for each, _ in causes)
        yield (
            f"  {'dearest cause':<32} {name}: {gpu_s / 3600:,.0f} GPU-hours, "
            f"{100 * share:.0f} % of what failures cost"
        )


def _power_lines(summary: dict[str, Any]) -> Iterator[str]:
    """Power against its cap, what was dark or slowed, what it cost: three lines."""
    found = summary["power"]
    cap_w = look_up(found, "levels.site.cap_w")
    parts = []
    for name in ("mean", "peak"):
        watts = found[f"{name}_w"]
        share = f" ({100 * watts / cap_w:.0f} % of the cap)" if cap_w else ""
        parts.append(_plain(numbers.power(watts)) + share)
    yield f"  {'mean, peak power':<28} {', '.join(parts)}"
    total = summary["ledgers"]["gpu_time"]["total"]
    dark = {why: gpu_s / total for why, gpu_s in found["dark_gpu_s"].items() if gpu_s and total}
    most = f" (mostly {max(dark, key=lambda why: dark[why])}-dark)" if len(dark) > 1 else ""
    lost = f"{100 * sum(dark.values()):.1f} %{most}, {100 * found['throttled_fraction']:.1f} %"
    yield f"  {'dark, throttled':<28} {lost} of GPU-time"
    costs = {"PUE": f"{found['pue']:.3f}"} if found.get("pue") else {}
    for name, key, written in (("cost", "usd", numbers.money), ("carbon", "kgco2", numbers.mass)):
        value = look_up(summary, f"cost.{key}")
        costs |= {name: _plain(written(value))} if numbers.is_number(value) else {}
    if costs:
        yield f"  {', '.join(costs):<28} {', '.join(costs.values())}"


def _plain(text: str) -> str:
    """Text of a page for a terminal."""
    return text.replace("\N{NO-BREAK SPACE}", " ").replace(numbers.MINUS, "-")


def comparison_lines(runs: Sequence[Results], labels: Sequence[str]) -> list[str]:
    """Headline figures of several runs side by side, with differences from the first.

    More than four stand below each other, with the figures that schedulers are compared by.
    """
    if len(runs) > _SIDE_BY_SIDE:
        return _run_by_run(runs, labels)
    rows: list[list[str]] = [["", labels[0]]]
    for label in labels[1:]:
        rows[0] += [label, "change"]
    for headline in HEADLINES:
        if not any(tells(headline, run.summary) for run in runs):
            continue
        values = [look_up(run.summary, headline.key) for run in runs]
        row = [headline.label, headline_text(headline, values[0])]
        for value in values[1:]:
            row += [headline_text(headline, value), change_text(headline, values[0], value)]
        rows.append(row)
    for share in GPU_TIME_SHARES:
        parts = [_part(run.summary, share.name) for run in runs]
        if any(parts):
            row = [f"GPU-time {share.label}", f"{100 * parts[0]:.1f} %"]
            for part in parts[1:]:
                row += [f"{100 * part:.1f} %", f"{_signed(100 * (part - parts[0]))} points"]
            rows.append(row)
    return columns(rows)


_RUN_BY_RUN = {
    "utilisation": "utilisation",
    "jobs.completed": "completed",
    "queued_s.mean": "mean wait",
    "queued_s.p99": "P99 wait",
    "jct_s.mean": "mean JCT",
    "jct_s.p99": "P99 JCT",
    "bounded_slowdown.mean": "slowdown",
    "makespan_s": "makespan",
    "scheduling.jain": "Jain",
    "scheduling.preemptions": "preemptions",
    "power.mean_w": "mean power",
    "cost.usd": "cost",
}


def _run_by_run(runs: Sequence[Results], labels: Sequence[str]) -> list[str]:
    """One line a run; waits are all waits, those after giving way included."""
    entries = {entry.key: entry for entry in HEADLINES}
    shown = [
        (entries[key], name)
        for key, name in _RUN_BY_RUN.items()
        if any(look_up(run.summary, key) is not None for run in runs)
    ]
    rows = [["", *(name for _, name in shown)]]
    for run, label in zip(runs, labels, strict=True):
        values = ((entry, look_up(run.summary, entry.key)) for entry, _ in shown)
        rows.append([label, *(headline_text(entry, value) for entry, value in values)])
    return columns(rows)


def columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Rows of cells as lines: the first columns to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell:<{width}}" if i < left else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def change_text(headline: Headline, first: float | None, other: float | None) -> str:
    """A difference from the first run, relative where that means something."""
    if first is None or other is None:
        return "-"
    if is_fraction(headline):
        return f"{_signed(100 * (other - first))} points"
    if first == other:
        return "same"
    if not first:  # nothing to be relative to
        return f"{'+' if other > 0 else ''}{headline_text(headline, other)}"
    return f"{_signed(100 * (other / first - 1))} %"


def _signed(value: float) -> str:
    """With its sign, but that of what rounds to nothing."""
    return f"{value:+.1f}".replace("-0.0", "+0.0") if abs(value) < 0.05 else f"{value:+.1f}"


def _part(summary: dict[str, Any], share: str) -> float:
    ledger = gpu_time_bought(summary) or {}
    return float(ledger["shares"].get(share, 0.0) / ledger["total"]) if ledger["total"] else 0.0
