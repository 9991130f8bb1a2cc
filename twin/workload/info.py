"""What a trace is, in numbers and in words: span, arrivals, sizes, durations, load offered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.units import format_duration
from twin.workload.jobs import Workload
from twin.workload.profile import busy_gpus, peak_gpus, printable, size_classes

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99}
_MOST_NOTES = 8


def trace_info(
    path: Path | str,
    *,
    format: str = "auto",
    on_bad_row: str = "error",
    columns: Mapping[str, str] | None = None,
    plot: Path | None = None,
) -> tuple[str, dict[str, Any]]:
    """Read a trace or a node list, and say what it is.

    Parameters
    ----------
    path, format, on_bad_row, columns
        As `twin.workload.traces.base.read_trace` takes them.
    plot : Path, optional
        Where to draw the trace; the suffix says how (.png, .svg, .pdf).

    Returns
    -------
    str, dict
        Lines for people, and the numbers of `describe` or `describe_nodes`.

    Raises
    ------
    InputError
        If it cannot be read, or not be drawn.
    """
    from twin.workload.traces.base import read_trace
    from twin.workload.traces.nodes import is_node_list, read_nodes

    path = Path(path)
    if format == "auto" and not columns and is_node_list(path):
        if plot is not None:
            raise InputError(f"{path}: is a list of nodes, which has no picture; leave --plot out")
        nodes = describe_nodes(read_nodes(path), source=path.name)
        return node_lines(nodes), nodes
    if on_bad_row not in ("error", "skip"):
        raise InputError(f"on_bad_row: {on_bad_row!r} is neither error nor skip")
    workload = read_trace(path, format=format, on_bad_row=on_bad_row, columns=columns)  # type: ignore[arg-type]
    if plot is not None:
        from twin.workload.portrait import save

        save(workload, plot)
    numbers = describe(workload)
    return lines(numbers), numbers


def describe(workload: Workload) -> dict[str, Any]:
    """A workload in numbers, units in the keys, ready for JSON.

    Parameters
    ----------
    workload : Workload
        With at least one job.

    Returns
    -------
    dict
        ``offered_gpus`` is what would be busy if no job ever waited: its mean over the span of the
        submits, and its peak. ``sizes`` has a class for each power of two. What a trace does not
        have (a calendar, estimates) is None.
    """
    jobs, intake = workload.jobs, workload.intake
    submit_s, run_s = jobs["submit_s"].to_numpy(), jobs["run_s"].to_numpy()
    gpus = jobs["gpus"].to_numpy(np.float64)
    gpu_s, span_s = float(gpus @ run_s), float(submit_s[-1] - submit_s[0])
    span = submit_s[[0, -1]]
    offered = float(busy_gpus(submit_s, run_s, gpus, span)[0]) if span_s > 0 else None
    gaps_s = np.diff(submit_s)
    estimate_s = jobs["estimate_s"].to_numpy()
    known = ~np.isnan(estimate_s) & (run_s > 0)
    epoch = workload.epoch
    return {
        "source": intake.source,
        "format": intake.format,
        "rows_read": intake.rows_read,
        "bad_rows": intake.skipped_rows,
        "bad_rows_listed": list(intake.skipped),
        "dropped": dict(intake.dropped),
        "notes": list(intake.notes),
        "jobs": len(jobs),
        "first_submit": epoch and (epoch + timedelta(seconds=float(submit_s[0]))).isoformat(" "),
        "last_submit": epoch and (epoch + timedelta(seconds=float(submit_s[-1]))).isoformat(" "),
        "span_s": span_s,
        "gpu_s": gpu_s,
        "users": _known(jobs["user"]),
        "groups": _known(jobs["group"]),
        "interarrival_s": _spread(gaps_s) | {"cv": _ratio(gaps_s.std(), gaps_s.mean())}
        if len(gaps_s)
        else None,
        "run_s": _spread(run_s),
        "gpus": {"mean": float(gpus.mean()), "max": int(gpus.max())},
        "sizes": _sizes(gpus, run_s),
        "offered_gpus": {"mean": offered, "peak": peak_gpus(submit_s, run_s, gpus)},
        "jobs_sharing_a_gpu": int((jobs["gpu_fraction"] < 1).sum()),
        "jobs_with_estimate": int((~np.isnan(estimate_s)).sum()),
        "estimate_over_run": _spread(estimate_s[known] / run_s[known]) if known.any() else None,
    }


def describe_nodes(nodes: pd.DataFrame, *, source: str) -> dict[str, Any]:
    """A node list in numbers: nodes and GPUs, in all and by model and size."""
    pairs = zip(nodes["gpu_model"].astype(str), nodes["gpus"].tolist(), strict=True)
    kinds = Counter((model, int(size)) for model, size in pairs)
    return {
        "source": source,
        "nodes": len(nodes),
        "gpus": int(nodes["gpus"].sum()),
        "kinds": [
            {"gpu_model": model, "gpus_per_node": size, "nodes": count}
            for (model, size), count in kinds.most_common()
        ],
    }


def lines(numbers: Mapping[str, Any]) -> str:
    """The numbers of `describe` as lines for a terminal; nothing in them can drive it."""
    run, sizes = numbers["run_s"], numbers["sizes"]
    total = max(numbers["gpu_s"], 1e-9)
    top = sorted(sizes, key=lambda size: -size["gpu_s"])[:3]
    shares = "; ".join(
        f"{size['gpus']}: {size['jobs'] / numbers['jobs']:.1%} of jobs, "
        f"{size['gpu_s'] / total:.1%} of GPU-time"
        for size in sorted(top, key=lambda size: sizes.index(size))
    )
    offered = numbers["offered_gpus"]
    mean = f"{offered['mean']:,.0f}" if offered["mean"] is not None else "-"
    rows = [
        ("jobs", f"{numbers['jobs']:,} of {numbers['rows_read']:,} rows{_left_out(numbers)}"),
        ("submitted", _calendar(numbers)),
        ("arrivals", _arrivals(numbers)),
        (
            "GPUs",
            f"up to {numbers['gpus']['max']:,}, mean {numbers['gpus']['mean']:.3g} ({shares})",
        ),
        (
            "durations",
            f"median {format_duration(run['p50'])}, mean {format_duration(run['mean'])}, "
            f"P99 {format_duration(run['p99'])}, longest {format_duration(run['max'])}",
        ),
        (
            "load",
            f"{numbers['gpu_s'] / 3600:,.0f} GPU-hours; without any waiting {mean} GPUs busy on "
            f"average, {offered['peak']:,} at most",
        ),
        ("people", f"{numbers['users'] or 'no'} users, {numbers['groups'] or 'no'} groups named"),
        ("estimates", _estimates(numbers)),
    ]
    if numbers["jobs_sharing_a_gpu"]:
        rows.append(("sharing", f"{numbers['jobs_sharing_a_gpu']:,} jobs ask for part of a GPU"))
    rows += [("bad row", line) for line in numbers["bad_rows_listed"][:_MOST_NOTES]]
    rows += [("note", note) for note in numbers["notes"][:_MOST_NOTES]]
    head = f"{numbers['source']} ({numbers['format']})"
    return "\n".join(printable(line) for line in [head, *(f"  {k:<10} {v}" for k, v in rows)])


def node_lines(numbers: Mapping[str, Any]) -> str:
    """The numbers of `describe_nodes` as lines for a terminal."""
    found = [f"{numbers['source']}: {numbers['nodes']:,} nodes, {numbers['gpus']:,} GPUs"]
    for kind in numbers["kinds"]:
        size, model = kind["gpus_per_node"], kind["gpu_model"] or "model not stated"
        what = f"{size} x {model}" if size else "no GPU"
        found.append(f"  {kind['nodes']:>6,} nodes  {what}")
    return "\n".join(printable(line) for line in found)


def _sizes(gpus: Array, run_s: Array) -> list[dict[str, Any]]:
    labels, which = size_classes(gpus)
    jobs, gpu_s = np.bincount(which), np.bincount(which, gpus * run_s)
    return [
        {"gpus": label, "jobs": int(n), "gpu_s": float(work)}
        for label, n, work in zip(labels, jobs, gpu_s, strict=True)
    ]


def _spread(values: Array) -> dict[str, float]:
    quantiles = np.quantile(values, list(_QUANTILES.values()))
    named = {name: float(value) for name, value in zip(_QUANTILES, quantiles, strict=True)}
    return (
        {"mean": float(values.mean()), "min": float(values.min())}
        | named
        | {"max": float(values.max())}
    )


def _known(names: pd.Series[str]) -> int:
    return int(names[names != ""].nunique())


def _ratio(value: float, base: float) -> float | None:
    return float(value / base) if base > 0 else None


def _left_out(numbers: Mapping[str, Any]) -> str:
    parts = [f"{n:,} {cause.replace('_', ' ')}" for cause, n in numbers["dropped"].items() if n]
    parts += [f"{numbers['bad_rows']:,} bad"] if numbers["bad_rows"] else []
    return f" (left out: {', '.join(parts)})" if parts else ""


def _calendar(numbers: Mapping[str, Any]) -> str:
    span = format_duration(numbers["span_s"])
    first, last = numbers["first_submit"], numbers["last_submit"]
    return f"{first[:19]} to {last[:19]} ({span})" if first else f"over {span}; no calendar"


def _arrivals(numbers: Mapping[str, Any]) -> str:
    gaps = numbers["interarrival_s"]
    if gaps is None:
        return "a single job"
    cv = f"{gaps['cv']:.3g}" if gaps["cv"] is not None else "-"
    return (
        f"one every {format_duration(gaps['mean'])}; gaps: median {format_duration(gaps['p50'])}, "
        f"P99 {format_duration(gaps['p99'])}, cv {cv}"
    )


def _estimates(numbers: Mapping[str, Any]) -> str:
    count, ratio = numbers["jobs_with_estimate"], numbers["estimate_over_run"]
    if not count:
        return "none"
    over = f"; estimate over duration: median {ratio['p50']:.3g}" if ratio else ""
    return f"{count / numbers['jobs']:.1%} of jobs{over}"
