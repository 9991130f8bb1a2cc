"""Where a result came from: version, seed, input hashes, libraries, time and memory taken."""

from __future__ import annotations

import hashlib
import platform
import resource
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from twin.version import __version__

_LIBRARIES = ("simpy", "numpy", "scipy", "pandas", "pyarrow", "pydantic", "matplotlib")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_rss_bytes() -> int:
    """Largest memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def provenance(
    *, seed: int, inputs: Iterable[Path], scenario_yaml: str, wall_s: float, events: int
) -> dict[str, Any]:
    """What a reader needs to tell this run from another, or to repeat it.

    Parameters
    ----------
    seed : int
        The run's seed.
    inputs : iterable of Path
        Files read besides the scenario; folders are listed file by file.
    scenario_yaml : str
        The scenario as resolved.
    wall_s : float
        Time from reading the scenario to the last table. [s]
    events : int
        SimPy events fired.
    """
    files = [f for p in inputs for f in (sorted(p.iterdir()) if p.is_dir() else [p]) if f.is_file()]
    return {
        "version": __version__,
        "seed": seed,
        "scenario_sha256": hashlib.sha256(scenario_yaml.encode()).hexdigest(),
        "inputs": [{"path": str(f), "sha256": file_sha256(f)} for f in files],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "wall_s": wall_s,
        "peak_rss_bytes": peak_rss_bytes(),
        "events": events,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
