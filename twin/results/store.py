"""The run directory: written whole or not at all, read back lazily."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.errors import ResultError, StorageError
from twin.tables import (
    ALLOCATIONS,
    CLOUD_TABLES,
    DOMAINS,
    GUEST_TABLES,
    INCIDENTS,
    JOBS,
    JOBS_SINCE,
    POWER,
    POWER_TABLES,
    RENTALS,
    RUN_TABLES,
    STAYS,
    TIMELINE,
    Table,
)

if TYPE_CHECKING:
    import pandas as pd

    from twin.results.outcome import Outcome

SUMMARY, SCENARIO, PROVENANCE, REPORT = (
    "summary.json",
    "scenario.yaml",
    "provenance.json",
    "report.html",
)
# Without these a summary is not ours, and nothing that reads it can go on.
_SUMMARY_KEYS = ("scenario", "seed", "version", "horizon_s", "jobs", "ledgers", "site", "engine")


class Results:
    """A finished run, read from its directory.

    Parameters
    ----------
    path : Path
        The run directory.

    Raises
    ------
    ResultError
        If it is not a complete run directory; a table that does not hold what it should is refused
        when it is first asked for.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        needed = [SUMMARY, SCENARIO, PROVENANCE, *(f"{t.name}.parquet" for t in RUN_TABLES)]
        try:
            there = {entry.name for entry in self.path.iterdir()}
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            why = getattr(error, "strerror", None) or str(error)
            raise ResultError(
                f"{self.path} is no run directory ({why}); give a folder that `twin run` wrote"
            ) from None
        missing = [name for name in needed if name not in there]
        if missing:
            raise ResultError(
                f"{self.path} is not a complete run directory: {', '.join(missing)} missing; "
                "give a folder that `twin run` wrote"
            )

    @property
    def name(self) -> str:
        """Name of the scenario that was run."""
        return str(self.summary["scenario"])

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The headline figures: see the reference page on results."""
        summary = self._json(SUMMARY)
        missing = [key for key in _SUMMARY_KEYS if key not in summary]
        if missing:
            raise ResultError(
                f"{self.path / SUMMARY} lacks {', '.join(missing)}: another program or version "
                "wrote it; run the scenario again"
            )
        return summary

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Version, seed, input hashes, libraries, time and memory taken."""
        return self._json(PROVENANCE)

    @cached_property
    def scenario_yaml(self) -> str:
        """The scenario as resolved; running it again gives the same tables."""
        return self._text(SCENARIO)

    @cached_property
    def jobs(self) -> pd.DataFrame:
        """One row per job: `twin.tables.JOBS`."""
        return self._table(JOBS)

    @cached_property
    def allocations(self) -> pd.DataFrame:
        """One row per job and node: `twin.tables.ALLOCATIONS`."""
        return self._table(ALLOCATIONS)

    @cached_property
    def incidents(self) -> pd.DataFrame:
        """One row per incident: `twin.tables.INCIDENTS`."""
        return self._table(INCIDENTS)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """Time-weighted means per bin: `twin.tables.TIMELINE`."""
        return self._table(TIMELINE)

    @cached_property
    def domains(self) -> pd.DataFrame:
        """Means per bin of single pools and domains, long form: `twin.tables.DOMAINS`."""
        return self._table(DOMAINS)

    @cached_property
    def power(self) -> pd.DataFrame | None:
        """One row per domain of the power tree: `twin.tables.POWER`; None without power."""
        if not (self.path / f"{POWER.name}.parquet").exists():
            return None
        return self._table(POWER)

    @cached_property
    def stays(self) -> pd.DataFrame | None:
        """One row per guest and node: `twin.tables.STAYS`; None where no service leaves gaps."""
        if not (self.path / f"{STAYS.name}.parquet").exists():
            return None
        return self._table(STAYS)

    @property
    def spells(self) -> pd.DataFrame:
        """Allocations and stays together: all for which a job ran anywhere."""
        import pandas as pd

        if self.stays is None or self.stays.empty:
            return self.allocations
        return pd.concat([self.allocations, self.stays], ignore_index=True)

    @cached_property
    def rentals(self) -> pd.DataFrame | None:
        """One row per node rented: `twin.tables.RENTALS`; None without clouds."""
        if not (self.path / f"{RENTALS.name}.parquet").exists():
            return None
        return self._table(RENTALS)

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r})"

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            read = json.loads(self._text(name))
        except ValueError as error:
            raise self._unreadable(name, error) from None
        if not isinstance(read, dict):
            raise self._unreadable(name, "it does not hold a mapping")
        return read

    def _table(self, table: Table) -> pd.DataFrame:
        import pandas as pd
        import pyarrow as pa

        name = f"{table.name}.parquet"
        try:
            with (self.path / name).open("rb") as file:
                frame = pd.read_parquet(file)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(name, error) from None
        if table is JOBS:
            for column, value in JOBS_SINCE.items():
                if column not in frame:
                    made = pd.Series([value] * len(frame), frame.index)
                    frame[column] = made.astype(table[column].dtype)
            if "queued_s" not in frame and "wait_s" in frame:
                frame["queued_s"] = frame["wait_s"]  # as far as such runs tell
        missing = [column for column in table.names() if column not in frame]
        if missing:
            raise self._unreadable(name, f"no column {', '.join(missing)}")
        return frame

    def _unreadable(self, name: str, why: object) -> ResultError:
        return ResultError(f"{self.path / name} cannot be read ({why}); run the scenario again")


