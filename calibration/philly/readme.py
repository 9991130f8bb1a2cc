"""The tables of the README: written by the fit, and compared with it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- errors: written by fit.py -->\n", "<!-- end of errors -->\n"
NUMBER = re.compile(r"[-+]?\d+\.?\d*")


def kept() -> str:
    """The tables that stand there."""
    return README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def write(tables: str) -> None:
    """Put new tables in their place."""
    text = README.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(before + BEGIN + tables + END + after, encoding="utf-8")


def moved(fresh: str) -> list[str]:
    """Lines that differ by more than a step of their last digits, or 2 %."""
    old, new = kept().splitlines(), fresh.splitlines()
    if len(old) != len(new):
        return [f"README: {len(new)} lines of tables for {len(old)}"]
    pairs = zip(old, new, strict=True)
    return [f"README: {b}\n   for: {a}" for a, b in pairs if not _alike(a, b)]


def _alike(old: str, new: str) -> bool:
    if NUMBER.sub("", old) != NUMBER.sub("", new):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(
        np.isclose(float(a), float(b), rtol=0.02, atol=1.5 * 10.0 ** -len(a.partition(".")[2]))
        for a, b in pairs
    )
