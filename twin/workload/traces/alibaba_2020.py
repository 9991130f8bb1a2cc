"""Alibaba's 2020 GPU cluster trace (PAI): ``pai_job_table`` with ``pai_task_table`` beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import TraceError
from twin.registry import reader
from twin.workload.jobs import Intake, Workload
from twin.workload.traces.base import Source
from twin.workload.traces.delimited import delimited_rows
from twin.workload.traces.files import is_folder, read_text
from twin.workload.traces.rows import Rows, from_epoch

# The tables are published without headers.
JOB_FIELDS = ("job_name", "inst_id", "user", "status", "start_time", "end_time")
TASK_FIELDS = (
    *("job_name", "task_name", "inst_num", "status", "start_time", "end_time"),
    *("plan_cpu", "plan_mem", "plan_gpu", "gpu_type"),
)
_UTC_OFFSET = timedelta(hours=8)  # read in this zone, the shifted times keep hour and weekday


@reader("alibaba-2020")
def read(source: Source) -> Workload:
    """Jobs of Alibaba's Platform for AI: all tasks of a job are one gang.

    Notes
    -----
    ``plan_gpu`` is in per cent of a GPU for each instance. A job's GPUs are the sum over its
    instances, each rounded up to whole GPUs; ``gpu_fraction`` is the mean share of them that it
    asked for. Its submit is the job's start time, its duration runs from the first start to the
    last end of its tasks. Dropped: ``cpu_only``, ``never_ran``, ``unfinished``. The GPU type that a
    task was given is not read. The calendar is fake but for the hour and the weekday.

    Sources
    -------
    [pai2022]: the description that accompanies the data, section 2.
    """
    job_path, task_path = _tables(source.path)
    jobs = _rows(job_path, JOB_FIELDS, source.skip_bad)
    tasks = _rows(task_path, TASK_FIELDS, source.skip_bad)
    demand, skipped, n_skipped = _demand(tasks)
    of_job = demand.reindex(jobs.text("job_name").to_pandas())
    column = {name: of_job[name].to_numpy(np.float64) for name in demand.columns}
    gpus = column["gpus"]
    jobs.drop(np.isnan(column["start_s"]), "never_ran")
    jobs.drop(np.nan_to_num(column["open"]) > 0, "unfinished")
    jobs.drop(gpus == 0, "cpu_only")
    jobs.note("The dates of this trace are fake; the hours and weekdays are true.")
    jobs.note("All tasks of a job start and end together, as one gang.")
    with np.errstate(divide="ignore"):
        share = np.minimum(column["gpu_share"] / gpus, 1.0)
    workload = jobs.workload(
        "alibaba-2020",
        {
            "job_id": jobs.text("job_name"),
            "submit_s": jobs.numbers("start_time"),
            "run_s": column["end_s"] - column["start_s"],
            "gpus": gpus,
            "gpu_fraction": share,
            "cpus": column["cpus"],
            "memory_bytes": column["memory_bytes"],
            "user": jobs.text("user"),
        },
        shown={"submit_s": "start_time", "run_s": "job_name", "gpus": "job_name"},
        epoch=from_epoch(_UTC_OFFSET.total_seconds()),
    )
    return _with_tasks(workload, len(tasks), task_path, skipped, n_skipped)


def _tables(path: Path) -> tuple[Path, Path]:
    """The job table and the task table, given either of them or their folder."""
    folder = path if is_folder(path) else path.parent
    suffixes = [".csv", ".csv.gz"]
    if folder is not path:
        known = ("pai_job_table", "pai_task_table")
        stem = next((name for name in known if path.name.startswith(name)), None)
        if stem is None:
            raise TraceError(f"{path}: give the folder of pai_job_table and pai_task_table")
        suffixes = [path.name.removeprefix(stem), *suffixes]
    found = []
    for name in ("pai_job_table", "pai_task_table"):
        beside = [folder / f"{name}{suffix}" for suffix in suffixes]
        table = next((candidate for candidate in beside if candidate.exists()), None)
        if table is None:
            raise TraceError(
                f"{folder}: no {name}.csv or {name}.csv.gz; "
                "the job table and the task table belong together"
            )
        found.append(table)
    return found[0], found[1]


def _rows(path: Path, fields: tuple[str, ...], skip_bad: bool) -> Rows:
    text = read_text(path)
    has_header = text.lstrip().startswith(b"job_name")
    rows = delimited_rows(path, text, skip_bad=skip_bad, names=None if has_header else fields)
    rows.require(*(name for name in fields if name not in ("inst_id", "task_name", "gpu_type")))
    return rows


def _demand(tasks: Rows) -> tuple[pd.DataFrame, list[str], int]:
    """What the tasks of each job ask for together, by job name; bad tasks, and their number."""
    start_s, end_s = tasks.numbers("start_time"), tasks.numbers("end_time")
    instances, plan_gpu = tasks.numbers("inst_num"), tasks.numbers("plan_gpu")
    plan_cpu, plan_mem = tasks.numbers("plan_cpu"), tasks.numbers("plan_mem")
    tasks.refuse(end_s < start_s, "ends before it starts", "start_time", "end_time")
    tasks.refuse(plan_gpu < 0, "a negative plan_gpu", "plan_gpu")
    tasks.refuse(instances < 0, "a negative inst_num", "inst_num")
    instances = np.nan_to_num(instances, nan=1.0)
    share = np.nan_to_num(plan_gpu) / 100
    table = pd.DataFrame(
        {
            "job_name": tasks.text("job_name").to_pandas(),
            "start_s": start_s,
            "end_s": end_s,
            "open": (~np.isnan(start_s) & np.isnan(end_s)).astype(float),
            "gpus": instances * np.ceil(share),
            "gpu_share": instances * share,
            "cpus": instances * np.nan_to_num(plan_cpu) / 100,
            # "GB", but of 1024 MB: the value 29.296875 is 30000 MB.
            "memory_bytes": instances * np.nan_to_num(plan_mem) * 2.0**30,
        }
    )
    skipped, n_skipped = tasks.verdict()
    by_job = table[tasks.kept()].groupby("job_name", sort=False)
    sums = by_job[["gpus", "gpu_share", "cpus", "memory_bytes", "open"]].sum()
    return (
        sums.assign(start_s=by_job["start_s"].min(), end_s=by_job["end_s"].max()),
        skipped,
        n_skipped,
    )


def _with_tasks(
    workload: Workload, n_tasks: int, path: Path, skipped: list[str], n_skipped: int
) -> Workload:
    """The intake of both tables together."""
    intake = workload.intake
    lines = (*intake.skipped, *(f"{path.name}, {line}" for line in skipped))
    return replace(
        workload,
        intake=replace(
            intake,
            rows_read=intake.rows_read + n_tasks,
            skipped=lines[: Intake.MAX_LISTED],
            skipped_rows=intake.skipped_rows + n_skipped,
        ),
    )
