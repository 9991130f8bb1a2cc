"""What the calibrations of speeds share: errors told, numbers as YAML takes them, and compared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike


def told(predicted: ArrayLike, measured: ArrayLike) -> dict[str, Any]:
    """Median and 90th percentile of the size of the relative errors, and the median error."""
    error = (np.asarray(predicted, float) / np.asarray(measured, float) - 1).ravel()
    size = np.abs(error)
    return {
        "rows": int(error.size),
        "median": float(np.median(size)),
        "p90": float(np.quantile(size, 0.9)),
        "bias": float(np.median(error)),
    }


def plain(value: Any) -> Any:
    """As YAML takes it, floats with four digits."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.4g}")
    return int(value) if isinstance(value, np.integer) else value


def moved(fresh: Any, kept: Any, where: str = "", rtol: float = 0.02) -> list[str]:
    """What differs by more than the optimisers of other library versions may."""
    if isinstance(fresh, dict) and isinstance(kept, dict) and fresh.keys() == kept.keys():
        return [p for key in fresh for p in moved(fresh[key], kept[key], f"{where}.{key}", rtol)]
    if isinstance(fresh, float) and isinstance(kept, int | float):
        return (
            [] if np.isclose(fresh, kept, rtol=rtol, atol=0.005) else [f"{where}: {fresh} {kept}"]
        )
    return [] if fresh == kept else [f"{where}: {fresh!r} {kept!r}"]


def error_table(errors: dict[str, dict[str, Any]], first: str) -> str:
    """A Markdown table of what `told` tells, a row a prediction."""
    lines = [f"| {first} | rows | median | p90 | bias |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, one in errors.items():
        cells = (f"{100 * one[key]:.1f} %" for key in ("median", "p90", "bias"))
        lines.append(f"| {name} | {one['rows']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_tables(readme: Path, tables: str) -> None:
    """Put new tables between the marks of a README."""
    begin, end = "<!-- tables -->\n", "<!-- end of tables -->\n"
    text = readme.read_text(encoding="utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    readme.write_text(before + begin + tables + end + after, encoding="utf-8")


def refit(
    everything: Callable[[], dict[str, Any]],
    tables: Callable[[dict[str, Any]], str],
    file: Path,
    header: str,
    *,
    rtol: float = 0.02,
) -> None:
    """Fit anew and write the file and the tables of the README beside it; ``--check`` compares."""
    found = everything()
    if "--check" in sys.argv:
        wrong = moved(found, yaml.safe_load(file.read_text(encoding="utf-8")), rtol=rtol)
        print("\n".join(wrong) or "as kept")
        raise SystemExit(bool(wrong))
    file.write_text(header + yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
    write_tables(file.with_name("README.md"), tables(found))
