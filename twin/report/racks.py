"""Racks in their rows: how full each was, how much of it was dark, how much was slowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.report import numbers
from twin.report.facts import shortened
from twin.report.source import length_s
from twin.results.store import Results

Array = NDArray[np.float64]

_MOST = 4000  # racks beyond which a square is a row of them


@dataclass(frozen=True)
class Shown:
    """One map: what it shows, the share of each rack, and where its scale ends."""

    name: str
    title: str
    note: str
    shares: Array
    end: float


@dataclass(frozen=True)
class Racks:
    """What the map shows.

    Attributes
    ----------
    level : str
        What a square is: ``rack``, or ``row`` where there are too many.
    row : (n,) int array
        The row of each, ascending.
    shown : list of Shown
        Power first; maps on which all would be zero are left out.
    """

    level: str
    row: NDArray[np.int64]
    shown: list[Shown]


def racks(run: Results) -> Racks | None:
    """The map of a run's racks; None without power or time, and for one rack: cards say it all."""
    if run.power is None or not length_s(run) > 0:
        return None
    level = run.power["level"].astype(str).to_numpy()
    each, rows = run.power[level == "rack"], run.power[level == "row"]
    if len(each) < 2 or not len(rows):
        return None
    if len(each) > _MOST:
        return Racks("row", np.zeros(len(rows), np.int64), _shown(rows, length_s(run)))
    # Racks are numbered row by row, so the GPUs below both say which rack stands in which row.
    ends = np.cumsum(rows["gpus"].to_numpy(np.int64))
    row = np.searchsorted(ends, np.cumsum(each["gpus"].to_numpy(np.int64)))
    return Racks("rack", np.minimum(row, len(rows) - 1), _shown(each, length_s(run)))


def _shown(table: pd.DataFrame, span_s: float) -> list[Shown]:
    cap_w, nameplate_w = (table[name].to_numpy(float) for name in ("cap_w", "nameplate_w"))
    capped = np.isfinite(cap_w)
    limit_w = np.where(capped, cap_w, nameplate_w)
    gpu_s = np.maximum(table["gpus"].to_numpy(float) * span_s, 1e-300)
    of = "of the cap" if capped.all() else "of nameplate" if not capped.any() else "of cap, if any"
    names = [shortened(name) for name in table["domain"]]
    shares = {
        f"Mean power, {of}": table["mean_w"].to_numpy(float) / np.maximum(limit_w, 1e-300),
        "Dark, of GPU-time": table["dark_gpu_s"].to_numpy(float) / gpu_s,
        "Throttled, of GPU-time": table["throttled_gpu_s"].to_numpy(float) / gpu_s,
    }
    found = []
    for name, (title, share) in zip(("power", "dark", "throttled"), shares.items(), strict=True):
        highest = float(share.max())
        if highest < 1e-9 and name != "power":
            continue
        note = f"highest {numbers.percent(highest)}, {names[int(share.argmax())]}"
        end = max(1.0, highest) if name == "power" else _round_up(highest)
        found.append(Shown(name, title, note, share, end))
    return found


def _round_up(share: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 and 100 per cent, or of the like below."""
    size = 10.0 ** np.floor(np.log10(share))
    return float(next(m * size for m in (1, 2, 5, 10) if m * size >= share * (1 - 1e-9)))
