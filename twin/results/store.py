"""The run directory: written whole or not at all, read back lazily."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.errors import ResultError, StorageError
from twin.tables import RUN_TABLES

if TYPE_CHECKING:
    import pandas as pd

    from twin.results.outcome import Outcome

SUMMARY, SCENARIO, PROVENANCE, REPORT = (
    "summary.json",
    "scenario.yaml",
    "provenance.json",
    "report.html",
)


class Results:
    """A finished run, read from its directory.

    Parameters
    ----------
    path : Path
        The run directory.

    Raises
    ------
    ResultError
        If it is not a complete run directory.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        needed = [SUMMARY, SCENARIO, PROVENANCE, *(f"{t.name}.parquet" for t in RUN_TABLES)]
        missing = [name for name in needed if not (self.path / name).is_file()]
        if not self.path.is_dir():
            raise ResultError(
                f"{self.path}: no such run directory; give a folder that `twin run` wrote"
            )
        if missing:
            raise ResultError(
                f"{self.path} is not a complete run directory: {', '.join(missing)} missing; "
                "give a folder that `twin run` wrote"
            )
        self._kept: object = None

    @property
    def name(self) -> str:
        """Name of the scenario that was run."""
        return str(self.summary["scenario"])

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The headline figures: see the reference page on results."""
        return self._json(SUMMARY)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Version, seed, input hashes, libraries, time and memory taken."""
        return self._json(PROVENANCE)

    @cached_property
    def scenario_yaml(self) -> str:
        """The scenario as resolved; running it again gives the same tables."""
        return (self.path / SCENARIO).read_text(encoding="utf-8")

    @cached_property
    def jobs(self) -> pd.DataFrame:
        """One row per job: `twin.tables.JOBS`."""
        return self._table("jobs")

    @cached_property
    def allocations(self) -> pd.DataFrame:
        """One row per job and node: `twin.tables.ALLOCATIONS`."""
        return self._table("allocations")

    @cached_property
    def incidents(self) -> pd.DataFrame:
        """One row per incident: `twin.tables.INCIDENTS`."""
        return self._table("incidents")

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """Time-weighted means per bin: `twin.tables.TIMELINE`."""
        return self._table("timeline")

    @cached_property
    def domains(self) -> pd.DataFrame:
        """Means per bin of single pools and domains, long form: `twin.tables.DOMAINS`."""
        return self._table("domains")

    def keep_alive(self, holder: object) -> None:
        """Hold on to what owns the directory, a temporary one say, as long as this object lives."""
        self._kept = holder

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r})"

    def _json(self, name: str) -> dict[str, Any]:
        try:
            read = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultError(
                f"{self.path / name} cannot be read ({error}); run it again"
            ) from None
        if not isinstance(read, dict):
            raise ResultError(f"{self.path / name} does not hold a mapping; run it again")
        return read

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        path = self.path / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise ResultError(f"{path} cannot be read ({error}); run it again") from None


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
    if target.exists() and not target.is_dir():
        raise StorageError(f"{target} is a file; give a folder for the results")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        prefix = f".{target.name}.partial-{os.getpid()}-"
        partial = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    except OSError as error:
        raise _cannot_write(target, error) from None
    try:
        yield partial
        partial.chmod(0o755)
        if target.exists():
            old = partial.with_name(partial.name + "-old")
            target.rename(old)
            partial.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise _cannot_write(target, error) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_run(
    folder: Path,
    outcome: Outcome,
    summary: dict[str, Any],
    provenance: dict[str, Any],
    scenario_yaml: str,
) -> None:
    """Write the tables and texts of a run into a folder (see `whole_or_nothing`)."""
    for table in RUN_TABLES:
        write_table(getattr(outcome, table.name), folder / f"{table.name}.parquet")
    write_json(summary, folder / SUMMARY)
    write_json(provenance, folder / PROVENANCE)
    (folder / SCENARIO).write_text(scenario_yaml, encoding="utf-8")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """One Parquet file; the same frame gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")


def write_json(content: dict[str, Any], path: Path) -> None:
    """Readable JSON; NaN and infinity, which JSON lacks, become null."""
    text = json.dumps(_plain(content), indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _sweep(target: Path) -> None:
    """Remove what killed processes left half written, and put back what they had set aside."""
    for left in sorted(target.parent.glob(f".{target.name}.partial-*")):
        pid = left.name.removeprefix(f".{target.name}.partial-").split("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            if left.name.endswith("-old") and not target.exists():
                left.rename(target)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _cannot_write(target: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(f"cannot write {target}: {reason}; nothing was left there half done")
