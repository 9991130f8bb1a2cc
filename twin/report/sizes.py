"""Jobs by size class: how many, how many waited, how long, and what they took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SizeClass:
    """Jobs that ask for ``low`` to ``high`` GPUs, both included."""

    low: int
    high: int

    @property
    def label(self) -> str:
        """As in ``2–8``, ``> 512``."""
        if self.high == _MOST:
            return f">\N{NO-BREAK SPACE}{self.low - 1}"
        return str(self.low) if self.low == self.high else f"{self.low}–{self.high}"

    @property
    def name(self) -> str:
        """As in ``2–8 GPUs``."""
        return f"{self.label}\N{NO-BREAK SPACE}GPU{'' if self.high == 1 else 's'}"

    def of(self, gpus: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which of the jobs belong to it; a job of less than a GPU belongs to the first."""
        return (gpus <= self.high) & ((gpus >= self.low) | (self.low == 1))


_MOST = 2**62
SIZE_CLASSES = (
    SizeClass(1, 1),
    SizeClass(2, 8),
    SizeClass(9, 64),
    SizeClass(65, 512),
    SizeClass(513, _MOST),
)


@dataclass(frozen=True)
class SizeRow:
    """What a size class met; figures that no job gives are NaN.

    Statistics of waits are over jobs that started, of JCT over those that ended.
    """

    size: SizeClass
    jobs: int
    started: int
    waited: float  # share of the started that waited at all
    wait_mean_s: float
    wait_p50_s: float
    wait_p99_s: float
    wait_max_s: float
    ended: int
    jct_mean_s: float
    jct_p50_s: float
    jct_p99_s: float
    held_gpu_s: float  # GPU-time of all shares that its jobs held
    useful_gpu_s: float


def by_size(jobs: pd.DataFrame, wait: str = "wait_s") -> list[SizeRow]:
    """One row a size class that has jobs, small to large.

    Parameters
    ----------
    jobs : DataFrame
        The run's `twin.tables.JOBS`.
    wait : str
        The column that is taken for the wait: until the first start, or ``queued_s``, all waits.
    """
    gpus = jobs["gpus"].to_numpy()
    held = jobs[[name for name in jobs.columns if str(name).endswith("_gpu_s")]].to_numpy(float)
    useful = jobs["useful_gpu_s"].to_numpy(float)
    rows = []
    for size in SIZE_CLASSES:
        mine = size.of(gpus)
        if not mine.any():
            continue
        started = mine & jobs["wait_s"].notna().to_numpy()
        wait_s, jct = known(jobs, wait, started), known(jobs, "jct_s", mine)
        w50, w99, w_max = _quantiles(wait_s, (0.5, 0.99, 1.0))
        j50, j99 = _quantiles(jct, (0.5, 0.99))
        rows.append(
            SizeRow(
                size=size,
                jobs=int(mine.sum()),
                started=wait_s.size,
                waited=_mean(wait_s > 0),
                wait_mean_s=_mean(wait_s),
                wait_p50_s=w50,
                wait_p99_s=w99,
                wait_max_s=w_max,
                ended=jct.size,
                jct_mean_s=_mean(jct),
                jct_p50_s=j50,
                jct_p99_s=j99,
                held_gpu_s=float(np.nansum(held[mine])),
                useful_gpu_s=float(np.nansum(useful[mine])),
            )
        )
    return rows


def known(jobs: pd.DataFrame, column: str, mine: NDArray[np.bool_] | None = None) -> Array:
    """The finite values of a column, of some jobs or of all."""
    values: Array = jobs[column].to_numpy(float)
    if mine is not None:
        values = values[mine]
    return values[np.isfinite(values)]


def _mean(values: NDArray[np.bool_] | Array) -> float:
    return float(values.mean()) if values.size else float("nan")


def _quantiles(values: Array, at: tuple[float, ...]) -> list[float]:
    if not values.size:
        return [float("nan")] * len(at)
    return [float(value) for value in np.quantile(values, at)]
