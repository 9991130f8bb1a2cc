"""The page of one run: figures, numbers, assumptions -> one HTML file that stands alone."""

from __future__ import annotations

from pathlib import Path

from twin.report import facts
from twin.report.batch import batch_jobs
from twin.report.clouds import clouds
from twin.report.failures import failures
from twin.report.figures.completion import completion
from twin.report.figures.timeline import timeline
from twin.report.figures.waits import waits
from twin.report.figures.waterfall import waterfall
from twin.report.held import batch_timeline
from twin.report.html import render, save
from twin.report.picture import Picture, picture
from twin.report.power import power
from twin.report.reservations import reservations
from twin.report.schedulers import nodes
from twin.report.services import services
from twin.report.settings import settings
from twin.report.sizes import by_size
from twin.report.source import installed_gpus, ledger, length_s
from twin.results.store import Results


def write_report(run: Results, path: Path) -> None:
    """Write the report of a run.

    Parameters
    ----------
    run : Results
        A run directory's tables, as `twin.results.store.Results` hands them out.
    path : Path
        The HTML file to write.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    save(path, report_html(run))


def report_html(run: Results) -> str:
    """The report as text; the same run gives the same bytes."""
    powered, jobs = power(run), batch_jobs(run)
    return render(
        "page.html",
        run=run,
        description=settings(run.scenario_yaml).get("description", ""),
        answer=facts.answer(run),
        largest_loss=facts.largest_loss(run),
        cards=facts.cards(run, without=("power.", "cost.") if powered else ()),
        pictures=pictures(run),
        queued=bool((batch_timeline(run)["queued_jobs"] > 0).any()),
        nodes=nodes([run], [run.name]),
        services=services(run),
        reservations=reservations(run),
        clouds=clouds(run),
        failures=failures(run),
        power=powered,
        ledger_rows=facts.ledger_rows(run),
        states=facts.states(run),
        not_submitted=run.summary.get("jobs_not_submitted"),
        sizes=by_size(jobs),
        longest_waits=facts.longest_waits(jobs),
        largest_jobs=facts.largest_jobs(jobs),
        intake=facts.intake(run),
        assumptions=facts.assumptions(run),
        not_modelled=facts.not_modelled(run),
        provenance=facts.provenance_rows(run.provenance),
    )


def pictures(run: Results) -> dict[str, Picture]:
    """The four pictures of a run; without waits, or ends of jobs, that one is left out."""
    gpus, end_s = installed_gpus(run), length_s(run)
    jobs, over_time = batch_jobs(run), batch_timeline(run)
    drawn = {
        "waterfall": picture(
            "waterfall",
            lambda shape: waterfall(ledger(run), shape),
            text="Waterfall of GPU-time from bought to useful; the table below has every share.",
        ),
        "timeline": picture(
            "timeline",
            lambda shape: timeline(over_time, end_s, gpus, shape),
            text="GPUs by state, jobs waiting and GPUs that they ask for, over the run.",
        ),
    }
    if (jobs["wait_s"] > 0).any():
        drawn["waits"] = picture(
            "waits",
            lambda shape: waits(jobs, shape),
            text="Share of jobs that wait longer than a given time, by GPUs asked for.",
        )
    if jobs["jct_s"].notna().any():
        drawn["completion"] = picture(
            "completion",
            lambda shape: completion(jobs, shape),
            text="Ranges of job completion time and of run time, by GPUs asked for.",
        )
    return drawn
