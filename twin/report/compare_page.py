"""The page that sets runs side by side: what differs, by how much, and for which jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twin.errors import InputError
from twin.report import differences, numbers, schedulers
from twin.report.batch import batch_jobs
from twin.report.board import boards, leaders
from twin.report.figures.ledgers import ledgers
from twin.report.figures.queues import Clocked, queues
from twin.report.figures.waits import Curve, completion_curves, queued_curves, wait_curves
from twin.report.filling import filling
from twin.report.held import batch_timeline
from twin.report.html import render, save
from twin.report.intervals import intervals
from twin.report.pairs import Paired, paired, same_jobs
from twin.report.picture import Picture, picture
from twin.report.settings import differing
from twin.report.shift import shift
from twin.report.sizes import known
from twin.report.source import installed_gpus, length_s, share_of_bought
from twin.report.theme import Stroke, run_letter, run_name, short_names
from twin.results.store import Results
from twin.tables import GPU_TIME_SHARES

_ANSWER = (
    *("useful GPU-time", "mean wait", "mean completion time (JCT)", "makespan"),
    *("mean power", "cost", "carbon"),
)

_FEW = 4  # runs up to which each is set against the first in words and in wide tables


@dataclass(frozen=True)
class Entry:
    """A run in the list that the page begins with."""

    letter: str
    name: str
    stroke: Stroke


@dataclass(frozen=True)
class Pairing:
    """A run's jobs against the first run's; no rows where the jobs are not the same."""

    letter: str
    rows: list[Paired]


def write_comparison(
    runs: Sequence[Results], path: Path, labels: Sequence[str] | None = None
) -> None:
    """Write the comparison of two or more runs; differences are against the first.

    Parameters
    ----------
    runs : sequence of Results
        Run directories' tables, as `twin.results.store.Results` hands them out.
    path : Path
        The HTML file to write.
    labels : sequence of str, optional
        A name for each run; the scenarios' names if not given.

    Raises
    ------
    InputError
        If there are fewer than two runs.
    StorageError
        If the file cannot be written.
    """
    save(path, comparison_html(runs, labels or [run.name for run in runs]))


def comparison_html(runs: Sequence[Results], labels: Sequence[str]) -> str:
    """The comparison as text; the same runs give the same bytes."""
    if len(runs) < 2:
        raise InputError(f"a comparison needs two runs or more, found {len(runs)}")
    rows = differences.headline_rows(runs)
    others = list(enumerate(runs))[1:]
    strokes = schedulers.strokes(runs)
    sure = intervals(runs)
    tables = boards(runs, labels, strokes, sure)
    sure_of = [
        cell for table in tables for row in table.rows for cell in row.cells if cell.interval
    ]
    few = len(runs) <= _FEW
    pairings = [_pairing(index, runs[0], run) for index, run in others]
    return render(
        "compare.html",
        runs=[
            Entry(run_letter(index), label, strokes[index]) for index, label in enumerate(labels)
        ],
        few=few,
        queued=schedulers.wait_column(runs) == "queued_s",
        answers=[_answer(rows, index) for index, _ in others] if few else leaders(runs, labels),
        remark=_remark(runs),
        boards=tables,
        sure=sure,
        intervals=len(sure_of),
        narrow=sum(cell.narrow for cell in sure_of),
        differing=differing([run.scenario_yaml for run in runs]),
        headlines=rows,
        ledger_rows=differences.ledger_rows(runs),
        pairings=pairings,
        overall=[replace(each.rows[0], label=each.letter) for each in pairings if each.rows],
        pictures=pictures(runs, labels, strokes),
        filled=filling(runs, strokes),
        sizes=schedulers.sizes(runs, labels, strokes),
        nodes=schedulers.nodes(runs, labels),
        fairness=schedulers.fairness(runs, strokes),
        shift=shift(runs, strokes),
    )


def pictures(
    runs: Sequence[Results], labels: Sequence[str], strokes: Sequence[Stroke]
) -> dict[str, Picture]:
    """Ledgers side by side; waits, completion, and queue and use over time, a line a run.

    Without waits, or ends of jobs, that picture would be empty and is left out.
    """
    shares = [{s.name: share_of_bought(run, s.name) for s in GPU_TIME_SHARES} for run in runs]
    clocked = [
        Clocked(
            batch_timeline(run),
            length_s(run),
            installed_gpus(run),
            run_letter(index),
            strokes[index],
        )
        for index, run in enumerate(runs)
    ]

    def names(length: int) -> list[str]:
        short = short_names(labels, length)
        return [run_name(index, label, length) for index, label in enumerate(short)]

    def curves(column: str) -> list[Curve]:
        jobs = [batch_jobs(run) for run in runs]
        values_s = [known(each, column, each["wait_s"].notna().to_numpy()) for each in jobs]
        drawn = enumerate(zip(names(17), values_s, strokes, strict=True))
        return [
            Curve(name, times_s, s.colour, s.dash, run_letter(index), s.strong)
            for index, (name, times_s, s) in drawn
            if times_s.size
        ]

    drawn = {
        "ledgers": picture(
            "ledgers",
            lambda shape: ledgers(names(40), shares, shape),
            text="GPU-time ledgers as shares of what each run bought; the table has the numbers.",
        ),
        "queues": picture(
            "queues",
            lambda shape: queues(clocked, shape),
            text="GPUs busy and jobs waiting over time, a line a run.",
        ),
    }
    waits = schedulers.wait_column(runs)
    draw_waits = queued_curves if waits == "queued_s" else wait_curves
    if any((curve.values_s > 0).any() for curve in curves(waits)):
        drawn["waits"] = picture(
            "wait-curves",
            lambda shape: draw_waits(curves(waits), shape),
            text="Share of jobs that wait longer than a given time, a line a run.",
        )
    if curves("jct_s"):
        drawn["completion"] = picture(
            "completion-curves",
            lambda shape: completion_curves(curves("jct_s"), shape),
            text="Share of jobs that take longer than a given time to complete, a line a run.",
        )
    return drawn


def _answer(rows: Sequence[differences.Row], index: int) -> str:
    changes = differences.in_words(rows, index, _ANSWER)
    return f"{run_letter(index)} against A: {changes or 'no figure in common'}."


def _remark(runs: Sequence[Results]) -> str:
    """How far the differences may be trusted."""
    alike = all(same_jobs(batch_jobs(runs[0]), batch_jobs(run)) for run in runs[1:])
    other = (
        ""
        if alike
        else "The runs were not all given the same jobs: the figures compare those too. "
    )
    seeds = {str(run.summary.get("seed", numbers.NOTHING)) for run in runs}
    if len(seeds) == 1:
        return other + (
            f"One run each, all with seed {seeds.pop()}: the differences are exact for this "
            "workload and seed. Intervals, where there are any, say what other arrivals like these "
            "would change; how much is luck with failures, one seed cannot say."
        )
    return other + (
        f"The runs have {len(seeds)} different seeds, so part of each difference is luck, and no "
        "interval says how much. Compare runs with equal seeds."
    )


def _pairing(index: int, first: Results, other: Results) -> Pairing:
    before, after = batch_jobs(first), batch_jobs(other)
    rows = paired(before, after) if same_jobs(before, after) else []
    return Pairing(run_letter(index), rows)
