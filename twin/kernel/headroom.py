"""What is left of power and cooling, for placements that heed it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.errors import PolicyError
from twin.kernel.power_tree import PowerTree
from twin.site.domains import sum_by

Array = NDArray[np.float64]


def headroom_w(tree: PowerTree, rises: Sequence[tuple[int, float]], level: str) -> Array:
    """What each unit of a level may draw more before it, or one that feeds it, meets its cap.

    Parameters
    ----------
    tree : PowerTree
        Settled.
    rises : sequence of (node, W)
        What running jobs may come to draw more than now: it is taken as drawn.
    level : str
        A level of the tree.

    Returns
    -------
    (n_unit,) array
        Below 0 where a cap is exceeded, or would be. [W]

    Raises
    ------
    PolicyError
        If the tree has no such level.

    Notes
    -----
    The least, over the unit and all above it, of cap or nameplate, whichever is less, minus what is
    drawn. Rises count without the losses on their way.
    """
    if level not in tree.by_name:
        known = ", ".join(tree.by_name)
        raise PolicyError(f"power has no level {level}; it has {known}")
    nodes = np.array([node for node, _ in rises], np.int64)
    rise_w = np.array([watts for _, watts in rises], float)
    above = tree.levels[tree.by_name[level].at :]
    room_w: Array = np.full(above[-1].n, np.inf)
    for upper in reversed(above):
        most_w = np.minimum(upper.cap_w, upper.nameplate_w)
        drawn_w = np.array(upper.in_w) + sum_by(upper.units[nodes], rise_w, upper.n)
        room_w = np.minimum(room_w, most_w - drawn_w)
        if upper is not above[0]:
            room_w = room_w[upper.parent_of]
    return room_w
