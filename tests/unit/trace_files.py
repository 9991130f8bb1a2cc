"""Where the measured data lie, and small trace files written for one test."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

MEASURED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def measured(name: str) -> Path:
    """A file of measured data; the test is skipped where there is none."""
    path = MEASURED / name
    if not path.exists():
        pytest.skip(f"needs the measured data: {name} is not in ../shared/data")
    return path


def write(path: Path, text: str | bytes) -> Path:
    """Write a file, gzipped if its name says so."""
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
