"""Pictures of runs under several schedulers: completion, sizes, nodes over time, fairness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twin.metrics.fairness import fairness_over_time
from twin.metrics.guests import who_ran
from twin.report import numbers
from twin.report.batch import batch_jobs
from twin.report.figures.occupancy_strips import Strip, bins, occupancy_strips
from twin.report.figures.share_error import ShareError, share_error
from twin.report.figures.size_bars import Served, size_bars
from twin.report.occupancy import Occupancy, few_groups, occupancy
from twin.report.picture import Picture, picture
from twin.report.sizes import SIZE_CLASSES, by_size
from twin.report.source import installed_gpus, length_s
from twin.report.theme import Shape, Stroke, run_letter, run_name, run_strokes
from twin.results.store import Results
from twin.tables import Headline, look_up, tells

_BINS = 160  # of fairness over time


def strokes(runs: Sequence[Results]) -> list[Stroke]:
    """One a run; of over eight the first and, by mean JCT, the two best and the worst stand out."""
    means = [look_up(run.summary, "jct_s.mean") for run in runs]
    known = sorted((mean, k) for k, mean in enumerate(means) if numbers.is_number(mean))
    ends = [known[k][1] for k in (0, 1, -1)] if len(known) > 1 else []
    return run_strokes(len(runs), [0, *ends])


def wait_column(runs: Sequence[Results]) -> str:
    """What is compared as the wait: all waits, where jobs of some run wait more than once."""
    first = Headline("queued_s.mean", "", "s", "less")
    return "queued_s" if any(tells(first, run.summary) for run in runs) else "wait_s"


def sizes(
    runs: Sequence[Results], labels: Sequence[str], drawn: Sequence[Stroke]
) -> Picture | None:
    """Mean waits and completion times by size class; None if nothing took time."""
    rows = [{row.size: row for row in by_size(batch_jobs(run), wait_column(runs))} for run in runs]
    classes = [size for size in SIZE_CLASSES if any(size in each for each in rows)]
    nan = float("nan")
    served = [
        Served(
            run_letter(k), labels[k], drawn[k],
            [each[size].wait_mean_s if size in each else nan for size in classes],
            [each[size].jct_mean_s if size in each else nan for size in classes],
        )
        for k, each in enumerate(rows)
    ]  # fmt: skip
    if not any(value > 0 for each in served for value in (*each.wait_s, *each.jct_s)):
        return None
    return picture(
        "size-bars",
        lambda shape: size_bars(classes, served, shape),
        text="Mean wait and mean completion time by size of job, a bar a run.",
    )


def nodes(runs: Sequence[Results], labels: Sequence[str]) -> Picture | None:
    """Nodes over time, a strip a run on one clock; None if no run says who was where."""
    end_s = max(length_s(run) for run in runs)
    groups = few_groups(runs)

    def strip(index: int, shape: Shape) -> Occupancy | None:
        return occupancy(runs[index], end_s, bins(len(runs), shape), groups)

    def draw(shape: Shape) -> Any:
        length = 38 if shape.width > 500 else 34
        names = [
            run_name(k, label, length) if len(runs) > 1 else "" for k, label in enumerate(labels)
        ]
        found = [
            Strip(name, strip(k, shape), length_s(run))
            for k, (name, run) in enumerate(zip(names, runs, strict=True))
        ]
        return occupancy_strips(found, shape)

    if not any(len(getattr(run, "allocations", ())) for run in runs) or not end_s > 0:
        return None
    return picture(
        "occupancy", draw, text="Nodes over time, coloured by what held them.",
        caption=_sampled(runs),
    )  # fmt: skip


def fairness(runs: Sequence[Results], drawn: Sequence[Stroke]) -> Picture | None:
    """The error of shares over time, a line a run; None if no run has anybody to share with."""
    lines = errors(runs, drawn)
    if not lines:
        return None
    return picture(
        "share-error",
        lambda shape: share_error(lines, shape),
        text="Error of the shares that groups hold, over time, a line a run.",
    )


def errors(runs: Sequence[Results], drawn: Sequence[Stroke]) -> list[ShareError]:
    """Share errors of the runs that have any, in bins of one width."""
    longest_s = max(length_s(run) for run in runs)
    if not longest_s > 0:
        return []
    lines = []
    for index, run in enumerate(runs):
        spells, end_s = getattr(run, "allocations", None), length_s(run)
        if spells is None or not len(spells) or not end_s > 0:
            continue
        step_s = longest_s / _BINS
        spells = who_ran(spells, getattr(run, "stays", None))
        found = fairness_over_time(run.jobs, spells, installed_gpus(run), end_s, step_s)
        error = np.asarray(found["error"], float)
        edges_s = np.minimum(np.arange(len(error) + 1) * step_s, end_s)
        if np.isfinite(error).any():
            lines.append(ShareError(run_letter(index), drawn[index], edges_s, error))
    return lines


def _sampled(runs: Sequence[Results]) -> str:
    """How many of the nodes are drawn, if not all."""
    for run in runs:
        found = occupancy(run, max(length_s(run), 1.0), 1)
        if found and len(found.nodes) < found.n_nodes:
            return (
                f"Of {numbers.count(found.n_nodes)} nodes {numbers.count(len(found.nodes))} are "
                "drawn, evenly spaced by id."
            )
    return ""