@contextmanager
def whole_or_nothing(target: Path) -> Iterator[Path]:
    """A folder to write into that takes the place of ``target`` when all is written.

    Killed on the way, the process leaves ``target`` as it was, and beside it a folder
    ``.<name>.partial-*`` that the next write of the same target removes.

    Raises
    ------
    StorageError
        If anything cannot be written: no permission, disk full, a file in the way.
    """
    with writing(target):
        if target.exists() and not target.is_dir():
            raise StorageError(f"{target} is a file; give a folder for the results")
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_partial(target)
        partial = target.parent / f"{_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}"
        partial.mkdir()
        try:
            yield partial
            _replace(target, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def clear_partial(target: Path) -> None:
    """Remove what killed processes left half written, and put back what they had set aside."""
    left = [path for path in target.parent.iterdir() if path.name.startswith(_prefix(target))]
    dead = [path for path in left if not _alive(path.name.removeprefix(_prefix(target)))]
    for old in (path for path in dead if path.name.endswith(_OLD)):
        # With its partial beside it, it was set aside by a process killed between two renames.
        if old.with_name(old.name.removesuffix(_OLD)) in dead and not target.exists():
            old.rename(target)
    for path in dead:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """The same for a single file: a path to write to, which takes the place of ``target``."""
    partial = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses into one message about the file or folder to be written.

    Raises
    ------
    StorageError
        In place of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {target}: {_reason(target, error)}") from None


def _reason(target: Path, error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        for above in target.parents:
            if above.exists() and not above.is_dir():
                return f"{above} is a file, and no folder can be made below it"
    return (error.strerror or str(error)) + (f" ({error.filename})" if error.filename else "")


def write_run(
    folder: Path,
    outcome: Outcome,
    summary: dict[str, Any],
    provenance: dict[str, Any],
    scenario_yaml: str,
) -> None:
    """Write the tables and texts of a run into a folder (see `whole_or_nothing`)."""
    for table in (*RUN_TABLES, *POWER_TABLES, *CLOUD_TABLES, *GUEST_TABLES):
        frame = getattr(outcome, table.name)
        if frame is not None:
            write_table(frame, folder / f"{table.name}.parquet")
    write_json(summary, folder / SUMMARY)
    write_json(provenance, folder / PROVENANCE)
    (folder / SCENARIO).write_text(scenario_yaml, encoding="utf-8")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """One Parquet file; the same frame gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Times and counts hardly repeat: a dictionary of them is larger than they are, and slower.
    text = [name for name, dtype in frame.dtypes.items() if dtype in ("category", "str")]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with path.open("wb") as file:  # pyarrow itself takes no path that is not UTF-8
        pq.write_table(table, file, compression="zstd", use_dictionary=text)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Readable JSON; NaN and infinity, which JSON lacks, become null."""
    text = json.dumps(plain(content), indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """The same in types that JSON has; NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_OLD = "-old"  # ends the name of an earlier result that was set aside


def _prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _replace(target: Path, partial: Path) -> None:
    """Put a finished folder in the place of ``target``; on failure the earlier one is put back."""
    old = partial.with_name(partial.name + _OLD)
    while True:
        try:
            with suppress(FileNotFoundError):
                target.rename(old)
            partial.rename(target)
            break
        except BaseException as error:
            if getattr(error, "errno", 0) in (errno.ENOTEMPTY, errno.EEXIST) and target.exists():
                # Another run of this name was quicker: take the place of that one.
                shutil.rmtree(old, ignore_errors=True)
                continue
            if old.exists() and not target.exists():
                old.rename(target)
            raise
    shutil.rmtree(old, ignore_errors=True)


def _alive(rest: str) -> bool:
    """Whether the process that a partial folder is named for still runs."""
    pid = rest.split("-")[0]
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (ValueError, PermissionError):  # not a name of ours; a process of somebody else
        return True
    return True
