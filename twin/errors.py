"""All that can go wrong, as a tree. The user sees one message; ``--debug`` adds the traceback.

::

    TwinError                 the root; exit code 1
    ├── InputError            the user's input is at fault; exit code 2
    │   ├── UnitError         a quantity that cannot be read, or of the wrong dimension
    │   ├── ScenarioError     one or more problems in scenario files, each with its place
    │   ├── CatalogError      a name that the catalog does not know, or a broken catalog file
    │   ├── TraceError        a trace that cannot be read; names file and row
    │   ├── PolicyError       an unknown policy, an unknown option, a plug-in that does not load
    │   └── ResultError       a run directory that is missing, incomplete or from another version
    ├── DomainError           a physical model asked outside the range where it holds
    ├── StorageError          results that could not be written (disk full, no permission)
    └── InvariantError        a broken balance inside (GPU-time, energy, money): a bug
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class TwinError(Exception):
    """Root of all errors that this program raises on purpose."""

    exit_code = 1


class InputError(TwinError):
    """The user's input is at fault: the message says where, what was found and what would do."""

    exit_code = 2


class UnitError(InputError):
    """A quantity that cannot be read, or whose unit measures something else."""


@dataclass(frozen=True)
class Problem:
    """One fault in a scenario: where it stands, and what to write instead."""

    message: str
    path: str = ""  # dotted: workload.trace.path
    file: str = ""
    line: int = 0  # counted from 1; 0 if unknown
    column: int = 0

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column}"
        head = " ".join(part for part in (place, self.path) if part)
        return f"{head}: {self.message}" if head else self.message


class ScenarioError(InputError):
    """All problems found in a scenario, reported at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CatalogError(InputError):
    """A part that the catalog does not know, or a catalog file that does not hold together."""


class TraceError(InputError):
    """A trace that cannot be read; the message names the file and, where there is one, the row."""


class PolicyError(InputError):
    """An unknown policy, an option it does not have, or a plug-in that does not load."""


class ResultError(InputError):
    """A run directory that is missing, incomplete, or written by an incompatible version."""


class DomainError(TwinError):
    """A physical model was asked for a value outside the range where it holds."""


class StorageError(TwinError):
    """Results could not be written; nothing was left half done."""


class InvariantError(TwinError):
    """A balance that must hold exactly does not. Always a bug in twin or in a plug-in."""


def did_you_mean(name: str, known: Iterable[str], *, most: int = 12) -> str:
    """Name the nearest known names to an unknown one, then the known ones, as a sentence's end.

    >>> did_you_mean("fifoo", ["fifo", "easy-backfill"])
    "did you mean 'fifo'? Known: easy-backfill, fifo"
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    listed = ", ".join(names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {listed}" if names else f"{hint}None are known"
