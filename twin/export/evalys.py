"""The jobs as Batsim's ``_jobs.csv`` has them, which Evalys draws."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, TextIO

from twin.export.numbers import seconds
from twin.export.pools import first_gpus, pools
from twin.export.resources import Spell, intervals_text, spells
from twin.results.store import Results

COLUMNS = (
    *("job_id", "workload_name", "profile", "submission_time", "requested_number_of_resources"),
    *("requested_time", "success", "final_state", "starting_time", "execution_time"),
    *("finish_time", "waiting_time", "turnaround_time", "stretch", "consumed_energy"),
    *("allocated_resources", "metadata"),
)
_STATES = {
    "completed": "COMPLETED_SUCCESSFULLY",
    "failed": "COMPLETED_FAILED",
    "rejected": "REJECTED",
    "running": "RUNNING",
    "queued": "SUBMITTED",
}
_CUT_SHORT = "COMPLETED_KILLED"
_ATTEMPT = "#"  # as Batsim's Python schedulers number the attempts of a job after its first


def write(run: Results, file: TextIO) -> list[str]:
    """Write a line a job, and for jobs of several spells a line a spell; remarks on it.

    Parameters
    ----------
    run : Results
    file : text file

    Returns
    -------
    list of str

    Notes
    -----
    Resources are GPUs: GPU ``k`` of node ``v`` is ``first[v] + k``, node by node. A spell is a time
    for which a job held the same GPUs; the next is submitted when the last one ends, so that
    waiting and execution times add up to the job's, and resources x execution time to the
    GPU-time that it held. Whatever still ran at the end is cut off there.

    Sources
    -------
    [batsim-jobs], [evalys]
    """
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    of_job = spells(run.spells, first_gpus(pools(run)))
    row, found = next(of_job, (-1, []))
    several = 0
    columns = ("job_id", "submit_s", "gpus", "kind", "state", "energy_j")
    for at, job in enumerate(zip(*(run.jobs[name] for name in columns), strict=True)):
        held = found if row == at else []
        if row == at:
            row, found = next(of_job, (-1, []))
        lines = list(_lines(run.name, job, held))
        several += len(lines) > 1
        rows.writerows(lines)
    if not several:
        return []
    return [
        f"{several:,} of the jobs held GPUs in several spells, or wait again: a line each, as ID, "
        f"ID{_ATTEMPT}1, ID{_ATTEMPT}2; all but the last end as {_CUT_SHORT}"
    ]


def _lines(workload: str, job: tuple[Any, ...], held: list[Spell]) -> Iterator[list[str]]:
    job_id, submit_s, gpus, kind, state, energy_j = job
    final = _STATES.get(state, "SUBMITTED")
    waits = state in ("queued", "rejected") or not held
    since_s = float(submit_s)
    for attempt in range(len(held) + waits):
        spell = held[attempt] if attempt < len(held) else None
        last = attempt == len(held) + waits - 1
        yield [
            f"{job_id}{_ATTEMPT}{attempt}" if attempt else str(job_id),
            workload,
            str(kind),
            seconds(since_s),
            str(gpus),
            "-1",
            str(int(last and state == "completed")),
            final if last else _CUT_SHORT,
            *_times(since_s, spell),
            f"{energy_j:.6g}" if last and energy_j == energy_j else "",
            intervals_text(spell.gpus) if spell else "",
            "",
        ]
        since_s = spell.end_s if spell else since_s


def _times(submit_s: float, spell: Spell | None) -> list[str]:
    """From ``starting_time`` to ``stretch``; empty where it never started."""
    if spell is None:
        return [""] * 6
    ran_s, stayed_s = spell.end_s - spell.start_s, spell.end_s - submit_s
    times_s = (spell.start_s, ran_s, spell.end_s, spell.start_s - submit_s, stayed_s)
    return [*map(seconds, times_s), f"{stayed_s / ran_s:.6g}"]
