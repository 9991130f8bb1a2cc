"""Runs on shared GPUs that fill up: what each leaves unallocated."""

from __future__ import annotations

from collections.abc import Sequence

from twin.report.figures.filling import Filling
from twin.report.figures.filling import filling as drawn
from twin.report.picture import Picture, picture
from twin.report.theme import Stroke, run_letter
from twin.results.store import Results


def filling(runs: Sequence[Results], strokes: Sequence[Stroke]) -> Picture | None:
    """Unallocated GPUs against arrived ones; None if in no run more came than there is."""
    found = [each for k, run in enumerate(runs) if (each := _of(run, run_letter(k), strokes[k]))]
    if not found:
        return None
    return picture(
        "filling",
        lambda shape: drawn(found, shape),
        text="Share of GPUs not allocated against the share asked for so far, a line a run.",
    )


def _of(run: Results, letter: str, stroke: Stroke) -> Filling | None:
    domains = getattr(run, "domains", None)
    if domains is None or not len(domains):
        return None
    site = domains[domains["domain"] == "site"]
    by_quantity = site.pivot_table(
        index="time_s", columns="quantity", values="value", observed=True
    )
    if "arrived_share" not in by_quantity or not by_quantity["arrived_share"].max() >= 1:
        return None
    return Filling(
        letter,
        stroke,
        by_quantity["arrived_share"].to_numpy(float),
        by_quantity["allocated_share"].to_numpy(float),
    )
