"""The Standard Workload Format: a line a job, 18 fields, what is unknown as -1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

import numpy as np
import pandas as pd

from twin.export.numbers import seconds
from twin.export.pools import pools, started
from twin.results.store import Results
from twin.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = "-1"
_STATUS = {"completed": "1", "failed": "0", "rejected": "5"}  # others had no end to tell of
_DATE = "%a %b %d %H:%M:%S UTC %Y"  # as `date` writes it


def write(run: Results, file: TextIO) -> list[str]:
    """Write the jobs of a run; what a reader of the file should know of them.

    Parameters
    ----------
    run : Results
    file : text file

    Returns
    -------
    list of str
        The notes of the header.

    Notes
    -----
    A processor is a GPU. Run time is end - first start, so the time in which a job that was
    preempted or interrupted held nothing is in it. Times are to the microsecond, which the format
    permits. Names become numbers, in the order in which they come; names that are numbers stay.

    Sources
    -------
    [swf]
    """
    jobs = run.jobs
    numbers, own = _job_numbers(jobs["job_id"])
    users, user_names = _numbered(jobs["user"])
    groups, group_names = _numbered(jobs["group"])
    kinds, kind_names = _numbered(jobs["kind"])
    partitions = {pool.name: str(k) for k, pool in enumerate(pools(run), start=1)}
    allocated, again = _held(run.spells, len(jobs))
    notes = list(_notes(jobs, int(again.sum()), own))
    names = {"User": user_names, "Group": group_names, "Executable": kind_names}
    for key, value in _header(run, bool(again.any()), partitions, notes, names):
        file.write(f"; {key}: {' '.join(value.split())}\n")
    ended_s = jobs["end_s"].where(jobs["state"].isin(("completed", "failed")))
    rows = zip(
        numbers,
        jobs["submit_s"],
        jobs["wait_s"],
        ended_s - jobs["start_s"],
        allocated.tolist(),
        jobs["gpus"],
        (_STATUS.get(state, UNKNOWN) for state in jobs["state"]),
        users,
        groups,
        kinds,
        (partitions.get(pool, UNKNOWN) for pool in jobs["pool"]),
        strict=True,
    )
    for number, submit_s, wait_s, run_s, held, gpus, status, user, group, kind, pool in rows:
        times = (seconds(value, UNKNOWN) for value in (submit_s, wait_s, run_s))
        fields = [number, *times, str(held or UNKNOWN), UNKNOWN, UNKNOWN, str(gpus)]
        fields += [UNKNOWN, UNKNOWN, status, user, group, kind, UNKNOWN, pool, UNKNOWN, UNKNOWN]
        file.write(" ".join(fields) + "\n")
    return notes


def _header(
    run: Results,
    again: bool,
    partitions: dict[str, str],
    notes: list[str],
    names: dict[str, dict[str, str]],
) -> Iterator[tuple[str, str]]:
    """The comments at the head, in the order of the standard; our own ones last."""
    site, n_jobs = run.summary["site"], str(len(run.jobs))
    yield "Version", "2.2"
    yield "Computer", f"{run.name}, simulated"
    yield "Conversion", f"twin {__version__}, from the run directory"
    yield "MaxJobs", n_jobs
    yield "MaxRecords", n_jobs
    yield "Preemption", "TS" if again else "No"  # TS: there is some, and no line a part
    start = started(run)
    if start is not None:
        at = start.replace(tzinfo=UTC)
        yield "UnixStartTime", str(round(at.timestamp()))
        yield "TimeZoneString", "UTC"
        yield "StartTime", at.strftime(_DATE)
        yield "EndTime", _later(at, float(run.summary["horizon_s"])).strftime(_DATE)
    yield "MaxNodes", str(site["nodes"])
    yield "MaxProcs", str(site["gpus"])
    yield "MaxPartitions", str(len(partitions))
    for name, number in partitions.items():
        yield "Partition", f"{number} {name}"
    for note in notes:
        yield "Note", note
    for key, of_key in names.items():
        for name, number in of_key.items():
            yield key, f"{number} {name}"


def _notes(jobs: pd.DataFrame, again: int, own_numbers: bool) -> Iterator[str]:
    yield "Processors are GPUs. Partitions are pools, executables are kinds of work."
    if again:
        yield (
            f"{again:,} of the jobs held GPUs in several spells (preempted, moved or interrupted): "
            "their wait ends at the first start, and their run time runs from there to the end."
        )
    state = jobs["state"].astype(str)
    still = int((state == "running").sum())
    if still:
        yield f"{still:,} of the jobs still ran at the end: run time and status -1."
    queued = int((state == "queued").sum())
    if queued:
        yield f"{queued:,} of the jobs waited at the end: run time and status -1."
    if not own_numbers:
        yield "Jobs are numbered by their rows in jobs.parquet, from 1: their ids are not numbers."


def _later(at: datetime, span_s: float) -> datetime:
    try:
        return at + timedelta(seconds=span_s)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _job_numbers(ids: pd.Series) -> tuple[list[str], bool]:
    """The jobs' own ids if they are numbers, each another; else the number of the row, from 1."""
    texts = [str(text) for text in ids]
    own = _all_numbers(texts) and len({int(text) for text in texts}) == len(texts)
    return (texts, True) if own else ([str(k + 1) for k in range(len(texts))], False)


def _numbered(names: pd.Series) -> tuple[list[str], dict[str, str]]:
    """Number of each row's name, -1 for none; and the names that had to be numbered."""
    codes, found = pd.factorize(names.astype(str).replace("", None))
    texts = [str(name) for name in found]
    if _all_numbers(texts):
        return [texts[code] if code >= 0 else UNKNOWN for code in codes.tolist()], {}
    of_name = {name: str(k) for k, name in enumerate(texts, start=1)}
    return [str(code + 1) if code >= 0 else UNKNOWN for code in codes.tolist()], of_name


def _all_numbers(texts: list[str]) -> bool:
    return all(text.isascii() and text.isdigit() for text in texts)


def _held(allocations: pd.DataFrame, n_jobs: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """GPUs that each job held at its first start, and whether it held others or at other times."""
    job = allocations["job"].to_numpy()
    start_s, end_s = allocations["start_s"].to_numpy(), allocations["end_s"].to_numpy()
    gpus = np.bitwise_count(allocations["gpu_mask"].to_numpy().view(np.uint64))
    first_s, last_s = np.full(n_jobs, np.inf), np.full(n_jobs, -np.inf)
    np.minimum.at(first_s, job, start_s)
    np.maximum.at(last_s, job, end_s)
    at_first = start_s == first_s[job]
    held = np.bincount(job[at_first], weights=gpus[at_first], minlength=n_jobs).astype(np.int64)
    again = np.zeros(n_jobs, bool)
    again[job[~at_first | (end_s < last_s[job])]] = True
    return held, again
