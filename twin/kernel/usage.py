"""GPUs held and GPU-time attained by user, by group or by any other label of jobs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Usage:
    """What the jobs of each label hold and have held, exact at any time.

    Attributes
    ----------
    names : list of str
        The labels; the arrays follow their order.
    codes : (n_job,) array
        Number of each job's label.
    held_gpus : list of int
        GPUs that the jobs of each label hold now.
    """

    def __init__(self, codes: NDArray[np.int32], names: list[str], now_s: float) -> None:
        self.codes = codes
        self.names = names
        self.held_gpus = [0] * len(names)
        self._code_of: list[int] = codes.tolist()
        self._gpu_s = [0.0] * len(names)
        self._as_of_s = [now_s] * len(names)

    def change(self, row: int, gpus: int, now_s: float) -> None:
        """A job is given so many GPUs more, or fewer."""
        code = self._code_of[row]
        self._gpu_s[code] += self.held_gpus[code] * (now_s - self._as_of_s[code])
        self._as_of_s[code] = now_s
        self.held_gpus[code] += gpus

    def attained_gpu_s(self, now_s: float) -> Array:
        """(n_label,) GPU-time held from the beginning of the run until now. [GPU s]"""
        held = np.array(self.held_gpus, float)
        return np.array(self._gpu_s) + held * (now_s - np.array(self._as_of_s))
