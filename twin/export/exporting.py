"""Which format, into which file: what ``twin export`` does."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from twin.errors import InputError, ResultError, did_you_mean
from twin.export import evalys, perfetto, swf
from twin.results.store import PROVENANCE, REPORT, SCENARIO, SUMMARY, Results, whole_file


@dataclass(frozen=True)
class Format:
    """One format: how a run is written in it, and how files of it are named."""

    write: Callable[[Results, TextIO], list[str]]
    ending: str  # by which a file is told to be of it
    default: str  # what the name of the run is followed by
    what: str


FORMATS: dict[str, Format] = {
    "swf": Format(swf.write, ".swf", ".swf", "Standard Workload Format"),
    "evalys": Format(evalys.write, ".csv", "_jobs.csv", "jobs for Evalys, as Batsim has them"),
    "perfetto": Format(perfetto.write, ".json", ".trace.json.gz", "trace events"),
}


@dataclass(frozen=True)
class Exported:
    """What was written: the file, in which format, and what to know of it."""

    path: Path
    format: str
    remarks: list[str]

    def lines(self) -> list[str]:
        """What a person reads on the terminal."""
        return [*(f"  {remark}" for remark in self.remarks), f"{self.format}: {self.path}"]


def export(
    run: Results | Path | str,
    format: str | None = None,
    out: Path | None = None,
) -> Exported:
    """Write a finished run in a format of other tools.

    Parameters
    ----------
    run : Results or Path
        The run, or its directory.
    format : str, optional
        A key of `FORMATS`; told from the ending of ``out`` if not given.
    out : Path, optional
        File to write, compressed if its name ends in ``.gz``; beside the run if not given.

    Returns
    -------
    Exported

    Raises
    ------
    ResultError
        If the run cannot be read.
    InputError
        If the format is unknown or cannot be told, or the file is one of the run's own.
    StorageError
        If the file cannot be written; what stood there before is untouched.
    """
    run = run if isinstance(run, Results) else Results(run)
    name = _format(format, out)
    home = run.path if run.path.name not in ("", "..") else run.path.resolve()
    target = out or home.with_name(home.name + FORMATS[name].default)
    _require_free(run, target)
    _require_sound(run)
    with whole_file(target) as partial, _text(partial, packed=target.suffix == ".gz") as file:
        remarks = FORMATS[name].write(run, file)
    return Exported(target, name, remarks)


def _format(name: str | None, out: Path | None) -> str:
    endings = ", ".join(f"{each.ending} ({key})" for key, each in FORMATS.items())
    if name is not None:
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}; {did_you_mean(name, FORMATS)}")
        return name
    if out is None:
        raise InputError(
            f"no format given; add --format {', '.join(FORMATS)}, or -o FILE that ends in {endings}"
        )
    for key, each in FORMATS.items():
        if out.name.lower().removesuffix(".gz").endswith(each.ending):
            return key
    raise InputError(
        f"{out}: its name does not tell the format; end it in {endings}, or add --format"
    )


def _require_free(run: Results, target: Path) -> None:
    """Refuse to write over the run itself, what it was made from, or a folder."""
    if target.is_dir():
        raise InputError(f"{target} is a folder; give a file to write")
    own = [
        *run.path.glob("*.parquet"),
        *(run.path / n for n in (SUMMARY, SCENARIO, PROVENANCE, REPORT)),
    ]
    read = [Path(entry["path"]) for entry in run.provenance.get("inputs", [])]
    for path in (*own, *read):
        if target.exists() and path.exists() and target.samefile(path):
            of = "what the run was made from" if path in read else "part of the run"
            raise InputError(f"{target} is {of} and would be lost; give another file")


def _require_sound(run: Results) -> None:
    """Refuse allocations of jobs or nodes that are not there, or without a beginning and an end."""
    held = run.allocations
    limits = (("job", len(run.jobs)), ("node", int(run.summary["site"]["nodes"])))
    good = np.isfinite(held["start_s"].to_numpy(float)) & np.isfinite(held["end_s"].to_numpy(float))
    for name, n in limits:
        good &= (held[name] >= 0).to_numpy() & (held[name] < n).to_numpy()
    if not good.all():
        raise ResultError(
            f"{run.path / 'allocations.parquet'}: row {int(np.argmin(good)) + 1} is of a job, a "
            "node or a time that this run does not have; run the scenario again"
        )


@contextmanager
def _text(path: Path, *, packed: bool) -> Iterator[TextIO]:
    """A text file to write to; packed without name and time: equal runs give equal bytes."""
    if not packed:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8", newline="\n") as file,
    ):
        yield file
