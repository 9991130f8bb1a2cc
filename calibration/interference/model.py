"""Time at the GPU, and turns or fill there, of each model, fitted to the speeds of its pairs.

In turns the second number is the length of a model's turns; side by side it is the share of the
GPU that it fills. A model adds four numbers, whatever its batches: both at its middle batch, and
how the log-odds of busy and fill, or the log of the turn, move with the log of the batch; two more
for mixed precision where it was tried. All are drawn weakly towards the mean of the other models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import expit

from calibration.interference.pairs import Job, Pair
from twin.physics.interference import Sharing, shared_rates

Array = NDArray[np.float64]

ROBUST = 0.1  # residuals of a speed beyond this count linearly
WEIGHT = 0.03  # of a prior against one measured speed
NAMES = ("odds", "odds_by_batch", "second", "second_by_batch", "odds_amp", "second_amp")


@dataclass(frozen=True)
class Found:
    """What a fit says: a row of numbers (`NAMES`) for each model, and for one not seen."""

    rows: dict[str, Array]
    middle: dict[str, float]  # batch at which the rows hold
    unseen: Array
    sharing: Sharing = "time-sliced"

    def job(self, job: Job) -> tuple[float, float]:
        """Busy share, and turn or fill."""
        row = self.rows.get(job.model, self.unseen)
        x = np.log(job.batch / self.middle.get(job.model, job.batch))
        busy, second = _asked(row, x, float(job.amp), self.sharing)
        return float(busy), float(second)

    def rates(self, pairs: Sequence[Pair]) -> Array:
        """Speeds of both jobs of each pair, (n_pair, 2)."""
        asked = np.array([[self.job(job) for job in pair.jobs] for pair in pairs])
        return shared_rates(asked[..., 0], asked[..., 1], sharing=self.sharing)


def _asked(row: Array, x: ArrayLike, amp: ArrayLike, sharing: Sharing) -> tuple[Array, Array]:
    """Busy share, and turn or fill, of rows of numbers at a log of the batch."""
    odds = row[..., 0] + row[..., 1] * x + row[..., 4] * amp
    second = row[..., 2] + row[..., 3] * x + row[..., 5] * amp
    return expit(odds), np.exp(second) if sharing == "time-sliced" else expit(second)


def rates_of(pairs: Sequence[Pair]) -> Array:
    """What was measured, (n_pair, 2)."""
    return np.array([pair.rates for pair in pairs])


def fit(pairs: Sequence[Pair], sharing: Sharing = "time-sliced") -> Found:
    """Least squares of the speeds, robust, with weak priors."""
    jobs = [job for pair in pairs for job in pair.jobs]
    models = sorted({job.model for job in jobs})
    batches = {m: {job.batch for job in jobs if job.model == m} for m in models}
    middle = {m: float(np.exp(np.mean(np.log(list(each))))) for m, each in batches.items()}
    at = np.array([[models.index(job.model) for job in pair.jobs] for pair in pairs])
    x = np.array([[np.log(job.batch / middle[job.model]) for job in p.jobs] for p in pairs])
    amp = np.array([[float(job.amp) for job in pair.jobs] for pair in pairs])
    measured = rates_of(pairs)
    shape = (len(models) + 1, len(NAMES))  # the last row is the mean of the others

    def residuals(flat: Array) -> Array:
        rows = flat.reshape(shape)
        busy, second = _asked(rows[at], x, amp, sharing)
        off = (shared_rates(busy, second, sharing=sharing) - measured).ravel()
        off = np.sign(off) * ROBUST * np.sqrt(2 * (np.sqrt(1 + (off / ROBUST) ** 2) - 1))
        spread = (rows[:-1] - rows[-1]).ravel()
        return np.concatenate([off, WEIGHT * spread, WEIGHT * rows[-1, 1:]])

    start = np.zeros(shape)
    start[:, 0] = 1.0
    start[:, 2] = 0.0 if sharing == "time-sliced" else 1.0
    best = least_squares(residuals, start.ravel(), ftol=1e-4, max_nfev=25).x.reshape(shape)
    return Found(dict(zip(models, best[:-1], strict=True)), middle, best[-1], sharing)
