"""From when to when each job was there, waiting or running."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def stay(jobs: pd.DataFrame, horizon_s: float) -> tuple[Array, Array]:
    """Submit of each job, and when it left: its end, or the horizon; at once if rejected. [s]"""
    submit_s = jobs["submit_s"].to_numpy()
    leave_s = jobs["end_s"].fillna(horizon_s).to_numpy()
    return submit_s, np.where((jobs["state"] == "rejected").to_numpy(), submit_s, leave_s)
