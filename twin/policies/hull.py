"""The concave hull of a curve of speed against power."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.policies.power_view import Curve

Array = NDArray[np.float64]


def concave(curve: Curve, floor_w: float, top_w: float) -> Curve:
    """Least concave curve above this one, between two powers.

    Parameters
    ----------
    curve : Curve
    floor_w, top_w : float
        Where it begins and ends, ``floor_w <= top_w``. [W] Beyond its own ends it is level.

    Returns
    -------
    Curve
        The corners, whose slopes fall; one point if ``floor_w`` is ``top_w``.

    Notes
    -----
    Between two corners it stands for switching between them, which a GPU at one operating point
    cannot do; the speed there is that of the curve, which is lower where it was not concave.
    """
    inside = (curve.power_w > floor_w) & (curve.power_w < top_w)
    ends = np.array([floor_w, top_w] if top_w > floor_w else [floor_w])
    power_w = np.r_[ends[:1], curve.power_w[inside], ends[1:]]
    rate = np.interp(power_w, curve.power_w, curve.rate)
    corners: list[tuple[float, float]] = []
    for x, y in np.column_stack([power_w, rate]).tolist():
        # The last corner goes while it lies on or below the line from the one before it to here.
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (y1 - y0) * (x - x1) > (y - y1) * (x1 - x0):
                break
            corners.pop()
        corners.append((x, y))
    hull = np.array(corners)
    return Curve(hull[:, 0], hull[:, 1])
