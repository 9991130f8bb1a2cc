"""The roofline of two terms fitted to many models at once, and what it makes of any of them.

All models share what is the GPU's: the share of its data sheet that a type reaches. A model adds
three numbers: the host's part of a step, and FLOP and bytes of a
sample. The ratio of these two, which one type of GPU cannot tell, is drawn towards that of the
other models, and so a model measured on one type alone can be foretold for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.heterogeneity.measured import REFERENCE, Row
from twin.catalog.achieved import data_sheet
from twin.physics.heterogeneity import GpuSpeed, WorkPerSample, relative_speed, step_s

Array = NDArray[np.float64]

ROBUST = 0.2  # residuals of a log beyond this count linearly
LOOSE = {"achieved": 0.7, "split": 2.0}  # spread of logs before data are seen
WEIGHT = 0.15  # of one such prior against one measured step


@dataclass(frozen=True)
class Found:
    """What a fit says."""

    work: dict[str, WorkPerSample]
    achieved: dict[str, float]  # relative to the reference type
    default_achieved: float  # of a type that was not seen

    def speed(self, gpu: str) -> GpuSpeed:
        """A type of GPU as this fit sees it."""
        return data_sheet(gpu, self.achieved.get(gpu, self.default_achieved))

    def relative(self, model: str, gpu: str, batch: int, reference: str = REFERENCE) -> float:
        """Speed on a type relative to the reference."""
        ends = self.speed(gpu), self.speed(reference)
        return float(relative_speed(self.work[model], *ends, batch))

    def step_s(self, row: Row) -> float:
        """What the step of a measured row should take."""
        return float(step_s(self.work[row.model], self.speed(row.gpu), row.batch))


def fit(rows: Sequence[Row]) -> Found:
    """Least squares of log(step), robust, with weak priors (see `LOOSE`)."""
    models, gpus = (sorted({getattr(row, name) for row in rows}) for name in ("model", "gpu"))
    m, g = (
        np.array([known.index(getattr(row, name)) for row in rows])
        for known, name in ((models, "model"), (gpus, "gpu"))
    )
    batch = np.array([row.batch for row in rows], float)
    log_step = np.log([row.step_s for row in rows])
    plain = [data_sheet(gpu, 1.0) for gpu in gpus]
    of_reference = data_sheet(REFERENCE, 1.0)
    # Rates relative to the reference: its roofline is then t_flop + t_bytes seconds a sample.
    flop = np.array([each.flop_per_s for each in plain])[g] / of_reference.flop_per_s
    byte = np.array([each.bytes_per_s for each in plain])[g] / of_reference.bytes_per_s
    n_m, n_g = len(models), len(gpus)
    cuts = np.cumsum([n_m, n_m, n_m, n_g])

    def parts(x: Array) -> list[Array]:
        return np.split(x, cuts)  # host, sample, split, achieved, (mean split)

    def residuals(x: Array) -> Array:
        host, sample, split, achieved, mean = parts(x)
        share = 1 / (1 + np.exp(-split))[m]  # of a sample's time on the reference: bytes
        at_gpu = batch * np.exp(sample)[m] * ((1 - share) / flop + share / byte)
        step = np.exp(host)[m] + at_gpu / np.exp(achieved)[g]
        fitted = np.log(step) - log_step
        # The robust loss in closed form, since priors are not to be robust.
        fitted = np.sign(fitted) * ROBUST * np.sqrt(2 * (np.sqrt(1 + (fitted / ROBUST) ** 2) - 1))
        return np.concatenate(
            [
                fitted,
                WEIGHT * (achieved - achieved.mean()) / LOOSE["achieved"],
                WEIGHT * (split - mean) / LOOSE["split"],
            ]
        )

    least = np.array([log_step[m == i].min() for i in range(n_m)])
    most = np.array([(log_step - np.log(batch))[m == i].min() for i in range(n_m)])
    start = np.concatenate([least - 1, most, np.zeros(n_m + n_g + 1)])
    best = least_squares(residuals, start, x_scale="jac", max_nfev=300)
    host, sample, split, achieved, _ = parts(best.x)
    unit = achieved[gpus.index(REFERENCE)] if REFERENCE in gpus else 0.0
    achieved, sample = achieved - unit, sample - unit
    share = 1 / (1 + np.exp(-split))
    return Found(
        work={
            name: WorkPerSample(
                host_s=float(np.exp(host[i])),
                flop=float(np.exp(sample[i]) * (1 - share[i]) * of_reference.flop_per_s),
                bytes=float(np.exp(sample[i]) * share[i] * of_reference.bytes_per_s),
            )
            for i, name in enumerate(models)
        },
        achieved=dict(zip(gpus, map(float, np.exp(achieved)), strict=True)),
        default_achieved=float(np.exp(achieved.mean())),
    )
