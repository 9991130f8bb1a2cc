"""Files that a scenario is made of and those that it names: found, and read within limits."""

from __future__ import annotations

import stat
from itertools import islice
from pathlib import Path

from twin.errors import Problem, ScenarioError, did_you_mean
from twin.scenario.section import found

MAX_BYTES = 10 * 2**20


def read_text(path: Path) -> str:
    """The text of a scenario file.

    Raises
    ------
    ScenarioError
        If it is missing, not a file, unreadable, larger than 10 MiB, or not UTF-8 text.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _refused(path, f"is a folder; give a file in it. {_files_in(path, '')}")
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refused(path, f"no such file; {_files_in(path.parent, path.name)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or str(error)
        raise _refused(path, f"cannot be read: {why}") from None
    if len(data) > MAX_BYTES:
        raise _refused(path, f"is larger than {MAX_BYTES // 2**20} MiB; a scenario is not")
    if b"\0" in data:
        raise _refused(path, "is a binary file; a scenario is YAML text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text: byte {data[error.start]:#04x}; save it as UTF-8"
        raise ScenarioError([Problem(message, file=str(path), line=line, column=1)]) from None


def find(text: str, *, beside: Path | None) -> Path:
    """The file or folder that a scenario names: beside the file that names it, else from here.

    Parameters
    ----------
    text : str
        The path as written; ``~`` is the home folder.
    beside : Path or None
        The folder of the file that names it; None for the command line.

    Raises
    ------
    ValueError
        If it is in neither place; says which were looked at and what is there.
    """
    try:
        path = Path(text).expanduser()
        folders = [Path()] if beside is None or path.is_absolute() else [beside, Path()]
        for folder in folders:
            if (folder / path).exists():
                return folder / path
        tried = list(dict.fromkeys((folder / path).absolute() for folder in folders))
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, no such home
        raise ValueError(f"{found(text)} cannot be looked up: {error}") from None
    there = next((p.parent for p in tried if p.parent.is_dir()), None)
    hint = f"; {_files_in(there, path.name)}" if there else ""
    raise ValueError(f"no such file; looked for {' and '.join(repr(str(p)) for p in tried)}{hint}")


def _files_in(folder: Path, near: str) -> str:
    """What is in a folder, the nearest name first."""
    try:
        names = [p.name for p in islice(folder.iterdir(), 10_000) if not p.name.startswith(".")]
    except OSError:
        return f"there is no folder {str(folder)!r} either"
    alike = [name for name in names if Path(name).suffix == Path(near).suffix] if near else []
    return did_you_mean(near, alike or names, most=6).replace("Known:", "There:")


def _refused(path: Path, message: str) -> ScenarioError:
    return ScenarioError([Problem(message, file=str(path))])
